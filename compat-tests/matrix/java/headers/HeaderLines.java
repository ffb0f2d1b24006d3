// Headers, which came with 0.11, from and to lines.

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

final class HeaderLines {
  static void add(ConsumerRecord<byte[], byte[]> record, Map<String, Object> line) {
    List<Object> headers = new ArrayList<>();
    for (Header header : record.headers()) headers.add(Arrays.asList(header.key(), Json.packed(header.value())));
    line.put("headers", headers);
  }

  static ProducerRecord<byte[], byte[]> record(String topic, Map<?, ?> line) {
    List<Header> headers = new ArrayList<>();
    for (Object header : (List<?>) line.get("headers")) {
      headers.add(new RecordHeader((String) ((List<?>) header).get(0), Json.unpacked(((List<?>) header).get(1))));
    }
    return new ProducerRecord<>(topic, ((Long) line.get("partition")).intValue(), (Long) line.get("timestamp"),
                                Json.unpacked(line.get("key")), Json.unpacked(line.get("value")), headers);
  }

  private HeaderLines() {}
}

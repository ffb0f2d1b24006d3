// kafka-clients since 2.0: poll takes a duration; zstd came with 2.1.

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.utils.AppInfoParser;

final class Generation {
  static final List<String> FEATURES = Arrays.asList("headers", "idempotence", "create", "admin");
  static final List<String> CODECS = codecs();

  private static List<String> codecs() {
    List<String> names = new ArrayList<>(Arrays.asList("none", "gzip", "snappy", "lz4"));
    if (!AppInfoParser.getVersion().startsWith("2.0.")) names.add("zstd");
    return names;
  }

  static ConsumerRecords<byte[], byte[]> poll(KafkaConsumer<byte[], byte[]> consumer, long milliseconds) {
    return consumer.poll(Duration.ofMillis(milliseconds));
  }

  static void addHeaders(ConsumerRecord<byte[], byte[]> record, Map<String, Object> line) {
    HeaderLines.add(record, line);
  }

  static ProducerRecord<byte[], byte[]> record(String topic, Map<?, ?> line) {
    return HeaderLines.record(topic, line);
  }

  private Generation() {}
}

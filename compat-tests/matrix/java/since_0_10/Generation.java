// kafka-clients 0.10: no headers, no idempotence, no admin client.

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;

final class Generation {
  static final List<String> FEATURES = Collections.emptyList();
  static final List<String> CODECS = Arrays.asList("none", "gzip", "snappy", "lz4");

  static ConsumerRecords<byte[], byte[]> poll(KafkaConsumer<byte[], byte[]> consumer, long milliseconds) {
    return consumer.poll(milliseconds);
  }

  static void addHeaders(ConsumerRecord<byte[], byte[]> record, Map<String, Object> line) {}

  static ProducerRecord<byte[], byte[]> record(String topic, Map<?, ?> line) {
    return new ProducerRecord<>(topic, ((Long) line.get("partition")).intValue(), (Long) line.get("timestamp"),
                                Json.unpacked(line.get("key")), Json.unpacked(line.get("value")));
  }

  private Generation() {}
}

// kafka-clients 1.1: headers, idempotence and an admin client; poll still takes a number.

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;

final class Generation {
  static final List<String> FEATURES = Arrays.asList("headers", "idempotence", "create", "admin");
  static final List<String> CODECS = Arrays.asList("none", "gzip", "snappy", "lz4");

  static ConsumerRecords<byte[], byte[]> poll(KafkaConsumer<byte[], byte[]> consumer, long milliseconds) {
    return consumer.poll(milliseconds);
  }

  static void addHeaders(ConsumerRecord<byte[], byte[]> record, Map<String, Object> line) {
    HeaderLines.add(record, line);
  }

  static ProducerRecord<byte[], byte[]> record(String topic, Map<?, ?> line) {
    return HeaderLines.record(topic, line);
  }

  private Generation() {}
}

// Sends the records of a file with acks=all, and says where each went, in their order.

import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class ProduceJob {
  static void run(String bootstrap, String topic, String codec, String file) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", bootstrap);
    settings.put("acks", "all");
    settings.put("compression.type", codec);
    settings.put("max.request.size", Client.MAX_BYTES);
    if (Generation.FEATURES.contains("idempotence")) settings.put("enable.idempotence", "true");
    List<Future<RecordMetadata>> acknowledged = new ArrayList<>();
    try (KafkaProducer<byte[], byte[]> producer =
             new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
         BufferedReader lines = Files.newBufferedReader(Paths.get(file), StandardCharsets.UTF_8)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        acknowledged.add(producer.send(Generation.record(topic, (Map<?, ?>) Json.parse(line))));
      }
      producer.flush();
    }
    for (Future<RecordMetadata> one : acknowledged) {
      Client.say("partition", one.get().partition(), "offset", one.get().offset());
    }
  }

  private ProduceJob() {}
}

// A Java client of the matrix; ../../README.md is the contract. What differs from one generation of kafka-clients to the
// next is in the class Generation, and in Admin; which of their sources are compiled is up to orchestra/java_clients.py.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.utils.AppInfoParser;

public final class Client {
  static final int MAX_BYTES = 12 << 20;
  private static final PrintStream OUT = System.out;

  static void say(Object... namesAndValues) {
    String line = Json.write(Json.map(namesAndValues));
    synchronized (OUT) {
      OUT.println(line);
      OUT.flush();
    }
  }

  static void say(ConsumerRecord<byte[], byte[]> record) {
    Map<String, Object> line = Json.map(
        "partition", record.partition(), "offset", record.offset(), "timestamp", record.timestamp(),
        "key", Json.packed(record.key()), "value", Json.packed(record.value()));
    Generation.addHeaders(record, line);
    synchronized (OUT) {
      OUT.println(Json.write(line));
      OUT.flush();
    }
  }

  static KafkaConsumer<byte[], byte[]> consumer(String bootstrap, String group) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", bootstrap);
    settings.put("enable.auto.commit", "false");
    settings.put("auto.offset.reset", "earliest");
    settings.put("max.partition.fetch.bytes", MAX_BYTES);
    if (group != null) {
      settings.put("group.id", group);
      settings.put("heartbeat.interval.ms", "300");
      settings.put("session.timeout.ms", "10000");
    }
    return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  /** Reads records of one partition from an offset and says them. */
  private static void consume(String bootstrap, TopicPartition place, long from, int count) {
    try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap, null)) {
      consumer.assign(Collections.singletonList(place));
      consumer.seek(place, from);
      int left = count;
      while (left > 0) {
        for (ConsumerRecord<byte[], byte[]> record : Generation.poll(consumer, 500)) {
          if (left-- > 0) say(record);
        }
      }
    }
  }

  private static void seek(String bootstrap, TopicPartition place, long timestamp) {
    OffsetAndTimestamp found;
    try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap, null)) {
      found = consumer.offsetsForTimes(Collections.singletonMap(place, timestamp)).get(place);
    }
    if (found == null) {
      say("none", true);
    } else {
      consume(bootstrap, place, found.offset(), 1);
    }
  }

  /** The lines of standard input, read in the background; its end is the line "leave". */
  static BlockingQueue<String> commands() {
    BlockingQueue<String> lines = new LinkedBlockingQueue<>();
    Thread reader = new Thread(() -> {
      try (BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
        for (String line = in.readLine(); line != null; line = in.readLine()) lines.add(line.trim());
      } catch (IOException error) {
        error.printStackTrace();
      }
      lines.add("leave");
    });
    reader.setDaemon(true);
    reader.start();
    return lines;
  }

  private static void describe() {
    List<String> features = new ArrayList<>(Arrays.asList("produce", "consume", "timestamps", "group", "seek"));
    features.addAll(Generation.FEATURES);
    say("client", "kafka-clients", "version", AppInfoParser.getVersion(), "codecs", Generation.CODECS, "features", features);
  }

  public static void main(String[] words) throws Exception {
    String job = words[0], bootstrap = words[1];
    switch (job) {
      case "describe":
        describe();
        break;
      case "create":
        Admin.create(bootstrap, words[2], Integer.parseInt(words[3]));
        say("created", words[2]);
        break;
      case "produce":
        ProduceJob.run(bootstrap, words[2], words[3], words[4]);
        break;
      case "consume":
        consume(bootstrap, new TopicPartition(words[2], Integer.parseInt(words[3])), Long.parseLong(words[4]),
                Integer.parseInt(words[5]));
        break;
      case "seek":
        seek(bootstrap, new TopicPartition(words[2], Integer.parseInt(words[3])), Long.parseLong(words[4]));
        break;
      case "group":
        new GroupJob(bootstrap, words[2], words[3]).run(commands());
        say("left", true);
        break;
      case "admin":
        Admin.run(bootstrap, words[2], words[3]);
        break;
      default:
        throw new IllegalArgumentException("what is " + job + "?");
    }
  }

  private Client() {}
}

// Admin calls that kafka-clients 1.1 and all after it have, each printed as a line. The folders since_* add what came
// later. What is printed is the same every time: no ids, no addresses.

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.function.Predicate;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.ConfigResource;

final class AdminCalls {
  final AdminClient client;
  final String topic, group;
  final TopicPartition place;  // The partition in which the group has committed; its topic is called as the group.
  final ConfigResource resource;

  AdminCalls(AdminClient client, String topic, String group) {
    this.client = client;
    this.topic = topic;
    this.group = group;
    place = new TopicPartition(group, 0);
    resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
  }

  static AdminClient open(String bootstrap) {
    return AdminClient.create(Collections.<String, Object>singletonMap("bootstrap.servers", bootstrap));
  }

  static void create(String bootstrap, String topic, int partitions) throws Exception {
    try (AdminClient client = open(bootstrap)) {
      client.createTopics(Collections.singleton(new NewTopic(topic, partitions, (short) 1))).all().get();
    }
  }

  /** One call: the line has its result, or the name of its error. */
  void say(String call, Callable<Object> ask) {
    try {
      Client.say("call", call, "result", ask.call());
    } catch (ExecutionException failed) {
      failed.printStackTrace();
      Client.say("call", call, "error", failed.getCause().getClass().getSimpleName());
    } catch (Exception failed) {
      failed.printStackTrace();
      Client.say("call", call, "error", failed.getClass().getSimpleName());
    }
  }

  /** A call that reads what the one before has written: a node of Apache Kafka answers a write before it has it. */
  void sayOnce(String call, Predicate<Object> isThere, Callable<Object> ask) {
    say(call, () -> {
      Object answer = ask.call();
      for (int tries = 0; tries < 200 && !isThere.test(answer); ++tries) {
        Thread.sleep(50);
        answer = ask.call();
      }
      return answer;
    });
  }

  void topics() {
    NewTopic wanted = new NewTopic(topic, 2, (short) 1).configs(Collections.singletonMap("retention.ms", "123456"));
    say("createTopics", () -> client.createTopics(Collections.singleton(wanted)).all().get());
    say("createTopics again", () -> client.createTopics(Collections.singleton(wanted)).all().get());
    say("createTopics, to validate", () -> client.createTopics(
        Collections.singleton(new NewTopic(topic + "-not", 1, (short) 1)),
        new CreateTopicsOptions().validateOnly(true)).all().get());
    say("createTopics, replicas", () -> client.createTopics(
        Collections.singleton(new NewTopic(topic + "-not", 1, (short) 3))).all().get());
    say("listTopics", () -> {
      List<String> names = new ArrayList<>();
      for (String name : client.listTopics().names().get()) if (name.startsWith(topic)) names.add(name);
      Collections.sort(names);
      return names;
    });
  }

  static Object plain(Collection<TopicDescription> descriptions) {
    List<Object> found = new ArrayList<>();
    for (TopicDescription description : descriptions) {
      List<Object> partitions = new ArrayList<>();
      for (TopicPartitionInfo partition : description.partitions()) {
        partitions.add(Arrays.asList(partition.partition(), partition.leader().id(), ids(partition.replicas()),
                                     ids(partition.isr())));
      }
      found.add(Arrays.asList(description.name(), description.isInternal(), partitions));
    }
    return found;
  }

  static List<Integer> ids(Collection<Node> nodes) {
    List<Integer> found = new ArrayList<>();
    for (Node node : nodes) found.add(node.id());
    return found;
  }

  /** What is set and what holds by default, in the order of names. */
  Object configs(boolean all) throws Exception {
    Map<String, Object> found = new TreeMap<>();
    Config config = client.describeConfigs(Collections.singleton(resource)).all().get().get(resource);
    for (ConfigEntry entry : config.entries()) {
      if (!all && entry.source() != ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG) continue;
      found.put(entry.name(), Arrays.asList(entry.value(), entry.source(), entry.isSensitive(), entry.isReadOnly()));
    }
    return found;
  }

  void partitions() {
    say("createPartitions", () -> client.createPartitions(
        Collections.singletonMap(topic, NewPartitions.increaseTo(4))).all().get());
    say("createPartitions, fewer", () -> client.createPartitions(
        Collections.singletonMap(topic, NewPartitions.increaseTo(3))).all().get());
    say("deleteRecords", () -> client.deleteRecords(Collections.singletonMap(place, RecordsToDelete.beforeOffset(0)))
        .lowWatermarks().get(place).get().lowWatermark());
    say("deleteRecords, too many", () -> client.deleteRecords(
        Collections.singletonMap(place, RecordsToDelete.beforeOffset(10))).all().get());
  }

  static boolean mentions(Object answer, String text) {
    return answer.toString().contains(text);
  }

  void cluster() {
    say("describeCluster", () -> Arrays.asList(client.describeCluster().controller().get().id(),
                                               ids(client.describeCluster().nodes().get())));
  }

  void end() {
    say("deleteTopics", () -> client.deleteTopics(Collections.singleton(topic)).all().get());
    say("deleteTopics again", () -> client.deleteTopics(Collections.singleton(topic)).all().get());
    say("describeConfigs, gone", () -> configs(true));
  }

  static <K, V> Map<String, Object> byName(Map<K, V> found) {
    Map<String, Object> named = new TreeMap<>();
    for (Map.Entry<K, V> entry : new HashMap<>(found).entrySet()) {
      named.put(entry.getKey().toString(), String.valueOf(entry.getValue()));
    }
    return named;
  }
}

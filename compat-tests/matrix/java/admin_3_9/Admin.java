// The admin calls of kafka-clients 3.9.

import java.util.Collections;
import org.apache.kafka.clients.admin.AdminClient;

final class Admin {
  static void create(String bootstrap, String topic, int partitions) throws Exception {
    AdminCalls.create(bootstrap, topic, partitions);
  }

  static void run(String bootstrap, String topic, String group) {
    try (AdminClient client = AdminCalls.open(bootstrap)) {
      AdminCalls calls = new AdminCalls(client, topic, group);
      calls.topics();
      calls.say("describeTopics",
                () -> AdminCalls.plain(client.describeTopics(Collections.singleton(topic)).allTopicNames().get().values()));
      RecentCalls.all(calls);
      NewCalls.all(calls);
      calls.end();
    }
  }

  private Admin() {}
}

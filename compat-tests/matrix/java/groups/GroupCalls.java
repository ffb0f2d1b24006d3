// Admin calls on groups, which came with kafka-clients 2.0.

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ConsumerGroupListing;

final class GroupCalls {
  static void list(AdminCalls calls) {
    String group = calls.group;
    calls.say("listConsumerGroups", () -> {
      List<Object> found = new ArrayList<>();
      for (ConsumerGroupListing listing : calls.client.listConsumerGroups().all().get()) {
        if (listing.groupId().equals(group)) found.add(listing.isSimpleConsumerGroup());
      }
      return found;
    });
    calls.say("describeConsumerGroups", () -> {
      ConsumerGroupDescription found =
          calls.client.describeConsumerGroups(Collections.singleton(group)).all().get().get(group);
      return Arrays.asList(found.groupId(), found.isSimpleConsumerGroup(), found.members().size(),
                           found.partitionAssignor(), found.state(), found.coordinator().id());
    });
    calls.say("listConsumerGroupOffsets", () -> offsets(calls));
  }

  static Object offsets(AdminCalls calls) throws Exception {
    return AdminCalls.byName(calls.client.listConsumerGroupOffsets(calls.group).partitionsToOffsetAndMetadata().get());
  }

  static void delete(AdminCalls calls) {
    calls.say("deleteConsumerGroups", () -> calls.client.deleteConsumerGroups(Collections.singleton(calls.group)).all().get());
    calls.say("deleteConsumerGroups again",
              () -> calls.client.deleteConsumerGroups(Collections.singleton(calls.group)).all().get());
  }

  private GroupCalls() {}
}

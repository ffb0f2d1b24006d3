// Admin calls that came with kafka-clients 4, but those on share and streams groups.

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListConfigResourcesOptions;
import org.apache.kafka.common.config.ConfigResource;

final class NewestCalls {
  static void all(AdminCalls calls) {
    calls.say("listGroups", () -> {
      List<Object> found = new ArrayList<>();
      for (GroupListing listing : calls.client.listGroups().all().get()) {
        if (listing.groupId().startsWith(calls.group)) {
          found.add(Arrays.asList(listing.groupId(), String.valueOf(listing.type()), listing.protocol()));
        }
      }
      return found;
    });
    calls.say("describeClassicGroups", () -> calls.client.describeClassicGroups(
        Collections.singleton(calls.group)).all().get().size());
    calls.say("listConfigResources", () -> {
      List<String> names = new ArrayList<>();
      for (ConfigResource found : calls.client.listConfigResources(Set.of(ConfigResource.Type.TOPIC),
                                                                  new ListConfigResourcesOptions()).all().get()) {
        if (found.name().startsWith(calls.topic)) names.add(found.name());
      }
      Collections.sort(names);
      return names;
    });
  }

  private NewestCalls() {}
}

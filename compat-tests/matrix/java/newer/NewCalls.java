// Admin calls that came between kafka-clients 3.0 and 3.9, but those on transactions.

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.apache.kafka.clients.admin.ClientMetricsResourceListing;
import org.apache.kafka.clients.admin.QuorumInfo;

final class NewCalls {
  static void all(AdminCalls calls) {
    calls.say("describeMetadataQuorum", () -> {
      QuorumInfo found = calls.client.describeMetadataQuorum().quorumInfo().get();
      return Arrays.asList(found.leaderId(), found.voters().size(), found.observers().size());
    });
    calls.say("describeProducers", () -> calls.client.describeProducers(Collections.singleton(calls.place))
        .partitionResult(calls.place).get().activeProducers().size());
    calls.say("listClientMetricsResources", () -> {
      List<String> names = new ArrayList<>();
      for (ClientMetricsResourceListing listing : calls.client.listClientMetricsResources().all().get()) {
        names.add(listing.name());
      }
      return names;
    });
  }

  private NewCalls() {}
}

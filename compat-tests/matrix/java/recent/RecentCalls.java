// Admin calls that came between kafka-clients 2.1 and 2.8.

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;

final class RecentCalls {
  private final AdminCalls calls;

  private RecentCalls(AdminCalls calls) {
    this.calls = calls;
  }

  /** All but what differs between versions. */
  static void all(AdminCalls calls) {
    RecentCalls recent = new RecentCalls(calls);
    recent.configs();
    calls.partitions();
    GroupCalls.list(calls);
    recent.offsets();
    GroupCalls.delete(calls);
    recent.quotas();
    recent.users();
    calls.cluster();
    recent.nodes();
  }

  private void configs() {
    calls.say("describeConfigs", () -> calls.configs(true));
    calls.say("incrementalAlterConfigs", () -> alter("max.message.bytes", "2000000", AlterConfigOp.OpType.SET));
    calls.say("incrementalAlterConfigs, a list", () -> alter("cleanup.policy", "compact", AlterConfigOp.OpType.APPEND));
    calls.say("incrementalAlterConfigs, wrong", () -> alter("retention.ms", "much", AlterConfigOp.OpType.SET));
    calls.say("incrementalAlterConfigs, back", () -> alter("max.message.bytes", "", AlterConfigOp.OpType.DELETE));
    calls.sayOnce("describeConfigs, set",
                  answer -> AdminCalls.mentions(answer, "compact") && !AdminCalls.mentions(answer, "2000000"),
                  () -> calls.configs(false));
  }

  private Object alter(String name, String value, AlterConfigOp.OpType type) throws Exception {
    AlterConfigOp operation = new AlterConfigOp(new ConfigEntry(name, value), type);
    return calls.client.incrementalAlterConfigs(
        Collections.singletonMap(calls.resource, Collections.singleton(operation))).all().get();
  }

  private void offsets() {
    for (OffsetSpec spec : Arrays.asList(OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.forTimestamp(0))) {
      calls.say("listOffsets", () -> {
        ListOffsetsResultInfo found =
            calls.client.listOffsets(Collections.singletonMap(calls.place, spec)).partitionResult(calls.place).get();
        return Arrays.asList(found.offset(), found.timestamp(), found.leaderEpoch().map(Object::toString).orElse("none"));
      });
    }
    calls.say("alterConsumerGroupOffsets", () -> calls.client.alterConsumerGroupOffsets(
        calls.group, Collections.singletonMap(calls.place, new OffsetAndMetadata(0, Optional.of(0), "by hand"))).all().get());
    calls.say("listConsumerGroupOffsets after", () -> GroupCalls.offsets(calls));
    calls.say("deleteConsumerGroupOffsets", () -> calls.client.deleteConsumerGroupOffsets(
        calls.group, Collections.singleton(calls.place)).all().get());
  }

  private void quotas() {
    ClientQuotaEntity user = new ClientQuotaEntity(Collections.singletonMap(ClientQuotaEntity.USER, calls.topic));
    ClientQuotaFilter filter = ClientQuotaFilter.containsOnly(Collections.singleton(
        ClientQuotaFilterComponent.ofEntity(ClientQuotaEntity.USER, calls.topic)));
    for (Double rate : new Double[] {1048576.0, null}) {
      calls.say("alterClientQuotas", () -> calls.client.alterClientQuotas(Collections.singleton(new ClientQuotaAlteration(
          user, Collections.singleton(new ClientQuotaAlteration.Op("producer_byte_rate", rate))))).all().get());
      calls.sayOnce("describeClientQuotas", answer -> AdminCalls.mentions(answer, "producer_byte_rate") == (rate != null),
                    () -> calls.client.describeClientQuotas(filter).entities().get().values());
    }
  }

  private void users() {
    calls.say("alterUserScramCredentials", () -> calls.client.alterUserScramCredentials(Collections.singletonList(
        new UserScramCredentialUpsertion(calls.topic, new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096),
                                         "secret"))).all().get());
    calls.sayOnce("describeUserScramCredentials", answer -> AdminCalls.mentions(answer, "SCRAM_SHA_256"),
                  () -> calls.client.describeUserScramCredentials(Collections.singletonList(calls.topic)).all().get()
                      .values());
  }

  private void nodes() {
    calls.say("describeFeatures", () -> AdminCalls.byName(
        calls.client.describeFeatures().featureMetadata().get().finalizedFeatures()));
    calls.say("listPartitionReassignments", () -> calls.client.listPartitionReassignments().reassignments().get().size());
    calls.say("electLeaders", () -> calls.client.electLeaders(
        ElectionType.PREFERRED, Collections.singleton(calls.place)).all().get());
    calls.say("describeLogDirs", this::directories);
  }

  /** The partitions of the topic and their sizes, of all directories. */
  private Object directories() throws Exception {
    Map<String, Object> found = new TreeMap<>();
    List<Map<String, LogDirDescription>> nodes = new ArrayList<>(
        calls.client.describeLogDirs(Collections.singleton(1)).allDescriptions().get().values());
    for (Map<String, LogDirDescription> node : nodes) {
      for (LogDirDescription directory : node.values()) {
        directory.replicaInfos().forEach((partition, replica) -> {
          if (partition.topic().equals(calls.topic)) {
            found.put(partition.toString(), Arrays.asList(replica.size(), replica.offsetLag(), replica.isFuture()));
          }
        });
      }
    }
    return found;
  }
}

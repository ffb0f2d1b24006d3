#include "kraft/controller/alter_partition_control.hpp"

#include <set>

#include "kraft/controller/cluster_control.hpp"
#include "kraft/controller/partition_change.hpp"

namespace barnabas::kraft {

namespace {

constexpr std::int16_t kFirstVersionWithTopicIds = 2;
constexpr std::int16_t kFirstVersionWithEpochs = 3;

using PartitionAsked = protocol::AlterPartitionRequest::PartitionData;
using PartitionAnswer = protocol::AlterPartitionResponse::PartitionData;

constexpr std::int16_t code(ErrorCode error) {
  return static_cast<std::int16_t>(error);
}

struct InSyncReplica {
  BrokerId broker;
  std::int64_t epoch = -1;  // -1: any
};

std::vector<InSyncReplica> isr_of(const PartitionAsked& asked, std::int16_t version) {
  std::vector<InSyncReplica> isr;
  if (version >= kFirstVersionWithEpochs)
    for (const auto& state : asked.new_isr_with_epochs)
      isr.push_back({BrokerId(state.broker_id), state.broker_epoch});
  else
    for (const std::int32_t id : asked.new_isr) isr.push_back({BrokerId(id), -1});
  return isr;
}

BrokerIds brokers_of(const std::vector<InSyncReplica>& isr) {
  BrokerIds brokers;
  for (const InSyncReplica& replica : isr) brokers.push_back(replica.broker);
  return brokers;
}

bool is_eligible(const MetadataImage& image, const InSyncReplica& replica) {
  const BrokerRegistration* broker = image.broker(replica.broker);
  if (broker == nullptr || broker->in_controlled_shutdown || broker->fenced) return false;
  return replica.epoch == -1 || replica.epoch == broker->epoch;
}

/// Whether the leader and this controller speak of the same state of the partition.
ErrorCode check_epochs(BrokerId from, const PartitionRegistration& partition, const PartitionAsked& asked) {
  const std::int32_t leader_epoch = partition.leader_epoch.value();
  // A leader that knows more than this controller has found one that is no longer active.
  if (asked.leader_epoch > leader_epoch || asked.partition_epoch > partition.partition_epoch)
    return ErrorCode::kNotController;
  if (asked.leader_epoch < leader_epoch) return ErrorCode::kFencedLeaderEpoch;
  if (from != partition.leader) return ErrorCode::kInvalidRequest;
  if (asked.partition_epoch < partition.partition_epoch) return ErrorCode::kInvalidUpdateVersion;
  return ErrorCode::kNone;
}

ErrorCode check_isr(const MetadataImage& image, const PartitionRegistration& partition,
                    const PartitionAsked& asked, const std::vector<InSyncReplica>& isr) {
  const BrokerIds brokers = brokers_of(isr);
  const std::set<BrokerId> distinct(brokers.begin(), brokers.end());
  if (brokers.empty() || distinct.size() != brokers.size() || !contains_all(partition.replicas, brokers) ||
      !contains(brokers, partition.leader))
    return ErrorCode::kInvalidRequest;
  const bool is_recovering = asked.leader_recovery_state == kRecovering;
  if (is_recovering && (brokers.size() > 1 || partition.leader_recovery_state == kRecovered))
    return ErrorCode::kInvalidRequest;
  const bool all = std::ranges::all_of(isr, [&](const auto& replica) { return is_eligible(image, replica); });
  return all ? ErrorCode::kNone : ErrorCode::kIneligibleReplica;
}

ErrorCode of_version(ErrorCode error, std::int16_t version) {
  if (version >= kFirstVersionWithTopicIds) return error;
  if (error == ErrorCode::kIneligibleReplica) return ErrorCode::kOperationNotAttempted;
  return error == ErrorCode::kNewLeaderElected ? ErrorCode::kFencedLeaderEpoch : error;
}

void fill_success(const PartitionRegistration& partition, const protocol::PartitionChangeRecord* record,
                  PartitionAnswer& answer) {
  answer.leader_id = partition.leader.value();
  answer.leader_epoch = partition.leader_epoch.value();
  answer.isr = to_numbers(partition.isr);
  answer.leader_recovery_state = partition.leader_recovery_state;
  answer.partition_epoch = partition.partition_epoch;
  if (record == nullptr) return;
  ++answer.partition_epoch;
  if (record->isr) answer.isr = *record->isr;
  if (record->leader_recovery_state >= 0) answer.leader_recovery_state = record->leader_recovery_state;
  constexpr std::int32_t kLeaderStays = -2;
  if (record->leader == kLeaderStays) return;
  answer.leader_id = record->leader;
  ++answer.leader_epoch;
}

PartitionAnswer alter(const ControlContext& context, const protocol::AlterPartitionRequest& request,
                      const TopicImage& topic, const PartitionAsked& asked, std::int16_t version,
                      MetadataRecords& records) {
  PartitionAnswer answer;
  answer.partition_index = asked.partition_index;
  const BrokerId from(request.broker_id);
  const PartitionRegistration* partition = find_partition(topic, asked.partition_index);
  const std::vector<InSyncReplica> isr = isr_of(asked, version);
  ErrorCode error =
      partition == nullptr ? ErrorCode::kUnknownTopicOrPartition : check_epochs(from, *partition, asked);
  if (error == ErrorCode::kNone) error = check_isr(context.image, *partition, asked, isr);
  if (error != ErrorCode::kNone) {
    answer.error_code = code(of_version(error, version));
    return answer;
  }
  PartitionChangeInput input = partition_change_of(context, topic, PartitionIndex(asked.partition_index));
  if (allows_unclean_election(context, topic.name)) input.election = Election::kUnclean;
  input.isr = brokers_of(isr);
  input.leader_recovery_state = asked.leader_recovery_state;
  const auto record = change_partition(input);
  fill_success(*partition, record ? &*record : nullptr, answer);
  if (!record) return answer;
  records.emplace_back(*record);
  if (answer.leader_id == request.broker_id) return answer;
  // The reassignment that this change completed moved the leadership. The leader must read the metadata.
  PartitionAnswer moved;
  moved.partition_index = asked.partition_index;
  moved.error_code = code(of_version(ErrorCode::kNewLeaderElected, version));
  return moved;
}

}  // namespace

ControllerResult<protocol::AlterPartitionResponse> alter_partition(
    const ControlContext& context, const protocol::AlterPartitionRequest& request, std::int16_t version) {
  ControllerResult<protocol::AlterPartitionResponse> result;
  if (auto broker = check_broker_epoch(context.image, request.broker_id, request.broker_epoch); !broker) {
    result.response.error_code = code(broker.error().code);
    return result;
  }
  const bool by_id = version >= kFirstVersionWithTopicIds;
  for (const auto& asked : request.topics) {
    auto& answer = result.response.topics.emplace_back();
    answer.topic_name = asked.topic_name;
    answer.topic_id = asked.topic_id;
    const TopicImage* topic =
        by_id ? context.image.topic(TopicId(asked.topic_id)) : context.image.topic(asked.topic_name);
    for (const auto& partition : asked.partitions) {
      if (topic != nullptr) {
        answer.partitions.push_back(alter(context, request, *topic, partition, version, result.records));
        continue;
      }
      auto& unknown = answer.partitions.emplace_back();
      unknown.partition_index = partition.partition_index;
      unknown.error_code = code(by_id ? ErrorCode::kUnknownTopicId : ErrorCode::kUnknownTopicOrPartition);
    }
  }
  return result;
}

}  // namespace barnabas::kraft

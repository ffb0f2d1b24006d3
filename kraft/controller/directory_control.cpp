#include "kraft/controller/directory_control.hpp"

#include "kraft/controller/broker_transition.hpp"
#include "kraft/controller/cluster_control.hpp"
#include "kraft/controller/partition_change.hpp"

namespace barnabas::kraft {

namespace {

constexpr std::int16_t kDirectoriesLevel = 17;  // metadata.version 3.7-IV2

constexpr std::int16_t code(ErrorCode error) {
  return static_cast<std::int16_t>(error);
}

ErrorCode assign(const ControlContext& context, BrokerId broker, DirectoryId directory, TopicId topic_id,
                 std::int32_t index, MetadataRecords& records) {
  const TopicImage* topic = context.image.topic(topic_id);
  if (topic == nullptr) return ErrorCode::kUnknownTopicId;
  const PartitionRegistration* partition = find_partition(*topic, index);
  if (partition == nullptr) return ErrorCode::kUnknownTopicOrPartition;
  if (!contains(partition->replicas, broker)) return ErrorCode::kNotLeaderOrFollower;
  PartitionChangeInput input = partition_change_of(context, *topic, PartitionIndex(index));
  input.directories[broker] = directory;
  if (auto record = change_partition(input)) records.emplace_back(std::move(*record));
  return ErrorCode::kNone;
}

}  // namespace

ControllerResult<protocol::AssignReplicasToDirsResponse> assign_replicas_to_dirs(
    const ControlContext& context, const protocol::AssignReplicasToDirsRequest& request) {
  ControllerResult<protocol::AssignReplicasToDirsResponse> result;
  if (context.image.features->metadata_version < kDirectoriesLevel) {
    result.response.error_code = code(ErrorCode::kUnsupportedVersion);
    return result;
  }
  const auto registered = check_broker_epoch(context.image, request.broker_id, request.broker_epoch);
  if (!registered) {
    result.response.error_code = code(registered.error().code);
    return result;
  }
  const BrokerRegistration& broker = **registered;
  std::vector<TopicPartitionIndex> offline;
  for (const auto& asked : request.directories) {
    auto& answer = result.response.directories.emplace_back();
    answer.id = asked.id;
    const DirectoryId directory(asked.id);
    const bool is_online = has_online_directory(broker, directory);
    for (const auto& topic : asked.topics) {
      auto& told = answer.topics.emplace_back();
      told.topic_id = topic.topic_id;
      const TopicId id(topic.topic_id);
      for (const auto& partition : topic.partitions) {
        const std::int32_t index = partition.partition_index;
        const ErrorCode error = assign(context, broker.id, directory, id, index, result.records);
        told.partitions.push_back({index, code(error)});
        if (error == ErrorCode::kNone && !is_online) offline.push_back({id, PartitionIndex(index)});
      }
    }
  }
  append_offline_replicas(context, broker.id, offline, result.records);
  return result;
}

}  // namespace barnabas::kraft

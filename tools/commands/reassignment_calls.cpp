#include "tools/commands/reassignment_calls.hpp"

#include <fmt/format.h>

#include "protocol/messages/api_alter_partition_reassignments.hpp"
#include "protocol/messages/api_alter_replica_log_dirs.hpp"
#include "protocol/messages/api_describe_log_dirs.hpp"
#include "protocol/messages/api_list_partition_reassignments.hpp"
#include "tools/client/topic_description.hpp"
#include "tools/options/misuse.hpp"

namespace barnabas::tools {
namespace {

using protocol::AlterPartitionReassignmentsRequest;
using protocol::AlterPartitionReassignmentsResponse;
using protocol::AlterReplicaLogDirsRequest;
using protocol::AlterReplicaLogDirsResponse;
using protocol::DescribeLogDirsRequest;
using protocol::DescribeLogDirsResponse;
using protocol::ListPartitionReassignmentsRequest;
using protocol::ListPartitionReassignmentsResponse;

std::int32_t timeout_of(Admin& admin) {
  return static_cast<std::int32_t>(admin.cluster().config().request_timeout.count());
}

/// The entry of a topic in a list that is made in the order of topics. `key` is the field of its name.
template <class Topic>
Topic& entry_of(std::vector<Topic>& topics, std::string Topic::* key, const std::string& name) {
  if (topics.empty() || topics.back().*key != name) topics.emplace_back().*key = name;
  return topics.back();
}
template <class Topic>
Topic& entry_of(std::vector<Topic>& topics, const std::string& name) {
  return entry_of(topics, &Topic::name, name);
}

void add_replicas(const TopicDescription& topic, Assignment& assignment) {
  for (const auto& partition : topic.partitions)
    assignment[{topic.name, PartitionIndex(partition.index)}] = partition.replicas;
}

}  // namespace

Result<OngoingReassignments> list_reassignments(Admin& admin,
                                                const std::optional<std::vector<TopicPartition>>& of) {
  ListPartitionReassignmentsRequest request;
  request.timeout_ms = timeout_of(admin);
  if (of) {
    auto& topics = request.topics.emplace();
    for (const auto& partition : *of)
      entry_of(topics, partition.topic).partition_indexes.push_back(partition.partition.value());
  }
  const auto answer = TRY(admin.call<ListPartitionReassignmentsResponse>(Target::controller(), request,
                                                                         "listPartitionReassignments"));
  OngoingReassignments ongoing;
  for (const auto& topic : answer->topics)
    for (const auto& partition : topic.partitions)
      ongoing[{topic.name, PartitionIndex(partition.partition_index)}] = {
          partition.replicas, partition.adding_replicas, partition.removing_replicas};
  return ongoing;
}

Result<Assignment> replicas_of_topics(Admin& admin, const std::vector<std::string>& topics) {
  Assignment assignment;
  for (const auto& name : topics) {
    const auto described = describe_topics(admin, {name});
    if (!described && described.error().code == ErrorCode::kUnknownTopicOrPartition)
      return fail(ErrorCode::kUnknownTopicOrPartition, fmt::format("Topic {} not found.", name));
    if (!described) return std::unexpected(described.error());
    for (const auto& topic : *described) add_replicas(topic, assignment);
  }
  return assignment;
}

Result<Assignment> replicas_of_existing(Admin& admin, const std::set<std::string>& topics) {
  Assignment assignment;
  for (const auto& name : topics) {
    const auto described = describe_topics(admin, {name});
    if (!described && described.error().code == ErrorCode::kUnknownTopicOrPartition) continue;
    if (!described) return std::unexpected(described.error());
    for (const auto& topic : *described) add_replicas(topic, assignment);
  }
  return assignment;
}

Result<Refusals> alter_reassignments(Admin& admin,
                                     const std::map<TopicPartition, std::optional<Replicas>>& wanted,
                                     bool allow_replication_factor_change) {
  constexpr std::int16_t kFirstThatCanForbid = 1;
  AlterPartitionReassignmentsRequest request;
  request.timeout_ms = timeout_of(admin);
  request.allow_replication_factor_change = allow_replication_factor_change;
  for (const auto& [partition, replicas] : wanted)
    entry_of(request.topics, partition.topic)
        .partitions.push_back({.partition_index = partition.partition.value(), .replicas = replicas});
  const auto answer = TRY(admin.call<AlterPartitionReassignmentsResponse>(Target::controller(), request,
                                                                          "alterPartitionReassignments"));
  if (!allow_replication_factor_change && answer.version < kFirstThatCanForbid)
    return fail(ErrorCode::kUnsupportedVersion,
                "The broker does not support the AllowReplicationFactorChange option.");
  Refusals refusals;
  for (const auto& topic : answer->responses)
    for (const auto& result : topic.partitions)
      if (const auto refused = refusal(result.error_code, result.error_message); !refused)
        refusals[{topic.name, PartitionIndex(result.partition_index)}] = refused.error().detail;
  return refusals;
}

Result<std::map<Replica, ReplicaLogDirs>> describe_replica_log_dirs(Admin& admin,
                                                                    const std::set<Replica>& replicas) {
  std::map<std::int32_t, DescribeLogDirsRequest> requests;  // by broker
  std::map<Replica, ReplicaLogDirs> described;
  for (const auto& replica : replicas) {
    described[replica];
    entry_of(*requests[replica.broker].topics, &DescribeLogDirsRequest::DescribableLogDirTopic::topic,
             replica.partition.topic)
        .partitions.push_back(replica.partition.partition.value());
  }
  for (const auto& [broker, request] : requests) {
    const auto answer = TRY(admin.call<DescribeLogDirsResponse>(Target::broker(BrokerId(broker)), request,
                                                                "describeReplicaLogDirs"));
    for (const auto& directory : answer->results)
      for (const auto& topic : directory.topics)
        for (const auto& partition : topic.partitions) {
          const Replica replica{{topic.name, PartitionIndex(partition.partition_index)}, broker};
          auto& dirs = described[replica];
          (partition.is_future_key ? dirs.future : dirs.current) = directory.log_dir;
        }
  }
  return described;
}

Result<std::set<Replica>> alter_replica_log_dirs(Admin& admin, const LogDirs& moves) {
  // By broker and directory: the topics in it come in their order.
  std::map<std::int32_t, std::map<std::string, AlterReplicaLogDirsRequest::AlterReplicaLogDir>> by_broker;
  for (const auto& [replica, path] : moves) {
    auto& directory = by_broker[replica.broker][path];
    directory.path = path;
    entry_of(directory.topics, replica.partition.topic)
        .partitions.push_back(replica.partition.partition.value());
  }
  std::set<Replica> begun;
  for (auto& [broker, directories] : by_broker) {
    AlterReplicaLogDirsRequest request;
    for (auto& [path, directory] : directories) request.dirs.push_back(std::move(directory));
    const auto answer = TRY(admin.call<AlterReplicaLogDirsResponse>(Target::broker(BrokerId(broker)), request,
                                                                    "alterReplicaLogDirs"));
    for (const auto& topic : answer->results)
      for (const auto& result : topic.partitions) {
        const Replica replica{{topic.topic_name, PartitionIndex(result.partition_index)}, broker};
        if (result.error_code == static_cast<std::int16_t>(ErrorCode::kReplicaNotAvailable)) continue;
        if (result.error_code != 0)
          return misuse(fmt::format("Failed to alter dir for {}", to_string(replica)));
        begun.insert(replica);
      }
  }
  return begun;
}

}  // namespace barnabas::tools

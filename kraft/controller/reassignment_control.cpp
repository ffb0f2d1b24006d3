#include "kraft/controller/reassignment_control.hpp"

#include <fmt/core.h>

#include <set>

#include "kraft/controller/partition_change.hpp"
#include "kraft/controller/replica_placement.hpp"

namespace barnabas::kraft {
namespace {

using Change = Result<std::optional<protocol::PartitionChangeRecord>>;

bool is_under_way(const PartitionRegistration& partition) {
  return !partition.adding_replicas.empty() || !partition.removing_replicas.empty();
}

/// Back to the replicas from before. The ISR may have lost all of those.
Change cancel(const ControlContext& context, const TopicImage& topic, PartitionIndex index,
              const PartitionRegistration& partition) {
  if (!is_under_way(partition)) return fail(ErrorCode::kNoReassignmentInProgress);
  const bool allows_unclean = allows_unclean_election(context, topic.name);
  PartitionChangeInput input = partition_change_of(context, topic, index);
  input.replicas = without(partition.replicas, partition.adding_replicas);
  input.isr = without(partition.isr, partition.adding_replicas);
  if (input.isr->empty()) {
    if (input.replicas->empty())
      return fail(ErrorCode::kInvalidReplicaAssignment,
                  "Invalid replica assignment: addingReplicas contains all replicas.");
    if (!allows_unclean)
      return fail(ErrorCode::kInvalidReplicaAssignment,
                  fmt::format("Unable to revert partition assignment for {}:{} because it would require an "
                              "unclean leader election.",
                              topic.name, index.value()));
    input.isr = BrokerIds{input.replicas->front()};
  }
  if (allows_unclean) input.election = Election::kUnclean;
  input.adding = BrokerIds();
  input.removing = BrokerIds();
  return change_partition(input);
}

/// The number of replicas before any reassignment, or after the one under way.
std::size_t replication_factor(const PartitionRegistration& partition) {
  if (!is_under_way(partition)) return partition.replicas.size();
  std::set<BrokerId> target(partition.replicas.begin(), partition.replicas.end());
  target.insert(partition.adding_replicas.begin(), partition.adding_replicas.end());
  for (const BrokerId id : partition.removing_replicas) target.erase(id);
  return target.size();
}

Change move(const ControlContext& context, const TopicImage& topic, PartitionIndex index,
            const BrokerIds& target, bool allow_factor_change) {
  const PartitionRegistration& partition = topic.partitions[static_cast<std::size_t>(index.value())];
  TRY(check_manual_assignment(context.image, target, target.size()));
  if (const std::size_t factor = replication_factor(partition);
      !allow_factor_change && factor != target.size())
    return fail(ErrorCode::kInvalidReplicationFactor,
                fmt::format("The replication factor is changed from {} to {}", factor, target.size()));
  PartitionChangeInput input = partition_change_of(context, topic, index);
  // Replicas of a reassignment that this one replaces count as the partition's own.
  BrokerIds removing = without(partition.replicas, target);
  BrokerIds adding = without(target, partition.replicas);
  std::ranges::sort(removing);
  std::ranges::sort(adding);
  input.replicas = target;
  input.replicas->insert(input.replicas->end(), removing.begin(), removing.end());
  if (!removing.empty()) input.removing = std::move(removing);
  if (!adding.empty()) input.adding = std::move(adding);
  return change_partition(input);
}

Change reassign(const ControlContext& context, const std::string& name,
                const protocol::AlterPartitionReassignmentsRequest::ReassignablePartition& asked,
                bool allow_factor_change) {
  const TopicImage* topic = context.image.topic(name);
  if (topic == nullptr)
    return fail(ErrorCode::kUnknownTopicOrPartition, fmt::format("Unable to find a topic named {}.", name));
  const PartitionRegistration* partition = find_partition(*topic, asked.partition_index);
  if (partition == nullptr)
    return fail(ErrorCode::kUnknownTopicOrPartition,
                fmt::format("Unable to find partition {}:{}.", name, asked.partition_index));
  const PartitionIndex index(asked.partition_index);
  if (!asked.replicas) return cancel(context, *topic, index, *partition);
  return move(context, *topic, index, to_broker_ids(*asked.replicas), allow_factor_change);
}

}  // namespace

ControllerResult<protocol::AlterPartitionReassignmentsResponse> alter_partition_reassignments(
    const ControlContext& context, const protocol::AlterPartitionReassignmentsRequest& request) {
  ControllerResult<protocol::AlterPartitionReassignmentsResponse> result;
  if (request.topics.empty()) return result;
  result.response.error_message = std::nullopt;
  result.response.allow_replication_factor_change = request.allow_replication_factor_change;
  for (const auto& topic : request.topics) {
    auto& answer = result.response.responses.emplace_back();
    answer.name = topic.name;
    for (const auto& partition : topic.partitions) {
      auto& told = answer.partitions.emplace_back();
      told.partition_index = partition.partition_index;
      told.error_message = std::nullopt;
      Change change = reassign(context, topic.name, partition, request.allow_replication_factor_change);
      if (change) {
        if (*change) result.records.emplace_back(std::move(**change));
        continue;
      }
      told.error_code = static_cast<std::int16_t>(change.error().code);
      if (!change.error().detail.empty()) told.error_message = change.error().detail;
    }
  }
  return result;
}

protocol::ListPartitionReassignmentsResponse list_partition_reassignments(
    const MetadataImage& image, const protocol::ListPartitionReassignmentsRequest& request) {
  protocol::ListPartitionReassignmentsResponse response;
  response.error_message = std::nullopt;
  const auto is_asked = [&](const std::string& name, std::int32_t index) {
    if (!request.topics) return true;
    return std::ranges::any_of(*request.topics, [&](const auto& topic) {
      return topic.name == name &&
             std::ranges::find(topic.partition_indexes, index) != topic.partition_indexes.end();
    });
  };
  for (const auto& [name, topic] : image.topics->by_name) {
    protocol::ListPartitionReassignmentsResponse::OngoingTopicReassignment found;
    found.name = name;
    for (std::size_t i = 0; i < topic->partitions.size(); ++i) {
      const PartitionRegistration& partition = topic->partitions[i];
      const auto index = static_cast<std::int32_t>(i);
      if (!is_under_way(partition)) continue;
      if (!is_asked(name, index)) continue;
      found.partitions.push_back({index, to_numbers(partition.replicas),
                                  to_numbers(partition.adding_replicas),
                                  to_numbers(partition.removing_replicas)});
    }
    if (!found.partitions.empty()) response.topics.push_back(std::move(found));
  }
  return response;
}

}  // namespace barnabas::kraft

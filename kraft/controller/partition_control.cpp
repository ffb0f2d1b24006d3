#include "kraft/controller/partition_control.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "kraft/controller/replica_placement.hpp"
#include "protocol/error_table.hpp"

namespace barnabas::kraft {
namespace {

constexpr std::int8_t kPreferred = 0;
constexpr std::int8_t kUnclean = 1;

constexpr std::int16_t code(ErrorCode error) {
  return static_cast<std::int16_t>(error);
}

const PartitionRegistration* find_partition(const TopicImage& topic, std::int32_t index) {
  if (index < 0 || index >= static_cast<std::int32_t>(topic.partitions.size())) return nullptr;
  return &topic.partitions[static_cast<std::size_t>(index)];
}

/// A partition with its preferred leader, or with any when that is what was asked for, needs no election.
Error elect(const MetadataImage& image, const std::string& name, std::int32_t index, std::int8_t type) {
  const TopicImage* topic = image.topic(name);
  if (topic == nullptr) return {ErrorCode::kUnknownTopicOrPartition, "No such topic as " + name};
  const PartitionRegistration* partition = find_partition(*topic, index);
  if (partition == nullptr)
    return {ErrorCode::kUnknownTopicOrPartition, fmt::format("No such partition as {}-{}", name, index)};
  const bool led =
      type == kPreferred ? partition->leader == partition->replicas.front() : partition->leader != kNoBroker;
  const ErrorCode error = led                  ? ErrorCode::kElectionNotNeeded
                          : type == kPreferred ? ErrorCode::kPreferredLeaderNotAvailable
                                               : ErrorCode::kEligibleLeadersNotAvailable;
  return {error, protocol::error_message(error)};
}

Error reassign(const MetadataImage& image, const std::string& name,
               const protocol::AlterPartitionReassignmentsRequest::ReassignablePartition& asked) {
  const TopicImage* topic = image.topic(name);
  if (topic == nullptr)
    return {ErrorCode::kUnknownTopicOrPartition, fmt::format("Unable to find a topic named {}.", name)};
  const PartitionRegistration* partition = find_partition(*topic, asked.partition_index);
  if (partition == nullptr)
    return {ErrorCode::kUnknownTopicOrPartition,
            fmt::format("Unable to find partition {}:{}.", name, asked.partition_index)};
  const bool under_way = !partition->adding_replicas.empty() || !partition->removing_replicas.empty();
  if (!asked.replicas && !under_way) return {ErrorCode::kNoReassignmentInProgress, ""};
  if (!asked.replicas) return {ErrorCode::kInvalidRequest, "Reassignments cannot be cancelled yet."};
  std::vector<BrokerId> target;
  for (const std::int32_t id : *asked.replicas) target.emplace_back(id);
  if (auto checked = check_manual_assignment(image, target, target.size()); !checked) return checked.error();
  if (target == partition->replicas && !under_way) return {ErrorCode::kNone, ""};
  return {ErrorCode::kInvalidRequest, "Replicas cannot be moved to other nodes yet."};
}

}  // namespace

protocol::ElectLeadersResponse elect_leaders(const MetadataImage& image,
                                             const protocol::ElectLeadersRequest& request) {
  protocol::ElectLeadersResponse response;
  const std::int8_t type = request.election_type;
  const bool known = type == kPreferred || type == kUnclean;
  const bool asks_nothing = request.topic_partitions && request.topic_partitions->empty();
  if (!known && !asks_nothing) response.error_code = code(ErrorCode::kInvalidRequest);
  if (!request.topic_partitions) {
    // Of all partitions only those are told that need an election; with one node none can be held.
    if (!known) return response;
    for (const auto& [name, topic] : image.topics->by_name) {
      auto& result = response.replica_election_results.emplace_back();
      result.topic = name;
      for (std::size_t i = 0; i < topic->partitions.size(); ++i) {
        const auto index = static_cast<std::int32_t>(i);
        const Error outcome = elect(image, name, index, type);
        if (outcome.code != ErrorCode::kElectionNotNeeded)
          result.partition_result.push_back({index, code(outcome.code), outcome.detail});
      }
    }
    return response;
  }
  for (const auto& asked : *request.topic_partitions) {
    auto& result = response.replica_election_results.emplace_back();
    result.topic = asked.topic;
    for (const std::int32_t index : asked.partitions) {
      const Error outcome =
          known ? elect(image, asked.topic, index, type)
                : Error{ErrorCode::kInvalidRequest, fmt::format("Unknown election type {}", type)};
      result.partition_result.push_back({index, code(outcome.code), outcome.detail});
    }
  }
  return response;
}

protocol::AlterPartitionReassignmentsResponse alter_partition_reassignments(
    const MetadataImage& image, const protocol::AlterPartitionReassignmentsRequest& request) {
  protocol::AlterPartitionReassignmentsResponse response;
  if (request.topics.empty()) return response;
  response.error_message = std::nullopt;
  response.allow_replication_factor_change = request.allow_replication_factor_change;
  for (const auto& topic : request.topics) {
    auto& answer = response.responses.emplace_back();
    answer.name = topic.name;
    for (const auto& partition : topic.partitions) {
      const Error outcome = reassign(image, topic.name, partition);
      auto& told = answer.partitions.emplace_back();
      told.partition_index = partition.partition_index;
      told.error_code = code(outcome.code);
      told.error_message = outcome.detail.empty() ? std::nullopt : std::optional(outcome.detail);
    }
  }
  return response;
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
  const auto ids = [](const std::vector<BrokerId>& brokers) {
    std::vector<std::int32_t> numbers;
    for (const BrokerId id : brokers) numbers.push_back(id.value());
    return numbers;
  };
  for (const auto& [name, topic] : image.topics->by_name) {
    protocol::ListPartitionReassignmentsResponse::OngoingTopicReassignment found;
    found.name = name;
    for (std::size_t i = 0; i < topic->partitions.size(); ++i) {
      const PartitionRegistration& partition = topic->partitions[i];
      const auto index = static_cast<std::int32_t>(i);
      if (partition.adding_replicas.empty() && partition.removing_replicas.empty()) continue;
      if (!is_asked(name, index)) continue;
      found.partitions.push_back(
          {index, ids(partition.replicas), ids(partition.adding_replicas), ids(partition.removing_replicas)});
    }
    if (!found.partitions.empty()) response.topics.push_back(std::move(found));
  }
  return response;
}

}  // namespace barnabas::kraft

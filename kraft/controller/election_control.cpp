#include "kraft/controller/election_control.hpp"

#include <fmt/core.h>

#include "kraft/controller/partition_change.hpp"
#include "protocol/error_table.hpp"

namespace barnabas::kraft {
namespace {

constexpr std::int8_t kPreferred = 0;
constexpr std::int8_t kUnclean = 1;

constexpr std::int16_t code(ErrorCode error) {
  return static_cast<std::int16_t>(error);
}

bool has_preferred_leader(const PartitionRegistration& partition) {
  return !partition.replicas.empty() && partition.leader == partition.replicas.front();
}

std::optional<protocol::PartitionChangeRecord> hold_election(const ControlContext& context,
                                                             const TopicImage& topic, PartitionIndex index,
                                                             Election election) {
  PartitionChangeInput input = partition_change_of(context, topic, index);
  input.election = election;
  return change_partition(input);
}

Error elect(const ControlContext& context, const std::string& name, std::int32_t index, std::int8_t type,
            MetadataRecords& records) {
  const TopicImage* topic = context.image.topic(name);
  if (topic == nullptr) return {ErrorCode::kUnknownTopicOrPartition, "No such topic as " + name};
  const PartitionRegistration* partition = find_partition(*topic, index);
  if (partition == nullptr)
    return {ErrorCode::kUnknownTopicOrPartition, fmt::format("No such partition as {}-{}", name, index)};
  const auto outcome = [](ErrorCode error) { return Error{error, protocol::error_message(error)}; };
  const bool preferred = type == kPreferred;
  if (preferred ? has_preferred_leader(*partition) : partition->leader != kNoBroker)
    return outcome(ErrorCode::kElectionNotNeeded);
  auto record = hold_election(context, *topic, PartitionIndex(index),
                              preferred ? Election::kPreferred : Election::kUnclean);
  if (!record)
    return outcome(preferred ? ErrorCode::kPreferredLeaderNotAvailable
                             : ErrorCode::kEligibleLeadersNotAvailable);
  records.emplace_back(std::move(*record));
  return {ErrorCode::kNone, ""};
}

using PartitionResult = protocol::ElectLeadersResponse::PartitionResult;

PartitionResult told(std::int32_t index, const Error& outcome) {
  return {index, code(outcome.code),
          outcome.code == ErrorCode::kNone ? std::nullopt : std::optional(outcome.detail)};
}

/// Calls `visit(topic, index, partition)` for every partition until it says that it has enough.
template <class Visit>
void for_each_partition(const MetadataImage& image, const Visit& visit) {
  for (const auto& [name, topic] : image.topics->by_name)
    for (std::size_t i = 0; i < topic->partitions.size(); ++i)
      if (!visit(*topic, PartitionIndex(static_cast<std::int32_t>(i)), topic->partitions[i])) return;
}

}  // namespace

ControllerResult<protocol::ElectLeadersResponse> elect_leaders(const ControlContext& context,
                                                               const protocol::ElectLeadersRequest& request) {
  ControllerResult<protocol::ElectLeadersResponse> result;
  auto& response = result.response;
  const std::int8_t type = request.election_type;
  const bool known = type == kPreferred || type == kUnclean;
  const bool asks_nothing = request.topic_partitions && request.topic_partitions->empty();
  if (!known && !asks_nothing) response.error_code = code(ErrorCode::kInvalidRequest);
  if (!request.topic_partitions) {
    // Of all partitions only those are told that need an election.
    if (!known) return result;
    for (const auto& [name, topic] : context.image.topics->by_name) {
      auto& answer = response.replica_election_results.emplace_back();
      answer.topic = name;
      for (std::size_t i = 0; i < topic->partitions.size(); ++i) {
        const auto index = static_cast<std::int32_t>(i);
        const Error outcome = elect(context, name, index, type, result.records);
        if (outcome.code != ErrorCode::kElectionNotNeeded)
          answer.partition_result.push_back(told(index, outcome));
      }
    }
    return result;
  }
  for (const auto& asked : *request.topic_partitions) {
    auto& answer = response.replica_election_results.emplace_back();
    answer.topic = asked.topic;
    for (const std::int32_t index : asked.partitions) {
      const Error outcome =
          known ? elect(context, asked.topic, index, type, result.records)
                : Error{ErrorCode::kInvalidRequest, fmt::format("Unknown election type {}", type)};
      answer.partition_result.push_back(told(index, outcome));
    }
  }
  return result;
}

MetadataRecords balance_leaders(const ControlContext& context, std::size_t max) {
  MetadataRecords records;
  for_each_partition(context.image,
                     [&](const TopicImage& topic, PartitionIndex index, const auto& partition) {
                       if (has_preferred_leader(partition)) return true;
                       if (auto record = hold_election(context, topic, index, Election::kPreferred))
                         records.emplace_back(std::move(*record));
                       return records.size() < max;
                     });
  return records;
}

MetadataRecords elect_unclean_leaders(const ControlContext& context, std::size_t max) {
  MetadataRecords records;
  for_each_partition(context.image,
                     [&](const TopicImage& topic, PartitionIndex index, const auto& partition) {
                       if (partition.leader != kNoBroker || !allows_unclean_election(context, topic.name))
                         return true;
                       if (auto record = hold_election(context, topic, index, Election::kUnclean))
                         records.emplace_back(std::move(*record));
                       return records.size() < max;
                     });
  return records;
}

}  // namespace barnabas::kraft

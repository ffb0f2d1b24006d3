// kafka-topics --describe.
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "protocol/messages/api_list_partition_reassignments.hpp"
#include "tools/client/config_description.hpp"
#include "tools/client/topic_description.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/topics.hpp"
#include "tools/options/number_text.hpp"

namespace barnabas::tools {
namespace {

using protocol::ListPartitionReassignmentsRequest;
using protocol::ListPartitionReassignmentsResponse;
using Reassignment = ListPartitionReassignmentsResponse::OngoingPartitionReassignment;
using Reassignments = std::map<std::pair<std::string, std::int32_t>, Reassignment>;

/// One partition with all that the reports need.
struct Row {
  const std::string& topic;
  const PartitionDescription& partition;
  const Reassignment* reassignment;  // null: none
  std::int64_t min_in_sync;
  bool leader_lives;
};

std::string comma_list(const std::vector<std::int32_t>& ids) {
  return fmt::format("{}", fmt::join(ids, ","));
}

void print_partition(const Row& row) {
  const auto& partition = row.partition;
  fmt::print("\tTopic: {}\tPartition: {}\tLeader: {}\tReplicas: {}\tIsr: {}", row.topic, partition.index,
             partition.leader < 0 ? "none" : std::to_string(partition.leader), comma_list(partition.replicas),
             comma_list(partition.in_sync));
  if (row.reassignment != nullptr)
    fmt::print("\tAdding Replicas: {}\tRemoving Replicas: {}", comma_list(row.reassignment->adding_replicas),
               comma_list(row.reassignment->removing_replicas));
  const auto eligible = [](const std::optional<std::vector<std::int32_t>>& ids) {
    return ids ? comma_list(*ids) : "N/A";
  };
  fmt::print("\tElr: {}\tLastKnownElr: {}\n", eligible(partition.eligible_leaders),
             eligible(partition.last_known_eligible_leaders));
}

bool is_wanted(const JoptOptions& options, const Row& row) {
  const auto in_sync = static_cast<std::int64_t>(row.partition.in_sync.size());
  // Replicas that are on their way do not count as missing.
  const std::size_t adding = row.reassignment == nullptr ? 0 : row.reassignment->adding_replicas.size();
  const bool reports_all =
      options.count({"under-replicated-partitions", "unavailable-partitions", "under-min-isr-partitions",
                     "at-min-isr-partitions", "topics-with-overrides"}) == 0;
  return reports_all ||
         (options.has("under-replicated-partitions") &&
          row.partition.replicas.size() > row.partition.in_sync.size() + adding) ||
         (options.has("unavailable-partitions") && (row.partition.leader < 0 || !row.leader_lives)) ||
         (options.has("under-min-isr-partitions") && in_sync < row.min_in_sync) ||
         (options.has("at-min-isr-partitions") && in_sync == row.min_in_sync);
}

/// Nothing where brokers do not know of reassignments or do not tell: the rest is worth showing.
Result<Reassignments> list_reassignments(Admin& admin, const std::vector<TopicDescription>& topics) {
  ListPartitionReassignmentsRequest request;
  request.topics.emplace();
  for (const auto& topic : topics) {
    auto& asked = request.topics->emplace_back();
    asked.name = topic.name;
    for (const auto& partition : topic.partitions) asked.partition_indexes.push_back(partition.index);
  }
  const auto answer = admin.call<ListPartitionReassignmentsResponse>(Target::controller(), request,
                                                                     "listPartitionReassignments");
  Reassignments found;
  if (!answer) {
    const auto code = answer.error().code;
    if (code == ErrorCode::kUnsupportedVersion || code == ErrorCode::kClusterAuthorizationFailed)
      return found;
    return std::unexpected(answer.error());
  }
  for (const auto& topic : answer->body.topics)
    for (const auto& partition : topic.partitions) found[{topic.name, partition.partition_index}] = partition;
  return found;
}

Result<std::vector<std::string>> topics_to_describe(Admin& admin, const JoptOptions& options) {
  const auto text = options.text("topic-id");
  if (text.empty()) {
    auto names = TRY(chosen_topics(admin, options));
    TRY(ensure_topic_exists(names, options));
    return names;
  }
  const auto id = TRY(parse_uuid(text));
  if (id.is_zero()) return chosen_topics(admin, options);
  const auto metadata = TRY(admin.metadata(std::nullopt, "listTopics"));
  for (const auto& topic : metadata->topics)
    if (topic.topic_id == id) return std::vector<std::string>{topic.name.value_or("")};
  if (options.has("if-exists")) return std::vector<std::string>{};
  return misuse(fmt::format("TopicId '{}' does not exist as expected", id.to_string()));
}

std::int64_t min_in_sync(const ConfigDescription& config) {
  for (const auto& entry : config.entries)
    if (entry.name == "min.insync.replicas")
      return parse_number<std::int64_t>(entry.value.value_or("1")).value_or(1);
  return 1;
}

void print_topic(const TopicDescription& topic, const std::vector<std::string>& overrides) {
  fmt::print("Topic: {}\tTopicId: {}\tPartitionCount: {}\tReplicationFactor: {}\tConfigs: {}\n", topic.name,
             topic.id.to_string(), topic.partitions.size(),
             topic.partitions.empty() ? 0 : topic.partitions.front().replicas.size(),
             fmt::join(overrides, ","));
}

}  // namespace

Result<void> describe_topics_command(Admin& admin, const JoptOptions& options) {
  const auto names = TRY(topics_to_describe(admin, options));
  if (names.empty()) return {};
  const auto limit = TRY(options.integer("partition-size-limit-per-response")).value_or(2000);
  const auto topics = TRY(describe_topics(admin, names, limit));
  const auto nodes = TRY(admin.nodes("listNodes"));
  const auto configs = TRY(describe_configs(admin, ConfigResource::kTopic, names));
  const auto reassignments = TRY(list_reassignments(admin, topics));
  const bool with_heading = options.count({"under-replicated-partitions", "unavailable-partitions",
                                           "under-min-isr-partitions", "at-min-isr-partitions"}) == 0;
  for (const auto& topic : topics) {
    const auto config = std::ranges::find(configs, topic.name, &ConfigDescription::name);
    if (config == configs.end()) continue;
    std::vector<std::string> overrides;
    for (const auto& entry : config->entries)
      if (entry.config_source != static_cast<std::int8_t>(ConfigSource::kDefault))
        overrides.push_back(fmt::format("{}={}", entry.name, entry.value.value_or("null")));
    if (with_heading && (!overrides.empty() || !options.has("topics-with-overrides")))
      print_topic(topic, overrides);
    for (const auto& partition : topic.partitions) {
      const auto reassignment = reassignments.find({topic.name, partition.index});
      const Row row{
          .topic = topic.name,
          .partition = partition,
          .reassignment = reassignment == reassignments.end() ? nullptr : &reassignment->second,
          .min_in_sync = min_in_sync(*config),
          .leader_lives = std::ranges::find(nodes, BrokerId(partition.leader), &Node::id) != nodes.end()};
      if (is_wanted(options, row)) print_partition(row);
    }
  }
  return {};
}

}  // namespace barnabas::tools

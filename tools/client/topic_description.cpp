#include "tools/client/topic_description.hpp"

#include <algorithm>

#include "protocol/messages/api_describe_topic_partitions.hpp"

namespace barnabas::tools {
namespace {

using protocol::DescribeTopicPartitionsRequest;
using protocol::DescribeTopicPartitionsResponse;

constexpr auto kUnsupported = ErrorCode::kUnsupportedVersion;

void sort_partitions(TopicDescription& topic) {
  std::ranges::sort(topic.partitions, {}, &PartitionDescription::index);
}

/// Adds one answer's topics; a topic may go on in the next answer.
Result<void> collect(const DescribeTopicPartitionsResponse& answer, std::vector<TopicDescription>& topics) {
  for (const auto& topic : answer.topics) {
    TRY(refusal(topic.error_code));
    if (topics.empty() || topics.back().name != *topic.name)
      topics.push_back({.name = *topic.name, .id = topic.topic_id, .partitions = {}});
    for (const auto& partition : topic.partitions)
      topics.back().partitions.push_back({.index = partition.partition_index,
                                          .leader = partition.leader_id,
                                          .replicas = partition.replica_nodes,
                                          .in_sync = partition.isr_nodes,
                                          .eligible_leaders = partition.eligible_leader_replicas,
                                          .last_known_eligible_leaders = partition.last_known_elr});
  }
  return {};
}

Result<std::vector<TopicDescription>> describe_by_partitions(Admin& admin,
                                                             const std::vector<std::string>& names,
                                                             std::int32_t partitions_per_answer) {
  DescribeTopicPartitionsRequest request;
  request.response_partition_limit = partitions_per_answer;
  for (const auto& name : names) request.topics.push_back({.name = name});
  std::vector<TopicDescription> topics;
  for (;;) {
    const auto answer = TRY(admin.call<DescribeTopicPartitionsResponse>(
        Target::any(), request, "describeTopics(api=DESCRIBE_TOPIC_PARTITIONS)"));
    TRY(collect(answer.body, topics));
    if (!answer->next_cursor) return topics;
    request.cursor = {.topic_name = answer->next_cursor->topic_name,
                      .partition_index = answer->next_cursor->partition_index};
    std::erase_if(request.topics, [&](const auto& topic) { return topic.name < request.cursor->topic_name; });
  }
}

Result<std::vector<TopicDescription>> describe_by_metadata(Admin& admin,
                                                           const std::vector<std::string>& names) {
  const auto metadata = TRY(admin.metadata(names, "describeTopics"));
  std::vector<TopicDescription> topics;
  for (const auto& topic : metadata->topics) {
    TRY(refusal(topic.error_code));
    topics.push_back({.name = topic.name.value_or(""), .id = topic.topic_id, .partitions = {}});
    for (const auto& partition : topic.partitions)
      topics.back().partitions.push_back({.index = partition.partition_index,
                                          .leader = partition.leader_id,
                                          .replicas = partition.replica_nodes,
                                          .in_sync = partition.isr_nodes});
  }
  std::ranges::sort(topics, {}, &TopicDescription::name);
  return topics;
}

}  // namespace

Result<std::vector<TopicDescription>> describe_topics(Admin& admin, std::vector<std::string> names,
                                                      std::int32_t partitions_per_answer) {
  std::ranges::sort(names);
  if (names.empty()) return std::vector<TopicDescription>{};
  auto topics = describe_by_partitions(admin, names, partitions_per_answer);
  if (!topics && topics.error().code == kUnsupported) topics = describe_by_metadata(admin, names);
  if (topics) std::ranges::for_each(*topics, sort_partitions);
  return topics;
}

Result<std::vector<std::string>> list_topics(Admin& admin) {
  const auto metadata = TRY(admin.metadata(std::nullopt, "listTopics"));
  std::vector<std::string> names;
  for (const auto& topic : metadata->topics) names.push_back(topic.name.value_or(""));
  std::ranges::sort(names);
  return names;
}

bool is_internal_topic(std::string_view name) {
  return name == "__consumer_offsets" || name == "__transaction_state" || name == "__share_group_state";
}

}  // namespace barnabas::tools

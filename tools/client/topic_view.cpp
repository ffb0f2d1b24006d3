#include "tools/client/topic_view.hpp"

#include <fmt/ranges.h>

#include "protocol/error_table.hpp"
#include "tools/client/tool_log.hpp"

namespace barnabas::tools {
namespace {

TopicView view_of(const protocol::MetadataResponse::MetadataResponseTopic& topic) {
  TopicView view{topic.name.value_or(""),
                 topic.topic_id,
                 static_cast<ErrorCode>(topic.error_code),
                 topic.is_internal,
                 {}};
  for (const auto& partition : topic.partitions) {
    const auto index = static_cast<std::size_t>(partition.partition_index);
    // Indexes come without holes; no answer makes this larger than itself.
    if (index >= topic.partitions.size()) continue;
    if (view.partitions.size() <= index) view.partitions.resize(index + 1);
    view.partitions[index] = {static_cast<ErrorCode>(partition.error_code), BrokerId(partition.leader_id),
                              LeaderEpoch(partition.leader_epoch)};
  }
  return view;
}

void warn_of_errors(std::string_view asker, const std::vector<TopicView>& topics,
                    std::int32_t correlation_id) {
  std::vector<std::string> errors;
  for (const TopicView& topic : topics) {
    if (topic.error != ErrorCode::kNone) {
      errors.push_back(topic.name + "=" + protocol::error_name(topic.error));
    }
  }
  if (errors.empty() || asker.empty()) return;
  tool_warn("org.apache.kafka.clients.NetworkClient",
            "[{}] The metadata response from the cluster reported a recoverable issue with correlation id {} "
            ": {{{}}}",
            asker, correlation_id, fmt::join(errors, ", "));
}

}  // namespace

Result<std::vector<TopicView>> ask_topics(Cluster& cluster, const TopicQuery& query) {
  const auto answer = TRY(cluster.metadata(query.names, query.allow_auto_creation));
  std::vector<TopicView> topics;
  topics.reserve(answer->topics.size());
  for (const auto& topic : answer->topics) topics.push_back(view_of(topic));
  warn_of_errors(cluster.config().asker, topics, protocol::Reader(answer.frame).int32());
  return topics;
}

}  // namespace barnabas::tools

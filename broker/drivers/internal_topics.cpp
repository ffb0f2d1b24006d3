#include "broker/drivers/internal_topics.hpp"

namespace barnabas::broker {

bool is_internal_topic(std::string_view name) {
  return name == kGroupTopic || name == kTransactionTopic || name == kShareTopic;
}

protocol::CreateTopicsRequest::CreatableTopic auto_created_topic(const BrokerSettings& settings,
                                                                 std::string_view name) {
  protocol::CreateTopicsRequest::CreatableTopic topic;
  topic.name = name;
  topic.num_partitions = -1;
  topic.replication_factor = -1;
  const auto configure = [&topic](const char* key, std::string value) {
    topic.configs.push_back({key, std::move(value)});
  };
  if (name == kGroupTopic) {
    topic.num_partitions = settings.offsets_topic_num_partitions;
    topic.replication_factor = settings.offsets_topic_replication_factor;
    configure("cleanup.policy", "compact");
    configure("compression.type", "producer");
    configure("segment.bytes", std::to_string(settings.offsets_topic_segment_bytes));
  } else if (name == kTransactionTopic) {
    topic.num_partitions = settings.transaction_state_log_num_partitions;
    topic.replication_factor = settings.transaction_state_log_replication_factor;
    configure("cleanup.policy", "compact");
    configure("compression.type", "uncompressed");
    configure("min.insync.replicas", std::to_string(settings.transaction_state_log_min_isr));
    configure("segment.bytes", std::to_string(settings.transaction_state_log_segment_bytes));
    configure("unclean.leader.election.enable", "false");
  } else if (name == kShareTopic) {
    topic.num_partitions = settings.share_coordinator_state_topic_num_partitions;
    topic.replication_factor = settings.share_coordinator_state_topic_replication_factor;
    configure("cleanup.policy", "delete");
    configure("compression.type", "producer");
    configure("min.insync.replicas", std::to_string(settings.share_coordinator_state_topic_min_isr));
    configure("retention.ms", "-1");
    configure("segment.bytes", std::to_string(settings.share_coordinator_state_topic_segment_bytes));
  }
  return topic;
}

}  // namespace barnabas::broker

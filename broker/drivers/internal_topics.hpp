// The topics that coordinators keep their state in: their names, and what they are created with.
//
// Pure functions. Source: configurations at creation measured on Kafka 4.3.1.
#pragma once

#include <string>
#include <string_view>

#include "broker/config/broker_config.hpp"
#include "protocol/messages/api_create_topics.hpp"

namespace barnabas::broker {

inline constexpr std::string_view kGroupTopic = "__consumer_offsets";
inline constexpr std::string_view kTransactionTopic = "__transaction_state";
inline constexpr std::string_view kShareTopic = "__share_group_state";

[[nodiscard]] bool is_internal_topic(std::string_view name);

/// How this node asks for a topic that nobody created: an internal one as its coordinator wants it, any other
/// with num.partitions and default.replication.factor of the controller.
[[nodiscard]] protocol::CreateTopicsRequest::CreatableTopic auto_created_topic(const BrokerSettings& settings,
                                                                               std::string_view name);

}  // namespace barnabas::broker

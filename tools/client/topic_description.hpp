// What a cluster says of topics and their configuration, as the tools show it.
//
// Values. Source: DescribeTopicPartitions where brokers have it, Metadata else (KIP-966).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/uuid.hpp"
#include "protocol/messages/api_describe_configs.hpp"
#include "tools/client/admin.hpp"

namespace barnabas::tools {

struct PartitionDescription {
  std::int32_t index = 0;
  std::int32_t leader = -1;  // -1: none
  std::vector<std::int32_t> replicas;
  std::vector<std::int32_t> in_sync;
  // Brokers that do not know of them say nothing.
  std::optional<std::vector<std::int32_t>> eligible_leaders = {};
  std::optional<std::vector<std::int32_t>> last_known_eligible_leaders = {};
};

struct TopicDescription {
  std::string name;
  Uuid id;
  std::vector<PartitionDescription> partitions;  // by index
};

/// In the order of their names. Fails with the first topic that cannot be described.
Result<std::vector<TopicDescription>> describe_topics(Admin& admin, std::vector<std::string> names,
                                                      std::int32_t partitions_per_answer = 2000);

/// Names of all topics, sorted.
Result<std::vector<std::string>> list_topics(Admin& admin);

/// Topics that Kafka keeps for itself.
[[nodiscard]] bool is_internal_topic(std::string_view name);

}  // namespace barnabas::tools

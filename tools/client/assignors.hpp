// Assignors: who of a group gets which partitions, as the leader of a classic group decides it.
//
// Pure functions; the same members and partitions give the same result. Source: Kafka's range, roundrobin
// and cooperative-sticky assignors, KIP-429.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "tools/client/consumer_config.hpp"

namespace barnabas::tools {

struct GroupSubscriber {
  std::string member_id;
  std::string instance_id;  // empty: a dynamic member
  std::vector<std::string> topics;
  std::vector<TopicPartition> owned;  // what it still has (cooperative)
};

/// By member id.
using Assignment = std::map<std::string, std::vector<TopicPartition>>;
/// Topics that exist, with the number of their partitions.
using PartitionCounts = std::map<std::string, std::int32_t>;

/// "range", "roundrobin", "cooperative-sticky": what a group calls it.
[[nodiscard]] std::string_view protocol_name(AssignmentStrategy strategy);

[[nodiscard]] Assignment assign_partitions(AssignmentStrategy strategy, std::vector<GroupSubscriber> members,
                                           const PartitionCounts& counts);

}  // namespace barnabas::tools

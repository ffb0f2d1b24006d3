// ConsumerConfig: the properties of Kafka's consumer that are used here, with its defaults and its checks.
//
// A value. Units: bytes and milliseconds. Errors: INVALID_CONFIG, worded as Kafka's ConfigException.
#pragma once

#include <optional>
#include <vector>

#include "tools/client/client_config.hpp"

namespace barnabas::tools {

enum class AssignmentStrategy { kRange, kRoundRobin, kCooperativeSticky };

/// auto.offset.reset.
struct OffsetReset {
  enum class Kind { kEarliest, kLatest, kNone, kByDuration };
  Kind kind = Kind::kLatest;
  std::chrono::milliseconds duration{0};  // kByDuration: so long before now
};

struct ConsumerConfig {
  ClientConfig client;
  std::string group_id;           // empty: none
  std::string group_instance_id;  // empty: a dynamic member
  bool is_new_protocol = false;   // group.protocol=consumer
  std::string remote_assignor;    // group.remote.assignor; empty: the coordinator's choice
  std::string client_rack;        // of a member of the new protocol; empty: none
  bool auto_commit = true;
  std::chrono::milliseconds auto_commit_interval{5'000};
  std::chrono::milliseconds session_timeout{45'000};
  std::chrono::milliseconds heartbeat_interval{3'000};
  std::chrono::milliseconds max_poll_interval{300'000};  // the rebalance timeout
  std::chrono::milliseconds metadata_max_age{300'000};
  std::vector<AssignmentStrategy> strategies = {AssignmentStrategy::kRange,
                                                AssignmentStrategy::kCooperativeSticky};
  OffsetReset reset;
  bool read_committed = false;
  bool check_crcs = true;
  bool allow_auto_creation = true;
  bool exclude_internal_topics = true;
  std::int64_t fetch_min_bytes = 1;
  std::int64_t fetch_max_bytes = 50 << 20;
  std::int64_t max_partition_fetch_bytes = 1 << 20;
  std::chrono::milliseconds fetch_max_wait{500};
};

Result<ConsumerConfig> consumer_config_of(const Properties& properties);

}  // namespace barnabas::tools

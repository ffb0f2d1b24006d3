// What every topic of control shares: its inputs, its result, and the seam to the configuration registry.
//
// A control is a function (context, request) -> records and a response. It changes nothing: the records are
// appended, committed and replayed, and only then does the response leave. Pure but for the Random it is
// given (topic ids, first replica). Thread safety: the strand of the metadata node.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "base/result.hpp"
#include "kraft/metadata_image.hpp"
#include "kraft/metadata_record.hpp"

namespace barnabas::kraft {

/// One configuration entry as CreateTopics answers it (v5+).
struct DescribedConfig {
  std::string name;
  std::optional<std::string> value;
  bool read_only = false;
  std::int8_t source = -1;  // Kafka's ConfigSource
  bool sensitive = false;
};

/// The registry of configurations, implemented by broker/config. Thread safety: any thread.
class ConfigValidator {
 public:
  virtual ~ConfigValidator() = default;
  /// Whether `overrides`, all that the resource would have, may be set. INVALID_CONFIG (40) for unknown names
  /// and bad values, INVALID_REQUEST (42) where Kafka answers that.
  [[nodiscard]] virtual Result<void> validate(const ConfigResource& resource,
                                              const ConfigMap& overrides) const = 0;
  /// All entries of the resource as it would stand with `overrides`; `cluster_defaults` are the dynamic ones
  /// of resource (broker, "").
  [[nodiscard]] virtual std::vector<DescribedConfig> describe(const ConfigResource& resource,
                                                              const ConfigMap& overrides,
                                                              const ConfigMap& cluster_defaults) const = 0;
  /// Whether APPEND and SUBTRACT are allowed for the entry.
  [[nodiscard]] virtual bool is_list(ConfigResourceType type, std::string_view name) const = 0;
  /// What the node would use for an entry of a topic or broker that nothing overrides (static configuration
  /// included); nothing when there is no such entry.
  [[nodiscard]] virtual std::optional<std::string> default_value(ConfigResourceType type,
                                                                 std::string_view name) const = 0;
};

struct ControllerOptions {
  BrokerId node_id;
  std::string cluster_id;
  std::int32_t default_partitions = 1;          // num.partitions
  std::int16_t default_replication_factor = 1;  // default.replication.factor
  std::int64_t broker_session_timeout_ms = 9000;
  /// How long a broker may be silent after the connection of its heartbeats ended; 0: as long as otherwise.
  std::int64_t broker_disconnect_timeout_ms = 0;
  /// leader.imbalance.check.interval.seconds; 0: auto.leader.rebalance.enable is false.
  std::int64_t leader_imbalance_check_interval_ms = 300000;
  std::int64_t unclean_election_interval_ms = 300000;  // unclean.leader.election.interval.ms; 0: never
  std::int32_t max_partitions_per_request = 10000;     // measured on Kafka 4.3.1
  std::int32_t max_records_per_operation = 10000;
};

/// Highest level of each feature that this software supports, and the lowest.
[[nodiscard]] const std::map<std::string, VersionRange>& supported_features();

struct ControlContext {
  const MetadataImage& image;  // everything appended so far
  Offset next_offset;          // of the first record that this control returns
  const ControllerOptions& options;
  const ConfigValidator& configs;
  Random& random;
  std::int64_t now_ms = 0;
  std::int16_t kraft_version = 0;  // of the quorum
  /// From 0 to 1: RaftNode::can_upgrade_kraft_version().
  bool can_upgrade_kraft_version = false;
};

template <class Response>
struct ControllerResult {
  MetadataRecords records;  // one atomic batch; none when nothing changes
  Response response;
};

/// A topic's or broker's value of one entry: its override, the cluster-wide default, the node's default.
[[nodiscard]] std::string effective_config(const ControlContext& context, std::string_view topic,
                                           const std::string& name, std::string_view fallback);

}  // namespace barnabas::kraft

// BrokerConfig: what this node was configured with: the properties it was started with below the dynamic
// configuration that the cluster's metadata holds.
//
// Owned by the node. Thread safety: thread-safe; values are read from immutable snapshots (settings()) that
// apply() replaces. Hold the pointer for as long as the values are used, take a new one for each request.
// Precedence of a broker's value: dynamic of this broker, dynamic cluster-wide default, static, default. Of a
// topic's: topic override, then the broker's value by the synonyms of the name.
// Source: config definitions of Kafka 4.3.1; KIP-226 for the dynamic layers.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/network.hpp"
#include "base/result.hpp"
#include "broker/config/config_definition.hpp"
#include "kraft/metadata_image.hpp"
#include "log/partition_log.hpp"

namespace barnabas::broker {

using kraft::ConfigMap;

/// One address that the node listens on.
struct ListenerSettings {
  std::string name;                    // upper case
  Endpoint bind;                       // empty host: every interface; port 0: any
  std::optional<Endpoint> advertised;  // none: the bound address is told
  std::int16_t security_protocol = 0;  // 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL
  bool controller = false;             // one of controller.listener.names
  bool inter_broker = false;           // inter.broker.listener.name
};

struct QuorumVoter {
  BrokerId id;
  Endpoint endpoint;
};

/// Typed values of one moment. The names are Kafka's with underscores.
struct BrokerSettings {
  // Who and where. Never change after the start.
  BrokerId node_id;
  bool is_broker = false;
  bool is_controller = false;
  std::optional<std::string> broker_rack;
  std::vector<ListenerSettings> listeners;
  std::vector<std::string> controller_listener_names;
  std::string inter_broker_listener_name;
  std::vector<std::string> log_dirs;
  std::string metadata_log_dir;  // metadata.log.dir, else the first of log_dirs
  std::vector<QuorumVoter> controller_quorum_voters;
  std::vector<Endpoint> controller_quorum_bootstrap_servers;
  std::int32_t broker_heartbeat_interval_ms = 0;
  std::int32_t broker_session_timeout_ms = 0;
  std::int32_t initial_broker_registration_timeout_ms = 0;
  std::int64_t leader_imbalance_check_interval_ms = 0;  // 0: auto.leader.rebalance.enable is false
  std::int64_t unclean_leader_election_interval_ms = 0;
  bool controlled_shutdown_enable = true;

  // Topics.
  std::int32_t num_partitions = 1;
  std::int32_t default_replication_factor = 1;
  bool auto_create_topics_enable = true;
  bool delete_topic_enable = true;
  std::int32_t min_insync_replicas = 1;

  // The network.
  std::int32_t num_network_threads = 3;
  std::int32_t num_io_threads = 8;
  std::int32_t socket_request_max_bytes = 0;
  std::int64_t queued_max_request_bytes = -1;
  std::int32_t socket_send_buffer_bytes = 0;
  std::int32_t socket_receive_buffer_bytes = 0;
  std::int32_t socket_listen_backlog_size = 50;
  std::int32_t max_connections = 0;
  std::int32_t max_connections_per_ip = 0;
  std::map<std::string, std::int32_t> max_connections_per_ip_overrides;
  std::int32_t max_connection_creation_rate = 0;
  std::int64_t connections_max_idle_ms = 0;
  std::int32_t request_timeout_ms = 0;

  // Produce and fetch.
  std::int32_t message_max_bytes = 0;
  std::int32_t fetch_max_bytes = 0;
  std::int32_t max_incremental_fetch_session_cache_slots = 0;
  std::int32_t max_request_partition_size_limit = 0;

  // Replication.
  std::int32_t num_replica_fetchers = 1;
  std::int32_t replica_fetch_max_bytes = 0;
  std::int32_t replica_fetch_response_max_bytes = 0;
  std::int32_t replica_fetch_min_bytes = 1;
  std::int32_t replica_fetch_wait_max_ms = 0;
  std::int32_t replica_fetch_backoff_ms = 0;
  std::int32_t replica_socket_timeout_ms = 0;
  std::int64_t replica_lag_time_max_ms = 0;
  bool is_rack_aware_selector = false;  // replica.selector.class
  std::int64_t leader_replication_throttled_rate = INT64_MAX;
  std::int64_t follower_replication_throttled_rate = INT64_MAX;
  std::int32_t replication_quota_window_num = 0;
  std::int32_t replication_quota_window_size_seconds = 0;

  // Logs.
  std::int64_t log_retention_check_interval_ms = 0;
  std::int64_t log_flush_scheduler_interval_ms = 0;
  std::int32_t log_flush_offset_checkpoint_interval_ms = 0;
  std::int32_t log_flush_start_offset_checkpoint_interval_ms = 0;
  std::int64_t replica_high_watermark_checkpoint_interval_ms = 0;
  std::int32_t num_recovery_threads_per_data_dir = 0;
  std::int64_t log_dir_failure_timeout_ms = 0;
  std::int32_t producer_id_expiration_ms = 0;
  std::int32_t producer_id_expiration_check_interval_ms = 0;
  std::int64_t log_initial_task_delay_ms = 0;
  bool log_cleaner_enable = true;
  std::int32_t log_cleaner_threads = 1;
  std::int64_t log_cleaner_dedupe_buffer_size = 0;
  double log_cleaner_io_buffer_load_factor = 0;
  std::int32_t log_cleaner_io_buffer_size = 0;
  double log_cleaner_io_max_bytes_per_second = 0;
  std::int64_t log_cleaner_backoff_ms = 0;
  std::int32_t num_replica_alter_log_dirs_threads = 0;        // by default one a log directory
  double replica_alter_log_dirs_io_max_bytes_per_second = 0;  // 0: no limit

  // Classic groups and committed offsets.
  std::int32_t group_min_session_timeout_ms = 0;
  std::int32_t group_max_session_timeout_ms = 0;
  std::int32_t group_initial_rebalance_delay_ms = 0;
  std::int32_t group_max_size = 0;
  std::int32_t offset_metadata_max_bytes = 0;
  std::int32_t offsets_retention_minutes = 0;
  std::int64_t offsets_retention_check_interval_ms = 0;
  std::int32_t offsets_load_buffer_size = 0;
  std::int32_t offsets_topic_num_partitions = 0;
  std::int16_t offsets_topic_replication_factor = 0;
  std::int32_t offsets_topic_segment_bytes = 0;
  std::int32_t offsets_topic_compression_codec = 0;

  // Transactions and share state.
  std::int32_t transaction_state_log_num_partitions = 0;
  std::int16_t transaction_state_log_replication_factor = 0;
  std::int32_t transaction_state_log_min_isr = 0;
  std::int32_t transaction_state_log_segment_bytes = 0;
  std::int32_t transaction_max_timeout_ms = 0;
  std::int32_t transactional_id_expiration_ms = 0;
  std::int32_t share_coordinator_state_topic_num_partitions = 0;
  std::int16_t share_coordinator_state_topic_replication_factor = 0;
  std::int32_t share_coordinator_state_topic_min_isr = 0;
  std::int32_t share_coordinator_state_topic_segment_bytes = 0;

  // The metadata log.
  std::int64_t metadata_log_max_record_bytes_between_snapshots = 0;
  std::int64_t metadata_log_max_snapshot_interval_ms = 0;
  std::int32_t metadata_log_segment_bytes = 0;
  std::int64_t metadata_log_segment_ms = 0;
  std::int64_t metadata_max_retention_bytes = 0;
  std::int64_t metadata_max_retention_ms = 0;
  std::int32_t metadata_max_idle_interval_ms = 0;

  // Security.
  std::string authorizer_class_name;
  std::vector<std::string> super_users;
  bool allow_everyone_if_no_acl_found = false;
};

/// A value and where it comes from. Values are DescribeConfigs' ConfigSource.
enum class ConfigSource : std::int8_t {
  kUnknown = 0,
  kTopic = 1,
  kDynamicBroker = 2,
  kDynamicDefaultBroker = 3,
  kStaticBroker = 4,
  kDefault = 5,
  kDynamicBrokerLogger = 6,
  kClientMetrics = 7,
  kGroup = 8,
};

/// The layers above the defaults, at one moment.
struct ConfigLayers {
  ConfigMap static_values;
  ConfigMap dynamic_default;  // of every broker
  ConfigMap dynamic_broker;   // of this broker

  /// The value in force of exactly this name; nothing when it is null.
  [[nodiscard]] std::optional<std::string> value(std::string_view name) const;
};

class BrokerConfig {
 public:
  /// Parses and checks all of `properties`. The error names key, value and what is allowed. Unknown names
  /// are kept and reported in `unknown_names`.
  static Result<std::unique_ptr<BrokerConfig>> make(ConfigMap properties);

  /// Never null.
  [[nodiscard]] std::shared_ptr<const BrokerSettings> settings() const {
    return settings_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::shared_ptr<const ConfigLayers> layers() const {
    return layers_.load(std::memory_order_acquire);
  }
  [[nodiscard]] const std::vector<std::string>& unknown_names() const { return unknown_names_; }

  /// Takes over the dynamic broker configuration of `image`; a value that does not parse is logged and left
  /// out. One caller at a time (the metadata driver).
  void apply(const kraft::MetadataImage& image);

  /// Value of a topic's configuration `name`, by all layers; nothing when it is null or unknown.
  [[nodiscard]] std::optional<std::string> topic_value(const kraft::MetadataImage& image,
                                                       std::string_view topic, std::string_view name) const;
  [[nodiscard]] log::LogConfig log_config_for(const kraft::MetadataImage& image,
                                              std::string_view topic) const;
  /// With no topic overrides: for logs before the first image.
  [[nodiscard]] log::LogConfig default_log_config() const;

 private:
  BrokerConfig() = default;

  std::atomic<std::shared_ptr<const BrokerSettings>> settings_;
  std::atomic<std::shared_ptr<const ConfigLayers>> layers_;
  std::vector<std::string> unknown_names_;
};

/// "listener.name.LISTENER.REST" is REST of that listener; every other name stands for itself.
[[nodiscard]] std::string_view without_listener_prefix(std::string_view name);
/// LogConfig of a topic's overrides above the broker's layers.
[[nodiscard]] log::LogConfig make_log_config(const ConfigLayers& layers, const ConfigMap& topic_overrides);
/// Value of a topic configuration by its overrides, then the broker's layers with the synonyms.
[[nodiscard]] std::optional<std::string> topic_config_value(const ConfigLayers& layers,
                                                            const ConfigMap& topic_overrides,
                                                            const ConfigDefinition& definition);

}  // namespace barnabas::broker

#include "broker/metadata_settings.hpp"

#include <charconv>
#include <optional>

#include "base/check.hpp"
#include "kraft/quorum_state_file.hpp"
#include "kraft/voters.hpp"

namespace barnabas::broker {
namespace {

using std::chrono::milliseconds;

/// Of an entry that was checked when the configuration was read.
std::int32_t number_of(const ConfigLayers& layers, std::string_view name) {
  const auto text = layers.value(name);
  std::int32_t number = 0;
  CHECK(text && std::from_chars(text->data(), text->data() + text->size(), number).ec == std::errc(),
        "a configuration value was not checked before it was read");
  return number;
}

kraft::RaftTimeouts timeouts_of(const ConfigLayers& layers) {
  const auto time = [&](std::string_view name) { return milliseconds(number_of(layers, name)); };
  kraft::RaftTimeouts timeouts;
  timeouts.election = time("controller.quorum.election.timeout.ms");
  timeouts.election_backoff_max = time("controller.quorum.election.backoff.max.ms");
  timeouts.fetch = time("controller.quorum.fetch.timeout.ms");
  timeouts.request = time("controller.quorum.request.timeout.ms");
  timeouts.retry_backoff = time("controller.quorum.retry.backoff.ms");
  return timeouts;
}

Result<std::optional<kraft::VoterSet>> static_voters(const BrokerConfig& config) {
  const auto settings = config.settings();
  if (settings->controller_quorum_voters.empty()) return std::nullopt;
  return TRY(kraft::parse_static_voters(*config.layers()->value("controller.quorum.voters"),
                                        settings->controller_listener_names.front()));
}

}  // namespace

Result<void> check_quorum(FileSystem& files, const BrokerConfig& config) {
  const auto voters = TRY(static_voters(config));
  if (!voters) return {};
  return kraft::check_static_voters(files, config.settings()->metadata_log_dir + "/__cluster_metadata-0",
                                    *voters);
}

Result<kraft::MetadataNodeOptions> metadata_node_options(
    const BrokerConfig& config, const std::string& cluster_id, DirectoryId directory_id,
    std::vector<kraft::NamedEndpoint> controller_endpoints) {
  const auto settings = config.settings();
  const auto layers = config.layers();
  kraft::MetadataNodeOptions options;
  options.directory = settings->metadata_log_dir;
  options.node_id = settings->node_id;
  options.directory_id = directory_id;
  options.controller_endpoints = std::move(controller_endpoints);
  options.controller_listener = settings->controller_listener_names.front();
  options.static_voters = TRY(static_voters(config));
  options.bootstrap_servers = settings->controller_quorum_bootstrap_servers.size();
  options.is_controller = settings->is_controller;
  options.auto_join = layers->value("controller.quorum.auto.join.enable") == "true";
  options.timeouts = timeouts_of(*layers);
  options.min_insync_replicas = std::to_string(settings->min_insync_replicas);
  options.controller.cluster_id = cluster_id;
  options.controller.default_partitions = settings->num_partitions;
  options.controller.default_replication_factor =
      static_cast<std::int16_t>(settings->default_replication_factor);
  options.controller.broker_session_timeout_ms = settings->broker_session_timeout_ms;
  options.controller.broker_disconnect_timeout_ms = settings->broker_heartbeat_interval_ms * 5LL / 4;
  options.controller.leader_imbalance_check_interval_ms = settings->leader_imbalance_check_interval_ms;
  options.controller.unclean_election_interval_ms = settings->unclean_leader_election_interval_ms;
  options.max_idle_interval_ms = settings->metadata_max_idle_interval_ms;
  options.snapshot_max_new_bytes = settings->metadata_log_max_record_bytes_between_snapshots;
  options.snapshot_max_interval_ms = settings->metadata_log_max_snapshot_interval_ms;
  options.retention_bytes = settings->metadata_max_retention_bytes;
  options.retention_ms = settings->metadata_max_retention_ms;
  options.segment_bytes = settings->metadata_log_segment_bytes;
  options.segment_ms = settings->metadata_log_segment_ms;
  return options;
}

QuorumNetworkOptions quorum_network_options(const BrokerConfig& config, const std::string& cluster_id) {
  const auto settings = config.settings();
  const auto layers = config.layers();
  QuorumNetworkOptions options;
  options.wire.cluster_id = cluster_id;
  options.wire.fetch_max_bytes = number_of(*layers, "controller.quorum.fetch.max.bytes");
  options.wire.fetch_snapshot_max_bytes = number_of(*layers, "controller.quorum.fetch.snapshot.max.bytes");
  options.controller_listener = settings->controller_listener_names.front();
  options.bootstrap_servers = settings->controller_quorum_bootstrap_servers;
  options.client_id = "raft-client-" + std::to_string(settings->node_id.value());
  options.request_timeout = milliseconds(number_of(*layers, "controller.quorum.request.timeout.ms"));
  return options;
}

}  // namespace barnabas::broker

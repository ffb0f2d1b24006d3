#include "broker/config/broker_config.hpp"

#include <fmt/format.h>

#include <charconv>
#include <functional>

#include "base/check.hpp"
#include "base/logging.hpp"
#include "broker/config/config_combinations.hpp"
#include "broker/config/listener_settings.hpp"

namespace barnabas::broker {
namespace {

constexpr std::string_view kComponent = "org.apache.kafka.common.config.AbstractConfig";

std::unexpected<Error> refuse(std::string text) {
  return fail(ErrorCode::kInvalidConfig, std::move(text));
}

/// Reads normalized values into typed members. A missing value leaves the member as it is.
class Reader {
 public:
  explicit Reader(const ConfigLayers& layers) : layers_(layers) {}

  template <class Number>
    requires std::is_arithmetic_v<Number>
  void operator()(const char* name, Number& into) const {
    const auto text = layers_.value(name);
    if (!text) return;
    if constexpr (std::is_same_v<Number, bool>) {
      into = *text == "true";
    } else {
      const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), into);
      CHECK(error == std::errc(), "a configuration value was not checked before it was read");
    }
  }
  void operator()(const char* name, std::string& into) const {
    if (auto text = layers_.value(name)) into = std::move(*text);
  }

 private:
  const ConfigLayers& layers_;
};

void read_topics_and_network(const Reader& read, BrokerSettings& s) {
  read("num.partitions", s.num_partitions);
  read("default.replication.factor", s.default_replication_factor);
  read("auto.create.topics.enable", s.auto_create_topics_enable);
  read("delete.topic.enable", s.delete_topic_enable);
  read("min.insync.replicas", s.min_insync_replicas);
  read("num.network.threads", s.num_network_threads);
  read("num.io.threads", s.num_io_threads);
  read("socket.request.max.bytes", s.socket_request_max_bytes);
  read("queued.max.request.bytes", s.queued_max_request_bytes);
  read("socket.send.buffer.bytes", s.socket_send_buffer_bytes);
  read("socket.receive.buffer.bytes", s.socket_receive_buffer_bytes);
  read("socket.listen.backlog.size", s.socket_listen_backlog_size);
  read("max.connections", s.max_connections);
  read("max.connections.per.ip", s.max_connections_per_ip);
  read("max.connection.creation.rate", s.max_connection_creation_rate);
  read("connections.max.idle.ms", s.connections_max_idle_ms);
  read("request.timeout.ms", s.request_timeout_ms);
  read("message.max.bytes", s.message_max_bytes);
  read("fetch.max.bytes", s.fetch_max_bytes);
  read("max.incremental.fetch.session.cache.slots", s.max_incremental_fetch_session_cache_slots);
  read("max.request.partition.size.limit", s.max_request_partition_size_limit);
}

void read_replication(const ConfigLayers& layers, const Reader& read, BrokerSettings& s) {
  read("num.replica.fetchers", s.num_replica_fetchers);
  read("replica.fetch.max.bytes", s.replica_fetch_max_bytes);
  read("replica.fetch.response.max.bytes", s.replica_fetch_response_max_bytes);
  read("replica.fetch.min.bytes", s.replica_fetch_min_bytes);
  read("replica.fetch.wait.max.ms", s.replica_fetch_wait_max_ms);
  read("replica.fetch.backoff.ms", s.replica_fetch_backoff_ms);
  read("replica.socket.timeout.ms", s.replica_socket_timeout_ms);
  read("replica.lag.time.max.ms", s.replica_lag_time_max_ms);
  read("replication.quota.window.num", s.replication_quota_window_num);
  read("replication.quota.window.size.seconds", s.replication_quota_window_size_seconds);
  s.is_rack_aware_selector =
      layers.value("replica.selector.class") == "org.apache.kafka.common.replica.RackAwareReplicaSelector";
  // Quotas of one broker: there are no static values.
  const auto limit = [&layers](const char* name, std::int64_t& into) {
    if (const auto found = layers.dynamic_broker.find(name); found != layers.dynamic_broker.end())
      into = std::stoll(found->second);
  };
  limit("leader.replication.throttled.rate", s.leader_replication_throttled_rate);
  limit("follower.replication.throttled.rate", s.follower_replication_throttled_rate);
}

void read_logs(const Reader& read, BrokerSettings& s) {
  read("log.retention.check.interval.ms", s.log_retention_check_interval_ms);
  read("log.flush.scheduler.interval.ms", s.log_flush_scheduler_interval_ms);
  read("log.flush.offset.checkpoint.interval.ms", s.log_flush_offset_checkpoint_interval_ms);
  read("log.flush.start.offset.checkpoint.interval.ms", s.log_flush_start_offset_checkpoint_interval_ms);
  read("replica.high.watermark.checkpoint.interval.ms", s.replica_high_watermark_checkpoint_interval_ms);
  read("num.recovery.threads.per.data.dir", s.num_recovery_threads_per_data_dir);
  read("log.dir.failure.timeout.ms", s.log_dir_failure_timeout_ms);
  read("producer.id.expiration.ms", s.producer_id_expiration_ms);
  read("producer.id.expiration.check.interval.ms", s.producer_id_expiration_check_interval_ms);
  read("log.initial.task.delay.ms", s.log_initial_task_delay_ms);
  read("log.cleaner.enable", s.log_cleaner_enable);
  read("log.cleaner.threads", s.log_cleaner_threads);
  read("log.cleaner.dedupe.buffer.size", s.log_cleaner_dedupe_buffer_size);
  read("log.cleaner.io.buffer.load.factor", s.log_cleaner_io_buffer_load_factor);
  read("log.cleaner.io.buffer.size", s.log_cleaner_io_buffer_size);
  read("log.cleaner.io.max.bytes.per.second", s.log_cleaner_io_max_bytes_per_second);
  read("log.cleaner.backoff.ms", s.log_cleaner_backoff_ms);
  read("metadata.log.max.record.bytes.between.snapshots", s.metadata_log_max_record_bytes_between_snapshots);
  read("metadata.log.max.snapshot.interval.ms", s.metadata_log_max_snapshot_interval_ms);
  read("metadata.log.segment.bytes", s.metadata_log_segment_bytes);
  read("metadata.log.segment.ms", s.metadata_log_segment_ms);
  read("metadata.max.retention.bytes", s.metadata_max_retention_bytes);
  read("metadata.max.retention.ms", s.metadata_max_retention_ms);
  read("metadata.max.idle.interval.ms", s.metadata_max_idle_interval_ms);
}

void read_coordinators(const Reader& read, BrokerSettings& s) {
  read("group.min.session.timeout.ms", s.group_min_session_timeout_ms);
  read("group.max.session.timeout.ms", s.group_max_session_timeout_ms);
  read("group.initial.rebalance.delay.ms", s.group_initial_rebalance_delay_ms);
  read("group.max.size", s.group_max_size);
  read("offset.metadata.max.bytes", s.offset_metadata_max_bytes);
  read("offsets.retention.minutes", s.offsets_retention_minutes);
  read("offsets.retention.check.interval.ms", s.offsets_retention_check_interval_ms);
  read("offsets.load.buffer.size", s.offsets_load_buffer_size);
  read("offsets.topic.num.partitions", s.offsets_topic_num_partitions);
  read("offsets.topic.replication.factor", s.offsets_topic_replication_factor);
  read("offsets.topic.segment.bytes", s.offsets_topic_segment_bytes);
  read("offsets.topic.compression.codec", s.offsets_topic_compression_codec);
  read("transaction.state.log.num.partitions", s.transaction_state_log_num_partitions);
  read("transaction.state.log.replication.factor", s.transaction_state_log_replication_factor);
  read("transaction.state.log.min.isr", s.transaction_state_log_min_isr);
  read("transaction.state.log.segment.bytes", s.transaction_state_log_segment_bytes);
  read("transaction.max.timeout.ms", s.transaction_max_timeout_ms);
  read("transactional.id.expiration.ms", s.transactional_id_expiration_ms);
  read("share.coordinator.state.topic.num.partitions", s.share_coordinator_state_topic_num_partitions);
  read("share.coordinator.state.topic.replication.factor",
       s.share_coordinator_state_topic_replication_factor);
  read("share.coordinator.state.topic.min.isr", s.share_coordinator_state_topic_min_isr);
  read("share.coordinator.state.topic.segment.bytes", s.share_coordinator_state_topic_segment_bytes);
}

/// Settings of the authorizer itself, which are no part of the broker's own table.
void read_authorizer(const ConfigLayers& layers, BrokerSettings& s) {
  const auto value = [&layers](const char* name) {
    const auto found = layers.static_values.find(name);
    return found == layers.static_values.end() ? std::string_view() : std::string_view(found->second);
  };
  std::string_view rest = value("super.users");
  while (!rest.empty()) {
    const auto end = std::min(rest.find(';'), rest.size());
    const std::string_view user = rest.substr(0, end);
    if (const auto first = user.find_first_not_of(" \t"); first != std::string_view::npos)
      s.super_users.emplace_back(user.substr(first, user.find_last_not_of(" \t") - first + 1));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  // Whatever is not "true" is false here, in Kafka too.
  s.allow_everyone_if_no_acl_found =
      std::ranges::equal(value("allow.everyone.if.no.acl.found"), std::string_view("true"), {}, ::tolower);
}

void read_identity(const ConfigLayers& layers, const Reader& read, BrokerSettings& s) {
  std::int32_t node_id = 0;
  read("node.id", node_id);
  s.node_id = BrokerId(node_id);
  for (const auto& role : split_list(layers.value("process.roles").value_or(""))) {
    s.is_broker = s.is_broker || role == "broker";
    s.is_controller = s.is_controller || role == "controller";
  }
  s.broker_rack = layers.value("broker.rack");
  s.log_dirs = split_list(layers.value("log.dirs").value_or(layers.value("log.dir").value_or("")));
  s.metadata_log_dir = layers.value("metadata.log.dir").value_or(s.log_dirs.front());
  s.num_replica_alter_log_dirs_threads = static_cast<std::int32_t>(s.log_dirs.size());
  read("num.replica.alter.log.dirs.threads", s.num_replica_alter_log_dirs_threads);
  // A quota: there is no static value, and none for all brokers.
  const auto limit = layers.dynamic_broker.find("replica.alter.log.dirs.io.max.bytes.per.second");
  s.replica_alter_log_dirs_io_max_bytes_per_second =
      limit == layers.dynamic_broker.end() ? 0 : std::stod(limit->second);
  read("broker.heartbeat.interval.ms", s.broker_heartbeat_interval_ms);
  read("broker.session.timeout.ms", s.broker_session_timeout_ms);
  read("initial.broker.registration.timeout.ms", s.initial_broker_registration_timeout_ms);
  bool rebalances = true;
  read("auto.leader.rebalance.enable", rebalances);
  read("leader.imbalance.check.interval.seconds", s.leader_imbalance_check_interval_ms);
  s.leader_imbalance_check_interval_ms *= rebalances ? 1000 : 0;
  read("unclean.leader.election.interval.ms", s.unclean_leader_election_interval_ms);
  read("controlled.shutdown.enable", s.controlled_shutdown_enable);
  read("authorizer.class.name", s.authorizer_class_name);
  read_authorizer(layers, s);
}

Result<void> read_overrides_per_ip(const ConfigLayers& layers, BrokerSettings& s) {
  for (const auto& item : split_list(layers.value("max.connections.per.ip.overrides").value_or(""))) {
    const auto colon = item.rfind(':');
    std::int32_t limit = 0;
    const char* end = item.data() + item.size();
    if (colon == std::string::npos || std::from_chars(item.data() + colon + 1, end, limit).ptr != end)
      return refuse(fmt::format(
          "Error parsing configuration property 'max.connections.per.ip.overrides': {} is not of the form "
          "ADDRESS:LIMIT",
          item));
    s.max_connections_per_ip_overrides[item.substr(0, colon)] = limit;
  }
  return {};
}

Result<std::shared_ptr<const BrokerSettings>> make_settings(const ConfigLayers& layers) {
  auto settings = std::make_shared<BrokerSettings>();
  const Reader read(layers);
  read_identity(layers, read, *settings);
  read_topics_and_network(read, *settings);
  read_replication(layers, read, *settings);
  read_logs(read, *settings);
  read_coordinators(read, *settings);
  TRY(read_overrides_per_ip(layers, *settings));
  TRY(read_listeners(layers, *settings));
  TRY(read_quorum(layers, *settings));
  TRY(check_combinations(layers, *settings));
  return settings;
}

/// node.id and the older broker.id are one setting.
Result<void> unite_node_id(ConfigMap& properties) {
  const auto node = properties.find("node.id");
  const auto broker = properties.find("broker.id");
  const auto id_of = [](const auto& property) { return std::stoll(property->second); };
  if (node != properties.end() && broker != properties.end() && id_of(node) != id_of(broker))
    return refuse("You must set `node.id` to the same value as `broker.id`.");
  if (node == properties.end() && broker != properties.end() && id_of(broker) != -1)
    properties["node.id"] = broker->second;
  else if (node != properties.end())
    properties["broker.id"] = node->second;
  return {};
}

/// Known outside the broker's own table: of the authorizer, and per listener or plugin.
bool is_known_elsewhere(std::string_view name) {
  return name == "super.users" || name == "allow.everyone.if.no.acl.found" ||
         name.starts_with("listener.name.") || name.starts_with("rsm.config.") ||
         name.starts_with("rlmm.config.") || name.starts_with("config.providers.");
}

}  // namespace

std::string_view without_listener_prefix(std::string_view name) {
  constexpr std::string_view kPrefix = "listener.name.";
  if (!name.starts_with(kPrefix)) return name;
  const auto dot = name.find('.', kPrefix.size());
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

std::optional<std::string> ConfigLayers::value(std::string_view name) const {
  const auto* definition = find_definition(broker_config_definitions(), name);
  const std::string key(name);
  for (const ConfigMap* layer : {&dynamic_broker, &dynamic_default, &static_values}) {
    const auto found = layer->find(key);
    if (found == layer->end()) continue;
    if (definition == nullptr) return found->second;
    if (auto normal = normalize_value(*definition, found->second)) return std::move(*normal);
  }
  if (definition == nullptr || !definition->has_default) return std::nullopt;
  return std::string(definition->default_value);
}

Result<std::unique_ptr<BrokerConfig>> BrokerConfig::make(ConfigMap properties) {
  std::unique_ptr<BrokerConfig> config(new BrokerConfig);
  // Modules for tests leave a trailing comma here, and refusing it would help nobody.
  if (const auto found = properties.find("advertised.listeners"); found != properties.end())
    while (found->second.size() > 1 && found->second.ends_with(',')) found->second.pop_back();
  for (const auto& [name, value] : properties) {
    const auto* definition = find_definition(broker_config_definitions(), name);
    if (definition != nullptr)
      TRY(normalize_value(*definition, value));
    else if (!is_known_elsewhere(name))
      config->unknown_names_.push_back(name);
  }
  TRY(unite_node_id(properties));
  for (const char* required : {"process.roles", "node.id", "controller.listener.names"})
    if (!properties.contains(required))
      return refuse(
          fmt::format("Missing required configuration \"{}\" which has no default value.", required));
  auto layers = std::make_shared<ConfigLayers>();
  layers->static_values = std::move(properties);
  config->settings_.store(TRY(make_settings(*layers)), std::memory_order_release);
  config->layers_.store(std::move(layers), std::memory_order_release);
  return config;
}

void BrokerConfig::apply(const kraft::MetadataImage& image) {
  const auto current = layers();
  const auto& of_all = image.config(kraft::ConfigResourceType::kBroker, "");
  const auto& of_this =
      image.config(kraft::ConfigResourceType::kBroker, std::to_string(settings()->node_id.value()));
  if (of_all == current->dynamic_default && of_this == current->dynamic_broker) return;
  auto next = std::make_shared<ConfigLayers>();
  next->static_values = current->static_values;
  next->dynamic_default = of_all;
  next->dynamic_broker = of_this;
  auto updated = make_settings(*next);
  if (!updated) {
    log_error(kComponent, "Dynamic broker configuration was not taken over: {}", updated.error().detail);
    return;
  }
  settings_.store(std::move(*updated), std::memory_order_release);
  layers_.store(std::move(next), std::memory_order_release);
}

std::optional<std::string> BrokerConfig::topic_value(const kraft::MetadataImage& image,
                                                     std::string_view topic, std::string_view name) const {
  const auto* definition = find_definition(topic_config_definitions(), name);
  if (definition == nullptr) return std::nullopt;
  return topic_config_value(*layers(), image.config(kraft::ConfigResourceType::kTopic, topic), *definition);
}

log::LogConfig BrokerConfig::log_config_for(const kraft::MetadataImage& image, std::string_view topic) const {
  return make_log_config(*layers(), image.config(kraft::ConfigResourceType::kTopic, topic));
}

log::LogConfig BrokerConfig::default_log_config() const {
  return make_log_config(*layers(), {});
}

}  // namespace barnabas::broker

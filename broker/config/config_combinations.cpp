#include "broker/config/config_combinations.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace barnabas::broker {
namespace {

std::unexpected<Error> refuse(std::string text) {
  return fail(ErrorCode::kInvalidConfig, std::move(text));
}

enum class Relation { kAtLeast, kAtMost, kBelow };

/// `subject` must stand in the relation to `object`; both are names of numbers.
struct Order {
  std::string subject;
  Relation relation;
  std::string object;
};

std::int64_t number(const ConfigLayers& layers, const std::string& name) {
  return std::stoll(layers.value(name).value_or("0"));
}

Result<void> check(const ConfigLayers& layers, const Order& order) {
  const std::int64_t left = number(layers, order.subject);
  const std::int64_t right = number(layers, order.object);
  switch (order.relation) {
    case Relation::kAtLeast:
      if (left >= right) return {};
      return refuse(fmt::format("{} must be greater than or equal to {}", order.subject, order.object));
    case Relation::kAtMost:
      if (left <= right) return {};
      return refuse(fmt::format("{} must be less than or equal to {}", order.subject, order.object));
    case Relation::kBelow:
      if (left < right) return {};
      return refuse(fmt::format("{} must be less than {}", order.subject, order.object));
  }
  return {};
}

/// The bounds of heartbeats, sessions and assignments that every newer group protocol has.
Result<void> check_group_kind(const ConfigLayers& layers, const std::string& kind) {
  const auto name = [&kind](const char* rest) { return fmt::format("group.{}.{}", kind, rest); };
  for (const char* what : {"heartbeat.interval.ms", "session.timeout.ms", "assignment.interval.ms"}) {
    const std::string low = fmt::format("group.{}.min.{}", kind, what);
    const std::string high = fmt::format("group.{}.max.{}", kind, what);
    TRY(check(layers, {high, Relation::kAtLeast, low}));
    TRY(check(layers, {name(what), Relation::kAtLeast, low}));
    TRY(check(layers, {name(what), Relation::kAtMost, high}));
  }
  return check(layers, {name("heartbeat.interval.ms"), Relation::kBelow, name("session.timeout.ms")});
}

Result<void> check_assignors(const ConfigLayers& layers, const char* name,
                             std::initializer_list<std::string_view> known) {
  for (const auto& assignor : split_list(layers.value(name).value_or("")))
    if (std::ranges::find(known, assignor) == known.end())
      return refuse(fmt::format("Class {} cannot be found", assignor));
  return {};
}

Result<void> check_groups(const ConfigLayers& layers) {
  for (const char* kind : {"consumer", "share", "streams"}) TRY(check_group_kind(layers, kind));
  const Order orders[] = {
      {"group.share.delivery.count.limit", Relation::kAtLeast, "group.share.min.delivery.count.limit"},
      {"group.share.max.delivery.count.limit", Relation::kAtLeast, "group.share.delivery.count.limit"},
      {"group.share.record.lock.duration.ms", Relation::kAtLeast, "group.share.min.record.lock.duration.ms"},
      {"group.share.max.record.lock.duration.ms", Relation::kAtLeast, "group.share.record.lock.duration.ms"},
      {"group.share.partition.max.record.locks", Relation::kAtLeast,
       "group.share.min.partition.max.record.locks"},
      {"group.share.max.partition.max.record.locks", Relation::kAtLeast,
       "group.share.partition.max.record.locks"},
      {"group.share.max.share.sessions", Relation::kAtLeast, "group.share.max.size"},
      {"group.streams.num.standby.replicas", Relation::kAtMost, "group.streams.max.standby.replicas"},
  };
  for (const Order& order : orders) TRY(check(layers, order));
  TRY(check_assignors(layers, "group.consumer.assignors",
                      {"uniform", "range", "org.apache.kafka.coordinator.group.assignor.UniformAssignor",
                       "org.apache.kafka.coordinator.group.assignor.RangeAssignor"}));
  TRY(check_assignors(layers, "group.share.assignors",
                      {"simple", "org.apache.kafka.coordinator.group.assignor.SimpleAssignor"}));
  const auto protocols = split_list(layers.value("group.coordinator.rebalance.protocols").value_or(""));
  if (std::ranges::find(protocols, "classic") == protocols.end())
    return refuse("Disabling the 'classic' protocol is not supported.");
  return {};
}

Result<void> check_compression(const ConfigLayers& layers) {
  for (const char* name :
       {"offsets.topic.compression.codec", "share.coordinator.state.topic.compression.codec"}) {
    const std::int64_t codec = number(layers, name);
    if (codec < 0 || codec > 4) return refuse(fmt::format("Unknown compression type id: {}", codec));
  }
  return {};
}

Result<void> check_logs(const ConfigLayers& layers, const BrokerSettings& settings) {
  const auto in_ms = [&](std::string_view topic_name) {
    const auto* definition = find_definition(topic_config_definitions(), topic_name);
    return std::stoll(topic_config_value(layers, {}, *definition).value_or("1"));
  };
  if (in_ms("segment.ms") < 1) return refuse("log.roll.ms must be greater than or equal to 1");
  if (in_ms("segment.jitter.ms") < 0) return refuse("log.roll.jitter.ms must be greater than or equal to 0");
  if (in_ms("retention.ms") == 0)
    return refuse("log.retention.ms must be unlimited (-1) or, greater than or equal to 1");
  const std::int64_t threads = number(layers, "log.cleaner.threads");
  if (threads == 0 || number(layers, "log.cleaner.dedupe.buffer.size") / threads <= 1 << 20)
    return refuse("log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.");
  const auto cordoned = split_list(layers.value("cordoned.log.dirs").value_or(""));
  const bool all = std::ranges::find(cordoned, "*") != cordoned.end();
  if (all && cordoned.size() > 1)
    return refuse("When cordoned.log.dirs is set to *, it must not contain other values");
  std::vector<std::string> missing;
  for (const auto& directory : cordoned)
    if (!all && std::ranges::find(settings.log_dirs, directory) == settings.log_dirs.end() &&
        std::ranges::find(missing, directory) == missing.end())
      missing.push_back(directory);
  if (missing.empty()) return {};
  return refuse(fmt::format(
      "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : {}",
      fmt::join(missing, ", ")));
}

Result<void> check_replication(const ConfigLayers& layers) {
  const std::int64_t wait = number(layers, "replica.fetch.wait.max.ms");
  if (wait > number(layers, "replica.socket.timeout.ms"))
    return refuse(
        "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent "
        "unnecessary socket timeouts");
  if (wait > number(layers, "replica.lag.time.max.ms"))
    return refuse(
        "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to "
        "prevent frequent changes in ISR");
  return {};
}

Result<void> check_network(const ConfigLayers& layers, const BrokerSettings& settings) {
  if (settings.max_connections_per_ip == 0 && settings.max_connections_per_ip_overrides.empty())
    return refuse(
        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is "
        "set.");
  const std::int64_t delay = number(layers, "connection.failed.authentication.delay.ms");
  if (settings.connections_max_idle_ms >= 0 && delay >= settings.connections_max_idle_ms)
    return refuse(
        fmt::format("connection.failed.authentication.delay.ms={} should always be less than "
                    "connections.max.idle.ms={} to prevent failed authentication responses from timing out",
                    delay, settings.connections_max_idle_ms));
  if (settings.queued_max_request_bytes > 0 &&
      settings.queued_max_request_bytes < settings.socket_request_max_bytes)
    return refuse("queued.max.request.bytes must be larger or equal to socket.request.max.bytes");
  for (const auto& name : split_list(layers.value("early.start.listeners").value_or(""))) {
    const auto& controllers = settings.controller_listener_names;
    if (std::ranges::find(settings.listeners, name, &ListenerSettings::name) == settings.listeners.end() &&
        std::ranges::find(controllers, name) == controllers.end())
      return refuse(
          fmt::format("early.start.listeners contains listener {}, but this is not contained in listeners "
                      "or controller.listener.names",
                      name));
  }
  return {};
}

}  // namespace

Result<void> check_combinations(const ConfigLayers& layers, const BrokerSettings& settings) {
  TRY(check_groups(layers));
  TRY(check_compression(layers));
  TRY(check_logs(layers, settings));
  TRY(check_replication(layers));
  return check_network(layers, settings);
}

}  // namespace barnabas::broker

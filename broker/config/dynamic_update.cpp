#include "broker/config/dynamic_update.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace barnabas::broker {
namespace {

std::unexpected<Error> refuse(std::string text) {
  return fail(ErrorCode::kInvalidRequest, std::move(text));
}

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("[{}]", fmt::join(names, ", "));
}

const ConfigDefinition* definition_of(std::string_view name) {
  const auto* quota = find_definition(broker_quota_config_definitions(), name);
  return quota != nullptr ? quota
                          : find_definition(broker_config_definitions(), without_listener_prefix(name));
}

bool is_listener_security_config(std::string_view name) {
  return name.starts_with("ssl.keystore.") || name.starts_with("ssl.truststore.") ||
         name == "ssl.key.password";
}

Result<void> check_update_modes(const ConfigMap& overrides) {
  std::vector<std::string> read_only;
  std::vector<std::string> needs_prefix;
  for (const auto& [name, value] : overrides) {
    const auto* definition = find_definition(broker_config_definitions(), name);
    if (definition == nullptr) continue;
    if (definition->update_mode == UpdateMode::kReadOnly) read_only.push_back(name);
    if (is_listener_security_config(name)) needs_prefix.push_back(name);
  }
  if (!read_only.empty())
    return refuse(fmt::format("Cannot update these configs dynamically: {}", joined(read_only)));
  if (!needs_prefix.empty())
    return refuse(
        fmt::format("These security configs can be dynamically updated only per-listener using the listener "
                    "prefix: {}",
                    joined(needs_prefix)));
  return {};
}

Result<void> check_values(const ConfigMap& overrides, bool cluster_wide) {
  std::vector<std::string> needs_broker;
  for (const auto& [name, value] : overrides) {
    const auto* definition = definition_of(name);
    if (definition == nullptr) continue;
    if (auto normal = normalize_value(*definition, value); !normal)
      return refuse(std::move(normal).error().detail);
    if (definition->update_mode == UpdateMode::kPerBroker && cluster_wide) needs_broker.push_back(name);
  }
  if (needs_broker.empty()) return {};
  return refuse(
      fmt::format("Cannot update these configs at default cluster level, broker id must be specified: {}",
                  joined(needs_broker)));
}

/// One number before and after the update.
struct Change {
  std::int64_t before = 0;
  std::int64_t after = 0;
};

Change change_of(const ConfigLayers& current, const ConfigLayers& next, const std::string& name) {
  const auto number = [](const ConfigLayers& layers, const std::string& key) {
    auto value = layers.value(key);
    if (!value) value = layers.value(without_listener_prefix(key));
    return std::stoll(value.value_or("0"));
  };
  return {number(current, name), number(next, name)};
}

/// A pool may at most double or halve at a time.
Result<void> check_threads(const ConfigLayers& current, const ConfigLayers& next, const std::string& name) {
  const Change threads = change_of(current, next, name);
  const std::string_view base = without_listener_prefix(name);
  if (threads.after > threads.before * 2)
    return refuse(base == "log.cleaner.threads"
                      ? fmt::format("Log cleaner threads cannot be increased to more than double the current "
                                    "value {}",
                                    threads.before)
                      : fmt::format("Dynamic thread count update validation failed for {}={}, value should "
                                    "not be greater than double the current value {}",
                                    base, threads.after, threads.before));
  if (threads.after < threads.before / 2)
    return refuse(base == "log.cleaner.threads"
                      ? fmt::format("Log cleaner threads cannot be reduced to less than half the current "
                                    "value {}",
                                    threads.before)
                      : fmt::format("Dynamic thread count update validation failed for {}={}, value should "
                                    "be at least half the current value {}",
                                    base, threads.after, threads.before));
  return {};
}

bool is_thread_count(std::string_view name) {
  constexpr std::string_view kNames[] = {"background.threads",
                                         "log.cleaner.threads",
                                         "num.io.threads",
                                         "num.network.threads",
                                         "num.recovery.threads.per.data.dir",
                                         "num.replica.fetchers",
                                         "remote.log.manager.copier.thread.pool.size",
                                         "remote.log.manager.expiration.thread.pool.size",
                                         "remote.log.manager.follower.thread.pool.size",
                                         "remote.log.reader.threads"};
  return std::ranges::find(kNames, without_listener_prefix(name)) != std::end(kNames);
}

/// What of a tiered log stays here cannot be more than what stays at all; -2 stands for as much.
Result<void> check_local_retention(const ConfigLayers& next, const char* local, std::string_view all,
                                   std::string_view topic_config) {
  const std::int64_t here = std::stoll(next.value(local).value_or("-2"));
  const auto* definition = find_definition(topic_config_definitions(), topic_config);
  const std::int64_t whole = std::stoll(topic_config_value(next, {}, *definition).value_or("-1"));
  if (here == -2 || whole == -1) return {};
  if (here == -1)
    return refuse(
        fmt::format("Invalid value -1 for configuration {}: Value must not be -1 as {} value is set as {}.",
                    local, all, whole));
  if (here > whole)
    return refuse(
        fmt::format("Invalid value {} for configuration {}: Value must not be more than {} property value: "
                    "{}",
                    here, local, all, whole));
  return {};
}

Result<void> check_changes(const ConfigLayers& current, const ConfigLayers& next,
                           const ConfigMap& overrides) {
  for (const auto& [name, value] : overrides) {
    const std::string base(without_listener_prefix(name));
    if (is_thread_count(name)) TRY(check_threads(current, next, name));
    if ((base == "max.connections" || base == "max.connection.creation.rate") &&
        change_of(current, next, name).after == 0)
      return refuse(fmt::format("Invalid {} 0", base));
    if (base == "metric.reporters")
      for (const auto& reporter : split_list(value))
        if (!reporter.starts_with("org.apache.kafka."))
          return refuse(fmt::format("Class {} cannot be found", reporter));
  }
  TRY(check_local_retention(next, "log.local.retention.ms", "log.retention.ms", "retention.ms"));
  return check_local_retention(next, "log.local.retention.bytes", "log.retention.bytes", "retention.bytes");
}

Result<void> check_listeners(const BrokerConfig& current, const BrokerConfig& next) {
  const auto before = current.settings();
  const auto after = next.settings();
  for (const auto& listener : before->listeners) {
    const auto found = std::ranges::find(after->listeners, listener.name, &ListenerSettings::name);
    if (found != after->listeners.end() && found->security_protocol != listener.security_protocol)
      return refuse(fmt::format("Security protocol cannot be updated for existing listener ListenerName({})",
                                listener.name));
  }
  return {};
}

/// Every layer in one, as a node would be started with it.
ConfigMap flattened(const ConfigLayers& layers) {
  ConfigMap all = layers.static_values;
  for (const auto& [name, value] : layers.dynamic_default) all[name] = value;
  for (const auto& [name, value] : layers.dynamic_broker) all[name] = value;
  return all;
}

}  // namespace

Result<void> check_dynamic_update(const ConfigLayers& current, std::string_view name,
                                  const ConfigMap& overrides) {
  TRY(check_update_modes(overrides));
  TRY(check_values(overrides, name.empty()));
  ConfigLayers next = current;
  (name.empty() ? next.dynamic_default : next.dynamic_broker) = overrides;
  const auto whole = BrokerConfig::make(flattened(next));
  if (!whole) return refuse(whole.error().detail);
  if (const auto before = BrokerConfig::make(flattened(current))) TRY(check_listeners(**before, **whole));
  return check_changes(current, next, overrides);
}

}  // namespace barnabas::broker

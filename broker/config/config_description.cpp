#include "broker/config/config_description.hpp"

#include <algorithm>
#include <iterator>
#include <set>

#include "broker/config/loggers.hpp"

namespace barnabas::broker {
namespace {

/// Names under which the broker may have been given the value of `name`, the most exact one first.
std::vector<std::string_view> names_for(std::string_view name) {
  const auto* definition = find_definition(broker_config_definitions(), name);
  if (definition == nullptr || definition->synonyms.empty()) return {name};
  std::vector<std::string_view> names;
  for (const auto& synonym : definition->synonyms) names.push_back(synonym.name);
  return names;
}

/// What the broker's layers say of `name`. Synonyms that stand before the name itself are dropped, so that of
/// log.retention.hours alone nothing is told under log.retention.ms (measured on Kafka 4.3.1).
std::vector<ConfigSynonymValue> broker_synonyms(const ConfigLayers& layers, std::string_view name) {
  std::vector<ConfigSynonymValue> found;
  const auto names = names_for(name);
  const auto add = [&](std::string_view synonym, std::optional<std::string> value, ConfigSource source) {
    const auto* definition = find_definition(broker_config_definitions(), synonym);
    if (definition == nullptr || definition->sensitive()) value.reset();
    found.push_back({std::string(synonym), std::move(value), source});
  };
  const auto add_layer = [&](const ConfigMap& layer, ConfigSource source) {
    for (const auto synonym : names)
      if (const auto value = layer.find(std::string(synonym)); value != layer.end())
        add(synonym, value->second, source);
  };
  add_layer(layers.dynamic_broker, ConfigSource::kDynamicBroker);
  add_layer(layers.dynamic_default, ConfigSource::kDynamicDefaultBroker);
  add_layer(layers.static_values, ConfigSource::kStaticBroker);
  for (const auto synonym : names) {
    const auto* definition = find_definition(broker_config_definitions(), synonym);
    if (definition != nullptr && definition->has_default)
      add(synonym, std::string(definition->default_value), ConfigSource::kDefault);
  }
  const auto exact = std::ranges::find(found, name, &ConfigSynonymValue::name);
  found.erase(found.begin(), exact);
  return found;
}

ConfigDescription describe(const ConfigDefinition& definition, std::optional<std::string> value,
                           std::vector<ConfigSynonymValue> synonyms, bool read_only) {
  ConfigDescription description;
  description.name = definition.name;
  description.sensitive = definition.sensitive();
  if (!description.sensitive) description.value = std::move(value);
  description.read_only = read_only;
  description.type = definition.type;
  description.source = synonyms.empty() ? ConfigSource::kDefault : synonyms.front().source;
  description.synonyms = std::move(synonyms);
  return description;
}

std::optional<std::string> default_of(const ConfigDefinition& definition) {
  if (!definition.has_default) return std::nullopt;
  return std::string(definition.default_value);
}

std::optional<std::string> override_of(const ConfigMap& overrides, const ConfigDefinition& definition) {
  const auto found = overrides.find(std::string(definition.name));
  if (found == overrides.end()) return std::nullopt;
  auto normal = normalize_value(definition, found->second);
  return normal ? std::move(*normal) : found->second;
}

void put_override_first(std::vector<ConfigSynonymValue>& synonyms, const ConfigDefinition& definition,
                        const std::optional<std::string>& value, ConfigSource source) {
  if (value) synonyms.insert(synonyms.begin(), {std::string(definition.name), value, source});
}

/// What was set and is no name of the table: a listener's own value, a throttle, or what nobody knows.
std::set<std::string> names_outside_table(const ConfigLayers& layers) {
  std::set<std::string> names;
  for (const ConfigMap* layer : {&layers.dynamic_broker, &layers.dynamic_default, &layers.static_values})
    for (const auto& [name, value] : *layer)
      if (find_definition(broker_config_definitions(), name) == nullptr) names.insert(name);
  return names;
}

/// A name that nobody knows may be a password, so its value is not told.
ConfigDescription describe_outside_table(const ConfigLayers& layers, const std::string& name) {
  const std::string_view base = without_listener_prefix(name);
  const auto* definition = find_definition(broker_config_definitions(), base);
  const auto* quota = find_definition(broker_quota_config_definitions(), name);
  if (quota != nullptr) definition = quota;
  ConfigDescription description;
  description.name = name;
  description.sensitive = definition == nullptr || definition->sensitive();
  description.read_only = quota == nullptr;
  if (definition != nullptr) description.type = definition->type;
  const auto add = [&](const ConfigMap& layer, ConfigSource source) {
    const auto found = layer.find(name);
    if (found == layer.end()) return;
    description.synonyms.push_back({name, found->second, source});
    if (description.sensitive) description.synonyms.back().value.reset();
  };
  add(layers.dynamic_broker, ConfigSource::kDynamicBroker);
  add(layers.dynamic_default, ConfigSource::kDynamicDefaultBroker);
  add(layers.static_values, ConfigSource::kStaticBroker);
  description.value = description.synonyms.front().value;
  description.source = description.synonyms.front().source;
  if (definition != nullptr && quota == nullptr)
    std::ranges::move(broker_synonyms(layers, base), std::back_inserter(description.synonyms));
  return description;
}

}  // namespace

std::vector<ConfigDescription> describe_broker(const ConfigLayers& layers) {
  std::vector<ConfigDescription> all;
  for (const auto& definition : broker_config_definitions()) {
    if (definition.internal) continue;
    all.push_back(describe(definition, layers.value(definition.name),
                           broker_synonyms(layers, definition.name),
                           definition.update_mode == UpdateMode::kReadOnly));
  }
  for (const auto& name : names_outside_table(layers)) all.push_back(describe_outside_table(layers, name));
  std::ranges::sort(all, {}, &ConfigDescription::name);
  return all;
}

std::vector<ConfigDescription> describe_broker_default(const ConfigLayers& layers) {
  std::vector<ConfigDescription> all;
  for (const auto& definition : broker_config_definitions()) {
    const auto found = layers.dynamic_default.find(std::string(definition.name));
    if (definition.internal || found == layers.dynamic_default.end()) continue;
    const std::optional<std::string> value = found->second;
    std::vector<ConfigSynonymValue> synonyms;
    put_override_first(synonyms, definition, definition.sensitive() ? std::nullopt : value,
                       ConfigSource::kDynamicDefaultBroker);
    auto description =
        describe(definition, value, std::move(synonyms), definition.update_mode == UpdateMode::kReadOnly);
    description.source = ConfigSource::kDynamicDefaultBroker;
    all.push_back(std::move(description));
  }
  ConfigLayers only;
  only.dynamic_default = layers.dynamic_default;
  for (const auto& name : names_outside_table(only)) all.push_back(describe_outside_table(only, name));
  std::ranges::sort(all, {}, &ConfigDescription::name);
  return all;
}

std::vector<ConfigDescription> describe_topic(const ConfigLayers& layers, const ConfigMap& overrides) {
  std::vector<ConfigDescription> all;
  for (const auto& definition : topic_config_definitions()) {
    if (definition.internal) continue;
    std::vector<ConfigSynonymValue> synonyms;
    if (!definition.synonyms.empty()) synonyms = broker_synonyms(layers, definition.synonyms.front().name);
    put_override_first(synonyms, definition, override_of(overrides, definition), ConfigSource::kTopic);
    all.push_back(
        describe(definition, topic_config_value(layers, overrides, definition), std::move(synonyms), false));
  }
  return all;
}

std::vector<ConfigDescription> describe_group(const ConfigLayers& layers, const ConfigMap& overrides) {
  std::vector<ConfigDescription> all;
  for (const auto& definition : group_config_definitions()) {
    if (definition.internal) continue;
    std::vector<ConfigSynonymValue> synonyms;
    if (!definition.synonyms.empty())
      synonyms = broker_synonyms(layers, definition.synonyms.front().name);
    else if (definition.has_default)
      synonyms.push_back({std::string(definition.name), default_of(definition), ConfigSource::kDefault});
    const auto own = override_of(overrides, definition);
    put_override_first(synonyms, definition, own, ConfigSource::kGroup);
    all.push_back(
        describe(definition, topic_config_value(layers, overrides, definition), std::move(synonyms), false));
  }
  return all;
}

std::vector<ConfigDescription> describe_client_metrics(const ConfigMap& overrides) {
  std::vector<ConfigDescription> all;
  for (const auto& definition : client_metrics_config_definitions()) {
    std::vector<ConfigSynonymValue> synonyms;
    const auto own = override_of(overrides, definition);
    put_override_first(synonyms, definition, own, ConfigSource::kClientMetrics);
    all.push_back(describe(definition, own ? own : default_of(definition), std::move(synonyms), false));
  }
  return all;
}

std::vector<ConfigDescription> describe_broker_logger() {
  std::vector<ConfigDescription> all;
  for (auto& [logger, level] : logger_levels()) {
    ConfigDescription& description = all.emplace_back();
    description.name = std::move(logger);
    description.value = std::move(level);
    description.source = ConfigSource::kDynamicBrokerLogger;
  }
  return all;
}

}  // namespace barnabas::broker

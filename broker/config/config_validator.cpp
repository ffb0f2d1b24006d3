#include "broker/config/config_validator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <regex>
#include <set>

#include "broker/config/config_description.hpp"
#include "broker/config/dynamic_update.hpp"

namespace barnabas::broker {
namespace {

using kraft::ConfigResourceType;

std::unexpected<Error> bad_config(std::string text) {
  return fail(ErrorCode::kInvalidConfig, std::move(text));
}
std::unexpected<Error> bad_request(std::string text) {
  return fail(ErrorCode::kInvalidRequest, std::move(text));
}

Result<void> validate_topic(const ConfigLayers& layers, const ConfigMap& overrides) {
  for (const auto& [name, value] : overrides)
    if (find_definition(topic_config_definitions(), name) == nullptr)
      return bad_config(fmt::format("Unknown topic config name: {}", name));
  for (const auto& [name, value] : overrides)
    TRY(normalize_value(*find_definition(topic_config_definitions(), name), value));
  const auto in_force = [&](std::string_view name) {
    return topic_config_value(layers, overrides, *find_definition(topic_config_definitions(), name))
        .value_or("0");
  };
  const std::string least = in_force("min.compaction.lag.ms");
  const std::string most = in_force("max.compaction.lag.ms");
  if (std::stoll(least) > std::stoll(most))
    return bad_config(
        fmt::format("conflict topic config setting min.compaction.lag.ms ({}) > max.compaction.lag.ms ({})",
                    least, most));
  if (in_force("remote.storage.enable") == "true" &&
      layers.value("remote.log.storage.system.enable") != "true")
    return bad_config(
        "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log "
        "storage.");
  return {};
}

std::optional<std::int64_t> number_of(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  return std::stoll(*text);
}

/// group.KIND.min.REST and group.KIND.max.REST of the broker bound KIND.REST of a group.
Result<void> check_group_bounds(const ConfigLayers& layers, const std::string& name, std::int64_t value) {
  const auto dot = name.find('.');
  std::string rest = name.substr(dot + 1);
  if (rest.starts_with("num.")) rest = rest.substr(4);
  const std::string low = fmt::format("group.{}.min.{}", name.substr(0, dot), rest);
  const std::string high = fmt::format("group.{}.max.{}", name.substr(0, dot), rest);
  if (const auto bound = number_of(layers.value(low)); bound && value < *bound)
    return bad_config(fmt::format("{} must be greater than or equal to {}", name, low));
  if (const auto bound = number_of(layers.value(high)); bound && value > *bound)
    return bad_config(fmt::format("{} must be less than or equal to {}", name, high));
  return {};
}

Result<void> validate_group(const ConfigLayers& layers, const ConfigMap& overrides) {
  for (const auto& [name, value] : overrides)
    if (find_definition(group_config_definitions(), name) == nullptr)
      return bad_config(fmt::format("Unknown group config name: {}", name));
  for (const auto& [name, value] : overrides) {
    const auto& definition = *find_definition(group_config_definitions(), name);
    const std::string normal = TRY(normalize_value(definition, value));
    if (definition.type == ConfigType::kInt) TRY(check_group_bounds(layers, name, std::stoll(normal)));
  }
  for (const std::string kind : {"consumer", "share", "streams"}) {
    const auto in_force = [&](const std::string& name) {
      return number_of(
          topic_config_value(layers, overrides, *find_definition(group_config_definitions(), name)));
    };
    const std::string session = kind + ".session.timeout.ms";
    const std::string heartbeat = kind + ".heartbeat.interval.ms";
    if (in_force(session) <= in_force(heartbeat))
      return bad_config(fmt::format("{} must be greater than {}", session, heartbeat));
  }
  return {};
}

bool is_client_pattern(const std::string& item) {
  static const std::set<std::string, std::less<>> kKeys = {"client_instance_id",    "client_id",
                                                           "client_software_name",  "client_software_version",
                                                           "client_source_address", "client_source_port"};
  const auto equals = item.find('=');
  if (equals == std::string::npos || !kKeys.contains(item.substr(0, equals))) return false;
  const std::string expression = item.substr(equals + 1);
  if (expression.empty() || expression.find('=') != std::string::npos) return false;
  try {
    const std::regex pattern(expression);
    return true;
  } catch (const std::regex_error&) {
    return false;
  }
}

Result<void> validate_client_metrics(const ConfigMap& overrides) {
  for (const auto& [name, value] : overrides) {
    const auto* definition = find_definition(client_metrics_config_definitions(), name);
    if (definition == nullptr)
      return bad_request(fmt::format("Unknown client metrics configuration: {}", name));
    const std::string normal = TRY(normalize_value(*definition, value));
    if (name == "interval.ms" && (std::stoll(normal) < 100 || std::stoll(normal) > 3600000))
      return bad_request(fmt::format(
          "Invalid value {} for interval.ms, interval must be between 100 and 3600000 (1 hour)", normal));
    if (name != "match") continue;
    for (const auto& item : split_list(value))
      if (!is_client_pattern(item))
        return bad_config(fmt::format("Illegal client matching pattern: {}", item));
  }
  return {};
}

/// To whom a topic is created Kafka names the file as the source of hours and minutes too, which
/// DescribeConfigs does not (measured on 4.3.1).
void tell_static_source(const ConfigLayers& layers, ConfigDescription& entry) {
  if (entry.source != ConfigSource::kDefault) return;
  for (const auto& synonym : find_definition(topic_config_definitions(), entry.name)->synonyms)
    if (layers.static_values.contains(std::string(synonym.name))) entry.source = ConfigSource::kStaticBroker;
}

std::span<const ConfigDefinition> table_of(ConfigResourceType type) {
  switch (type) {
    case ConfigResourceType::kTopic:
      return topic_config_definitions();
    case ConfigResourceType::kBroker:
      return broker_config_definitions();
    case ConfigResourceType::kGroup:
      return group_config_definitions();
    case ConfigResourceType::kClientMetrics:
      return client_metrics_config_definitions();
    default:
      return {};
  }
}

}  // namespace

Result<void> NodeConfigValidator::validate(const kraft::ConfigResource& resource,
                                           const ConfigMap& overrides) const {
  const auto layers = config_.layers();
  switch (resource.type) {
    case ConfigResourceType::kTopic:
      return validate_topic(*layers, overrides);
    case ConfigResourceType::kBroker:
      if (resource.name.find_first_not_of("0123456789") != std::string::npos)
        return bad_request("Unable to parse broker name as a base 10 number.");
      return check_dynamic_update(*layers, resource.name, overrides);
    case ConfigResourceType::kGroup:
      if (resource.name.empty()) return bad_request("Default group resources are not allowed.");
      return validate_group(*layers, overrides);
    case ConfigResourceType::kClientMetrics:
      if (resource.name.empty()) return bad_request("Subscription name can't be empty");
      return validate_client_metrics(overrides);
    default:
      return bad_request(fmt::format("Unexpected resource type {}", static_cast<int>(resource.type)));
  }
}

std::vector<kraft::DescribedConfig> NodeConfigValidator::describe(const kraft::ConfigResource& resource,
                                                                  const ConfigMap& overrides,
                                                                  const ConfigMap& cluster_defaults) const {
  ConfigLayers layers = *config_.layers();
  layers.dynamic_default = cluster_defaults;
  std::vector<ConfigDescription> found;
  switch (resource.type) {
    case ConfigResourceType::kTopic:
      found = describe_topic(layers, overrides);
      for (auto& entry : found) tell_static_source(layers, entry);
      break;
    case ConfigResourceType::kBroker:
      if (!resource.name.empty()) layers.dynamic_broker = overrides;
      found = resource.name.empty() ? describe_broker_default(layers) : describe_broker(layers);
      break;
    case ConfigResourceType::kGroup:
      found = describe_group(layers, overrides);
      break;
    case ConfigResourceType::kClientMetrics:
      found = describe_client_metrics(overrides);
      break;
    default:
      break;
  }
  std::vector<kraft::DescribedConfig> result;
  for (auto& entry : found)
    result.push_back({std::move(entry.name), std::move(entry.value), entry.read_only,
                      static_cast<std::int8_t>(entry.source), entry.sensitive});
  return result;
}

bool NodeConfigValidator::is_list(ConfigResourceType type, std::string_view name) const {
  const auto* definition = find_definition(table_of(type), name);
  return definition != nullptr && definition->type == ConfigType::kList;
}

std::optional<std::string> NodeConfigValidator::default_value(ConfigResourceType type,
                                                              std::string_view name) const {
  const auto* definition = find_definition(table_of(type), name);
  if (definition == nullptr) return std::nullopt;
  ConfigLayers as_started;
  as_started.static_values = config_.layers()->static_values;
  if (type == ConfigResourceType::kBroker) return as_started.value(name);
  return topic_config_value(as_started, {}, *definition);
}

}  // namespace barnabas::broker

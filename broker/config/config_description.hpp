// What DescribeConfigs tells: each configuration's value, where it comes from, and what lies below it.
//
// Pure functions of the configuration layers and a metadata image. Sorted by name (Kafka answers in hash
// order, and no client relies on it). Source: measured on Kafka 4.3.1 (testdata/*.tsv).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/config/broker_config.hpp"

namespace barnabas::broker {

struct ConfigSynonymValue {
  std::string name;
  std::optional<std::string> value;  // null for sensitive ones
  ConfigSource source = ConfigSource::kUnknown;
};

struct ConfigDescription {
  std::string name;
  std::optional<std::string> value;  // null when unset or sensitive
  bool read_only = false;
  ConfigSource source = ConfigSource::kDefault;
  bool sensitive = false;
  ConfigType type = ConfigType::kUnknown;
  std::vector<ConfigSynonymValue> synonyms;  // highest precedence first

  [[nodiscard]] bool is_default() const { return source == ConfigSource::kDefault; }
};

[[nodiscard]] std::vector<ConfigDescription> describe_broker(const ConfigLayers& layers);
/// The cluster-wide default (resource type broker with an empty name): only what was set.
[[nodiscard]] std::vector<ConfigDescription> describe_broker_default(const ConfigLayers& layers);
[[nodiscard]] std::vector<ConfigDescription> describe_topic(const ConfigLayers& layers,
                                                            const ConfigMap& overrides);
[[nodiscard]] std::vector<ConfigDescription> describe_group(const ConfigLayers& layers,
                                                            const ConfigMap& overrides);
[[nodiscard]] std::vector<ConfigDescription> describe_client_metrics(const ConfigMap& overrides);
/// The log levels of this node's components.
[[nodiscard]] std::vector<ConfigDescription> describe_broker_logger();

}  // namespace barnabas::broker

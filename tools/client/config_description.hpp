// Configuration of topics, brokers, groups and others as a cluster describes it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/messages/api_describe_configs.hpp"
#include "tools/client/admin.hpp"

namespace barnabas::tools {

/// Kafka's numbers of the things that have a configuration.
enum class ConfigResource : std::int8_t {
  kTopic = 2,
  kBroker = 4,
  kBrokerLogger = 8,
  kClientMetrics = 16,
  kGroup = 32,
};

using ConfigEntry = protocol::DescribeConfigsResponse_DescribeConfigsResourceResult;

/// Where a value comes from: Kafka's numbers and names.
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
/// "DYNAMIC_TOPIC_CONFIG".
[[nodiscard]] std::string_view config_source_name(std::int8_t source);

struct ConfigDescription {
  std::string name;  // of the topic, broker ...
  std::vector<ConfigEntry> entries;
};

/// In the order of the names given. A broker's are asked of itself; the empty name is the default of all.
Result<std::vector<ConfigDescription>> describe_configs(Admin& admin, ConfigResource type,
                                                        const std::vector<std::string>& names,
                                                        bool with_synonyms = false);

/// Whom a request about the configuration of `name` is for: only a broker itself knows its own.
[[nodiscard]] Target config_target(ConfigResource type, const std::string& name);

/// Names of the resources of a type that have a configuration, sorted; of brokers and topics there are all.
Result<std::vector<std::string>> list_config_resources(Admin& admin, ConfigResource type);

}  // namespace barnabas::tools

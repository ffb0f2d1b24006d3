// NodeConfigValidator: tells the controller which configurations may be set, from the tables and from what
// this node was started with.
//
// Owned by the node. Thread safety: any thread. Error texts: measured on Kafka 4.3.1.
#pragma once

#include "broker/config/broker_config.hpp"
#include "kraft/controller/control.hpp"

namespace barnabas::broker {

class NodeConfigValidator final : public kraft::ConfigValidator {
 public:
  explicit NodeConfigValidator(const BrokerConfig& config) : config_(config) {}

  [[nodiscard]] Result<void> validate(const kraft::ConfigResource& resource,
                                      const ConfigMap& overrides) const override;
  [[nodiscard]] std::vector<kraft::DescribedConfig> describe(
      const kraft::ConfigResource& resource, const ConfigMap& overrides,
      const ConfigMap& cluster_defaults) const override;
  [[nodiscard]] bool is_list(kraft::ConfigResourceType type, std::string_view name) const override;
  [[nodiscard]] std::optional<std::string> default_value(kraft::ConfigResourceType type,
                                                         std::string_view name) const override;

 private:
  const BrokerConfig& config_;
};

}  // namespace barnabas::broker

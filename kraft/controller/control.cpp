#include "kraft/controller/control.hpp"

namespace barnabas::kraft {

const std::map<std::string, VersionRange>& supported_features() {
  // Measured on Kafka 4.3.1.
  static const std::map<std::string, VersionRange> features{
      {"eligible.leader.replicas.version", {0, 1}},
      {"group.version", {0, 1}},
      {"kraft.version", {0, 1}},
      {kMetadataVersionFeature, {7, 30}},
      {"share.version", {0, 1}},
      {"streams.version", {0, 1}},
      {"transaction.version", {0, 2}},
  };
  return features;
}

std::string effective_config(const ControlContext& context, std::string_view topic, const std::string& name,
                             std::string_view fallback) {
  const ConfigMap& own = context.image.config(ConfigResourceType::kTopic, topic);
  if (auto found = own.find(name); found != own.end()) return found->second;
  // What was set for this controller's own node, then for all.
  const ConfigMap& node =
      context.image.config(ConfigResourceType::kBroker, std::to_string(context.options.node_id.value()));
  if (auto found = node.find(name); found != node.end()) return found->second;
  const ConfigMap& cluster = context.image.config(ConfigResourceType::kBroker, "");
  if (auto found = cluster.find(name); found != cluster.end()) return found->second;
  if (auto value = context.configs.default_value(ConfigResourceType::kTopic, name)) return *value;
  return std::string(fallback);
}

}  // namespace barnabas::kraft

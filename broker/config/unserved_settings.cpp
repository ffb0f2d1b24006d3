#include "broker/config/unserved_settings.hpp"

#include <fmt/format.h>

#include <map>
#include <vector>

#include "broker/config/broker_config.hpp"

namespace barnabas::broker {
namespace {

/// Names that begin so are about what is not there, those without a function excepted. The first that fits
/// counts.
struct Unserved {
  std::string_view prefix;
  std::string_view function;
};
constexpr Unserved kUnserved[] = {
    {"transaction.two.phase.commit.enable", "two-phase commit"},
    {"group.share.", "share groups"},
    {"share.", "share groups"},
    {"group.streams.", "streams groups"},
    {"log.local.retention.", "tiered storage"},
    {"remote.", "tiered storage"},
    {"rsm.config.", "tiered storage"},
    {"rlmm.config.", "tiered storage"},
    {"delegation.token.", "delegation tokens"},
    {"sasl.", "SASL"},
    {"connections.max.reauth.ms", "SASL"},
    {"connection.failed.authentication.delay.ms", "SASL"},
    {"principal.builder.class", "SASL"},
    {"ssl.", "TLS"},
    {"security.providers", "TLS"},
    {"quota.", "quotas"},
    {"controller.quota.", "quotas"},
    {"client.quota.callback.class", "quotas"},
    {"replica.socket.receive.buffer.bytes", "sizes of socket buffers"},
    {"cordoned.log.dirs", "cordoned log directories"},
    {"create.topic.policy.class.name", "classes of your own"},
    {"alter.config.policy.class.name", "classes of your own"},
    {"metric.reporters", "metrics"},
    {"kafka.metrics.", "metrics"},
    {"metrics.", "metrics"},
    {"telemetry.", "telemetry"},
    {"config.providers", "config providers"},
};

bool is_default(const std::string& name, const std::string& value) {
  const auto* definition = find_definition(broker_config_definitions(), name);
  if (definition == nullptr) return false;
  const auto normal = normalize_value(*definition, value);
  return normal && definition->has_default && *normal == definition->default_value;
}

}  // namespace

std::string unserved_settings(const kraft::ConfigMap& properties) {
  std::map<std::string_view, std::vector<std::string>> found;
  for (const auto& [name, value] : properties) {
    const std::string_view base = without_listener_prefix(name);
    for (const auto& [prefix, function] : kUnserved) {
      if (!base.starts_with(prefix)) continue;
      if (!function.empty() && !is_default(name, value)) found[function].push_back(name);
      break;
    }
  }
  std::string told;
  for (const auto& [function, names] : found)
    told += fmt::format("{}{} ({})", told.empty() ? "" : "; ", function, fmt::join(names, ", "));
  return told;
}

}  // namespace barnabas::broker

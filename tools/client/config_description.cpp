#include "tools/client/config_description.hpp"

#include <algorithm>
#include <array>

#include "protocol/messages/api_list_config_resources.hpp"
#include "tools/options/number_text.hpp"

namespace barnabas::tools {
namespace {

using protocol::DescribeConfigsRequest;
using protocol::DescribeConfigsResponse;

constexpr std::array<std::string_view, 9> kSourceNames{"UNKNOWN",
                                                       "DYNAMIC_TOPIC_CONFIG",
                                                       "DYNAMIC_BROKER_CONFIG",
                                                       "DYNAMIC_DEFAULT_BROKER_CONFIG",
                                                       "STATIC_BROKER_CONFIG",
                                                       "DEFAULT_CONFIG",
                                                       "DYNAMIC_BROKER_LOGGER_CONFIG",
                                                       "DYNAMIC_CLIENT_METRICS_CONFIG",
                                                       "DYNAMIC_GROUP_CONFIG"};

}  // namespace

Target config_target(ConfigResource type, const std::string& name) {
  const bool is_node = type == ConfigResource::kBroker || type == ConfigResource::kBrokerLogger;
  const auto id = parse_number<std::int32_t>(name);
  return is_node && id ? Target::broker(BrokerId(*id)) : Target::any();
}

std::string_view config_source_name(std::int8_t source) {
  const auto index = static_cast<std::size_t>(source);
  return kSourceNames[source >= 0 && index < kSourceNames.size() ? index : 0];
}

Result<std::vector<ConfigDescription>> describe_configs(Admin& admin, ConfigResource type,
                                                        const std::vector<std::string>& names,
                                                        bool with_synonyms) {
  DescribeConfigsRequest request;
  request.include_synonyms = with_synonyms;
  for (const auto& name : names)
    request.resources.push_back({.resource_type = static_cast<std::int8_t>(type),
                                 .resource_name = name,
                                 .configuration_keys = std::nullopt});
  std::vector<ConfigDescription> described;
  if (names.empty()) return described;
  const auto answer = TRY(
      admin.call<DescribeConfigsResponse>(config_target(type, names.front()), request, "describeConfigs"));
  for (const auto& name : names) {
    for (const auto& result : answer->results) {
      if (result.resource_name != name) continue;
      TRY(refusal(result.error_code, result.error_message));
      described.push_back({.name = name, .entries = result.configs});
    }
  }
  return described;
}

Result<std::vector<std::string>> list_config_resources(Admin& admin, ConfigResource type) {
  constexpr std::int16_t kFirstWithTypes = 1;
  protocol::ListConfigResourcesRequest request;
  request.resource_types = {static_cast<std::int8_t>(type)};
  const auto answer =
      TRY(admin.call<protocol::ListConfigResourcesResponse>(Target::any(), request, "listConfigResources"));
  std::vector<std::string> names;
  for (const auto& resource : answer->config_resources)
    if (answer.version >= kFirstWithTypes || type == ConfigResource::kClientMetrics)
      names.push_back(resource.resource_name);
  std::ranges::sort(names);
  return names;
}

}  // namespace barnabas::tools

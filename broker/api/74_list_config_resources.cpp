// ListConfigResources 0-1: what can be configured by name (KIP-1142).
//
// Version 0 lists client metrics only (it was ListClientMetricsResources). From version 1 on the types may be
// chosen; none chosen means all of them. UNSUPPORTED_VERSION for a type that is not among them.
#include <algorithm>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "protocol/messages/api_list_config_resources.hpp"

namespace barnabas::broker {

using kraft::ConfigResourceType;
using protocol::ListConfigResourcesRequest;
using protocol::ListConfigResourcesResponse;

namespace {

constexpr std::int8_t kAllTypes[] = {2, 4, 8, 16, 32};

void list(const kraft::MetadataImage& image, ConfigResourceType type, ListConfigResourcesResponse& response) {
  const auto add = [&](std::string name) {
    response.config_resources.push_back({std::move(name), static_cast<std::int8_t>(type)});
  };
  if (type == ConfigResourceType::kTopic) {
    for (const auto& [name, topic] : image.topics->by_name) add(name);
  } else if (type == ConfigResourceType::kBroker || type == ConfigResourceType::kBrokerLogger) {
    for (const auto& [id, broker] : image.cluster->brokers) add(std::to_string(id.value()));
  } else {
    for (const auto& [resource, values] : *image.configs) {
      if (resource.type == type) add(resource.name);
    }
  }
}

void handle_list_config_resources(Services& services, const RequestContext& context,
                                  ListConfigResourcesRequest& request,
                                  Reply<ListConfigResourcesResponse> reply) {
  ListConfigResourcesResponse response;
  std::vector<std::int8_t> types = std::move(request.resource_types);
  if (context.api_version == 0) {
    types = {static_cast<std::int8_t>(ConfigResourceType::kClientMetrics)};
  } else if (types.empty()) {
    types.assign(std::begin(kAllTypes), std::end(kAllTypes));
  }
  std::ranges::sort(types);
  types.erase(std::ranges::unique(types).begin(), types.end());
  const bool known = std::ranges::all_of(
      types, [](std::int8_t type) { return std::ranges::find(kAllTypes, type) != std::end(kAllTypes); });
  if (!allowed_on_cluster(services, context, Operation::kDescribeConfigs)) {
    response.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
  } else if (!known) {
    response.error_code = static_cast<std::int16_t>(ErrorCode::kUnsupportedVersion);
  } else {
    const auto image = services.metadata.image();
    for (std::int8_t type : types) list(*image, static_cast<ConfigResourceType>(type), response);
  }
  reply.send(response);
}

}  // namespace

bool serve_list_config_resources(Services& services, const RequestContext& context, protocol::Reader& reader,
                                 ResponseSink sink) {
  return decode_and_handle<ListConfigResourcesRequest, ListConfigResourcesResponse,
                           handle_list_config_resources>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

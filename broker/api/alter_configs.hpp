// What AlterConfigs and IncrementalAlterConfigs share: who may, and the way to the controller.
#pragma once

#include <iterator>
#include <utility>

#include "broker/api/authorization.hpp"
#include "broker/drivers/metadata_driver.hpp"
#include "kraft/metadata_image.hpp"
#include "kraft/metadata_node.hpp"

namespace barnabas::broker {

/// NONE, or the authorization error that fits the kind of resource.
[[nodiscard]] inline ErrorCode check_alter(const Services& services, const RequestContext& context,
                                           std::int8_t type, std::string_view name) {
  switch (static_cast<kraft::ConfigResourceType>(type)) {
    case kraft::ConfigResourceType::kTopic:
      return allowed(services, context, Operation::kAlterConfigs, ResourceKind::kTopic, name)
                 ? ErrorCode::kNone
                 : ErrorCode::kTopicAuthorizationFailed;
    case kraft::ConfigResourceType::kGroup:
      return allowed(services, context, Operation::kAlterConfigs, ResourceKind::kGroup, name)
                 ? ErrorCode::kNone
                 : ErrorCode::kGroupAuthorizationFailed;
    default:
      return allowed_on_cluster(services, context, Operation::kAlterConfigs)
                 ? ErrorCode::kNone
                 : ErrorCode::kClusterAuthorizationFailed;
  }
}

template <class Request, class Response>
void alter_configs(Services& services, const RequestContext& context, Request& request,
                   Reply<Response> reply) {
  Response refused;
  std::erase_if(request.resources, [&](const auto& asked) {
    const ErrorCode error = check_alter(services, context, asked.resource_type, asked.resource_name);
    if (error == ErrorCode::kNone) return false;
    auto& result = refused.responses.emplace_back();
    result.error_code = static_cast<std::int16_t>(error);
    result.resource_type = asked.resource_type;
    result.resource_name = asked.resource_name;
    return true;
  });
  auto answer = [refused = std::move(refused.responses),
                 reply = std::move(reply)](Response response) mutable {
    std::ranges::move(refused, std::back_inserter(response.responses));
    reply.send(response);
  };
  services.controller.submit([request = std::move(request), answer = std::move(answer)](
                                 kraft::MetadataNode& node, std::int64_t) mutable {
    node.submit(std::move(request), std::move(answer));
  });
}

}  // namespace barnabas::broker

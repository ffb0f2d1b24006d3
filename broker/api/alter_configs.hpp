// What AlterConfigs and IncrementalAlterConfigs share: what a broker refuses before its controller is asked,
// who may, the way to the controller, and loggers, which are this node's own affair.
//
// Measured on Kafka 4.3.1: a broker alters its own configuration and that of the cluster, not another
// broker's; on a controller's listener none of this is checked, the controller says what it makes of it.
#pragma once

#include <charconv>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "broker/api/authorization.hpp"
#include "broker/api/forwarding.hpp"
#include "broker/config/loggers.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "kraft/metadata_image.hpp"

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

/// Whether `name` is this node's id.
[[nodiscard]] inline Result<void> check_node(const std::string& name, BrokerId self, const char* refusal) {
  std::int32_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (name.empty() || error != std::errc() || end != name.data() + name.size())
    return fail(ErrorCode::kInvalidRequest, "Node id must be an integer, but it is: " + name);
  if (id == self.value()) return {};
  return fail(ErrorCode::kInvalidRequest,
              std::string(refusal) + std::to_string(self.value()) + ", but received " + std::to_string(id));
}

/// Whether a broker takes such a resource at all. Log levels are altered incrementally only.
[[nodiscard]] inline Result<void> check_resource(std::int8_t type, const std::string& name, BrokerId self,
                                                 bool incremental) {
  switch (static_cast<kraft::ConfigResourceType>(type)) {
    case kraft::ConfigResourceType::kTopic:
    case kraft::ConfigResourceType::kClientMetrics:
    case kraft::ConfigResourceType::kGroup:
      return {};
    case kraft::ConfigResourceType::kBroker:
      return name.empty() ? Result<void>() : check_node(name, self, "Unexpected broker id, expected ");
    case kraft::ConfigResourceType::kBrokerLogger:
      if (incremental) return check_node(name, self, "Unexpected node id. Expected ");
      break;
    case kraft::ConfigResourceType::kUnknown:
      break;
  }
  return fail(ErrorCode::kInvalidRequest, "Unknown resource type " + std::to_string(type));
}

/// What a broker itself refuses, in Kafka's order.
template <class Resource>
Result<void> check_asked(const Resource& asked, BrokerId self, bool incremental) {
  std::set<std::string_view> names;
  for (const auto& config : asked.configs) {
    if (!names.insert(config.name).second)
      return fail(ErrorCode::kInvalidRequest, "Error due to duplicate config keys");
  }
  return check_resource(asked.resource_type, asked.resource_name, self, incremental);
}

template <class Resource>
std::vector<LoggerChange> logger_changes(const Resource& asked) {
  std::vector<LoggerChange> changes;
  for (const auto& config : asked.configs)
    changes.push_back({config.name, config.config_operation, config.value});
  return changes;
}

template <class Request, class Response>
void alter_configs(Services& services, const RequestContext& context, Request& request,
                   Reply<Response> reply) {
  Response answered;
  constexpr bool kIncremental = Request::kApiKey == 44;
  std::map<std::pair<std::int8_t, std::string>, int> times_named;
  for (const auto& asked : request.resources) ++times_named[{asked.resource_type, asked.resource_name}];
  std::erase_if(request.resources, [&](const auto& asked) {
    Result<void> taken;
    if (!context.connection->controller_listener) {
      taken = times_named[{asked.resource_type, asked.resource_name}] > 1
                  ? fail(ErrorCode::kInvalidRequest, "Each resource must appear at most once.")
                  : check_asked(asked, services.metadata.self(), kIncremental);
    }
    if (taken) {
      const ErrorCode error = check_alter(services, context, asked.resource_type, asked.resource_name);
      const bool of_loggers =
          kIncremental &&
          asked.resource_type == static_cast<std::int8_t>(kraft::ConfigResourceType::kBrokerLogger);
      if (error == ErrorCode::kNone && !of_loggers) return false;
      if (error != ErrorCode::kNone)
        taken = fail(error);
      else if constexpr (kIncremental)
        taken = alter_loggers(logger_changes(asked), request.validate_only);
    }
    auto& result = answered.responses.emplace_back();
    result.error_message = std::nullopt;
    if (!taken) {
      result.error_code = static_cast<std::int16_t>(taken.error().code);
      if (!taken.error().detail.empty()) result.error_message = std::move(taken.error().detail);
    }
    result.resource_type = asked.resource_type;
    result.resource_name = asked.resource_name;
    return true;
  });
  auto answer = [answered = std::move(answered.responses),
                 reply = std::move(reply)](Response response) mutable {
    std::ranges::move(answered, std::back_inserter(response.responses));
    reply.send(response);
  };
  if (request.resources.empty()) return answer(Response());
  if (context.connection->controller_listener)
    return ask_controller(services, std::move(request), std::move(answer));
  ask_controller_for<Response>(services, context, context.api_version, std::move(request), std::move(answer));
}

}  // namespace barnabas::broker

// DescribeCluster 0-2: the brokers (KIP-700), or the controllers when asked on a controller's listener
// (KIP-919).
//
//   v1 endpoint type   v2 fenced brokers
//
// Measured on Kafka 4.3.1: a controller's listener asks for the right to ALTER the cluster; an answer that
// refuses says endpoint type 1 whatever was asked for, and version 0 on a controller's listener is
// INVALID_REQUEST.
#include <fmt/format.h>

#include <algorithm>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/leader_endpoints.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/drivers/metadata_driver.hpp"
#include "protocol/messages/api_describe_cluster.hpp"

namespace barnabas::broker {

using protocol::DescribeClusterRequest;
using protocol::DescribeClusterResponse;

namespace {

constexpr std::int8_t kBrokers = 1;
constexpr std::int8_t kControllers = 2;

Result<void> check_endpoint_type(const RequestContext& context, std::int8_t asked) {
  if (asked != kBrokers && asked != kControllers) {
    return fail(ErrorCode::kUnsupportedEndpointType, fmt::format("Unsupported endpoint type {}", asked));
  }
  const bool controller = context.connection->controller_listener;
  if ((asked == kControllers) == controller) return {};
  const auto name = [](bool of_controller) { return of_controller ? "CONTROLLER" : "BROKER"; };
  const ErrorCode error =
      context.api_version == 0 ? ErrorCode::kInvalidRequest : ErrorCode::kMismatchedEndpointType;
  return fail(error,
              fmt::format("The request was sent to an endpoint of type {}, but we wanted an endpoint of "
                          "type {}",
                          name(controller), name(!controller)));
}

void add_brokers(const kraft::MetadataImage& image, const std::string& listener, bool fenced_too,
                 DescribeClusterResponse& response) {
  for (const auto& [id, broker] : image.cluster->brokers) {
    const Endpoint* endpoint = endpoint_of(image, id, listener);
    if (!endpoint || (broker.fenced && !fenced_too)) continue;
    response.brokers.push_back({id.value(), endpoint->host, endpoint->port, broker.rack, broker.fenced});
  }
}

void add_controllers(const kraft::MetadataImage& image, const std::string& listener,
                     DescribeClusterResponse& response) {
  for (const auto& [id, controller] : image.cluster->controllers) {
    const auto found = std::ranges::find(controller.endpoints, listener, &kraft::NamedEndpoint::listener);
    if (found == controller.endpoints.end()) continue;
    response.brokers.push_back({id.value(), found->endpoint.host, found->endpoint.port, std::nullopt, false});
  }
}

void handle_describe_cluster(Services& services, const RequestContext& context,
                             DescribeClusterRequest& request, Reply<DescribeClusterResponse> reply) {
  DescribeClusterResponse response;
  if (context.connection->controller_listener && !allowed_on_cluster(services, context, Operation::kAlter)) {
    response.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
    response.error_message = "Cluster authorization failed.";
    return reply.send(response);
  }
  if (auto served = check_endpoint_type(context, request.endpoint_type); !served) {
    response.error_code = static_cast<std::int16_t>(served.error().code);
    response.error_message = std::move(served.error().detail);
    return reply.send(response);
  }
  response.endpoint_type = request.endpoint_type;
  const auto image = services.metadata.image();
  if (request.endpoint_type == kControllers) {
    add_controllers(*image, context.connection->listener, response);
  } else {
    add_brokers(*image, context.connection->listener, request.include_fenced_brokers, response);
  }
  response.cluster_id = services.metadata.cluster_id();
  // Whoever asks a controller wants the active one; a broker takes everything, and sends it on.
  response.controller_id = (request.endpoint_type == kControllers ? services.controller.active_controller().id
                                                                  : services.metadata.self())
                               .value();
  if (request.include_cluster_authorized_operations) {
    response.cluster_authorized_operations =
        allowed_on_cluster(services, context, Operation::kDescribe)
            ? authorized_operations(services, context, ResourceKind::kCluster, kClusterResource)
            : 0;
  }
  reply.send(response);
}

}  // namespace

bool serve_describe_cluster(Services& services, const RequestContext& context, protocol::Reader& reader,
                            ResponseSink sink) {
  return decode_and_handle<DescribeClusterRequest, DescribeClusterResponse, handle_describe_cluster>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

// DescribeCluster 0-2: the brokers (KIP-700), or the controllers when asked on a controller's listener
// (KIP-919).
//
//   v1 endpoint type   v2 fenced brokers
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/leader_endpoints.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "protocol/messages/api_describe_cluster.hpp"

namespace barnabas::broker {

using protocol::DescribeClusterRequest;
using protocol::DescribeClusterResponse;

namespace {

constexpr std::int8_t kBrokers = 1;
constexpr std::int8_t kControllers = 2;

void handle_describe_cluster(Services& services, const RequestContext& context,
                             DescribeClusterRequest& request, Reply<DescribeClusterResponse> reply) {
  DescribeClusterResponse response;
  if (request.endpoint_type != kBrokers) {
    const bool known = request.endpoint_type == kControllers;
    const ErrorCode error = known ? ErrorCode::kMismatchedEndpointType : ErrorCode::kUnsupportedEndpointType;
    response.error_code = static_cast<std::int16_t>(error);
    response.error_message = known ? "The request was sent to an endpoint of type BROKER, but we wanted an "
                                     "endpoint of type CONTROLLER"
                                   : "Unsupported endpoint type " + std::to_string(request.endpoint_type);
    return reply.send(response);
  }
  const auto image = services.metadata.image();
  for (const auto& [id, broker] : image->cluster->brokers) {
    const Endpoint* endpoint = endpoint_of(*image, id, context.connection->listener);
    if (!endpoint || (broker.fenced && !request.include_fenced_brokers)) continue;
    response.brokers.push_back({id.value(), endpoint->host, endpoint->port, broker.rack, broker.fenced});
  }
  response.cluster_id = services.metadata.cluster_id();
  response.controller_id = services.metadata.self().value();
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

// ConsumerGroupHeartbeat 0-1: a member of a group of the consumer protocol (KIP-848) says that it is there,
// what it subscribes to and what it has, and hears what it should have.
//
//   v1 topics by a regular expression (RE2), and the member makes its own id (KIP-1082)
//
// The group's shard does the rest (coordinator/consumer_groups.hpp). Not advertised by itself: where
// group.version is 0 or group.coordinator.rebalance.protocols does not name it, the answer is
// UNSUPPORTED_VERSION.
#include <algorithm>
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/coordinator/group_shard.hpp"
#include "broker/drivers/group_driver.hpp"
#include "protocol/messages/api_consumer_group_heartbeat.hpp"

namespace barnabas::broker {

using protocol::ConsumerGroupHeartbeatRequest;
using protocol::ConsumerGroupHeartbeatResponse;

namespace {

void refuse(ErrorCode error, Reply<ConsumerGroupHeartbeatResponse>& reply) {
  ConsumerGroupHeartbeatResponse response;
  response.error_code = static_cast<std::int16_t>(error);
  reply.send(response);
}

ErrorCode authorize(const Services& services, const RequestContext& context,
                    const ConsumerGroupHeartbeatRequest& request) {
  if (const ErrorCode error = services.groups.consumer_protocol(); error != ErrorCode::kNone) return error;
  if (!allowed(services, context, Operation::kRead, ResourceKind::kGroup, request.group_id))
    return ErrorCode::kGroupAuthorizationFailed;
  const auto may_know = [&](const std::string& topic) {
    return allowed(services, context, Operation::kDescribe, ResourceKind::kTopic, topic);
  };
  if (request.subscribed_topic_names && !std::ranges::all_of(*request.subscribed_topic_names, may_know))
    return ErrorCode::kTopicAuthorizationFailed;
  return ErrorCode::kNone;
}

void handle_consumer_group_heartbeat(Services& services, const RequestContext& context,
                                     ConsumerGroupHeartbeatRequest& request,
                                     Reply<ConsumerGroupHeartbeatResponse> reply) {
  const ErrorCode error = authorize(services, context, request);
  if (error != ErrorCode::kNone) return refuse(error, reply);
  HeartbeatContext heartbeat;
  heartbeat.version = context.api_version;
  heartbeat.client_id = context.client_id.value_or("");
  heartbeat.client_host = "/" + context.connection->peer.host;
  heartbeat.may_describe = [&services, context](std::string_view topic) {
    return allowed(services, context, Operation::kDescribe, ResourceKind::kTopic, topic);
  };
  const std::string group = request.group_id;
  services.groups.run(
      group, GroupDriver::Kind::kExclusive,
      [request = std::move(request), heartbeat = std::move(heartbeat), reply = std::move(reply)](
          ErrorCode refused, GroupShard* shard, Step* step) mutable {
        if (refused != ErrorCode::kNone) return refuse(refused, reply);
        shard->consumer().heartbeat(
            request, heartbeat,
            [reply = std::move(reply)](const ConsumerGroupHeartbeatResponse& response) mutable {
              reply.send(response);
            },
            *step);
      });
}

}  // namespace

bool serve_consumer_group_heartbeat(Services& services, const RequestContext& context,
                                    protocol::Reader& reader, ResponseSink sink) {
  return decode_and_handle<ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
                           handle_consumer_group_heartbeat>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

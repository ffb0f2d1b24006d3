// Heartbeat 0-4: a member of a classic group is alive, and hears whether it has to rejoin.
//
//   v1 throttle time   v2 same   v3 static members   v4 flexible
//
// While the shard is loaded every heartbeat is welcome, as Kafka answers: sessions start when it is done.
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/coordinator/group_shard.hpp"
#include "broker/drivers/group_driver.hpp"
#include "protocol/messages/api_heartbeat.hpp"

namespace barnabas::broker {

using protocol::HeartbeatRequest;
using protocol::HeartbeatResponse;

namespace {

void refuse(ErrorCode error, Reply<HeartbeatResponse>& reply) {
  HeartbeatResponse response;
  response.error_code = static_cast<std::int16_t>(error);
  reply.send(response);
}

void handle_heartbeat(Services& services, const RequestContext& context, HeartbeatRequest& request,
                      Reply<HeartbeatResponse> reply) {
  if (!allowed(services, context, Operation::kRead, ResourceKind::kGroup, request.group_id)) {
    return refuse(ErrorCode::kGroupAuthorizationFailed, reply);
  }
  if (request.group_id.empty()) return refuse(ErrorCode::kInvalidGroupId, reply);
  const std::string group = request.group_id;
  services.groups.run(
      group, GroupDriver::Kind::kCommuting,
      [request = std::move(request), reply = std::move(reply)](ErrorCode refused, GroupShard* shard,
                                                               Step* step) mutable {
        if (refused == ErrorCode::kCoordinatorLoadInProgress) return refuse(ErrorCode::kNone, reply);
        if (refused != ErrorCode::kNone) return refuse(refused, reply);
        shard->heartbeat(
            request,
            [reply = std::move(reply)](const HeartbeatResponse& response) mutable { reply.send(response); },
            *step);
      });
}

}  // namespace

bool serve_heartbeat(Services& services, const RequestContext& context, protocol::Reader& reader,
                     ResponseSink sink) {
  return decode_and_handle<HeartbeatRequest, HeartbeatResponse, handle_heartbeat>(services, context, reader,
                                                                                  std::move(sink));
}

}  // namespace barnabas::broker

// SyncGroup 0-5: the leader of a classic group brings the assignment, the others wait for theirs.
//
//   v1 throttle time   v2 same   v3 static members   v4 flexible   v5 protocol type and name
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/coordinator/group_shard.hpp"
#include "broker/drivers/group_driver.hpp"
#include "protocol/messages/api_sync_group.hpp"

namespace barnabas::broker {

using protocol::SyncGroupRequest;
using protocol::SyncGroupResponse;

namespace {

constexpr std::int16_t kFirstVersionWithProtocol = 5;

void refuse(ErrorCode error, Reply<SyncGroupResponse>& reply) {
  SyncGroupResponse response;
  response.error_code = static_cast<std::int16_t>(error);
  reply.send(response);
}

void handle_sync_group(Services& services, const RequestContext& context, SyncGroupRequest& request,
                       Reply<SyncGroupResponse> reply) {
  // From version 5 on both are mandatory (KIP-559).
  if (context.api_version >= kFirstVersionWithProtocol &&
      (!request.protocol_type || !request.protocol_name)) {
    return refuse(ErrorCode::kInconsistentGroupProtocol, reply);
  }
  if (!allowed(services, context, Operation::kRead, ResourceKind::kGroup, request.group_id)) {
    return refuse(ErrorCode::kGroupAuthorizationFailed, reply);
  }
  if (request.group_id.empty()) return refuse(ErrorCode::kInvalidGroupId, reply);
  const std::string group = request.group_id;
  services.groups.run(
      group, GroupDriver::Kind::kExclusive,
      [request = std::move(request), frame = context.frame, reply = std::move(reply)](
          ErrorCode refused, GroupShard* shard, Step* step) mutable {
        if (refused != ErrorCode::kNone) return refuse(refused, reply);
        shard->sync(
            request,
            [reply = std::move(reply)](const SyncGroupResponse& response) mutable { reply.send(response); },
            *step);
      });
}

}  // namespace

bool serve_sync_group(Services& services, const RequestContext& context, protocol::Reader& reader,
                      ResponseSink sink) {
  return decode_and_handle<SyncGroupRequest, SyncGroupResponse, handle_sync_group>(services, context, reader,
                                                                                   std::move(sink));
}

}  // namespace barnabas::broker

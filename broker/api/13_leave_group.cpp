// LeaveGroup 0-5: members of a classic group go.
//
//   v1 throttle time   v2 same   v3 several members, static ones by their instance   v4 flexible   v5 reasons
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/coordinator/group_shard.hpp"
#include "broker/drivers/group_driver.hpp"
#include "protocol/messages/api_leave_group.hpp"

namespace barnabas::broker {

using protocol::LeaveGroupRequest;
using protocol::LeaveGroupResponse;

namespace {

constexpr std::int16_t kFirstVersionOfMembers = 3;

void refuse(ErrorCode error, Reply<LeaveGroupResponse>& reply) {
  LeaveGroupResponse response;
  response.error_code = static_cast<std::int16_t>(error);
  reply.send(response);
}

void handle_leave_group(Services& services, const RequestContext& context, LeaveGroupRequest& request,
                        Reply<LeaveGroupResponse> reply) {
  if (!allowed(services, context, Operation::kRead, ResourceKind::kGroup, request.group_id)) {
    return refuse(ErrorCode::kGroupAuthorizationFailed, reply);
  }
  if (request.group_id.empty()) return refuse(ErrorCode::kInvalidGroupId, reply);
  const bool single = context.api_version < kFirstVersionOfMembers;
  if (single) request.members = {{request.member_id, {}, {}}};
  const std::string group = request.group_id;
  services.groups.run(group, GroupDriver::Kind::kExclusive,
                      [request = std::move(request), single, reply = std::move(reply)](
                          ErrorCode refused, GroupShard* shard, Step* step) mutable {
                        if (refused != ErrorCode::kNone) return refuse(refused, reply);
                        shard->leave(
                            request,
                            [single, reply = std::move(reply)](const LeaveGroupResponse& response) mutable {
                              if (!single || response.members.empty()) return reply.send(response);
                              LeaveGroupResponse older;
                              older.error_code = response.error_code != 0
                                                     ? response.error_code
                                                     : response.members.front().error_code;
                              reply.send(older);
                            },
                            *step);
                      });
}

}  // namespace

bool serve_leave_group(Services& services, const RequestContext& context, protocol::Reader& reader,
                       ResponseSink sink) {
  return decode_and_handle<LeaveGroupRequest, LeaveGroupResponse, handle_leave_group>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

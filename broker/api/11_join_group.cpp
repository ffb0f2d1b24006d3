// JoinGroup 0-9: a member of a classic group says that it is there, and waits until the others did.
//
//   v1 rebalance timeout   v2 throttle time   v3 same   v4 member ids are given out first (KIP-394)
//   v5 static members (KIP-345)   v6 flexible   v7 protocol type and name may be null   v8 reason (KIP-800)
//   v9 skip assignment (KIP-814)
//
// The group's shard does the rest (coordinator/classic_groups.hpp). A group of the consumer protocol takes in
// members that come this way too (KIP-848): coordinator/consumer_group_classic.cpp.
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/config/broker_config.hpp"
#include "broker/coordinator/group_shard.hpp"
#include "broker/drivers/group_driver.hpp"
#include "protocol/messages/api_join_group.hpp"

namespace barnabas::broker {

using protocol::JoinGroupRequest;
using protocol::JoinGroupResponse;

namespace {

constexpr std::int16_t kFirstVersionWithKnownMemberId = 4;
constexpr std::int16_t kFirstVersionWithNullProtocol = 7;
constexpr std::int16_t kFirstVersionSkippingAssignment = 9;

ErrorCode validate(const Services& services, const RequestContext& context, const JoinGroupRequest& request) {
  if (!allowed(services, context, Operation::kRead, ResourceKind::kGroup, request.group_id))
    return ErrorCode::kGroupAuthorizationFailed;
  if (request.group_id.empty()) return ErrorCode::kInvalidGroupId;
  const auto settings = services.config.settings();
  if (request.session_timeout_ms < settings->group_min_session_timeout_ms ||
      request.session_timeout_ms > settings->group_max_session_timeout_ms)
    return ErrorCode::kInvalidSessionTimeout;
  return ErrorCode::kNone;
}

/// A refusal names no protocol; older versions have no null for that.
JoinAnswer answer_by(Reply<JoinGroupResponse> reply, std::int16_t version) {
  return [reply = std::move(reply), version](const JoinGroupResponse& response) mutable {
    const bool has_null = version >= kFirstVersionWithNullProtocol;
    const bool names_protocol = response.error_code == 0 && response.protocol_name;
    if (names_protocol || response.protocol_name.has_value() != has_null) return reply.send(response);
    JoinGroupResponse answer = response;
    answer.protocol_name = has_null ? std::nullopt : std::optional<std::string>("");
    reply.send(answer);
  };
}

void handle_join_group(Services& services, const RequestContext& context, JoinGroupRequest& request,
                       Reply<JoinGroupResponse> reply) {
  JoinAnswer answer = answer_by(std::move(reply), context.api_version);
  const auto refuse = [](const JoinGroupRequest& to, ErrorCode error, JoinAnswer& by) {
    JoinGroupResponse response;
    response.error_code = static_cast<std::int16_t>(error);
    response.member_id = to.member_id;
    by(response);
  };
  const ErrorCode error = validate(services, context, request);
  // Who may not ask is not told its own member id either, as by Kafka.
  if (error == ErrorCode::kGroupAuthorizationFailed) request.member_id.clear();
  if (error != ErrorCode::kNone) return refuse(request, error, answer);
  if (context.api_version == 0) request.rebalance_timeout_ms = request.session_timeout_ms;
  JoinContext join;
  join.client_id = context.client_id.value_or("");
  join.client_host = "/" + context.connection->peer.host;
  join.requires_known_member_id = context.api_version >= kFirstVersionWithKnownMemberId;
  join.supports_skipping_assignment = context.api_version >= kFirstVersionSkippingAssignment;
  const std::string group = request.group_id;
  services.groups.run(group, GroupDriver::Kind::kExclusive,
                      [request = std::move(request), join = std::move(join), frame = context.frame, refuse,
                       answer = std::move(answer)](ErrorCode refused, GroupShard* shard, Step* step) mutable {
                        if (refused != ErrorCode::kNone) return refuse(request, refused, answer);
                        shard->join(request, join, std::move(answer), *step);
                      });
}

}  // namespace

bool serve_join_group(Services& services, const RequestContext& context, protocol::Reader& reader,
                      ResponseSink sink) {
  return decode_and_handle<JoinGroupRequest, JoinGroupResponse, handle_join_group>(services, context, reader,
                                                                                   std::move(sink));
}

}  // namespace barnabas::broker

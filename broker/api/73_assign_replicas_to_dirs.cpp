// AssignReplicasToDirs 0: a broker tells in which log directories its replicas are (KIP-858). Of the
// controller's listener.
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/controller_request.hpp"
#include "protocol/messages/api_assign_replicas_to_dirs.hpp"

namespace barnabas::broker {

using protocol::AssignReplicasToDirsRequest;
using protocol::AssignReplicasToDirsResponse;

namespace {

void handle_assign_replicas_to_dirs(Services& services, const RequestContext& context,
                                    AssignReplicasToDirsRequest& request,
                                    Reply<AssignReplicasToDirsResponse> reply) {
  if (!allowed_on_cluster(services, context, Operation::kClusterAction)) {
    AssignReplicasToDirsResponse refused;
    refused.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
    return reply.send(refused);
  }
  ask_controller(
      services, std::move(request),
      [reply = std::move(reply)](AssignReplicasToDirsResponse response) mutable { reply.send(response); });
}

}  // namespace

bool serve_assign_replicas_to_dirs(Services& services, const RequestContext& context,
                                   protocol::Reader& reader, ResponseSink sink) {
  return decode_and_handle<AssignReplicasToDirsRequest, AssignReplicasToDirsResponse,
                           handle_assign_replicas_to_dirs>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

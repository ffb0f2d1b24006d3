// AlterPartitionReassignments 0-1: moves replicas to other brokers, or stops that (KIP-455). Flexible from
// the start.
//
//   v1 whether the number of replicas may change
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/controller_request.hpp"

namespace barnabas::broker {

using protocol::AlterPartitionReassignmentsRequest;
using protocol::AlterPartitionReassignmentsResponse;

namespace {

void handle_alter_partition_reassignments(Services& services, const RequestContext& context,
                                          AlterPartitionReassignmentsRequest& request,
                                          Reply<AlterPartitionReassignmentsResponse> reply) {
  if (allowed_on_cluster(services, context, Operation::kAlter))
    return ask_controller(services, std::move(request),
                          [reply = std::move(reply)](AlterPartitionReassignmentsResponse response) mutable {
                            reply.send(response);
                          });
  AlterPartitionReassignmentsResponse refused;
  refused.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
  refused.error_message = "Cluster authorization failed.";
  reply.send(refused);
}

}  // namespace

bool serve_alter_partition_reassignments(Services& services, const RequestContext& context,
                                         protocol::Reader& reader, ResponseSink sink) {
  return decode_and_handle<AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
                           handle_alter_partition_reassignments>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

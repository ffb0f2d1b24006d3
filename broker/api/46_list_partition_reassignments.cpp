// ListPartitionReassignments 0: the partitions whose replicas are being moved (KIP-455). Flexible from the
// start.
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "kraft/controller/reassignment_control.hpp"

namespace barnabas::broker {

using protocol::ListPartitionReassignmentsRequest;
using protocol::ListPartitionReassignmentsResponse;

namespace {

void handle_list_partition_reassignments(Services& services, const RequestContext& context,
                                         ListPartitionReassignmentsRequest& request,
                                         Reply<ListPartitionReassignmentsResponse> reply) {
  if (allowed_on_cluster(services, context, Operation::kDescribe))
    return reply.send(kraft::list_partition_reassignments(*services.metadata.image(), request));
  ListPartitionReassignmentsResponse refused;
  refused.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
  refused.error_message = "Cluster authorization failed.";
  reply.send(refused);
}

}  // namespace

bool serve_list_partition_reassignments(Services& services, const RequestContext& context,
                                        protocol::Reader& reader, ResponseSink sink) {
  return decode_and_handle<ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
                           handle_list_partition_reassignments>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

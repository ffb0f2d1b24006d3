// AlterPartition 0-3: a leader tells which replicas of its partitions are in sync (KIP-497). Of the
// controller's listener.
//
//   v1 leader recovery (KIP-704)   v2 topic ids, other errors (KIP-841)   v3 epochs of brokers (KIP-903)
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/controller_request.hpp"
#include "protocol/messages/api_alter_partition.hpp"

namespace barnabas::broker {

using protocol::AlterPartitionRequest;
using protocol::AlterPartitionResponse;

namespace {

void handle_alter_partition(Services& services, const RequestContext& context, AlterPartitionRequest& request,
                            Reply<AlterPartitionResponse> reply) {
  if (!allowed_on_cluster(services, context, Operation::kClusterAction)) {
    AlterPartitionResponse refused;
    refused.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
    return reply.send(refused);
  }
  services.controller.submit([request = std::move(request), version = context.api_version,
                              reply = std::move(reply)](kraft::MetadataNode& node, std::int64_t) mutable {
    node.submit(
        std::move(request), version,
        [reply = std::move(reply)](AlterPartitionResponse response) mutable { reply.send(response); });
  });
}

}  // namespace

bool serve_alter_partition(Services& services, const RequestContext& context, protocol::Reader& reader,
                           ResponseSink sink) {
  return decode_and_handle<AlterPartitionRequest, AlterPartitionResponse, handle_alter_partition>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

// DescribeQuorum 0-2: voters and observers of the metadata quorum, how far each is.
//
//   v1 times of fetches (KIP-836)   v2 directory ids, endpoints of the voters, messages (KIP-853)
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/drivers/metadata_driver.hpp"
#include "kraft/metadata_node.hpp"

namespace barnabas::broker {

using protocol::DescribeQuorumRequest;
using protocol::DescribeQuorumResponse;

namespace {

void handle_describe_quorum(Services& services, const RequestContext& context, DescribeQuorumRequest& request,
                            Reply<DescribeQuorumResponse> reply) {
  if (!allowed_on_cluster(services, context, Operation::kDescribe)) {
    DescribeQuorumResponse refused;
    refused.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
    return reply.send(refused);
  }
  services.controller.submit([request = std::move(request), version = context.api_version,
                              reply = std::move(reply)](kraft::MetadataNode& node, std::int64_t) mutable {
    reply.send(node.describe_quorum(request, version));
  });
}

}  // namespace

bool serve_describe_quorum(Services& services, const RequestContext& context, protocol::Reader& reader,
                           ResponseSink sink) {
  return decode_and_handle<DescribeQuorumRequest, DescribeQuorumResponse, handle_describe_quorum>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

// DescribeAcls 0-3: the access control lists that match a filter.
//
//   v1 pattern types, v2 flexible, v3 users as resources
//
// Left out: ACLs, which wait for an authorizer that is configured. Without one Kafka 4.3.1 answers as here,
// on every listener, and clients such as MirrorMaker go on; a filter with a field of kind unknown (0) ends
// the connection (both measured).
#include "broker/api/api_table.hpp"
#include "protocol/messages/api_describe_acls.hpp"

namespace barnabas::broker {

using protocol::DescribeAclsRequest;
using protocol::DescribeAclsResponse;

namespace {

void handle_describe_acls(Services&, const RequestContext&, DescribeAclsRequest& request,
                          Reply<DescribeAclsResponse> reply) {
  if (request.resource_type_filter == 0 || request.pattern_type_filter == 0 || request.operation == 0 ||
      request.permission_type == 0)
    return;
  DescribeAclsResponse response;
  response.error_code = static_cast<std::int16_t>(ErrorCode::kSecurityDisabled);
  response.error_message = "No Authorizer is configured on the broker";
  reply.send(response);
}

}  // namespace

bool serve_describe_acls(Services& services, const RequestContext& context, protocol::Reader& reader,
                         ResponseSink sink) {
  return decode_and_handle<DescribeAclsRequest, DescribeAclsResponse, handle_describe_acls>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

// DescribeAcls 0-3: the access control lists that match a filter.
//
//   v1 pattern types, v2 flexible, v3 users as resources
//
// Without an authorizer SECURITY_DISABLED, on every listener; a filter with a field of kind unknown (0) ends
// the connection, one with a number that nobody knows finds nothing (measured on Kafka 4.3.1).
#include <map>
#include <tuple>

#include "broker/api/alter_acls.hpp"
#include "broker/api/api_table.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "kraft/controller/acl_control.hpp"
#include "protocol/messages/api_describe_acls.hpp"

namespace barnabas::broker {

using protocol::DescribeAclsRequest;
using protocol::DescribeAclsResponse;

namespace {

DescribeAclsResponse refusal(ErrorCode error, std::string message) {
  DescribeAclsResponse response;
  response.error_code = static_cast<std::int16_t>(error);
  response.error_message = std::move(message);
  return response;
}

DescribeAclsResponse describe(const kraft::AclsImage& acls, const DescribeAclsRequest& request) {
  const kraft::AclFilter filter{request.resource_type_filter, request.resource_name_filter,
                                request.pattern_type_filter,  request.principal_filter,
                                request.host_filter,          request.operation,
                                request.permission_type};
  std::map<std::tuple<std::int8_t, std::string, std::int8_t>, DescribeAclsResponse::DescribeAclsResource>
      by_resource;
  for (const auto& [id, acl] : acls) {
    if (!kraft::matches(filter, acl)) continue;
    auto& resource = by_resource[{acl.resource_type, acl.resource_name, acl.pattern_type}];
    resource.acls.push_back({acl.principal, acl.host, acl.operation, acl.permission_type});
  }
  DescribeAclsResponse response;
  response.error_message = "";
  for (auto& [key, resource] : by_resource) {
    std::tie(resource.resource_type, resource.resource_name, resource.pattern_type) = key;
    response.resources.push_back(std::move(resource));
  }
  return response;
}

void handle_describe_acls(Services& services, const RequestContext& context, DescribeAclsRequest& request,
                          Reply<DescribeAclsResponse> reply) {
  if (filters_unknown_kind(request)) return;
  if (!allowed_on_cluster(services, context, Operation::kDescribe))
    return reply.send(refusal(ErrorCode::kClusterAuthorizationFailed, "Cluster authorization failed."));
  if (!services.authorizer.obeys_acls())
    return reply.send(refusal(ErrorCode::kSecurityDisabled, "No Authorizer is configured on the broker"));
  reply.send(describe(*services.metadata.image()->acls, request));
}

}  // namespace

bool serve_describe_acls(Services& services, const RequestContext& context, protocol::Reader& reader,
                         ResponseSink sink) {
  return decode_and_handle<DescribeAclsRequest, DescribeAclsResponse, handle_describe_acls>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

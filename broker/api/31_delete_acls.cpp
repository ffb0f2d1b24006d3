// DeleteAcls 0-3: removes the access control lists that match filters.
//
//   v1 pattern types, v2 flexible, v3 users as resources
//
// Without an authorizer each is answered SECURITY_DISABLED. A filter with a field of kind unknown (0) ends
// the connection (both measured on Kafka 4.3.1).
#include <algorithm>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/controller_request.hpp"
#include "protocol/messages/api_delete_acls.hpp"

namespace barnabas::broker {

using protocol::DeleteAclsRequest;
using protocol::DeleteAclsResponse;

namespace {

bool has_unknown_kind(const DeleteAclsRequest::DeleteAclsFilter& filter) {
  return filter.resource_type_filter == 0 || filter.pattern_type_filter == 0 || filter.operation == 0 ||
         filter.permission_type == 0;
}

void refuse(const DeleteAclsRequest& request, ErrorCode error, const char* message,
            Reply<DeleteAclsResponse> reply) {
  DeleteAclsResponse response;
  response.filter_results.resize(request.filters.size());
  for (auto& result : response.filter_results) {
    result.error_code = static_cast<std::int16_t>(error);
    result.error_message = message;
  }
  reply.send(response);
}

void handle_delete_acls(Services& services, const RequestContext& context, DeleteAclsRequest& request,
                        Reply<DeleteAclsResponse> reply) {
  if (std::ranges::any_of(request.filters, has_unknown_kind)) return;
  if (!allowed_on_cluster(services, context, Operation::kAlter))
    return refuse(request, ErrorCode::kClusterAuthorizationFailed, "Cluster authorization failed.",
                  std::move(reply));
  if (!services.authorizer.obeys_acls())
    return refuse(request, ErrorCode::kSecurityDisabled, "No Authorizer is configured.", std::move(reply));
  ask_controller(services, std::move(request),
                 [reply = std::move(reply)](DeleteAclsResponse response) mutable { reply.send(response); });
}

}  // namespace

bool serve_delete_acls(Services& services, const RequestContext& context, protocol::Reader& reader,
                       ResponseSink sink) {
  return decode_and_handle<DeleteAclsRequest, DeleteAclsResponse, handle_delete_acls>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

// DeleteAcls 0-3: removes the access control lists that match filters.
//
//   v1 pattern types, v2 flexible, v3 users as resources
//
// Left out: ACLs, which wait for an authorizer that is configured; without one Kafka 4.3.1 answers as here.
// A filter with a field of kind unknown (0) ends the connection (both measured).
#include <algorithm>

#include "broker/api/api_table.hpp"
#include "protocol/messages/api_delete_acls.hpp"

namespace barnabas::broker {

using protocol::DeleteAclsRequest;
using protocol::DeleteAclsResponse;

namespace {

bool has_unknown_kind(const DeleteAclsRequest::DeleteAclsFilter& filter) {
  return filter.resource_type_filter == 0 || filter.pattern_type_filter == 0 || filter.operation == 0 ||
         filter.permission_type == 0;
}

void handle_delete_acls(Services&, const RequestContext&, DeleteAclsRequest& request,
                        Reply<DeleteAclsResponse> reply) {
  if (std::ranges::any_of(request.filters, has_unknown_kind)) return;
  DeleteAclsResponse response;
  response.filter_results.resize(request.filters.size());
  for (auto& result : response.filter_results) {
    result.error_code = static_cast<std::int16_t>(ErrorCode::kSecurityDisabled);
    result.error_message = "No Authorizer is configured.";
  }
  reply.send(response);
}

}  // namespace

bool serve_delete_acls(Services& services, const RequestContext& context, protocol::Reader& reader,
                       ResponseSink sink) {
  return decode_and_handle<DeleteAclsRequest, DeleteAclsResponse, handle_delete_acls>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

// DeleteAcls 0-3: removes the access control lists that match filters.
//
//   v1 pattern types, v2 flexible, v3 users as resources
//
// Without an authorizer each is answered SECURITY_DISABLED. A filter with a field of kind unknown (0) ends
// the connection (both measured on Kafka 4.3.1).
#include <algorithm>

#include "broker/api/alter_acls.hpp"
#include "broker/api/api_table.hpp"
#include "protocol/messages/api_delete_acls.hpp"

namespace barnabas::broker {

using protocol::DeleteAclsRequest;
using protocol::DeleteAclsResponse;

namespace {

void handle_delete_acls(Services& services, const RequestContext& context, DeleteAclsRequest& request,
                        Reply<DeleteAclsResponse> reply) {
  if (std::ranges::any_of(request.filters, filters_unknown_kind<DeleteAclsRequest::DeleteAclsFilter>)) return;
  alter_acls(services, context, request, request.filters.size(), &DeleteAclsResponse::filter_results,
             std::move(reply));
}

}  // namespace

bool serve_delete_acls(Services& services, const RequestContext& context, protocol::Reader& reader,
                       ResponseSink sink) {
  return decode_and_handle<DeleteAclsRequest, DeleteAclsResponse, handle_delete_acls>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

// CreateAcls 0-3: adds access control lists.
//
//   v1 pattern types, v2 flexible, v3 users as resources
//
// Without an authorizer each is answered SECURITY_DISABLED. An entry with a field of kind unknown (0) ends
// the connection (both measured on Kafka 4.3.1).
#include <algorithm>

#include "broker/api/alter_acls.hpp"
#include "broker/api/api_table.hpp"
#include "protocol/messages/api_create_acls.hpp"

namespace barnabas::broker {

using protocol::CreateAclsRequest;
using protocol::CreateAclsResponse;

namespace {

bool has_unknown_kind(const CreateAclsRequest::AclCreation& creation) {
  return creation.resource_type == 0 || creation.resource_pattern_type == 0 || creation.operation == 0 ||
         creation.permission_type == 0;
}

void handle_create_acls(Services& services, const RequestContext& context, CreateAclsRequest& request,
                        Reply<CreateAclsResponse> reply) {
  if (std::ranges::any_of(request.creations, has_unknown_kind)) return;
  alter_acls(services, context, request, request.creations.size(), &CreateAclsResponse::results,
             std::move(reply));
}

}  // namespace

bool serve_create_acls(Services& services, const RequestContext& context, protocol::Reader& reader,
                       ResponseSink sink) {
  return decode_and_handle<CreateAclsRequest, CreateAclsResponse, handle_create_acls>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

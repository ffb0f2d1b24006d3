// CreateAcls 0-3: adds access control lists.
//
//   v1 pattern types, v2 flexible, v3 users as resources
//
// Without an authorizer each is answered SECURITY_DISABLED. An entry with a field of kind unknown (0) ends
// the connection (both measured on Kafka 4.3.1).
#include <algorithm>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/controller_request.hpp"
#include "protocol/messages/api_create_acls.hpp"

namespace barnabas::broker {

using protocol::CreateAclsRequest;
using protocol::CreateAclsResponse;

namespace {

bool has_unknown_kind(const CreateAclsRequest::AclCreation& creation) {
  return creation.resource_type == 0 || creation.resource_pattern_type == 0 || creation.operation == 0 ||
         creation.permission_type == 0;
}

void refuse(const CreateAclsRequest& request, ErrorCode error, const char* message,
            Reply<CreateAclsResponse> reply) {
  CreateAclsResponse response;
  response.results.resize(request.creations.size());
  for (auto& result : response.results) {
    result.error_code = static_cast<std::int16_t>(error);
    result.error_message = message;
  }
  reply.send(response);
}

void handle_create_acls(Services& services, const RequestContext& context, CreateAclsRequest& request,
                        Reply<CreateAclsResponse> reply) {
  if (std::ranges::any_of(request.creations, has_unknown_kind)) return;
  if (!allowed_on_cluster(services, context, Operation::kAlter))
    return refuse(request, ErrorCode::kClusterAuthorizationFailed, "Cluster authorization failed.",
                  std::move(reply));
  if (!services.authorizer.obeys_acls())
    return refuse(request, ErrorCode::kSecurityDisabled, "No Authorizer is configured.", std::move(reply));
  ask_controller(services, std::move(request),
                 [reply = std::move(reply)](CreateAclsResponse response) mutable { reply.send(response); });
}

}  // namespace

bool serve_create_acls(Services& services, const RequestContext& context, protocol::Reader& reader,
                       ResponseSink sink) {
  return decode_and_handle<CreateAclsRequest, CreateAclsResponse, handle_create_acls>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

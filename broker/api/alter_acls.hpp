// What CreateAcls and DeleteAcls share: who may, whether there is an authorizer, and the way to the
// controller. And what DeleteAcls shares with DescribeAcls: which filters make no sense.
//
// Measured on Kafka 4.3.1: without an authorizer each entry is answered SECURITY_DISABLED; a field of kind
// unknown (0) ends the connection.
#pragma once

#include <cstddef>
#include <utility>

#include "broker/api/authorization.hpp"
#include "broker/api/controller_request.hpp"

namespace barnabas::broker {

template <class Filter>
[[nodiscard]] bool filters_unknown_kind(const Filter& filter) {
  return filter.resource_type_filter == 0 || filter.pattern_type_filter == 0 || filter.operation == 0 ||
         filter.permission_type == 0;
}

/// `results` of the response has one answer for each of the request's `count` entries.
template <class Request, class Response, class Results>
void alter_acls(Services& services, const RequestContext& context, Request& request, std::size_t count,
                Results Response::* results, Reply<Response> reply) {
  const auto refuse = [&](ErrorCode error, const char* message) {
    Response response;
    (response.*results).resize(count);
    for (auto& result : response.*results) {
      result.error_code = static_cast<std::int16_t>(error);
      result.error_message = message;
    }
    reply.send(response);
  };
  if (!allowed_on_cluster(services, context, Operation::kAlter))
    return refuse(ErrorCode::kClusterAuthorizationFailed, "Cluster authorization failed.");
  if (!services.authorizer.obeys_acls())
    return refuse(ErrorCode::kSecurityDisabled, "No Authorizer is configured.");
  ask_controller(services, std::move(request),
                 [reply = std::move(reply)](Response response) mutable { reply.send(response); });
}

}  // namespace barnabas::broker

// UnregisterBroker 0: forgets a broker that is gone for good (KIP-631).
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/controller_request.hpp"

namespace barnabas::broker {

using protocol::UnregisterBrokerRequest;
using protocol::UnregisterBrokerResponse;

namespace {

void handle_unregister_broker(Services& services, const RequestContext& context,
                              UnregisterBrokerRequest& request, Reply<UnregisterBrokerResponse> reply) {
  if (!allowed_on_cluster(services, context, Operation::kAlter)) {
    UnregisterBrokerResponse refused;
    refused.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
    refused.error_message = "Cluster authorization failed.";
    return reply.send(refused);
  }
  ask_controller(
      services, std::move(request),
      [reply = std::move(reply)](UnregisterBrokerResponse response) mutable { reply.send(response); });
}

}  // namespace

bool serve_unregister_broker(Services& services, const RequestContext& context, protocol::Reader& reader,
                             ResponseSink sink) {
  return decode_and_handle<UnregisterBrokerRequest, UnregisterBrokerResponse, handle_unregister_broker>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

// ControllerRegistration 0: a controller tells the active one its addresses and features (KIP-919). Of the
// controller's listener.
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/controller_request.hpp"
#include "protocol/messages/api_controller_registration.hpp"

namespace barnabas::broker {

using protocol::ControllerRegistrationRequest;
using protocol::ControllerRegistrationResponse;

namespace {

void handle_controller_registration(Services& services, const RequestContext& context,
                                    ControllerRegistrationRequest& request,
                                    Reply<ControllerRegistrationResponse> reply) {
  if (!allowed_on_cluster(services, context, Operation::kClusterAction)) {
    ControllerRegistrationResponse refused;
    refused.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
    refused.error_message = "Cluster authorization failed.";
    return reply.send(refused);
  }
  ask_controller(
      services, std::move(request),
      [reply = std::move(reply)](ControllerRegistrationResponse response) mutable { reply.send(response); });
}

}  // namespace

bool serve_controller_registration(Services& services, const RequestContext& context,
                                   protocol::Reader& reader, ResponseSink sink) {
  return decode_and_handle<ControllerRegistrationRequest, ControllerRegistrationResponse,
                           handle_controller_registration>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

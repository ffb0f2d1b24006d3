// BrokerRegistration 0-4: a broker begins a life in the cluster (KIP-631). Of the controller's listener.
//
//   v1 migration from ZooKeeper   v2 log directories (KIP-858)   v3 the epoch of its life before (KIP-966)
//   v4 features whose lowest level is 0
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/controller_request.hpp"
#include "protocol/messages/api_broker_registration.hpp"

namespace barnabas::broker {

using protocol::BrokerRegistrationRequest;
using protocol::BrokerRegistrationResponse;

namespace {

void handle_broker_registration(Services& services, const RequestContext& context,
                                BrokerRegistrationRequest& request, Reply<BrokerRegistrationResponse> reply) {
  if (!allowed_on_cluster(services, context, Operation::kClusterAction)) {
    BrokerRegistrationResponse refused;
    refused.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
    return reply.send(refused);
  }
  ask_controller(
      services, std::move(request),
      [reply = std::move(reply)](BrokerRegistrationResponse response) mutable { reply.send(response); });
}

}  // namespace

bool serve_broker_registration(Services& services, const RequestContext& context, protocol::Reader& reader,
                               ResponseSink sink) {
  return decode_and_handle<BrokerRegistrationRequest, BrokerRegistrationResponse, handle_broker_registration>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

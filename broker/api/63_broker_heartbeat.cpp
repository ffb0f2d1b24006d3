// BrokerHeartbeat 0-2: a broker is alive, and asks to be fenced, unfenced or let go (KIP-631). Of the
// controller's listener.
//
//   v1 log directories that are offline (KIP-858)   v2 cordoned log directories (KIP-1066)
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/controller_request.hpp"
#include "protocol/messages/api_broker_heartbeat.hpp"

namespace barnabas::broker {

using protocol::BrokerHeartbeatRequest;
using protocol::BrokerHeartbeatResponse;

namespace {

void handle_broker_heartbeat(Services& services, const RequestContext& context,
                             BrokerHeartbeatRequest& request, Reply<BrokerHeartbeatResponse> reply) {
  if (!allowed_on_cluster(services, context, Operation::kClusterAction)) {
    BrokerHeartbeatResponse refused;
    refused.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
    return reply.send(refused);
  }
  ask_controller(
      services, std::move(request),
      [reply = std::move(reply)](BrokerHeartbeatResponse response) mutable { reply.send(response); });
}

}  // namespace

bool serve_broker_heartbeat(Services& services, const RequestContext& context, protocol::Reader& reader,
                            ResponseSink sink) {
  return decode_and_handle<BrokerHeartbeatRequest, BrokerHeartbeatResponse, handle_broker_heartbeat>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

// BrokerHeartbeat 0-2: a broker is alive, and asks to be fenced, unfenced or let go (KIP-631). Of the
// controller's listener.
//
//   v1 log directories that are offline (KIP-858)   v2 cordoned log directories (KIP-1066)
//
// When the connection of a broker's heartbeats ends the controller is told, and looks whether there is still
// somebody: a process that is killed closes its connections at once, long before its session is over
// (barnabas.broker.disconnect.timeout.ms, drivers/broker_probe.hpp).
#include <map>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/controller_request.hpp"
#include "broker/config/broker_config.hpp"
#include "broker/drivers/broker_probe.hpp"
#include "protocol/messages/api_broker_heartbeat.hpp"

namespace barnabas::broker {

using protocol::BrokerHeartbeatRequest;
using protocol::BrokerHeartbeatResponse;

namespace {

/// Kept by a connection that carries heartbeats: of one broker, as a rule.
class HeartbeatConnection {
 public:
  HeartbeatConnection(const Services& services, Reactor& reactor)
      : clock_(services.clock),
        controller_(services.controller),
        reactor_(reactor),
        listener_(services.config.settings()->inter_broker_listener_name) {}
  /// The last of a connection may go when the node stops: tasks are dropped then, and nothing else is
  /// touched.
  ~HeartbeatConnection() {
    controller_.submit([&clock = clock_, &controller = controller_, &reactor = reactor_, listener = listener_,
                        lives = std::move(lives_)](kraft::MetadataNode& node, std::int64_t) {
      const kraft::MetadataImagePtr image = node.image();
      for (const auto& [broker, epoch] : lives) {
        if (node.broker_disconnected(broker, epoch))
          probe_broker(reactor, clock, controller, *image->broker(broker), listener);
      }
    });
  }
  HeartbeatConnection(const HeartbeatConnection&) = delete;
  HeartbeatConnection& operator=(const HeartbeatConnection&) = delete;
  void carries(BrokerId broker, std::int64_t epoch) { lives_[broker] = epoch; }

 private:
  const Clock& clock_;
  MetadataDriver& controller_;
  Reactor& reactor_;
  std::string listener_;
  std::map<BrokerId, std::int64_t> lives_;  // epochs
};

/// Heartbeats alone leave something with a connection.
void watch_connection(const Services& services, const RequestContext& context,
                      const BrokerHeartbeatRequest& request) {
  std::shared_ptr<void>& kept = context.connection->at_end;
  if (!kept) kept = std::make_shared<HeartbeatConnection>(services, *context.reactor);
  static_cast<HeartbeatConnection*>(kept.get())->carries(BrokerId(request.broker_id), request.broker_epoch);
}

void handle_broker_heartbeat(Services& services, const RequestContext& context,
                             BrokerHeartbeatRequest& request, Reply<BrokerHeartbeatResponse> reply) {
  if (!allowed_on_cluster(services, context, Operation::kClusterAction)) {
    BrokerHeartbeatResponse refused;
    refused.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
    return reply.send(refused);
  }
  watch_connection(services, context, request);
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

// Brokers and controllers: registration, heartbeats, fencing, controlled shutdown, unregistration.
// See control.hpp.
//
// Heartbeats are not records: BrokerSessions remembers when each broker was last heard, and a new leader
// gives every broker a whole session. Errors: 104 wrong cluster id, 101 another live incarnation, 77 stale
// epoch, 102 not registered, 35 features or metadata.version that the broker does not support. Source:
// KIP-631, KIP-966; measured on Kafka 4.3.1.
#pragma once

#include <map>
#include <optional>

#include "kraft/controller/control.hpp"
#include "protocol/messages/api_broker_heartbeat.hpp"
#include "protocol/messages/api_broker_registration.hpp"
#include "protocol/messages/api_controller_registration.hpp"
#include "protocol/messages/api_unregister_broker.hpp"

namespace barnabas::kraft {

/// When brokers were last heard. Soft state of an active controller; never written.
class BrokerSessions {
 public:
  explicit BrokerSessions(std::int64_t timeout_ms) : timeout_ms_(timeout_ms) {}
  void touch(BrokerId broker, std::int64_t now_ms) { last_heard_ms_[broker] = now_ms; }
  void remove(BrokerId broker) { last_heard_ms_.erase(broker); }
  /// A new leader: nobody was heard yet, so nobody blocks a registration, but nobody is fenced for it either
  /// before a whole session.
  void start_all(const MetadataImage& image, std::int64_t now_ms);
  [[nodiscard]] bool is_alive(BrokerId broker, std::int64_t now_ms) const;
  /// Unfenced brokers of the image whose session is over.
  [[nodiscard]] std::vector<BrokerId> expired(const MetadataImage& image, std::int64_t now_ms) const;
  /// When the next session may end; nothing when there is none.
  [[nodiscard]] std::optional<std::int64_t> next_expiry_ms(const MetadataImage& image) const;

 private:
  [[nodiscard]] std::int64_t ends_ms(BrokerId broker) const;

  std::int64_t timeout_ms_;
  std::map<BrokerId, std::int64_t> last_heard_ms_;
  std::map<BrokerId, std::int64_t> grace_from_ms_;
};

ControllerResult<protocol::BrokerRegistrationResponse> register_broker(
    const ControlContext& context, const BrokerSessions& sessions,
    const protocol::BrokerRegistrationRequest& request);
/// `metadata_offset` up to which the broker must have replayed to be unfenced is its registration's offset.
ControllerResult<protocol::BrokerHeartbeatResponse> broker_heartbeat(
    const ControlContext& context, const protocol::BrokerHeartbeatRequest& request);
/// Fences a broker whose session ended.
[[nodiscard]] MetadataRecords fence_broker(const ControlContext& context, BrokerId broker);
ControllerResult<protocol::UnregisterBrokerResponse> unregister_broker(
    const ControlContext& context, const protocol::UnregisterBrokerRequest& request);
ControllerResult<protocol::ControllerRegistrationResponse> register_controller(
    const ControlContext& context, const protocol::ControllerRegistrationRequest& request);

}  // namespace barnabas::kraft

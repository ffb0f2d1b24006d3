// Brokers and controllers: registration, heartbeats, fencing, controlled shutdown, unregistration.
// See control.hpp.
//
// Heartbeats are not records; BrokerSessions remembers them, which these controls update beside the records
// that they return. Errors: 104 wrong cluster id, 101 another live incarnation, 119 directories or features
// that make no sense, 35 features that the broker does not support, 77 stale epoch, 102 not registered.
// Source: KIP-631, KIP-841, KIP-858, KIP-966; measured on Kafka 4.3.1.
#pragma once

#include "kraft/controller/broker_sessions.hpp"
#include "kraft/controller/control.hpp"
#include "protocol/messages/api_broker_heartbeat.hpp"
#include "protocol/messages/api_broker_registration.hpp"
#include "protocol/messages/api_controller_registration.hpp"
#include "protocol/messages/api_unregister_broker.hpp"

namespace barnabas::kraft {

ControllerResult<protocol::BrokerRegistrationResponse> register_broker(
    const ControlContext& context, BrokerSessions& sessions,
    const protocol::BrokerRegistrationRequest& request);
ControllerResult<protocol::BrokerHeartbeatResponse> broker_heartbeat(
    const ControlContext& context, BrokerSessions& sessions, const protocol::BrokerHeartbeatRequest& request);
/// Fences a broker whose session ended.
[[nodiscard]] MetadataRecords fence_broker(const ControlContext& context, BrokerId broker);
ControllerResult<protocol::UnregisterBrokerResponse> unregister_broker(
    const ControlContext& context, BrokerSessions& sessions,
    const protocol::UnregisterBrokerRequest& request);
ControllerResult<protocol::ControllerRegistrationResponse> register_controller(
    const ControlContext& context, const protocol::ControllerRegistrationRequest& request);

/// STALE_BROKER_EPOCH when the request is not of the broker's registered life.
[[nodiscard]] Result<const BrokerRegistration*> check_broker_epoch(const MetadataImage& image,
                                                                   std::int32_t broker, std::int64_t epoch);

}  // namespace barnabas::kraft

// Listeners as the configuration names them: listeners, advertised.listeners, listener.security.protocol.map,
// controller.listener.names, inter.broker.listener.name and process.roles, checked against each other.
// Thread safety: pure functions. Error texts: measured on Kafka 4.3.1.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "broker/config/broker_config.hpp"

namespace barnabas::broker {

/// "NAME://HOST:PORT", the host empty or in brackets.
struct ListenerAddress {
  std::string name;
  Endpoint endpoint;
};
[[nodiscard]] std::optional<ListenerAddress> parse_listener(std::string_view text);
/// "HOST:PORT"; nothing when it is not.
[[nodiscard]] std::optional<Endpoint> parse_endpoint(std::string_view text);

/// Fills listeners, controller_listener_names and inter_broker_listener_name; roles and node id are there.
Result<void> read_listeners(const ConfigLayers& layers, BrokerSettings& settings);
/// Fills controller_quorum_voters and controller_quorum_bootstrap_servers.
Result<void> read_quorum(const ConfigLayers& layers, BrokerSettings& settings);

}  // namespace barnabas::broker

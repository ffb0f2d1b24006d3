// A look at a broker that may be dead, as its heartbeat connection has ended: is there a process that
// listens?
//
// A process that dies closes its connections and its listeners at once. Two attempts to connect to the
// broker's listener that are both refused, a quarter of a second apart, tell the active controller that
// nobody is there; anything else (a connection, no answer, an address that does not resolve) tells nothing,
// and the session ends when it ends otherwise. So a broker that merely connects anew is not fenced, and a
// machine that vanished is left to the session. Fencing a broker that lives would be safe: it is unfenced by
// its next heartbeat.
//
// Thread safety: callable from any thread; the attempts live on `reactor`, which outlives them, as do the
// clock and the driver. Source: our own; Apache Kafka waits for broker.session.timeout.ms.
#pragma once

#include <string_view>

#include "base/clock.hpp"
#include "base/network.hpp"
#include "broker/drivers/metadata_driver.hpp"

namespace barnabas::broker {

/// `listener` names the one that other brokers use; another is looked at where there is none of that name.
void probe_broker(Reactor& reactor, const Clock& clock, MetadataDriver& driver,
                  const kraft::BrokerRegistration& broker, std::string_view listener);
/// All that are unfenced, `self` apart: for a controller that begins to lead, perhaps because a node died
/// that was a broker too.
void probe_brokers(Reactor& reactor, const Clock& clock, MetadataDriver& driver,
                   const kraft::MetadataImage& image, BrokerId self, std::string_view listener);

}  // namespace barnabas::broker

// Parts that every node is put together from: by node.cpp around threads, and by the simulation around one
// reactor, so that what is simulated is wired as what is served.
//
// Functions; the parts they make are the caller's, who destroys them before what they were given. Not
// thread-safe: for the thread that builds a node.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "broker/config/broker_config.hpp"
#include "broker/drivers/broker_lifecycle.hpp"
#include "broker/drivers/controller_channel.hpp"
#include "broker/drivers/group_driver.hpp"
#include "broker/drivers/metadata_driver.hpp"
#include "broker/drivers/peer_transactions.hpp"
#include "broker/drivers/producer_id_allocator.hpp"
#include "broker/drivers/transaction_driver.hpp"
#include "broker/replica/replica_manager.hpp"
#include "log/log_manager.hpp"

namespace barnabas::broker {

/// The ways to the active controller, one for each purpose, so that a heartbeat waits for nothing else.
struct ControllerChannels {
  std::unique_ptr<ControllerChannel> heartbeats;
  std::unique_ptr<ControllerChannel> requests;  // what clients and this node ask for
  std::unique_ptr<ControllerChannel> partition_changes;
};
ControllerChannels make_controller_channels(Reactor& reactor, Clock& clock, Random& random,
                                            MetadataDriver& driver, const BrokerSettings& settings);

std::unique_ptr<ReplicaManager> make_replicas(const Clock& clock, const BrokerConfig& config,
                                              log::LogManager& logs);

/// Its blocks come from the controller.
std::unique_ptr<ProducerIdAllocator> make_producer_ids(ControllerChannel& controller,
                                                       const MetadataDriver& driver, BrokerId self);

struct CoordinatorsDependencies {
  Clock& clock;
  Random& random;
  const BrokerConfig& config;
  const MetadataCache& cache;
  MetadataDriver& driver;
  ReplicaManager& replicas;
  ProducerIdAllocator& producer_ids;
  MetricsRegistry& metrics;
  std::vector<Reactor*> reactors;  // at least one; markers to other brokers go by the first
};
/// They follow the images that the driver publishes.
struct Coordinators {
  std::unique_ptr<GroupDriver> groups;
  std::unique_ptr<PeerTransactions> transaction_peers;
  std::unique_ptr<TransactionDriver> transactions;
};
Coordinators make_coordinators(const CoordinatorsDependencies& dependencies);

/// What the broker with these logs tells the controller of itself.
BrokerIdentity identity_of(const log::LogManager& logs, std::string cluster_id,
                           std::vector<kraft::NamedEndpoint> endpoints);

}  // namespace barnabas::broker

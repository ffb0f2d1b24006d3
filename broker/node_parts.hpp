// Parts that every node is put together from: by node.cpp around threads, and by the simulation around one
// reactor, so that what is simulated is wired as what is served.
//
// Functions; the parts they make are the caller's, who destroys them before what they were given. Not
// thread-safe: for the thread that builds a node.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/config/broker_config.hpp"
#include "broker/drivers/broker_lifecycle.hpp"
#include "broker/drivers/controller_channel.hpp"
#include "broker/drivers/controller_registrar.hpp"
#include "broker/drivers/directory_reports.hpp"
#include "broker/drivers/group_driver.hpp"
#include "broker/drivers/isr_changes.hpp"
#include "broker/drivers/metadata_round.hpp"
#include "broker/drivers/peer_transactions.hpp"
#include "broker/drivers/producer_id_allocator.hpp"
#include "broker/drivers/quorum_network.hpp"
#include "broker/drivers/replication.hpp"
#include "broker/drivers/transaction_driver.hpp"
#include "broker/net/server.hpp"
#include "broker/replica/replica_manager.hpp"
#include "log/log_manager.hpp"

namespace barnabas::broker {

/// As configured; the recovery's threads and what a directory's failure does are the caller's to say.
[[nodiscard]] log::LogManagerOptions log_manager_options(const BrokerConfig& config,
                                                         MetricsRegistry& metrics);

/// The requests of the driver's metadata quorum to other nodes.
std::unique_ptr<QuorumNetwork> make_quorum_network(Reactor& reactor, Clock& clock, Random& random,
                                                   MetadataRoundDriver& driver, const BrokerConfig& config,
                                                   const std::string& cluster_id);

/// The ways to the active controller, one for each purpose, so that a heartbeat waits for nothing else.
struct ControllerChannels {
  std::unique_ptr<ControllerChannel> heartbeats;
  std::unique_ptr<ControllerChannel> requests;  // what clients and this node ask for
  std::unique_ptr<ControllerChannel> partition_changes;
};
ControllerChannels make_controller_channels(Reactor& reactor, Clock& clock, Random& random,
                                            MetadataDriver& driver, const BrokerSettings& settings);

/// The driver runs it.
std::unique_ptr<ControllerRegistrar> make_controller_registrar(const Clock& clock,
                                                               MetadataRoundDriver& driver,
                                                               ControllerChannel& controller);
/// A controller that begins to lead looks for brokers that died with the one before it.
void probe_brokers_on_election(Reactor& reactor, const Clock& clock, MetadataDriver& driver,
                               const MetadataCache& cache, const BrokerConfig& config);

std::unique_ptr<ReplicaManager> make_replicas(const Clock& clock, const BrokerConfig& config,
                                              log::LogManager& logs);

/// It follows the images that the driver publishes. `reactors` are those of its fetchers.
std::unique_ptr<Replication> make_replication(Clock& clock, Random& random, const BrokerConfig& config,
                                              MetadataDriver& driver, ReplicaManager& replicas,
                                              std::vector<Reactor*> reactors, MetricsRegistry& metrics);

struct BrokerReportsDependencies {
  Reactor& reactor;
  const Clock& clock;
  Random& random;
  BrokerConfig& config;
  MetadataDriver& driver;
  ReplicaManager& replicas;
  const ControllerChannels& channels;
  std::function<void(const Error&)> on_end;  // told why the node cannot go on
};
/// What a broker tells the controller unasked: that it lives, and what becomes of its log directories and of
/// the in-sync sets that it leads. All null in a node that is no broker.
struct BrokerReports {
  std::unique_ptr<LifecycleDriver> life;
  std::unique_ptr<DirectoryReports> directories;
  std::unique_ptr<IsrChanges> isr_changes;
};
BrokerReports make_broker_reports(const BrokerReportsDependencies& dependencies);

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

[[nodiscard]] ServerOptions server_options(const BrokerSettings& settings);

/// What the broker with these logs tells the controller of itself.
BrokerIdentity identity_of(const log::LogManager& logs, std::string cluster_id,
                           std::vector<kraft::NamedEndpoint> endpoints);

}  // namespace barnabas::broker

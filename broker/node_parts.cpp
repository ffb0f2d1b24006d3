#include "broker/node_parts.hpp"

#include <fmt/format.h>

#include <utility>

#include "broker/drivers/broker_probe.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/metadata_settings.hpp"

namespace barnabas::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kAttemptTimeout{30};
constexpr seconds kProducerIdsTimeout{60};
/// Topics of a usual size serve before they are acknowledged; some ten milliseconds for the quorum's thread.
constexpr std::size_t kOpenedAtOnce = 50;

}  // namespace

log::LogManagerOptions log_manager_options(const BrokerConfig& config, MetricsRegistry& metrics) {
  const auto settings = config.settings();
  log::LogManagerOptions options;
  options.directories = settings->log_dirs;
  options.node_id = settings->node_id;
  options.default_config = config.default_log_config();
  options.metrics = &metrics;
  return options;
}

std::unique_ptr<QuorumNetwork> make_quorum_network(Reactor& reactor, Clock& clock, Random& random,
                                                   MetadataRoundDriver& driver, const BrokerConfig& config,
                                                   const std::string& cluster_id) {
  return std::make_unique<QuorumNetwork>(
      reactor, clock, random,
      [&driver](BrokerId peer, std::uint64_t correlation, kraft::QuorumOutcome outcome) {
        driver.receive(peer, correlation, std::move(outcome));
      },
      quorum_network_options(config, cluster_id));
}

ControllerChannels make_controller_channels(Reactor& reactor, Clock& clock, Random& random,
                                            MetadataDriver& driver, const BrokerSettings& settings) {
  const auto make = [&](const char* purpose, std::chrono::nanoseconds attempt_timeout) {
    ControllerChannelOptions options;
    options.client_id = fmt::format("{}-{}", settings.node_id.value(), purpose);
    options.attempt_timeout = attempt_timeout;
    return std::make_unique<ControllerChannel>(reactor, clock, random, driver, options);
  };
  return {make("heartbeat", milliseconds(settings.broker_session_timeout_ms / 2)),
          make("forwarding", kAttemptTimeout), make("alter-partition", kAttemptTimeout)};
}

std::unique_ptr<ControllerRegistrar> make_controller_registrar(const Clock& clock,
                                                               MetadataRoundDriver& driver,
                                                               ControllerChannel& controller) {
  auto registrar = std::make_unique<ControllerRegistrar>(clock, driver, controller);
  driver.add_duty([&registrar = *registrar](kraft::MetadataNode& node) { return registrar.run(node); });
  return registrar;
}

void probe_brokers_on_election(Reactor& reactor, const Clock& clock, MetadataDriver& driver,
                               const MetadataCache& cache, const BrokerConfig& config) {
  driver.add_controller_listener([&](const kraft::ActiveController& active) {
    const auto settings = config.settings();
    if (active.is_local)
      probe_brokers(reactor, clock, driver, *cache.image(), settings->node_id,
                    settings->inter_broker_listener_name);
  });
}

std::unique_ptr<ReplicaManager> make_replicas(const Clock& clock, const BrokerConfig& config,
                                              log::LogManager& logs) {
  const auto settings = config.settings();
  ReplicationOptions options;
  options.clock = &clock;
  options.max_lag = milliseconds(settings->replica_lag_time_max_ms);
  options.topic_value = [&config](const kraft::MetadataImage& image, std::string_view topic,
                                  std::string_view name) { return config.topic_value(image, topic, name); };
  options.opened_at_once = kOpenedAtOnce;
  return std::make_unique<ReplicaManager>(
      settings->node_id, logs,
      [&config](const kraft::MetadataImage& image, std::string_view topic) {
        return config.log_config_for(image, topic);
      },
      std::move(options));
}

std::unique_ptr<Replication> make_replication(Clock& clock, Random& random, const BrokerConfig& config,
                                              MetadataDriver& driver, ReplicaManager& replicas,
                                              std::vector<Reactor*> reactors, MetricsRegistry& metrics) {
  auto replication = std::make_unique<Replication>(
      ReplicationDependencies{clock, random, config, replicas, config.settings()->node_id,
                              [&driver] { return driver.broker_epoch(); }, std::move(reactors)},
      metrics);
  driver.add_listener(
      [&replication = *replication](const kraft::MetadataImagePtr& image, const kraft::MetadataChanges*) {
        replication.on_image(image);
      });
  return replication;
}

BrokerReports make_broker_reports(const BrokerReportsDependencies& with) {
  const auto settings = with.config.settings();
  const BrokerId self = settings->node_id;
  BrokerReports made;
  made.life = std::make_unique<LifecycleDriver>(
      LifecycleDependencies{with.clock, with.random, with.config, with.driver, *with.channels.heartbeats});
  made.directories = std::make_unique<DirectoryReports>(
      DirectoryReportsDependencies{with.clock, self, with.replicas, with.driver, *made.life,
                                   *with.channels.partition_changes},
      settings->metadata_log_dir, with.on_end);
  made.isr_changes = std::make_unique<IsrChanges>(
      IsrChangesDependencies{with.reactor, with.clock, *with.channels.partition_changes, self,
                             [&life = *made.life] { return life.epoch(); }});
  with.replicas.ask_for_isr_changes(*made.isr_changes);
  return made;
}

std::unique_ptr<ProducerIdAllocator> make_producer_ids(ControllerChannel& controller,
                                                       const MetadataDriver& driver, BrokerId self) {
  return std::make_unique<ProducerIdAllocator>([&controller, &driver, self](auto answer) {
    protocol::AllocateProducerIdsRequest request;
    request.broker_id = self.value();
    request.broker_epoch = driver.broker_epoch();
    auto take = [answer = std::move(answer)](Result<protocol::AllocateProducerIdsResponse> told) mutable {
      if (!told)
        answer(std::unexpected(std::move(told).error()));
      else if (told->error_code != 0)
        answer(fail(static_cast<ErrorCode>(told->error_code)));
      else
        answer(ProducerIdBlock{told->producer_id_start, told->producer_id_len});
    };
    controller.ask<protocol::AllocateProducerIdsResponse>(std::move(request), kProducerIdsTimeout,
                                                          std::move(take));
  });
}

Coordinators make_coordinators(const CoordinatorsDependencies& with) {
  const auto settings = with.config.settings();
  const BrokerId self = settings->node_id;
  Coordinators made;
  made.groups = std::make_unique<GroupDriver>(GroupDriverDependencies{
      with.clock, with.random, with.config, with.replicas, with.metrics, self, with.reactors});
  made.transaction_peers = std::make_unique<PeerTransactions>(
      *with.reactors.front(), with.clock, with.random, with.cache,
      PeerTransactionsOptions{.listener = settings->inter_broker_listener_name,
                              .client_id = fmt::format("broker-{}-txn-marker-sender", self.value())});
  made.transactions =
      std::make_unique<TransactionDriver>(TransactionDriverDependencies{.clock = with.clock,
                                                                        .config = with.config,
                                                                        .metadata = with.cache,
                                                                        .replicas = with.replicas,
                                                                        .groups = *made.groups,
                                                                        .producer_ids = with.producer_ids,
                                                                        .metrics = with.metrics,
                                                                        .peers = made.transaction_peers.get(),
                                                                        .self = self,
                                                                        .reactors = with.reactors});
  with.driver.add_listener([&groups = *made.groups, &transactions = *made.transactions](
                               const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes) {
    groups.on_image(image, changes);
    transactions.on_image(image);
  });
  return made;
}

ServerOptions server_options(const BrokerSettings& settings) {
  ServerOptions options;
  options.session.max_request_bytes = settings.socket_request_max_bytes;
  options.session.max_idle = milliseconds(settings.connections_max_idle_ms);
  options.max_request_memory_bytes = settings.queued_max_request_bytes;
  return options;
}

BrokerIdentity identity_of(const log::LogManager& logs, std::string cluster_id,
                           std::vector<kraft::NamedEndpoint> endpoints) {
  BrokerIdentity identity;
  identity.cluster_id = std::move(cluster_id);
  identity.endpoints = std::move(endpoints);
  for (const auto& directory : logs.directories())
    if (logs.is_online(directory)) identity.directories.push_back(logs.directory_id(directory));
  identity.previous_epoch = logs.previous_broker_epoch();
  return identity;
}

}  // namespace barnabas::broker

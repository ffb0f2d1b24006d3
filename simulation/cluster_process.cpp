#include "simulation/cluster_process.hpp"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "base/metrics.hpp"
#include "broker/api/services.hpp"
#include "broker/config/config_validator.hpp"
#include "broker/drivers/broker_probe.hpp"
#include "broker/drivers/cold_reads.hpp"
#include "broker/drivers/controller_channel.hpp"
#include "broker/drivers/controller_registrar.hpp"
#include "broker/drivers/directory_reports.hpp"
#include "broker/drivers/group_driver.hpp"
#include "broker/drivers/isr_changes.hpp"
#include "broker/drivers/lifecycle_driver.hpp"
#include "broker/drivers/log_flusher.hpp"
#include "broker/drivers/log_maintenance.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/drivers/peer_transactions.hpp"
#include "broker/drivers/producer_id_allocator.hpp"
#include "broker/drivers/quorum_network.hpp"
#include "broker/drivers/replication.hpp"
#include "broker/drivers/transaction_driver.hpp"
#include "broker/metadata_settings.hpp"
#include "broker/net/server.hpp"
#include "broker/replica/fetch_session.hpp"
#include "broker/security/standard_authorizer.hpp"
#include "log/log_manager.hpp"
#include "simulation/reactor_metadata_driver.hpp"

namespace barnabas::simulation {

using namespace broker;  // NOLINT: this is node.cpp's work
using std::chrono::milliseconds;

namespace {
constexpr milliseconds kDrainTime{250};
constexpr std::chrono::seconds kProducerIdsTimeout{60};
}  // namespace

/// Members are in the order of construction, which node.cpp gives.
struct ClusterProcess::Parts {
  explicit Parts(ClusterProcessDependencies dependencies) : with(std::move(dependencies)) {}

  Result<void> open_logs();
  Result<void> build();
  void build_replicas(const BrokerSettings& settings);
  void build_ways_to_controller(const BrokerSettings& settings);
  void build_coordinators(const BrokerSettings& settings);
  void build_server(const BrokerSettings& settings);
  Result<void> listen();
  Result<void> join_cluster();
  void maintain();
  [[nodiscard]] std::vector<kraft::NamedEndpoint> endpoints(bool of_controller) const;
  void request_producer_ids(std::move_only_function<void(Result<ProducerIdBlock>)> answer);

  ClusterProcessDependencies with;
  BrokerId id;
  std::string cluster_id;
  MetricsRegistry metrics;
  std::unique_ptr<BrokerConfig> config;
  std::unique_ptr<NodeConfigValidator> validator;
  std::unique_ptr<log::LogManager> logs;
  std::unique_ptr<MetadataCache> cache;
  std::unique_ptr<ReactorMetadataDriver> driver;
  std::unique_ptr<ControllerChannel> heartbeats;
  std::unique_ptr<ControllerChannel> to_controller;
  std::unique_ptr<ControllerChannel> partition_changes;
  std::unique_ptr<ControllerRegistrar> registrar;
  std::unique_ptr<LifecycleDriver> life;
  std::unique_ptr<ReplicaManager> replicas;
  std::unique_ptr<DirectoryReports> directories;
  std::unique_ptr<IsrChanges> isr_changes;
  std::unique_ptr<FetchSessionCache> fetch_sessions;
  std::unique_ptr<ProducerIdAllocator> producer_ids;
  std::unique_ptr<Authorizer> authorizer;
  std::unique_ptr<QuorumNetwork> network;
  std::unique_ptr<Replication> replication;
  std::unique_ptr<GroupDriver> groups;
  std::unique_ptr<PeerTransactions> transaction_peers;
  std::unique_ptr<TransactionDriver> transactions;
  std::unique_ptr<LogFlusher> flusher;
  std::unique_ptr<ColdReads> cold_reads;
  std::unique_ptr<Services> services;
  std::unique_ptr<Server> server;
  std::unique_ptr<LogMaintenance> maintenance;
};

Result<void> ClusterProcess::Parts::open_logs() {
  const auto settings = config->settings();
  log::LogManagerOptions options;
  options.directories = settings->log_dirs;
  options.node_id = id;
  options.default_config = config->default_log_config();
  options.metrics = &metrics;
  options.on_directory_failure = [this](const std::string& path, const Error&) {
    if (directories) directories->on_failure(path);
  };
  logs = TRY(log::LogManager::open(with.files, with.clock, with.random, std::move(options)));
  const auto meta = TRY(log::read_meta_properties(with.files, settings->metadata_log_dir));
  if (!meta) return fail(ErrorCode::kInvalidConfig, "the metadata log directory is not formatted");
  cluster_id = meta->cluster_id;
  return {};
}

Result<void> ClusterProcess::Parts::build() {
  config = TRY(BrokerConfig::make(with.properties));
  const auto settings = config->settings();
  id = settings->node_id;
  validator = std::make_unique<NodeConfigValidator>(*config);
  TRY(check_quorum(with.files, *config));
  TRY(open_logs());
  authorizer = TRY(make_authorizer(*settings));
  cache = std::make_unique<MetadataCache>(id, cluster_id);
  cache->publish(kraft::MetadataImage::empty(), 0);
  driver = std::make_unique<ReactorMetadataDriver>(
      with.reactor, MetadataDriverDependencies{
                        {with.files, with.clock, with.random, *validator}, *config, *cache, with.on_failure});
  build_replicas(*settings);
  build_ways_to_controller(*settings);
  build_coordinators(*settings);
  build_server(*settings);
  return {};
}

void ClusterProcess::Parts::build_replicas(const BrokerSettings& settings) {
  ReplicationOptions options;
  options.clock = &with.clock;
  options.max_lag = milliseconds(settings.replica_lag_time_max_ms);
  options.topic_value = [this](const kraft::MetadataImage& image, std::string_view topic,
                               std::string_view name) { return config->topic_value(image, topic, name); };
  replicas = std::make_unique<ReplicaManager>(
      id, *logs,
      [this](const kraft::MetadataImage& image, std::string_view topic) {
        return config->log_config_for(image, topic);
      },
      std::move(options));
  replication =
      std::make_unique<Replication>(ReplicationDependencies{with.clock,
                                                            with.random,
                                                            *config,
                                                            *replicas,
                                                            id,
                                                            [this] { return driver->broker_epoch(); },
                                                            {&with.reactor}},
                                    metrics);
  driver->add_listener([this](const kraft::MetadataImagePtr& image, const kraft::MetadataChanges*) {
    replication->on_image(image);
    with.on_image(image);
  });
}

void ClusterProcess::Parts::build_ways_to_controller(const BrokerSettings& settings) {
  const auto make = [this](const char* purpose, std::chrono::nanoseconds attempt_timeout) {
    ControllerChannelOptions options;
    options.client_id = fmt::format("{}-{}", id.value(), purpose);
    options.attempt_timeout = attempt_timeout;
    return std::make_unique<ControllerChannel>(with.reactor, with.clock, with.random, *driver, options);
  };
  heartbeats = make("heartbeat", milliseconds(settings.broker_session_timeout_ms / 2));
  to_controller = make("forwarding", std::chrono::seconds(30));
  partition_changes = make("alter-partition", std::chrono::seconds(30));
  if (settings.is_controller) {
    registrar = std::make_unique<ControllerRegistrar>(with.clock, *driver, *to_controller);
    driver->round().add_duty([this](kraft::MetadataNode& node) { return registrar->run(node); });
    driver->add_controller_listener([this](const kraft::ActiveController& active) {
      if (active.is_local)
        probe_brokers(with.reactor, with.clock, *driver, *cache->image(), id,
                      config->settings()->inter_broker_listener_name);
    });
  }
  if (!settings.is_broker) return;
  life = std::make_unique<LifecycleDriver>(
      LifecycleDependencies{with.clock, with.random, *config, *driver, *heartbeats});
  directories = std::make_unique<DirectoryReports>(
      DirectoryReportsDependencies{with.clock, id, *replicas, *driver, *life, *partition_changes},
      settings.metadata_log_dir, with.on_failure);
  isr_changes = std::make_unique<IsrChanges>(IsrChangesDependencies{
      with.reactor, with.clock, *partition_changes, id, [this] { return life->epoch(); }});
  replicas->ask_for_isr_changes(*isr_changes);
}

void ClusterProcess::Parts::build_coordinators(const BrokerSettings& settings) {
  producer_ids =
      std::make_unique<ProducerIdAllocator>([this](auto answer) { request_producer_ids(std::move(answer)); });
  groups = std::make_unique<GroupDriver>(
      GroupDriverDependencies{with.clock, with.random, *config, *replicas, id, {&with.reactor}});
  transaction_peers = std::make_unique<PeerTransactions>(
      with.reactor, with.clock, with.random, *cache,
      PeerTransactionsOptions{.listener = settings.inter_broker_listener_name,
                              .client_id = fmt::format("broker-{}-txn-marker-sender", id.value())});
  transactions =
      std::make_unique<TransactionDriver>(TransactionDriverDependencies{.clock = with.clock,
                                                                        .config = *config,
                                                                        .metadata = *cache,
                                                                        .replicas = *replicas,
                                                                        .groups = *groups,
                                                                        .producer_ids = *producer_ids,
                                                                        .peers = transaction_peers.get(),
                                                                        .self = id,
                                                                        .reactors = {&with.reactor}});
  driver->add_listener([this](const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes) {
    groups->on_image(image, changes);
    transactions->on_image(image);
  });
}

void ClusterProcess::Parts::build_server(const BrokerSettings& settings) {
  network = std::make_unique<QuorumNetwork>(
      with.reactor, with.clock, with.random,
      [this](BrokerId peer, std::uint64_t correlation, kraft::QuorumOutcome outcome) {
        driver->receive(peer, correlation, std::move(outcome));
      },
      quorum_network_options(*config, cluster_id));
  fetch_sessions = std::make_unique<FetchSessionCache>(
      with.clock, with.random, static_cast<std::size_t>(settings.max_incremental_fetch_session_cache_slots));
  flusher = std::make_unique<LogFlusher>(metrics, 0);
  cold_reads = std::make_unique<ColdReads>(metrics, ColdReads::Options{0, 0, 0});
  services = std::make_unique<Services>(
      Services{with.clock, with.random, *config, *cache, *driver, *to_controller, *replicas, *fetch_sessions,
               *groups, *transactions, *producer_ids, *authorizer, metrics, *flusher, *cold_reads});
  ServerOptions options;
  options.session.max_request_bytes = settings.socket_request_max_bytes;
  options.session.max_idle = milliseconds(settings.connections_max_idle_ms);
  server = std::make_unique<Server>(*services, options);
  maintenance = std::make_unique<LogMaintenance>(with.clock, *config, *replicas);
}

Result<void> ClusterProcess::Parts::listen() {
  const auto settings = config->settings();
  for (const auto& listener : settings->listeners) {
    const ListenerOptions options{listener.name, listener.bind, listener.controller || listener.inter_broker,
                                  listener.controller};
    (void)TRY(server->listen(with.reactor, options));
  }
  return {};
}

std::vector<kraft::NamedEndpoint> ClusterProcess::Parts::endpoints(bool of_controller) const {
  std::vector<kraft::NamedEndpoint> told;
  const auto settings = config->settings();
  for (const auto& listener : settings->listeners)
    if (listener.controller == of_controller)
      told.push_back({listener.name, listener.bind, listener.security_protocol});
  return told;
}

Result<void> ClusterProcess::Parts::join_cluster() {
  const auto settings = config->settings();
  const auto meta = TRY(log::read_meta_properties(with.files, settings->metadata_log_dir));
  auto options = TRY(metadata_node_options(*config, cluster_id, meta->directory_id, endpoints(true)));
  options.controller.broker_disconnect_timeout_ms = settings->broker_heartbeat_interval_ms * 5LL / 4;
  TRY(driver->round().open(std::move(options), network.get()));
  if (life) {
    BrokerIdentity identity;
    identity.cluster_id = cluster_id;
    identity.endpoints = endpoints(false);
    for (const auto& directory : logs->directories())
      if (logs->is_online(directory)) identity.directories.push_back(logs->directory_id(directory));
    identity.previous_epoch = logs->previous_broker_epoch();
    life->begin(std::move(identity));
  }
  driver->round().begin(*replicas, life.get());
  driver->start();
  replication->start();
  maintain();
  return {};
}

void ClusterProcess::Parts::maintain() {
  const auto due = maintenance->run_due();
  with.reactor.schedule_at(due, [this] { maintain(); });
}

void ClusterProcess::Parts::request_producer_ids(
    std::move_only_function<void(Result<ProducerIdBlock>)> answer) {
  protocol::AllocateProducerIdsRequest request;
  request.broker_id = id.value();
  request.broker_epoch = driver->broker_epoch();
  auto take = [answer = std::move(answer)](Result<protocol::AllocateProducerIdsResponse> told) mutable {
    if (!told)
      answer(std::unexpected(std::move(told).error()));
    else if (told->error_code != 0)
      answer(fail(static_cast<ErrorCode>(told->error_code)));
    else
      answer(ProducerIdBlock{told->producer_id_start, told->producer_id_len});
  };
  to_controller->ask<protocol::AllocateProducerIdsResponse>(std::move(request), kProducerIdsTimeout,
                                                            std::move(take));
}

Result<std::unique_ptr<ClusterProcess>> ClusterProcess::start(ClusterProcessDependencies dependencies) {
  auto parts = std::make_unique<Parts>(std::move(dependencies));
  TRY(parts->build());
  TRY(parts->listen());
  TRY(parts->join_cluster());
  return std::unique_ptr<ClusterProcess>(new ClusterProcess(std::move(parts)));
}

ClusterProcess::ClusterProcess(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

ClusterProcess::~ClusterProcess() {
  if (parts_->replicas) parts_->replicas->drop_waits();
}

void ClusterProcess::leave(std::function<void()> done) {
  parts_->driver->leave([this, done = std::move(done)] {
    parts_->transactions->stop();
    parts_->groups->stop();
    parts_->server->drain();
    parts_->with.reactor.schedule_at(parts_->with.clock.monotonic() + kDrainTime, done);
  });
}

Result<void> ClusterProcess::close() {
  const std::int64_t epoch = parts_->driver->broker_epoch();
  TRY(parts_->driver->round().close());
  parts_->replicas->drop_waits();
  parts_->server.reset();
  parts_->replication.reset();
  return parts_->logs->shutdown(epoch);
}

bool ClusterProcess::is_serving() const {
  return parts_->driver->round().is_serving();
}
const kraft::MetadataNode& ClusterProcess::metadata() const {
  return *parts_->driver->round().node();
}
ReplicaManager& ClusterProcess::replicas() {
  return *parts_->replicas;
}

}  // namespace barnabas::simulation

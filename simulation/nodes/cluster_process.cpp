#include "simulation/nodes/cluster_process.hpp"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "base/metrics.hpp"
#include "broker/api/services.hpp"
#include "broker/config/config_validator.hpp"
#include "broker/drivers/cold_reads.hpp"
#include "broker/drivers/log_flusher.hpp"
#include "broker/drivers/log_maintenance.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/metadata_settings.hpp"
#include "broker/net/server.hpp"
#include "broker/node_parts.hpp"
#include "broker/replica/fetch_session.hpp"
#include "broker/security/standard_authorizer.hpp"
#include "log/log_manager.hpp"
#include "simulation/nodes/reactor_metadata_driver.hpp"

namespace barnabas::simulation {

using namespace broker;  // NOLINT: this is node.cpp's work
using std::chrono::milliseconds;

namespace {
constexpr milliseconds kDrainTime{250};
}  // namespace

/// Members are in the order of construction, which node.cpp gives.
struct ClusterProcess::Parts {
  explicit Parts(ClusterProcessDependencies dependencies) : with(std::move(dependencies)) {}

  Result<void> open_logs();
  Result<void> build();
  void build_replicas();
  void build_ways_to_controller(const BrokerSettings& settings);
  void build_server(const BrokerSettings& settings);
  Result<void> listen();
  Result<void> join_cluster();
  void maintain();
  [[nodiscard]] std::vector<kraft::NamedEndpoint> endpoints(bool of_controller) const;

  ClusterProcessDependencies with;
  BrokerId id;
  std::string cluster_id;
  MetricsRegistry metrics;
  std::unique_ptr<BrokerConfig> config;
  std::unique_ptr<NodeConfigValidator> validator;
  std::unique_ptr<log::LogManager> logs;
  std::unique_ptr<MetadataCache> cache;
  std::unique_ptr<ReactorMetadataDriver> driver;
  ControllerChannels channels;
  std::unique_ptr<ControllerRegistrar> registrar;
  std::unique_ptr<ReplicaManager> replicas;
  BrokerReports reports;
  std::unique_ptr<FetchSessionCache> fetch_sessions;
  std::unique_ptr<ProducerIdAllocator> producer_ids;
  std::unique_ptr<Authorizer> authorizer;
  std::unique_ptr<QuorumNetwork> network;
  std::unique_ptr<Replication> replication;
  Coordinators coordinators;
  std::unique_ptr<LogFlusher> flusher;
  std::unique_ptr<ColdReads> cold_reads;
  std::unique_ptr<Services> services;
  std::unique_ptr<Server> server;
  std::unique_ptr<LogMaintenance> maintenance;
};

Result<void> ClusterProcess::Parts::open_logs() {
  const auto settings = config->settings();
  auto options = log_manager_options(*config, metrics);
  options.on_directory_failure = [this](const std::string& path, const Error&) {
    if (reports.directories) reports.directories->on_failure(path);
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
  build_replicas();
  build_ways_to_controller(*settings);
  producer_ids = make_producer_ids(*channels.requests, *driver, id);
  coordinators = make_coordinators({with.clock,
                                    with.random,
                                    *config,
                                    *cache,
                                    *driver,
                                    *replicas,
                                    *producer_ids,
                                    metrics,
                                    {&with.reactor}});
  build_server(*settings);
  return {};
}

void ClusterProcess::Parts::build_replicas() {
  replicas = make_replicas(with.clock, *config, *logs);
  replication =
      make_replication(with.clock, with.random, *config, *driver, *replicas, {&with.reactor}, metrics);
  driver->add_listener(
      [this](const kraft::MetadataImagePtr& image, const kraft::MetadataChanges*) { with.on_image(image); });
}

void ClusterProcess::Parts::build_ways_to_controller(const BrokerSettings& settings) {
  channels = make_controller_channels(with.reactor, with.clock, with.random, *driver, settings);
  if (settings.is_controller) {
    registrar = make_controller_registrar(with.clock, *driver, *channels.requests);
    probe_brokers_on_election(with.reactor, with.clock, *driver, *cache, *config);
  }
  if (settings.is_broker)
    reports = make_broker_reports(
        {with.reactor, with.clock, with.random, *config, *driver, *replicas, channels, with.on_failure});
}

void ClusterProcess::Parts::build_server(const BrokerSettings& settings) {
  network = make_quorum_network(with.reactor, with.clock, with.random, *driver, *config, cluster_id);
  fetch_sessions = std::make_unique<FetchSessionCache>(
      with.clock, with.random, static_cast<std::size_t>(settings.max_incremental_fetch_session_cache_slots));
  flusher = std::make_unique<LogFlusher>(metrics, 0);
  cold_reads = std::make_unique<ColdReads>(metrics, ColdReads::Options{0, 0, 0});
  services = std::make_unique<Services>(Services{with.clock, with.random, *config, *cache, *driver,
                                                 *channels.requests, *replicas, *fetch_sessions,
                                                 *coordinators.groups, *coordinators.transactions,
                                                 *producer_ids, *authorizer, metrics, *flusher, *cold_reads});
  server = std::make_unique<Server>(*services, server_options(settings));
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
  TRY(driver->round().open(std::move(options), network.get()));
  if (reports.life) reports.life->begin(identity_of(*logs, cluster_id, endpoints(false)));
  driver->round().begin(*replicas, reports.life.get());
  driver->start();
  replication->start();
  maintain();
  return {};
}

void ClusterProcess::Parts::maintain() {
  const auto due = maintenance->run_due();
  with.reactor.schedule_at(due, [this] { maintain(); });
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
    parts_->coordinators.transactions->stop();
    parts_->coordinators.groups->stop();
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

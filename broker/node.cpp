#include "broker/node.hpp"

#include <malloc.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <thread>

#include "base/logging.hpp"
#include "base/metrics.hpp"
#include "base/posix_file_system.hpp"
#include "broker/api/services.hpp"
#include "broker/config/config_validator.hpp"
#include "broker/config/unserved_settings.hpp"
#include "broker/drivers/cold_reads.hpp"
#include "broker/drivers/log_flusher.hpp"
#include "broker/drivers/log_upkeep.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/drivers/metadata_driver_thread.hpp"
#include "broker/drivers/start_reserve.hpp"
#include "broker/drivers/wanted_at_start.hpp"
#include "broker/late_listeners.hpp"
#include "broker/metadata_settings.hpp"
#include "broker/net/reactor_threads.hpp"
#include "broker/net/server.hpp"
#include "broker/node_http.hpp"
#include "broker/node_parts.hpp"
#include "broker/ready_file.hpp"
#include "broker/replica/fetch_session.hpp"
#include "broker/replica/replica_manager.hpp"
#include "broker/security/standard_authorizer.hpp"
#include "log/log_manager.hpp"

namespace barnabas::broker {
namespace {

using std::chrono::milliseconds;

/// How long connections may take to hand out the answers to what they have asked.
constexpr milliseconds kDrainTime{250};

int allowed_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

std::string host_name() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
  return name;
}

/// "NAME://HOST:PORT,...", as advertised.listeners.
std::string told_line(const std::vector<kraft::NamedEndpoint>& endpoints) {
  std::string told;
  for (const auto& endpoint : endpoints)
    told +=
        fmt::format("{}{}://{}", told.empty() ? "" : ",", endpoint.listener, to_string(endpoint.endpoint));
  return told;
}

Result<void> check_is_served(const BrokerSettings& settings) {
  for (const auto& listener : settings.listeners)
    if (listener.security_protocol != 0)
      return fail(ErrorCode::kInvalidConfig,
                  fmt::format("Listener {} asks for a security protocol other than PLAINTEXT, which is not "
                              "served yet; change listener.security.protocol.map",
                              listener.name));
  return {};
}

}  // namespace

/// Members are in the order of construction; stop() takes them apart in the order that keeps promises.
class Node::Impl {
 public:
  explicit Impl(NodeOptions options) : options_(std::move(options)) {}
  ~Impl() {
    if (auto stopped = stop(); !stopped)
      log_error("kafka.server.BrokerServer", "The stop was not clean: {}", stopped.error().detail);
  }

  Result<void> start();
  Result<void> stop();
  void prefetch() {
    if (reports_.life) producer_ids_->prefetch();
  }

  [[nodiscard]] const std::map<std::string, Endpoint>& listeners() const { return bound_; }
  [[nodiscard]] const std::string& cluster_id() const { return cluster_id_; }
  [[nodiscard]] BrokerId id() const { return id_; }
  [[nodiscard]] std::optional<Endpoint> http_address() const {
    return own_.http_listener && http_ ? std::optional(http_->local()) : std::nullopt;
  }

 private:
  Result<void> open_configuration();
  Result<void> open_logs();
  void build_ways_to_controller(const BrokerSettings& settings);
  void build_replicas();
  void build_services();
  Result<void> bind_listeners();
  Result<void> start_http();
  Result<void> learn_advertised_listeners();
  [[nodiscard]] std::vector<kraft::NamedEndpoint> broker_endpoints(
      const std::vector<ListenerSettings>& listeners) const;
  Result<void> open_metadata();
  Result<void> join_cluster(const std::vector<ListenerSettings>& listeners);
  Result<void> announce(const std::vector<ListenerSettings>& listeners);
  [[nodiscard]] kraft::NamedEndpoint told_endpoint(const ListenerSettings& listener) const;
  void drain();

  NodeOptions options_;
  PosixFileSystem files_;
  SystemClock clock_;
  SystemRandom random_;
  BrokerId id_;
  std::string cluster_id_;
  std::map<std::string, Endpoint> bound_;

  MetricsRegistry metrics_;
  std::unique_ptr<BrokerConfig> config_;
  std::unique_ptr<NodeConfigValidator> validator_;
  std::unique_ptr<StartReserve> reserve_;
  std::unique_ptr<log::LogManager> logs_;
  std::unique_ptr<MetadataCache> cache_;
  std::unique_ptr<MetadataDriverThread> driver_;
  /// Requests of this node to others, and of others to its controller. It runs before the node is let into
  /// its cluster.
  ReactorThreads peer_threads_;
  AsioReactor& peers_reactor_ = peer_threads_.add("peers");
  ControllerChannels channels_;
  std::unique_ptr<ControllerRegistrar> registrar_;
  std::unique_ptr<ReplicaManager> replicas_;
  BrokerReports reports_;
  std::unique_ptr<FetchSessionCache> fetch_sessions_;
  std::unique_ptr<ProducerIdAllocator> producer_ids_;
  std::unique_ptr<Authorizer> authorizer_;
  ReactorThreads client_threads_;
  std::unique_ptr<QuorumNetwork> network_;
  ReactorThreads fetcher_threads_;  // of replica fetchers, which write and may sync
  std::unique_ptr<Replication> replication_;
  Coordinators coordinators_;
  std::unique_ptr<LogFlusher> flusher_;
  std::unique_ptr<ColdReads> cold_reads_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<LogUpkeep> upkeep_;
  OwnSettings own_;
  std::unique_ptr<LateListeners> advertised_;
  std::unique_ptr<NodeHttp> http_;
  bool serving_ = false;
};

Result<void> Node::Impl::open_configuration() {
  own_ = TRY(take_own_settings(options_.properties));
  config_ = TRY(BrokerConfig::make(options_.properties));
  for (const auto& name : config_->unknown_names())
    log_warn("org.apache.kafka.common.config.AbstractConfig",
             "The configuration {} is not known and has no effect", name);
  if (const auto unserved = unserved_settings(config_->layers()->static_values); !unserved.empty())
    log_warn("org.apache.kafka.common.config.AbstractConfig",
             "These settings have no effect, because what they are about is not there yet: {}", unserved);
  const auto settings = config_->settings();
  TRY(check_is_served(*settings));
  id_ = settings->node_id;
  validator_ = std::make_unique<NodeConfigValidator>(*config_);
  return {};
}

/// The directories' lock comes first: nothing may be written to what another process serves.
Result<void> Node::Impl::open_logs() {
  const auto settings = config_->settings();
  auto options = log_manager_options(*config_, metrics_);
  options.recovery_threads_per_directory = settings->num_recovery_threads_per_data_dir;
  options.on_directory_failure = [this](const std::string& path, const Error&) {
    if (reports_.directories) reports_.directories->on_failure(path);  // else the start looks at what is left
  };
  reserve_ = std::make_unique<StartReserve>(files_, settings->log_dirs);
  reserve_->release_where_full();
  logs_ = TRY(log::LogManager::open(files_, clock_, random_, std::move(options)));
  const auto meta = TRY(log::read_meta_properties(files_, settings->metadata_log_dir));
  if (std::ranges::find(settings->log_dirs, settings->metadata_log_dir) != settings->log_dirs.end() &&
      !logs_->is_online(settings->metadata_log_dir))
    return fail(
        ErrorCode::kKafkaStorageError,
        fmt::format("the log directory of the metadata log, {}, has failed", settings->metadata_log_dir));
  if (!meta)
    return fail(ErrorCode::kInvalidConfig,
                fmt::format("no meta.properties in metadata log directory {}: run `barnabas format` first",
                            settings->metadata_log_dir));
  cluster_id_ = meta->cluster_id;
  return {};
}

void Node::Impl::build_ways_to_controller(const BrokerSettings& settings) {
  channels_ = make_controller_channels(peers_reactor_, clock_, random_, *driver_, settings);
  if (settings.is_controller) {
    registrar_ = make_controller_registrar(clock_, *driver_, *channels_.requests);
    if (own_.broker_disconnect_timeout_ms != 0)
      probe_brokers_on_election(peers_reactor_, clock_, *driver_, *cache_, *config_);
  }
  if (settings.is_broker)
    reports_ = make_broker_reports(
        {peers_reactor_, clock_, random_, *config_, *driver_, *replicas_, channels_, options_.on_failure});
}

void Node::Impl::build_replicas() {
  replicas_ = make_replicas(clock_, *config_, *logs_);
  std::vector<Reactor*> pool;
  for (int i = 0; i < std::min(allowed_cores(), config_->settings()->num_replica_fetchers); ++i)
    pool.push_back(&fetcher_threads_.add(fmt::format("fetcher-{}", i)));
  replication_ = make_replication(clock_, random_, *config_, *driver_, *replicas_, std::move(pool), metrics_);
}

void Node::Impl::build_services() {
  const auto settings = config_->settings();
  cache_ = std::make_unique<MetadataCache>(id_, cluster_id_);
  cache_->publish(kraft::MetadataImage::empty(), 0);  // Controllers ask before there is another.
  driver_ = std::make_unique<MetadataDriverThread>(MetadataDriverDependencies{
      {files_, clock_, random_, *validator_}, *config_, *cache_, options_.on_failure});
  build_replicas();
  build_ways_to_controller(*settings);
  fetch_sessions_ = std::make_unique<FetchSessionCache>(
      clock_, random_, static_cast<std::size_t>(settings->max_incremental_fetch_session_cache_slots));
  producer_ids_ = make_producer_ids(*channels_.requests, *driver_, id_);
  network_ = make_quorum_network(peers_reactor_, clock_, random_, *driver_, *config_, cluster_id_);
  for (int i = 0; i < std::max(allowed_cores(), settings->num_network_threads); ++i)
    client_threads_.add(fmt::format("reactor-{}", i));
  const auto& pool = client_threads_.reactors();
  pool.front()->share_accepted_with(pool);
  coordinators_ = make_coordinators({clock_,
                                     random_,
                                     *config_,
                                     *cache_,
                                     *driver_,
                                     *replicas_,
                                     *producer_ids_,
                                     metrics_,
                                     {pool.begin(), pool.end()}});
  driver_->add_listener([this](const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes) {
    if (changes == nullptr || changes->acls) authorizer_->follow(*image->acls);
  });
  flusher_ = std::make_unique<LogFlusher>(metrics_);
  ColdReads::Options cold;
  cold.kept_bytes = own_.cold_read_cache_bytes;
  cold_reads_ = std::make_unique<ColdReads>(metrics_, cold);
  services_ = std::make_unique<Services>(
      Services{clock_, random_, *config_, *cache_, *driver_, *channels_.requests, *replicas_,
               *fetch_sessions_, *coordinators_.groups, *coordinators_.transactions, *producer_ids_,
               *authorizer_, metrics_, *flusher_, *cold_reads_});
  server_ = std::make_unique<Server>(*services_, server_options(*settings));
  upkeep_ = std::make_unique<LogUpkeep>(
      LogUpkeepDependencies{files_, clock_, random_, *config_, *cache_, *replicas_, metrics_, peers_reactor_},
      own_);
}

/// A controller serves others before it is let into the cluster itself: they elect one together.
Result<void> Node::Impl::bind_listeners() {
  const auto settings = config_->settings();
  for (const auto& listener : settings->listeners) {
    const ListenerOptions options{listener.name, listener.bind, listener.controller || listener.inter_broker,
                                  listener.controller};
    AsioReactor& reactor = listener.controller ? peers_reactor_ : *client_threads_.reactors().front();
    bound_[listener.name] = TRY(server_->listen(reactor, options));
  }
  http_->mark_bound();
  return {};
}

/// What others are told: the advertised address, else the bound one; port 0 stands for the bound port.
kraft::NamedEndpoint Node::Impl::told_endpoint(const ListenerSettings& listener) const {
  kraft::NamedEndpoint told;
  told.listener = listener.name;
  told.endpoint = listener.advertised.value_or(listener.bind);
  if (told.endpoint.host.empty()) told.endpoint.host = host_name();
  if (told.endpoint.port == 0) told.endpoint.port = bound_.at(listener.name).port;
  told.security_protocol = listener.security_protocol;
  return told;
}

std::vector<kraft::NamedEndpoint> Node::Impl::broker_endpoints(
    const std::vector<ListenerSettings>& listeners) const {
  std::vector<kraft::NamedEndpoint> endpoints;
  for (const auto& listener : listeners)
    if (!listener.controller) endpoints.push_back(told_endpoint(listener));
  return endpoints;
}

/// Before logs are loaded: how far that is can be asked for meanwhile.
Result<void> Node::Impl::start_http() {
  advertised_ =
      std::make_unique<LateListeners>(config_->settings()->listeners, own_.advertised_listeners_file);
  http_ = std::make_unique<NodeHttp>(
      metrics_, *advertised_, [this] { return told_line(broker_endpoints(advertised_->listeners())); });
  return own_.http_listener ? http_->start(*own_.http_listener) : Result<void>();
}

/// The listeners are bound by now, so whoever maps ports to them can look, and tell what to advertise.
Result<void> Node::Impl::learn_advertised_listeners() {
  if (!own_.advertised_listeners_wait) return {};
  log_info("kafka.server.BrokerServer", "Waiting for advertised listeners{}{}",
           own_.advertised_listeners_file.empty() ? "" : " in the file ", own_.advertised_listeners_file);
  if (!advertised_->wait(options_.give_up))
    return fail(ErrorCode::kRequestTimedOut, "Stopped while it waited for advertised listeners");
  return {};
}

Result<void> Node::Impl::open_metadata() {
  const auto settings = config_->settings();
  const auto meta = TRY(log::read_meta_properties(files_, settings->metadata_log_dir));
  std::vector<kraft::NamedEndpoint> controller_endpoints;
  for (const auto& listener : settings->listeners)
    if (listener.controller) controller_endpoints.push_back(told_endpoint(listener));
  auto options =
      TRY(metadata_node_options(*config_, cluster_id_, meta->directory_id, std::move(controller_endpoints)));
  if (const auto& own = own_.broker_disconnect_timeout_ms)
    options.controller.broker_disconnect_timeout_ms = static_cast<std::int64_t>(*own);
  return driver_->open(std::move(options), network_.get());
}

Result<void> Node::Impl::join_cluster(const std::vector<ListenerSettings>& listeners) {
  peer_threads_.start();
  if (!reports_.life) return driver_->start(*replicas_, nullptr, options_.give_up);
  reports_.life->begin(identity_of(*logs_, cluster_id_, broker_endpoints(listeners)));
  return driver_->start(*replicas_, reports_.life.get(), options_.give_up);
}

/// Returns when the controller took note of it.
Result<void> Node::Impl::announce(const std::vector<ListenerSettings>& listeners) {
  if (!reports_.life) return {};
  auto promise = std::make_shared<std::promise<Result<void>>>();
  auto future = promise->get_future();
  reports_.life->announce(broker_endpoints(listeners), [promise = std::move(promise)](Result<void> result) {
    promise->set_value(std::move(result));
  });
  try {
    return future.get();
  } catch (const std::future_error&) {
    return fail(ErrorCode::kNotController, "The node stops");
  }
}

Result<void> Node::Impl::start() {
  TRY(open_configuration());
  TRY(check_quorum(files_, *config_));
  TRY(start_http());
  TRY(open_logs());
  authorizer_ = TRY(make_authorizer(*config_->settings()));
  build_services();
  TRY(bind_listeners());
  TRY(learn_advertised_listeners());
  TRY(open_metadata());
  const auto registered = advertised_->listeners();
  TRY(join_cluster(registered));
  TRY(advertised_->announce_with([this](const auto& listeners) { return announce(listeners); }, registered));
  TRY(create_wanted_topics(*channels_.requests, own_.create_topics));
  TRY(create_wanted_users(*driver_, random_, own_.create_users));
  TRY(create_wanted_acls(*channels_.requests, *cache_->image()->acls, own_.create_acls));
  if (!own_.create_acls.empty() && !authorizer_->obeys_acls())
    log_warn("kafka.server.BrokerServer",
             "The ACLs of barnabas.create.acls are kept, but nobody obeys them: authorizer.class.name is not "
             "set");
  client_threads_.start();
  fetcher_threads_.start();
  replication_->start();
  reserve_->fill();
  upkeep_->start();
  serving_ = true;
  http_->mark_serving();
  if (config_->settings()->is_broker)
    log_info("org.apache.kafka.server.BrokerLifecycleManager",
             "[BrokerLifecycleManager id={}] The broker has been unfenced. Transitioning from RECOVERY to "
             "RUNNING.",
             id_.value());
  log_info("org.apache.kafka.common.utils.AppInfoParser", "Kafka version: 4.3.1");
  log_info("kafka.server.KafkaRaftServer", "[KafkaRaftServer nodeId={}] Kafka Server started", id_.value());
  // What starters of brokers with a ZooKeeper wait for; such a broker's settings name one.
  if (config_->layers()->static_values.contains("zookeeper.connect"))
    log_info("kafka.server.KafkaServer", "[KafkaServer id={}] started", id_.value());
  malloc_trim(0);
  return write_ready_file(options_.ready_file, id_, cluster_id_, bound_);
}

void Node::Impl::drain() {
  server_->drain();
  const auto give_up = clock_.monotonic() + kDrainTime;
  while (server_->session_count() > 0 && clock_.monotonic() < give_up)
    std::this_thread::sleep_for(milliseconds(2));
  server_->stop();
}

Result<void> Node::Impl::stop() {
  if (!logs_) return {};
  http_.reset();
  advertised_.reset();
  const std::int64_t epoch = driver_ ? driver_->broker_epoch() : -1;
  Result<void> result;
  // Leaving first moves leadership away, which wakes long polls, so that they can be drained.
  if (driver_) result = driver_->stop();
  if (coordinators_.transactions) coordinators_.transactions->stop();
  if (coordinators_.groups) coordinators_.groups->stop();
  if (serving_) drain();
  if (upkeep_) upkeep_->stop();
  if (replication_) replication_->stop();
  client_threads_.stop();
  peer_threads_.stop();
  fetcher_threads_.stop();
  if (flusher_) flusher_->stop();
  if (cold_reads_) cold_reads_->stop();
  if (replicas_) replicas_->drop_waits();
  server_.reset();
  replication_.reset();
  reserve_->release_where_full();
  auto closed = logs_->shutdown(epoch);
  logs_.reset();
  reserve_->fill();
  remove_ready_file(options_.ready_file);
  return result ? closed : result;
}

Node::Node(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Node::~Node() = default;

Result<std::unique_ptr<Node>> Node::start(NodeOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  TRY(impl->start());
  return std::unique_ptr<Node>(new Node(std::move(impl)));
}

void Node::prefetch() {
  impl_->prefetch();
}

Result<void> Node::stop() {
  return impl_->stop();
}
const std::map<std::string, Endpoint>& Node::listeners() const {
  return impl_->listeners();
}
const std::string& Node::cluster_id() const {
  return impl_->cluster_id();
}
std::optional<Endpoint> Node::http_address() const {
  return impl_->http_address();
}
BrokerId Node::id() const {
  return impl_->id();
}

}  // namespace barnabas::broker

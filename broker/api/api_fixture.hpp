// ApiFixture: a node's Services in one thread and virtual time, for tests of handlers and sessions.
//
// Everything is the real thing (metadata node, controller, logs, replica manager) over a file system in
// memory and the reactor of a SimulatedWorld; only the metadata driver is a small one that runs on that
// reactor. Owned by a test or a fuzz target; free of the test framework for the latter's sake. Not
// thread-safe.
//
// ask() runs a handler as the session would, without the network: it encodes the request at a version, runs
// the world until the handler answered, checks the frame's size and header and decodes the body. Views in
// what it returns live as long as the fixture.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/memory_file_system.hpp"
#include "base/simulated_network.hpp"
#include "broker/api/api_table.hpp"
#include "broker/config/broker_config.hpp"
#include "broker/config/config_validator.hpp"
#include "broker/drivers/cold_reads.hpp"
#include "broker/drivers/controller_channel.hpp"
#include "broker/drivers/group_driver.hpp"
#include "broker/drivers/log_flusher.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/drivers/metadata_driver.hpp"
#include "broker/drivers/producer_id_allocator.hpp"
#include "broker/drivers/transaction_driver.hpp"
#include "broker/replica/fetch_session.hpp"
#include "broker/replica/replica_manager.hpp"
#include "broker/security/authorizer.hpp"
#include "kraft/bootstrap.hpp"
#include "kraft/controller/control.hpp"
#include "kraft/metadata_delta.hpp"
#include "kraft/metadata_node.hpp"
#include "log/log_manager.hpp"
#include "protocol/record_batch_builder.hpp"

namespace barnabas::broker {

namespace testing {

inline constexpr const char* kClusterId = "4L6g3nShT-eMCtK--X86sw";
inline constexpr const char* kBrokerHost = "broker";

/// Stops the program: a fixture that cannot be made is no test result.
inline void demand(bool condition, const std::string& what) {
  if (!condition) check_failed(__FILE__, __LINE__, "the fixture works", what.c_str());
}
template <class T>
T demand(Result<T> result) {
  demand(result.has_value(), result ? "" : result.error().detail);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// Carries out each task on the reactor, in the order of submission, and publishes what comes of it.
class ReactorMetadataDriver final : public MetadataDriver {
 public:
  ReactorMetadataDriver(Reactor& reactor, const Clock& clock) : reactor_(reactor), clock_(clock) {}

  void submit(Task task) override {
    reactor_.post([this, task = std::move(task)]() mutable {
      task(*node, clock_.wall_ms());
      (void)demand(node->run_once(clock_.monotonic()));
    });
  }
  void add_listener(ImageListener listener) override { listeners.push_back(std::move(listener)); }
  void add_controller_listener(ControllerListener) override {}
  [[nodiscard]] kraft::ActiveController active_controller() const override {
    return node->active_controller();
  }
  [[nodiscard]] std::int64_t broker_epoch() const override { return epoch; }

  std::unique_ptr<kraft::MetadataNode> node;
  std::vector<ImageListener> listeners;
  std::int64_t epoch = -1;

 private:
  Reactor& reactor_;
  const Clock& clock_;
};

/// Refuses what a test tells it to; everything else is allowed.
class RefusingAuthorizer final : public Authorizer {
 public:
  struct Rule {
    Operation operation;
    ResourceKind kind;
    std::string name;
  };
  [[nodiscard]] bool allows(const Principal&, std::string_view, Operation operation, ResourceKind kind,
                            std::string_view name) const override {
    for (const Rule& rule : refused) {
      if (rule.operation == operation && rule.kind == kind && rule.name == name) return false;
    }
    return true;
  }
  [[nodiscard]] bool allows_for_some(const Principal& principal, std::string_view host, Operation operation,
                                     ResourceKind kind) const override {
    return allows(principal, host, operation, kind, kSomeName);
  }
  [[nodiscard]] bool obeys_acls() const override { return has_acls; }
  [[nodiscard]] std::uint64_t version() const override {
    std::uint64_t hash = refused.size();
    for (const Rule& rule : refused)
      hash = hash * 31 + std::hash<std::string>()(rule.name) + static_cast<std::uint64_t>(rule.operation);
    return hash;
  }
  void follow(const kraft::AclsImage&) override {}

  /// Stands for all names in a rule about operations that are allowed for some.
  static constexpr std::string_view kSomeName = "*";
  std::vector<Rule> refused;
  bool has_acls = false;
};

/// How a handler answered.
struct CallState {
  int answers = 0;
  EncodedResponse response;
};
using Call = std::shared_ptr<CallState>;

struct ApiFixtureOptions {
  ConfigMap properties;  // beside those of a lone node
  std::uint64_t seed = 1;
  // One of several brokers in one world, which a test tells the metadata with take(): it has no controller of
  // its own. The world, the disk (formatted at first use) and the channel outlive it.
  SimulatedWorld* world = nullptr;
  MemoryFileSystem* files = nullptr;
  AlterPartitionChannel* isr_changes = nullptr;
  std::int32_t id = 1;
  // Whom the coordinator of transactions and who asks one find on other brokers. They outlive it.
  TransactionPeers* peers = nullptr;
  std::size_t opened_at_once = SIZE_MAX;  // as in ReplicationOptions; nothing is opened after that by itself
};

class ApiFixture {
  // Before all else, which refers to them.
  std::unique_ptr<SimulatedWorld> own_world_;
  std::unique_ptr<MemoryFileSystem> own_files_;

 public:
  explicit ApiFixture(ApiFixtureOptions options = {})
      : own_world_(options.world ? nullptr : std::make_unique<SimulatedWorld>(options.seed)),
        own_files_(options.files ? nullptr : std::make_unique<MemoryFileSystem>()),
        id(options.id),
        host(options.world ? host_of(options.id) : kBrokerHost),
        world(options.world ? *options.world : *own_world_),
        clock(world.clock()),
        reactor(world.node(host)),
        files(options.files ? *options.files : *own_files_),
        driver(reactor, clock),
        to_controller(reactor, world.clock(), random, driver, {}),
        cache(id, kClusterId),
        isr_changes_(options.isr_changes),
        peers_(options.peers),
        opened_at_once_(options.opened_at_once) {
    const std::string self = std::to_string(options.id);
    ConfigMap properties = {{"node.id", self},
                            {"process.roles", "broker,controller"},
                            {"controller.listener.names", "CONTROLLER"},
                            {"listeners", "PLAINTEXT://" + host + ":9092,CONTROLLER://" + host + ":9093"},
                            {"controller.quorum.voters", self + "@" + host + ":9093"},
                            {"log.dirs", "/data"},
                            {"broker.session.timeout.ms", "2000000000"}};
    for (auto& [name, value] : options.properties) properties[name] = value;
    config = demand(BrokerConfig::make(std::move(properties)));
    validator = std::make_unique<NodeConfigValidator>(*config);
    open_storage();
    make_replicas();
    if (options.world == nullptr) open_metadata();
    make_services();
    if (options.world == nullptr) join();
  }
  /// Of one of several brokers.
  [[nodiscard]] static std::string host_of(std::int32_t id) {
    return kBrokerHost + ("-" + std::to_string(id));
  }
  /// As the metadata driver publishes an image.
  void take(const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes) {
    publish(image, changes);
  }
  /// What still waits is dropped while the services are there.
  ~ApiFixture() { crash(); }
  ApiFixture(const ApiFixture&) = delete;
  ApiFixture& operator=(const ApiFixture&) = delete;

  /// Ends everything on the reactor without a call.
  void crash() {
    if (std::exchange(crashed_, true)) return;
    world.crash_node(host);
    if (replicas) replicas->drop_waits();
  }

  /// The file ranges of a response in their places: the frame as the client sees it.
  static Bytes flatten(const EncodedResponse& response) {
    Bytes frame;
    std::size_t from = 0;
    const auto copy_to = [&](std::size_t to) {
      frame.insert(frame.end(), response.bytes.begin() + static_cast<std::ptrdiff_t>(from),
                   response.bytes.begin() + static_cast<std::ptrdiff_t>(to));
      from = to;
    };
    for (const protocol::Writer::Gap& gap : response.gaps) {
      copy_to(gap.position);
      std::uint64_t left = gap.size;
      for (std::size_t file = gap.id; left > 0; ++file) {
        const log::FileSlice& slice = response.files.at(file);
        const std::uint64_t size = std::min(left, slice.size);
        Bytes part(size);
        demand(slice.file->read_at(slice.position, part) == size, "the file range is there");
        frame.insert(frame.end(), part.begin(), part.end());
        left -= size;
      }
    }
    copy_to(response.bytes.size());
    return frame;
  }

  /// Hands a request to its handler; it may be answered later, when the world runs.
  template <class Request>
  Call start(const Request& request, std::int16_t version) {
    protocol::Writer writer;
    request.write(writer, version);
    demand(writer.ok(), writer.ok() ? "" : std::string(Request::kName) + ": " + writer.failure());
    return start_raw(Request::kApiKey, version, writer.take());
  }
  Call start_raw(std::int16_t key, std::int16_t version, Bytes body) {
    const ApiRow* row = find_api(key);
    demand(row != nullptr, "the API is served");
    auto frame = std::make_shared<Bytes>(std::move(body));
    auto call = std::make_shared<CallState>();
    RequestContext context;
    context.api_key = key;
    context.api_version = version;
    context.correlation_id = ++correlation_id_;
    context.client_id = client_id;
    context.connection = connection;
    context.reactor = &reactor;
    context.frame = frame;
    protocol::Reader reader(*frame);
    const bool decoded = row->handler(*services, context, reader, [call](EncodedResponse response) {
      ++call->answers;
      call->response = std::move(response);
    });
    demand(decoded, "the request decodes");
    demand(reader.remaining() == 0, "the request decodes to its end");
    return call;
  }

  /// Runs the world until `call` is answered or `limit` of virtual time has passed.
  bool wait(const Call& call, std::chrono::nanoseconds limit = std::chrono::seconds(60)) {
    const auto give_up = clock.monotonic() + limit;
    while (call->answers == 0 && clock.monotonic() < give_up) {
      world.run_until(clock.monotonic() + std::chrono::milliseconds(1));
    }
    return call->answers == 1;
  }

  template <class Response>
  Response decode(const Call& call, std::int16_t version) {
    demand(call->answers == 1, "answered once");
    demand(call->response.kind == EncodedResponse::Kind::kSend, "there is a response");
    const Bytes& frame = kept_.emplace_back(flatten(call->response));
    protocol::Reader reader(frame);
    demand(reader.int32() == static_cast<std::int32_t>(frame.size() - 4), "the size is that of the frame");
    (void)reader.int32();
    if (Response::kApiKey != 18 && Response::is_flexible(version)) {
      demand(reader.uvarint() == 0, "no tagged fields in the header");
    }
    Response response;
    response.read(reader, version);
    demand(reader.ok(), reader.ok() ? "" : std::string(Response::kName) + ": " + reader.failure());
    demand(reader.remaining() == 0, std::string(Response::kName) + " ends with its frame");
    return response;
  }

  template <class Response, class Request>
  Response ask(const Request& request, std::int16_t version = Request::kMaxVersion) {
    const Call call = start(request, version);
    demand(wait(call), std::string(Request::kName) + " is answered");
    return decode<Response>(call, version);
  }

  /// Creates a topic on this node and returns its id.
  Uuid create_topic(const std::string& name, std::int32_t partitions = 1, const ConfigMap& configs = {}) {
    protocol::CreateTopicsRequest request;
    request.timeout_ms = 10000;
    auto& topic = request.topics.emplace_back();
    topic.name = name;
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    for (const auto& [key, value] : configs) topic.configs.push_back({key, value});
    const auto response = ask<protocol::CreateTopicsResponse>(request, 7);
    demand(response.topics.size() == 1 && response.topics[0].error_code == 0, "the topic is created");
    return response.topics[0].topic_id;
  }

  /// Appends `count` records in one batch, past the handlers. Returns the first offset.
  Offset append(const std::string& topic, std::int32_t partition, int count = 1,
                const std::string& value = "value") {
    Bytes batch = make_batch(count, value);
    auto appended = find(topic, partition).append(batch, {});
    demand(appended.has_value(), appended ? "" : appended.error().error.detail);
    return appended->base_offset;
  }
  [[nodiscard]] Bytes make_batch(int count = 1, const std::string& value = "value",
                                 protocol::BatchOptions options = {}) const {
    protocol::RecordBatchBuilder builder(options);
    for (int i = 0; i < count; ++i) {
      protocol::RecordInput record;
      record.timestamp = clock.wall_ms();
      record.key = as_bytes("key");
      record.value = as_bytes(value);
      builder.append(record);
    }
    return builder.build();
  }
  [[nodiscard]] Partition& find(const std::string& topic, std::int32_t partition) const {
    auto found = replicas->find(topic, PartitionIndex(partition));
    demand(found != nullptr, "the partition is here");
    return *found;
  }

  const BrokerId id;
  const std::string host;
  SimulatedWorld& world;
  SimulatedClock& clock;
  Reactor& reactor;
  SeededRandom random{11};
  MemoryFileSystem& files;
  std::unique_ptr<BrokerConfig> config;
  std::unique_ptr<NodeConfigValidator> validator;
  std::unique_ptr<log::LogManager> logs;
  ReactorMetadataDriver driver;
  ControllerChannel to_controller;
  MetadataCache cache;
  std::unique_ptr<ReplicaManager> replicas;
  std::unique_ptr<FetchSessionCache> fetch_sessions;
  std::unique_ptr<ProducerIdAllocator> producer_ids;
  std::unique_ptr<GroupDriver> groups;
  std::unique_ptr<TransactionDriver> transactions;
  RefusingAuthorizer authorizer;
  MetricsRegistry metrics;
  LogFlusher flusher{metrics, 0};
  ColdReads cold_reads{metrics, {0, 0, 0}};
  std::unique_ptr<Services> services;
  /// Of the requests that start() makes.
  std::optional<std::string> client_id = "test";
  std::shared_ptr<ClientConnection> connection;

 private:
  void open_storage() {
    kraft::FormatOptions format;
    format.cluster_id = kClusterId;
    format.node_id = id;
    format.ignore_formatted = true;
    format.log_directories = config->settings()->log_dirs;
    format.metadata_directory = config->settings()->metadata_log_dir;
    (void)demand(kraft::format_storage(files, clock, random, format));
    log::LogManagerOptions options;
    options.directories = config->settings()->log_dirs;
    options.node_id = id;
    options.default_config = config->default_log_config();
    logs = demand(log::LogManager::open(files, clock, random, std::move(options)));
  }

  void make_replicas() {
    ReplicationOptions replication;
    replication.clock = &clock;
    replication.opened_at_once = opened_at_once_;
    replication.max_lag = std::chrono::milliseconds(config->settings()->replica_lag_time_max_ms);
    replication.topic_value = [this](const kraft::MetadataImage& image, std::string_view topic,
                                     std::string_view name) {
      return config->topic_value(image, topic, name);
    };
    const auto log_config_for = [this](const kraft::MetadataImage& image, std::string_view topic) {
      return config->log_config_for(image, topic);
    };
    replicas = std::make_unique<ReplicaManager>(id, *logs, log_config_for, std::move(replication));
    if (isr_changes_ != nullptr) replicas->ask_for_isr_changes(*isr_changes_);
  }

  void open_metadata() {
    const auto settings = config->settings();
    kraft::MetadataNodeOptions options;
    options.directory = settings->metadata_log_dir;
    options.node_id = BrokerId(1);
    options.directory_id = logs->directory_id(settings->metadata_log_dir);
    options.controller_endpoints = {{"CONTROLLER", {kBrokerHost, 9093}, 0}};
    options.static_voters = demand(
        kraft::parse_static_voters(*config->layers()->value("controller.quorum.voters"), "CONTROLLER"));
    options.controller.cluster_id = kClusterId;
    options.controller.default_partitions = settings->num_partitions;
    options.controller.default_replication_factor =
        static_cast<std::int16_t>(settings->default_replication_factor);
    options.controller.broker_session_timeout_ms = settings->broker_session_timeout_ms;
    options.controller.broker_disconnect_timeout_ms = 2500;
    options.max_idle_interval_ms = 0;  // nothing may happen by itself: the world is to become idle
    options.snapshot_max_interval_ms = 0;
    driver.node = demand(kraft::MetadataNode::open(
        {files, clock, random, *validator}, std::move(options),
        [this](const kraft::MetadataImagePtr& image, const kraft::MetadataChanges& changes) {
          publish(image, &changes);
        }));
    for (int i = 0; !driver.node->is_active_controller(); ++i) {
      demand(i < 100, "the node leads its quorum");
      const auto due = demand(driver.node->run_once(clock.monotonic()));
      if (!driver.node->is_active_controller()) world.run_until(std::max(due, clock.monotonic()));
    }
    publish(driver.node->image(), nullptr);
  }

  void make_services() {
    const auto settings = config->settings();
    fetch_sessions = std::make_unique<FetchSessionCache>(
        clock, random, static_cast<std::size_t>(settings->max_incremental_fetch_session_cache_slots));
    producer_ids =
        std::make_unique<ProducerIdAllocator>([this](auto answer) { request_block(std::move(answer)); });
    groups = std::make_unique<GroupDriver>(
        GroupDriverDependencies{clock, random, *config, *replicas, metrics, id, {&reactor}});
    driver.add_listener([this](const auto& image, const auto* changes) { groups->on_image(image, changes); });
    transactions = std::make_unique<TransactionDriver>(TransactionDriverDependencies{
        clock, *config, cache, *replicas, *groups, *producer_ids, metrics, peers_, BrokerId(1), {&reactor}});
    driver.add_listener([this](const auto& image, const auto*) { transactions->on_image(image); });
    services = std::make_unique<Services>(Services{clock, random, *config, cache, driver, to_controller,
                                                   *replicas, *fetch_sessions, *groups, *transactions,
                                                   *producer_ids, authorizer, metrics, flusher, cold_reads});
    connection = std::make_shared<ClientConnection>();
    connection->listener = "PLAINTEXT";
    connection->local = {host, 9092};
    connection->peer = {"client", 50000};
  }

  void publish(const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes) {
    config->apply(*image);
    replicas->apply(image, changes, [&] { cache.publish(image, 1); });
    for (const auto& listener : driver.listeners) listener(image, changes);
  }

  void request_block(std::move_only_function<void(Result<ProducerIdBlock>)> answer) {
    driver.submit([this, answer = std::move(answer)](kraft::MetadataNode& node, std::int64_t) mutable {
      protocol::AllocateProducerIdsRequest request;
      request.broker_id = 1;
      request.broker_epoch = driver.epoch;
      node.submit(std::move(request),
                  [answer = std::move(answer)](const protocol::AllocateProducerIdsResponse& block) mutable {
                    answer(ProducerIdBlock{block.producer_id_start, block.producer_id_len});
                  });
    });
  }

  /// Registers and unfences the broker.
  void join() {
    protocol::BrokerRegistrationRequest request;
    request.broker_id = 1;
    request.cluster_id = kClusterId;
    request.incarnation_id = Uuid::random(random);
    request.previous_broker_epoch = -1;
    request.listeners.push_back({"PLAINTEXT", kBrokerHost, 9092, 0});
    for (const auto& [name, range] : kraft::supported_features()) {
      request.features.push_back({name, range.min, range.max});
    }
    for (const auto& directory : logs->directories()) {
      request.log_dirs.push_back(logs->directory_id(directory).value());
    }
    driver.node->submit(std::move(request), [this](const protocol::BrokerRegistrationResponse& response) {
      demand(response.error_code == 0, "the broker is registered");
      driver.epoch = response.broker_epoch;
    });
    (void)demand(driver.node->run_once(clock.monotonic()));
    bool fenced = true;
    for (int i = 0; fenced && i < 10; ++i) {
      protocol::BrokerHeartbeatRequest heartbeat;
      heartbeat.broker_id = 1;
      heartbeat.broker_epoch = driver.epoch;
      heartbeat.current_metadata_offset = driver.node->image()->offset.value();
      driver.node->submit(std::move(heartbeat),
                          [&fenced](const auto& response) { fenced = response.is_fenced; });
      (void)demand(driver.node->run_once(clock.monotonic()));
    }
    demand(!fenced, "the broker is unfenced");
  }

  AlterPartitionChannel* isr_changes_;
  TransactionPeers* peers_;
  std::size_t opened_at_once_;
  bool crashed_ = false;
  std::int32_t correlation_id_ = 0;
  std::deque<Bytes> kept_;  // what decoded responses point into
};

}  // namespace testing
}  // namespace barnabas::broker

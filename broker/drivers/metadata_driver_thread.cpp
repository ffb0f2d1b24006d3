#include "broker/drivers/metadata_driver_thread.hpp"

#include <pthread.h>

#include <algorithm>
#include <future>

#include "base/logging.hpp"
#include "broker/config/broker_config.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/replica/replica_manager.hpp"

namespace barnabas::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr nanoseconds kPatienceToLead = std::chrono::seconds(30);
/// A stop that is not granted within this is carried out nevertheless.
constexpr nanoseconds kPatienceToLeave = milliseconds(700);
constexpr nanoseconds kPatienceToResign = milliseconds(500);
constexpr nanoseconds kShutdownRetry = milliseconds(20);

std::string component(const char* name, BrokerId id) {
  return fmt::format("{} id={}", name, id.value());
}

}  // namespace

Result<void> MetadataDriverThread::open(kraft::MetadataNodeOptions options, kraft::QuorumPeers* peers) {
  dependencies_.node.peers = peers;
  auto opened =
      kraft::MetadataNode::open(dependencies_.node, std::move(options),
                                [this](const kraft::MetadataImagePtr& image,
                                       const kraft::MetadataChanges& changes) { on_image(image, changes); });
  if (!opened) return std::unexpected(std::move(opened).error());
  node_ = std::move(*opened);
  return {};
}

MetadataDriverThread::~MetadataDriverThread() {
  if (auto stopped = stop(); !stopped)
    log_error("kafka.server.metadata.BrokerMetadataPublisher", "The metadata log was not closed cleanly: {}",
              stopped.error().detail);
}

nanoseconds MetadataDriverThread::now() const {
  return dependencies_.node.clock.monotonic();
}

/// Everything committed before the election is in the image once this node leads: nothing may be published
/// earlier, or partitions that an older image does not know would be taken for strays.
Result<void> MetadataDriverThread::lead(nanoseconds patience) {
  const nanoseconds give_up = now() + patience;
  while (!node_->is_active_controller()) {
    const nanoseconds due = TRY(run_node());
    if (node_->is_active_controller()) return {};
    if (now() > give_up)
      return barnabas::fail(ErrorCode::kRequestTimedOut,
                            "This node did not become the metadata quorum's leader");
    std::this_thread::sleep_for(std::clamp(due - now(), nanoseconds(0), nanoseconds(milliseconds(100))));
  }
  return {};
}

Result<void> MetadataDriverThread::start(ReplicaManager& replicas, BrokerIdentity identity) {
  identity_ = std::move(identity);
  incarnation_ = Uuid::random(dependencies_.node.random);
  // Queued before the election, so that registration shares the commit that the election needs.
  const bool is_broker = dependencies_.config.settings()->is_broker;
  if (is_broker && !node_->is_lone_voter())
    return barnabas::fail(ErrorCode::kInvalidConfig,
                          "A broker is served only where it leads its metadata quorum alone yet: set "
                          "process.roles=controller for a node of a larger quorum");
  if (is_broker) register_broker();
  if (node_->is_lone_voter()) TRY(lead(kPatienceToLead));
  replicas_ = &replicas;
  publish(node_->image(), nullptr);
  if (!is_broker) finish_start({});
  thread_ = std::thread([this] { run(); });
  std::unique_lock lock(mutex_);
  started_.wait(lock, [this] { return start_result_.has_value(); });
  return *start_result_;
}

void MetadataDriverThread::finish_start(Result<void> result) {
  std::lock_guard lock(mutex_);
  if (!start_result_) start_result_ = std::move(result);
  started_.notify_all();
}

Result<void> MetadataDriverThread::stop() {
  if (thread_.joinable()) {
    {
      std::lock_guard lock(mutex_);
      want_shutdown_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }
  if (!node_) return {};
  auto closed = node_->close();
  node_.reset();
  return closed;
}

void MetadataDriverThread::submit(Task task) {
  bool first = false;
  {
    std::lock_guard lock(mutex_);
    if (ended_) return;
    first = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  if (first) wake_.notify_all();
}

void MetadataDriverThread::receive(BrokerId peer, std::uint64_t correlation,
                                   std::optional<kraft::QuorumAnswer> answer) {
  submit([peer, correlation, answer = std::move(answer)](kraft::MetadataNode& node, std::int64_t) mutable {
    if (answer)
      node.receive_answer(peer, correlation, *std::move(answer));
    else
      node.receive_failure(peer, correlation);
  });
}

void MetadataDriverThread::add_listener(ImageListener listener) {
  listeners_.push_back(std::move(listener));
}

void MetadataDriverThread::add_controller_listener(ControllerListener listener) {
  controller_listeners_.push_back(std::move(listener));
}

kraft::ActiveController MetadataDriverThread::active_controller() const {
  std::lock_guard lock(mutex_);
  return controller_;
}

/// Runs the quorum's node and tells who leads now.
Result<nanoseconds> MetadataDriverThread::run_node() {
  const nanoseconds due = TRY(node_->run_once(now()));
  const kraft::ActiveController active = node_->active_controller();
  {
    std::lock_guard lock(mutex_);
    if (active == controller_) return due;
    controller_ = active;
  }
  for (const auto& listener : controller_listeners_) listener(active);
  return due;
}

void MetadataDriverThread::on_image(const kraft::MetadataImagePtr& image,
                                    const kraft::MetadataChanges& changes) {
  if (replicas_ != nullptr) publish(image, &changes);
}

/// Leaders serve before anyone is told of them.
void MetadataDriverThread::publish(const kraft::MetadataImagePtr& image,
                                   const kraft::MetadataChanges* changes) {
  dependencies_.config.apply(*image);
  replicas_->apply(image, changes);
  dependencies_.cache.publish(image, node_->kraft_version());
  for (const auto& listener : listeners_) listener(image, changes);
}

void MetadataDriverThread::run() {
  pthread_setname_np(pthread_self(), "metadata");
  std::optional<nanoseconds> leave_by;
  while (true) {
    run_tasks();
    auto due = run_node();
    if (!due) {
      fail(due.error());
      break;
    }
    if (!is_heard_in_time()) break;
    nanoseconds deadline = *due;
    if (next_heartbeat_) {
      if (*next_heartbeat_ <= now()) {
        heartbeat();
        continue;
      }
      deadline = std::min(deadline, *next_heartbeat_);
    }
    if (leave_by && (shutdown_granted_ || broker_epoch() < 0 || now() >= *leave_by)) break;
    if (leave_by) deadline = std::min(deadline, *leave_by);
    const bool leaving = sleep_until(deadline);
    if (leaving && !leave_by) {
      leave_by = now() + kPatienceToLeave;
      if (broker_epoch() >= 0) next_heartbeat_ = now();
    }
  }
  leave_quorum();
  std::deque<Task> dropped;  // destroyed without the lock: their replies close connections
  std::lock_guard lock(mutex_);
  ended_ = true;
  dropped.swap(tasks_);
}

/// A leader tells the other voters that it goes, so that the next one need not wait until it is missed.
void MetadataDriverThread::leave_quorum() {
  const nanoseconds give_up = now() + kPatienceToResign;
  if (!node_->resign()) return;
  while (!node_->may_stop() && now() < give_up) {
    run_tasks();
    const auto due = run_node();
    if (!due) return;
    (void)sleep_until(std::min(*due, give_up));
  }
}

/// Sleeps until there is something to do. True when the node is to leave the cluster.
bool MetadataDriverThread::sleep_until(nanoseconds deadline) {
  std::unique_lock lock(mutex_);
  const bool already_leaving = want_shutdown_;
  const auto something = [&] { return !tasks_.empty() || want_shutdown_ != already_leaving; };
  const nanoseconds wait = deadline - now();
  if (wait > nanoseconds(0)) wake_.wait_for(lock, wait, something);
  return want_shutdown_;
}

void MetadataDriverThread::run_tasks() {
  std::deque<Task> tasks;
  {
    std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  const std::int64_t wall_ms = dependencies_.node.clock.wall_ms();
  for (auto& task : tasks) task(*node_, wall_ms);
}

void MetadataDriverThread::fail(const Error& error) {
  finish_start(std::unexpected(error));
  if (dependencies_.on_failure) dependencies_.on_failure(error);
}

protocol::BrokerRegistrationRequest MetadataDriverThread::registration() const {
  const auto settings = dependencies_.config.settings();
  protocol::BrokerRegistrationRequest request;
  request.broker_id = settings->node_id.value();
  request.cluster_id = identity_.cluster_id;
  request.incarnation_id = incarnation_;
  request.rack = settings->broker_rack;
  request.previous_broker_epoch = identity_.previous_epoch;
  for (const auto& endpoint : identity_.endpoints)
    request.listeners.push_back(
        {endpoint.listener, endpoint.endpoint.host, endpoint.endpoint.port, endpoint.security_protocol});
  for (const auto& [name, range] : kraft::supported_features())
    request.features.push_back({name, range.min, range.max});
  for (const auto& directory : identity_.directories) request.log_dirs.push_back(directory.value());
  return request;
}

Result<void> MetadataDriverThread::announce(std::vector<kraft::NamedEndpoint> endpoints) {
  auto promise = std::make_shared<std::promise<std::int16_t>>();
  auto future = promise->get_future();
  submit([this, endpoints = std::move(endpoints), promise = std::move(promise)](kraft::MetadataNode& node,
                                                                                std::int64_t) mutable {
    identity_.endpoints = std::move(endpoints);
    node.submit(registration(),
                [promise = std::move(promise)](const protocol::BrokerRegistrationResponse& response) {
                  promise->set_value(response.error_code);
                });
  });
  try {
    if (const auto error = static_cast<ErrorCode>(future.get()); error != ErrorCode::kNone)
      return barnabas::fail(error, fmt::format("The controller refused the advertised listeners (error {})",
                                               static_cast<int>(error)));
  } catch (const std::future_error&) {
    return barnabas::fail(ErrorCode::kNotController, "The node stops");
  }
  return {};
}

void MetadataDriverThread::register_broker() {
  const auto on_registered = [this](const protocol::BrokerRegistrationResponse& response) {
    if (response.error_code != 0) {
      finish_start(barnabas::fail(
          static_cast<ErrorCode>(response.error_code),
          fmt::format("The controller refused to register this broker (error {})", response.error_code)));
      return;
    }
    broker_epoch_.store(response.broker_epoch);
  };
  const auto on_unfenced = [this](const protocol::BrokerHeartbeatResponse& response) {
    if (broker_epoch() < 0) return;
    next_heartbeat_ = now() + milliseconds(dependencies_.config.settings()->broker_heartbeat_interval_ms);
    on_heartbeat(response);
  };
  node_->submit(registration(), on_registered, on_unfenced);
}

void MetadataDriverThread::heartbeat() {
  const auto settings = dependencies_.config.settings();
  protocol::BrokerHeartbeatRequest request;
  request.broker_id = settings->node_id.value();
  request.broker_epoch = broker_epoch();
  request.current_metadata_offset = node_->image()->offset.value();
  request.offline_log_dirs = offline_directories_;
  {
    std::lock_guard lock(mutex_);
    request.want_shut_down = want_shutdown_;
  }
  next_heartbeat_ = now() + (request.want_shut_down ? kShutdownRetry
                                                    : milliseconds(settings->broker_heartbeat_interval_ms));
  if (std::exchange(heartbeat_pending_, true)) return;
  const std::size_t told = offline_directories_.size();
  node_->submit(std::move(request), [this, told](const protocol::BrokerHeartbeatResponse& response) {
    if (response.error_code == 0 && told == offline_directories_.size()) told_by_.reset();
    on_heartbeat(response);
  });
}

BrokerId MetadataDriverThread::broker_id() const {
  return dependencies_.config.settings()->node_id;
}

void MetadataDriverThread::lose_directory(DirectoryId directory) {
  offline_directories_.push_back(directory.value());
  if (!told_by_) told_by_ = now() + milliseconds(dependencies_.config.settings()->log_dir_failure_timeout_ms);
  if (broker_epoch() >= 0) next_heartbeat_ = now();
}

bool MetadataDriverThread::is_heard_in_time() {
  if (!told_by_ || now() < *told_by_) return true;
  fail({ErrorCode::kKafkaStorageError,
        "the controller took no note of a failed log directory within log.dir.failure.timeout.ms"});
  return false;
}

void MetadataDriverThread::on_heartbeat(const protocol::BrokerHeartbeatResponse& response) {
  heartbeat_pending_ = false;
  const BrokerId self = dependencies_.config.settings()->node_id;
  if (response.error_code != 0) {
    log_warn("org.apache.kafka.server.BrokerLifecycleManager",
             "[{}] The controller answered a heartbeat with error {}",
             component("BrokerLifecycleManager", self), response.error_code);
    return;
  }
  shutdown_granted_ = response.should_shut_down;
  if (fenced_ && !response.is_fenced) {
    fenced_ = false;
    finish_start({});
  } else if (!fenced_ && response.is_fenced && !shutdown_granted_) {
    fenced_ = true;
    next_heartbeat_ = now();
  } else if (fenced_ && !shutdown_granted_) {
    next_heartbeat_ = now() + milliseconds(1);  // not caught up yet
  }
}

}  // namespace barnabas::broker

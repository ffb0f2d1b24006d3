#include "broker/drivers/metadata_driver_thread.hpp"

#include <pthread.h>

#include <algorithm>

#include "base/logging.hpp"
#include "broker/config/broker_config.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/replica/replica_manager.hpp"

namespace barnabas::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr nanoseconds kPatienceToLead = std::chrono::seconds(30);
constexpr nanoseconds kPatienceToResign = milliseconds(500);
/// How often a start that waits looks whether it is wanted no more.
constexpr nanoseconds kGiveUpInterval = milliseconds(100);

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

Result<void> MetadataDriverThread::start(ReplicaManager& replicas, LifecycleDriver* life,
                                         const std::function<bool()>& give_up) {
  replicas_ = &replicas;
  life_ = life;
  if (node_->is_lone_voter()) {
    // Queued before the election, so that registration shares the commit that the election needs.
    if (life_ != nullptr) life_->register_with(*node_);
    TRY(lead(kPatienceToLead));
    publish_when_caught_up();
    if (life_ == nullptr || life_->is_running()) finish_start({});
  }
  thread_ = std::thread([this] { run(); });
  std::unique_lock lock(mutex_);
  while (!started_.wait_for(lock, kGiveUpInterval, [this] { return start_result_.has_value(); }))
    if (give_up && give_up())
      return barnabas::fail(ErrorCode::kRequestTimedOut,
                            "Stopped while it waited to be let into its cluster");
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
  if (is_publishing_) publish(image, &changes);
}

/// Leaders serve before anyone is told of them.
void MetadataDriverThread::publish(const kraft::MetadataImagePtr& image,
                                   const kraft::MetadataChanges* changes) {
  dependencies_.config.apply(*image);
  replicas_->apply(image, changes);
  dependencies_.cache.publish(image, node_->kraft_version());
  for (const auto& listener : listeners_) listener(image, changes);
  if (life_ != nullptr) life_->on_published(*image);
}

void MetadataDriverThread::publish_when_caught_up() {
  if (is_publishing_ || (life_ != nullptr && !life_->is_caught_up())) return;
  is_publishing_ = true;
  publish(node_->image(), nullptr);
}

/// When the broker's life wants to go on; it never does for a node that is no broker.
Result<nanoseconds> MetadataDriverThread::run_life() {
  if (life_ == nullptr) {
    publish_when_caught_up();
    finish_start({});
    return nanoseconds::max();
  }
  const nanoseconds due = TRY(life_->run(*node_));
  publish_when_caught_up();
  if (life_->is_running()) finish_start({});
  return due;
}

void MetadataDriverThread::run() {
  pthread_setname_np(pthread_self(), "metadata");
  bool is_leaving = false;
  while (true) {
    run_tasks();
    auto due = run_node();
    auto life_due = due ? run_life() : due;
    if (!life_due) {
      fail(life_due.error());
      break;
    }
    if (is_leaving && (life_ == nullptr || life_->has_left())) break;
    nanoseconds next = std::min(*due, *life_due);
    for (const auto& round : rounds_) next = std::min(next, round(*node_));
    if (!sleep_until(next) || is_leaving) continue;
    is_leaving = true;
    if (life_ != nullptr) life_->leave(*node_);
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

/// A start that has not come to its end yet tells by its result.
void MetadataDriverThread::fail(const Error& error) {
  bool was_started = false;
  {
    std::lock_guard lock(mutex_);
    was_started = start_result_.has_value();
  }
  finish_start(std::unexpected(error));
  if (was_started && dependencies_.on_failure) dependencies_.on_failure(error);
}

}  // namespace barnabas::broker

#include "broker/drivers/metadata_driver_thread.hpp"

#include <pthread.h>

#include <algorithm>

#include "base/logging.hpp"

namespace barnabas::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr nanoseconds kPatienceToLead = std::chrono::seconds(30);
constexpr nanoseconds kPatienceToResign = milliseconds(500);
/// How often a start that waits looks whether it is wanted no more.
constexpr nanoseconds kGiveUpInterval = milliseconds(100);

}  // namespace

MetadataDriverThread::~MetadataDriverThread() {
  if (auto stopped = stop(); !stopped)
    log_error("kafka.server.metadata.BrokerMetadataPublisher", "The metadata log was not closed cleanly: {}",
              stopped.error().detail);
}

/// Everything committed before the election is in the image once this node leads: nothing may be published
/// earlier, or partitions that an older image does not know would be taken for strays.
Result<void> MetadataDriverThread::lead(nanoseconds patience) {
  const nanoseconds give_up = round_.now() + patience;
  const kraft::MetadataNode& node = *round_.node();
  while (!node.is_active_controller()) {
    const nanoseconds due = TRY(round_.run_node());
    if (node.is_active_controller()) return {};
    if (round_.now() > give_up)
      return barnabas::fail(ErrorCode::kRequestTimedOut,
                            "This node did not become the metadata quorum's leader");
    std::this_thread::sleep_for(
        std::clamp(due - round_.now(), nanoseconds(0), nanoseconds(milliseconds(100))));
  }
  return {};
}

Result<void> MetadataDriverThread::start(ReplicaManager& replicas, LifecycleDriver* life,
                                         const std::function<bool()>& give_up) {
  round_.begin(replicas, life);
  if (round_.node()->is_lone_voter()) {
    // Queued before the election, so that registration shares the commit that the election needs.
    if (life != nullptr) life->register_with(*round_.node());
    TRY(lead(kPatienceToLead));
    round_.publish_when_caught_up();
    if (round_.is_serving()) finish_start({});
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
  return round_.close();
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

void MetadataDriverThread::run() {
  pthread_setname_np(pthread_self(), "metadata");
  LifecycleDriver* const life = round_.life();
  bool is_leaving = false;
  while (true) {
    run_tasks();
    const auto next = round_.run();
    if (!next) {
      fail(next.error());
      break;
    }
    if (round_.is_serving()) finish_start({});
    if (is_leaving && (life == nullptr || life->has_left())) break;
    if (!sleep_until(*next) || is_leaving) continue;
    is_leaving = true;
    if (life != nullptr) life->leave(*round_.node());
  }
  leave_quorum();
  std::vector<Task> dropped;  // destroyed without the lock: their replies close connections
  std::lock_guard lock(mutex_);
  ended_ = true;
  dropped.swap(tasks_);
}

/// A leader tells the other voters that it goes, so that the next one need not wait until it is missed.
void MetadataDriverThread::leave_quorum() {
  kraft::MetadataNode& node = *round_.node();
  const nanoseconds give_up = round_.now() + kPatienceToResign;
  if (!node.resign()) return;
  while (!node.may_stop() && round_.now() < give_up) {
    run_tasks();
    const auto due = round_.run_node();
    if (!due) return;
    (void)sleep_until(std::min(*due, give_up));
  }
}

/// Sleeps until there is something to do. True when the node is to leave the cluster.
bool MetadataDriverThread::sleep_until(nanoseconds deadline) {
  std::unique_lock lock(mutex_);
  const bool already_leaving = want_shutdown_;
  const auto something = [&] { return !tasks_.empty() || want_shutdown_ != already_leaving; };
  const nanoseconds wait = deadline - round_.now();
  if (wait > nanoseconds(0)) wake_.wait_for(lock, wait, something);
  return want_shutdown_;
}

void MetadataDriverThread::run_tasks() {
  std::vector<Task> tasks;
  {
    std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  const std::int64_t wall_ms = round_.wall_ms();
  for (auto& task : tasks) task(*round_.node(), wall_ms);
}

/// A start that has not come to its end yet tells by its result.
void MetadataDriverThread::fail(const Error& error) {
  bool was_started = false;
  {
    std::lock_guard lock(mutex_);
    was_started = start_result_.has_value();
  }
  finish_start(std::unexpected(error));
  if (was_started && on_failure_) on_failure_(error);
}

}  // namespace barnabas::broker

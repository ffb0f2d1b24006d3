#include "broker/drivers/log_maintenance.hpp"

#include <pthread.h>

#include <algorithm>

#include "base/logging.hpp"
#include "broker/replica/replica_manager.hpp"

namespace barnabas::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::string_view kComponent = "kafka.log.LogManager";
/// How often logs are asked whether they want a flush; one that does not costs nothing else.
constexpr nanoseconds kFlushCheck = std::chrono::seconds(1);
/// How exactly file.delete.delay.ms is kept.
constexpr nanoseconds kRemovalCheck = std::chrono::seconds(1);

void report(const Result<void>& result, std::string_view what) {
  if (!result) log_error(kComponent, "{} failed: {}", what, result.error().detail);
}

}  // namespace

LogMaintenance::LogMaintenance(const Clock& clock, const BrokerConfig& config, ReplicaManager& replicas)
    : clock_(clock), replicas_(replicas) {
  const auto settings = config.settings();
  const auto duty = [&](std::int64_t interval_ms, void (LogMaintenance::*call)()) {
    const nanoseconds interval = milliseconds(std::max<std::int64_t>(interval_ms, 1));
    const nanoseconds first =
        std::min<nanoseconds>(interval, milliseconds(settings->log_initial_task_delay_ms));
    duties_.push_back({interval, clock.monotonic() + first, call});
  };
  duty(settings->log_retention_check_interval_ms, &LogMaintenance::apply_retention);
  duty(settings->log_flush_offset_checkpoint_interval_ms, &LogMaintenance::checkpoint_recovery_points);
  duty(settings->log_flush_start_offset_checkpoint_interval_ms, &LogMaintenance::checkpoint_log_starts);
  duty(std::chrono::duration_cast<milliseconds>(kRemovalCheck).count(),
       &LogMaintenance::remove_deleted_files);
  duty(settings->producer_id_expiration_check_interval_ms, &LogMaintenance::expire_producers);
  duty(settings->replica_high_watermark_checkpoint_interval_ms, &LogMaintenance::checkpoint_high_watermarks);
  duty(std::chrono::duration_cast<milliseconds>(kFlushCheck).count(), &LogMaintenance::flush_closed_segments);
  duty(std::chrono::duration_cast<milliseconds>(kFlushCheck).count(), &LogMaintenance::flush_by_time);
}

LogMaintenance::~LogMaintenance() {
  stop();
}

void LogMaintenance::start() {
  thread_ = std::thread([this] { run(); });
}

void LogMaintenance::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void LogMaintenance::run() {
  pthread_setname_np(pthread_self(), "log-maintenance");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    const nanoseconds due = run_due();
    lock.lock();
    const nanoseconds wait = due - clock_.monotonic();
    if (wait > nanoseconds(0)) wake_.wait_for(lock, wait, [this] { return stopping_; });
  }
}

nanoseconds LogMaintenance::run_due() {
  const auto next = std::ranges::min_element(duties_, {}, &Duty::due);
  if (next->due > clock_.monotonic()) return next->due;
  next->due = clock_.monotonic() + next->interval;
  (this->*next->run)();
  return std::ranges::min_element(duties_, {}, &Duty::due)->due;
}

void LogMaintenance::apply_retention() {
  const std::int64_t now_ms = clock_.wall_ms();
  for (const auto& partition : replicas_.all()) {
    const auto deleted =
        partition->with_log([&](log::PartitionLog& log) { return log.apply_retention(now_ms); });
    if (!deleted)
      log_error(kComponent, "{}: retention failed: {}", to_string(partition->topic_partition()),
                deleted.error().detail);
  }
}

void LogMaintenance::remove_deleted_files() {
  const std::int64_t now_ms = clock_.wall_ms();
  for (const auto& log : replicas_.logs().all()) {
    if (!log->has_deleted_files()) continue;
    const auto partition = replicas_.find(log->topic_partition().topic, log->topic_partition().partition);
    if (partition == nullptr) continue;
    const auto removed =
        partition->with_log([&](log::PartitionLog& l) { return l.remove_deleted_files(now_ms); });
    report(removed, to_string(log->topic_partition()) + ": removal of deleted files");
  }
  replicas_.logs().delete_expired(now_ms);
}

void LogMaintenance::expire_producers() {
  const std::int64_t now_ms = clock_.wall_ms();
  for (const auto& partition : replicas_.all())
    partition->with_log([&](log::PartitionLog& log) { log.expire_producers(now_ms); });
}

void LogMaintenance::flush_closed_segments() {
  for (const auto& partition : replicas_.all()) {
    if (!partition->take_closed_segment()) continue;
    const TopicPartition& tp = partition->topic_partition();
    // Without the partition's mutex: a sync may run beside appends.
    if (const auto log = replicas_.logs().find(tp))
      report(log->sync(), to_string(tp) + ": flush of a closed segment");
  }
}

void LogMaintenance::flush_by_time() {
  const std::int64_t now_ms = clock_.wall_ms();
  std::map<std::string, std::int64_t> unflushed_since_ms;
  for (const auto& partition : replicas_.all()) {
    const auto [log, flush_ms] = partition->with_log([](log::PartitionLog& l) {
      return std::pair(
          l.config().flush_ms == INT64_MAX || l.recovery_point() >= l.log_end_offset() ? nullptr : &l,
          l.config().flush_ms);
    });
    if (log == nullptr) continue;
    const std::string name = to_string(partition->topic_partition());
    const auto known = unflushed_since_ms_.find(name);
    const std::int64_t since_ms = known == unflushed_since_ms_.end() ? now_ms : known->second;
    if (now_ms - since_ms < flush_ms)
      unflushed_since_ms.emplace(name, since_ms);
    else if (const auto shared = replicas_.logs().find(partition->topic_partition()))
      // Without the partition's mutex: a sync may run beside appends.
      report(shared->sync(), name + ": flush by flush.ms");
  }
  unflushed_since_ms_ = std::move(unflushed_since_ms);
}

void LogMaintenance::checkpoint_recovery_points() {
  std::map<std::string, std::int64_t> now;
  for (const auto& log : replicas_.logs().all())
    now.emplace(to_string(log->topic_partition()), log->recovery_point().value());
  if (now == told_recovery_points_) return;
  report(replicas_.logs().checkpoint_recovery_points(), "Checkpoint of recovery points");
  told_recovery_points_ = std::move(now);
}

void LogMaintenance::checkpoint_log_starts() {
  std::map<std::string, std::int64_t> now;
  for (const auto& log : replicas_.logs().all())
    now.emplace(to_string(log->topic_partition()), log->log_start_offset().value());
  if (now == told_log_starts_) return;
  report(replicas_.logs().checkpoint_log_start_offsets(), "Checkpoint of log start offsets");
  told_log_starts_ = std::move(now);
}

void LogMaintenance::checkpoint_high_watermarks() {
  std::map<std::string, std::int64_t> now;
  for (const auto& log : replicas_.logs().all())
    now.emplace(to_string(log->topic_partition()), log->high_watermark().value());
  if (now == told_high_watermarks_) return;
  report(replicas_.logs().checkpoint_high_watermarks(), "Checkpoint of high watermarks");
  told_high_watermarks_ = std::move(now);
}

}  // namespace barnabas::broker

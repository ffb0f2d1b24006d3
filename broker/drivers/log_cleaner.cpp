#include "broker/drivers/log_cleaner.hpp"

#include <pthread.h>

#include <algorithm>

#include "base/logging.hpp"
#include "broker/replica/replica_manager.hpp"

namespace barnabas::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::string_view kComponent = "org.apache.kafka.storage.internals.log.LogCleaner";
/// How far reads and writes may run ahead of the configured rate before a wait is worth it.
constexpr nanoseconds kBurst = milliseconds(100);

log::CleanerOptions cleaner_options(const BrokerSettings& settings) {
  const auto threads = static_cast<std::uint64_t>(std::max(settings.log_cleaner_threads, 1));
  log::CleanerOptions options;
  options.dedupe_buffer_bytes = static_cast<std::uint64_t>(settings.log_cleaner_dedupe_buffer_size) / threads;
  options.load_factor = settings.log_cleaner_io_buffer_load_factor;
  // Shared by the threads, half of it for reads and half for writes.
  options.io_buffer_bytes = std::max<std::size_t>(
      static_cast<std::size_t>(settings.log_cleaner_io_buffer_size) / threads / 2, std::size_t{4} << 10);
  return options;
}

void tell(const TopicPartition& tp, const log::CleaningReport& report) {
  log_info(kComponent,
           "{}: cleaned offsets {} to {}: {} keys, {} of {} records kept, {} bytes in {} segments became {} "
           "in {}",
           to_string(tp), report.from.value(), report.to.value(), report.keys, report.counts.records_kept,
           report.counts.records_read, report.bytes_before, report.segments_before, report.bytes_after,
           report.segments_after);
  if (report.counts.keyless_records > 0)
    log_warn(kComponent, "{}: {} records without a key were dropped: the topic is compacted", to_string(tp),
             report.counts.keyless_records);
}

}  // namespace

LogCleaner::LogCleaner(FileSystem& files, const Clock& clock, Random& random, const BrokerConfig& config,
                       ReplicaManager& replicas)
    : files_(files), clock_(clock), random_(random), config_(config), replicas_(replicas) {}

LogCleaner::~LogCleaner() {
  stop();
}

void LogCleaner::start() {
  if (config_.settings()->log_cleaner_enable) add_threads();
}

void LogCleaner::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  // None is added once stopping_ is set.
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void LogCleaner::add_threads() {
  std::lock_guard lock(mutex_);
  // The first one stays, to see when others are wanted.
  const auto wanted = static_cast<std::size_t>(std::max(config_.settings()->log_cleaner_threads, 1));
  while (!stopping_ && threads_.size() < wanted) {
    const auto index = static_cast<std::int32_t>(threads_.size());
    threads_.emplace_back([this, index] { run(index); });
  }
}

void LogCleaner::run(std::int32_t index) {
  pthread_setname_np(pthread_self(), ("log-cleaner-" + std::to_string(index)).c_str());
  while (true) {
    if (index == 0) add_threads();
    const auto settings = config_.settings();
    if (index < settings->log_cleaner_threads && clean_filthiest()) continue;
    std::unique_lock lock(mutex_);
    const milliseconds backoff(std::max<std::int64_t>(settings->log_cleaner_backoff_ms, 1));
    if (wake_.wait_for(lock, backoff, [this] { return stopping_; })) return;
  }
}

bool LogCleaner::pace(std::size_t bytes) {
  const double rate = config_.settings()->log_cleaner_io_max_bytes_per_second;
  std::unique_lock lock(mutex_);
  const nanoseconds now = clock_.monotonic();
  const double seconds = rate > 0 ? static_cast<double>(bytes) / rate : 0;
  paid_until_ = std::max(paid_until_, now) + nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
  const nanoseconds ahead = paid_until_ - now;
  if (ahead > kBurst) wake_.wait_for(lock, ahead, [this] { return stopping_; });
  return !stopping_;
}

std::vector<TopicPartition> LogCleaner::uncleanable() const {
  std::lock_guard lock(mutex_);
  std::vector<TopicPartition> partitions;
  for (const auto& [tp, id] : uncleanable_) partitions.push_back(tp);
  return partitions;
}

bool LogCleaner::is_left_alone(const Partition& partition) {
  std::lock_guard lock(mutex_);
  if (stopping_ || in_progress_.contains(&partition)) return true;
  const auto found = uncleanable_.find(partition.topic_partition());
  if (found == uncleanable_.end()) return false;
  if (found->second == partition.topic_id()) return true;
  uncleanable_.erase(found);  // a new topic of the same name
  return false;
}

/// Also deletes old segments of compacted logs, which is done between cleanings.
std::shared_ptr<Partition> LogCleaner::grab_filthiest() {
  const std::int64_t now_ms = clock_.wall_ms();
  std::shared_ptr<Partition> filthiest;
  double ratio = -1;
  for (const auto& partition : replicas_.all()) {
    if (is_left_alone(*partition)) continue;
    const auto look = [&](log::PartitionLog& log) -> Result<std::optional<log::CleaningOutlook>> {
      if (!log.config().cleanup_compact) return std::nullopt;
      (void)TRY(log.apply_retention(now_ms));
      return TRY(log.cleaning_outlook(now_ms));
    };
    const auto outlook = partition->with_log(look);
    if (!outlook) continue;  // offline or closed, which was told by the log
    if (!*outlook || !(*outlook)->is_due() || (*outlook)->ratio() <= ratio) continue;
    filthiest = partition;
    ratio = (*outlook)->ratio();
  }
  if (filthiest == nullptr) return nullptr;
  std::lock_guard lock(mutex_);
  // Another thread may have been faster; there is a next round.
  return in_progress_.insert(filthiest.get()).second ? filthiest : nullptr;
}

bool LogCleaner::clean_filthiest() {
  const std::shared_ptr<Partition> partition = grab_filthiest();
  if (partition == nullptr) return false;
  const bool had_room = clean(*partition);
  std::lock_guard lock(mutex_);
  in_progress_.erase(partition.get());
  return had_room;
}

bool LogCleaner::clean(Partition& partition) {
  const TopicPartition& tp = partition.topic_partition();
  log::Cleaner cleaner(files_, random_, cleaner_options(*config_.settings()),
                       [this](std::size_t bytes) { return pace(bytes); });
  const auto with_log = [&](const std::function<Result<void>(log::CleanableLog&)>& call) {
    return partition.with_log([&](log::PartitionLog& log) { return call(log); });
  };
  const auto cleaned = cleaner.clean(with_log, clock_.wall_ms());
  if (!cleaned && is_disk_full(cleaned.error())) {
    log_warn(kComponent, "{} was not cleaned: {}", to_string(tp), cleaned.error().detail);
    return false;
  }
  if (!cleaned) mark_uncleanable(partition, cleaned.error());
  if (!cleaned || !*cleaned) return true;
  tell(tp, **cleaned);
  if (auto written = replicas_.logs().checkpoint_cleaned_offsets(); !written)
    log_error(kComponent, "Checkpoint of cleaned offsets failed: {}", written.error().detail);
  return true;
}

void LogCleaner::mark_uncleanable(const Partition& partition, const Error& error) {
  const std::string name = to_string(partition.topic_partition());
  log_error(kComponent, "{} cannot be cleaned and is left as it is from now on: {}", name, error.detail);
  std::lock_guard lock(mutex_);
  uncleanable_[partition.topic_partition()] = partition.topic_id();
}

}  // namespace barnabas::broker

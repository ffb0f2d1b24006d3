#include "log/log_loading.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <mutex>
#include <thread>

#include "base/logging.hpp"
#include "log/partition_files.hpp"

namespace barnabas::log {
namespace {

constexpr std::string_view kMetadataDirectory = "__cluster_metadata-0";
constexpr std::string_view kComponent = "kafka.log.LogManager";

/// The number behind "brokerEpoch" in {"version":0,"brokerEpoch":N}; -1 without one, as in older markers.
std::int64_t broker_epoch_of(std::string_view marker) {
  constexpr std::string_view kKey = "\"brokerEpoch\"";
  std::size_t at = marker.find(kKey);
  if (at == std::string_view::npos) return -1;
  at = marker.find_first_of("-0123456789", at + kKey.size());
  if (at == std::string_view::npos) return -1;
  std::int64_t epoch = -1;
  std::from_chars(marker.data() + at, marker.data() + marker.size(), epoch);
  return epoch;
}

Offset offset_in(const OffsetCheckpoint& checkpoint, const TopicPartition& tp, Offset absent = Offset(0)) {
  auto found = checkpoint.find(tp);
  return found == checkpoint.end() ? absent : found->second;
}

/// A checkpoint that cannot be read only costs what it would have spared.
OffsetCheckpoint read_or_empty(FileSystem& files, const std::string& path, MetricsRegistry* metrics) {
  auto checkpoint = read_offset_checkpoint(files, path);
  if (checkpoint) return std::move(*checkpoint);
  add_to(CorruptionCounters::of(metrics).files);
  log_warn(kComponent, "{}; going on without it", checkpoint.error().detail);
  return {};
}

/// Loads one directory: scan() first, then work() by each of its threads, then finish().
class DirectoryLoading {
 public:
  DirectoryLoading(FileSystem& files, const Clock& clock, std::shared_ptr<LogDirectory> directory,
                   const LoadOptions& options)
      : files_(files),
        clock_(clock),
        log_directory_(std::move(directory)),
        directory_(log_directory_->path()),
        options_(options),
        remaining_segments_(static_cast<std::size_t>(std::max(options.threads_per_directory, 1))) {}

  Result<void> scan();
  void work(std::size_t thread);
  Result<LoadedDirectory> finish();

  /// Whether there are logs for more threads than one.
  [[nodiscard]] std::size_t useful_threads() const {
    return std::min(remaining_segments_.size(), std::max<std::size_t>(found_.size(), 1));
  }
  void tell(MetricsPage& page) const;

 private:
  void add(const DirectoryEntry& entry);

  FileSystem& files_;
  const Clock& clock_;
  std::shared_ptr<LogDirectory> log_directory_;
  std::string directory_;
  const LoadOptions& options_;
  OffsetCheckpoint recovery_points_;
  OffsetCheckpoint log_starts_;
  OffsetCheckpoint cleaned_;
  bool clean_ = false;
  std::vector<OpenLogOptions> found_;
  LoadedDirectory loaded_;  // its logs in the order of found_

  std::atomic<std::size_t> next_ = 0;  // of found_, for whoever works next
  std::atomic<std::int64_t> remaining_logs_ = 0;
  std::vector<std::atomic<std::int64_t>> remaining_segments_;  // of the log under way, a thread
  std::mutex mutex_;
  std::optional<Error> error_;  // by mutex_: the first
};

Result<void> DirectoryLoading::scan() {
  std::string marker = directory_ + std::string(kCleanShutdown);
  clean_ = TRY(files_.exists(marker));
  if (clean_) {
    loaded_.broker_epoch = broker_epoch_of(TRY(files_.read_file(marker)));
    // It is gone before the first append, so that a crash is never taken for a clean stop.
    TRY(files_.remove(marker));
    TRY(files_.sync_directory(directory_));
  }
  recovery_points_ = read_or_empty(files_, directory_ + std::string(kRecoveryPoints), options_.metrics);
  log_starts_ = read_or_empty(files_, directory_ + std::string(kLogStarts), options_.metrics);
  cleaned_ = read_or_empty(files_, directory_ + std::string(kCleanedOffsets), options_.metrics);
  loaded_.high_watermarks =
      read_or_empty(files_, directory_ + std::string(kHighWatermarks), options_.metrics);
  for (const DirectoryEntry& entry : TRY(files_.list(directory_)))
    if (entry.is_directory && entry.name != kMetadataDirectory) add(entry);
  loaded_.logs.resize(found_.size());
  remaining_logs_ = static_cast<std::int64_t>(found_.size());
  if (clean_)
    log_info(kComponent, "Skipping recovery of {} logs from {} since clean shutdown file was found",
             found_.size(), directory_);
  else
    log_info(kComponent, "Recovering {} logs from {} since no clean shutdown file was found", found_.size(),
             directory_);
  return {};
}

void DirectoryLoading::add(const DirectoryEntry& entry) {
  std::string path = directory_ + "/" + entry.name;
  if (directory_state(entry.name) == DirectoryState::kDelete) loaded_.deleted.push_back(path);
  auto future = parse_future_directory(entry.name);
  auto tp = future ? future : parse_partition_directory(entry.name);
  if (!tp) return;
  OpenLogOptions options{std::move(path),
                         *tp,
                         TopicId{},
                         options_.config_for(*tp),
                         offset_in(recovery_points_, *tp),
                         offset_in(log_starts_, *tp),
                         offset_in(cleaned_, *tp, kNoOffset),
                         clean_,
                         false,
                         nullptr,
                         CorruptionCounters::of(options_.metrics)};
  (future ? loaded_.futures : found_).push_back(std::move(options));
}

void DirectoryLoading::work(std::size_t thread) {
  for (std::size_t i = next_++; i < found_.size(); i = next_++) {
    const auto begun = clock_.monotonic();
    OpenLogOptions& options = found_[i];
    options.on_recovery = [&](std::size_t left) {
      remaining_segments_[thread] = static_cast<std::int64_t>(left);
    };
    auto log = std::make_shared<PartitionLogImpl>(files_, clock_, options, log_directory_);
    auto opened = log->open(options);
    remaining_segments_[thread] = 0;
    const std::int64_t left = --remaining_logs_;
    if (!opened) {
      std::lock_guard lock(mutex_);
      if (!error_) error_ = std::move(opened).error();
      next_ = found_.size();  // the directory has failed: nobody goes on
      return;
    }
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.monotonic() - begun);
    log_info(kComponent,
             "Completed load of Log(dir={}) with {} segments, local-log-start-offset {} and "
             "log-end-offset {} in {}ms ({}/{} completed in {})",
             options.directory, log->segment_count(), log->log_start_offset().value(),
             log->log_end_offset().value(), took.count(), static_cast<std::int64_t>(found_.size()) - left,
             found_.size(), directory_);
    loaded_.logs[i] = std::move(log);
  }
}

Result<LoadedDirectory> DirectoryLoading::finish() {
  if (error_) return std::unexpected(std::move(*error_));
  return std::move(loaded_);
}

void DirectoryLoading::tell(MetricsPage& page) const {
  page.gauge("kafka_log_logmanager_remaininglogstorecover", {{"dir", directory_}},
             static_cast<double>(remaining_logs_));
  for (std::size_t thread = 0; thread < remaining_segments_.size(); ++thread)
    page.gauge("kafka_log_logmanager_remainingsegmentstorecover",
               {{"dir", directory_}, {"threadNum", std::to_string(thread)}},
               static_cast<double>(remaining_segments_[thread]));
}

Result<LoadedDirectory> load_by_threads(DirectoryLoading& loading) {
  TRY(loading.scan());
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < loading.useful_threads(); ++i) {
    threads.emplace_back([&loading, i] {
      pthread_setname_np(pthread_self(), "log-recovery");
      loading.work(i);
    });
  }
  loading.work(0);
  for (std::thread& thread : threads) thread.join();
  return loading.finish();
}

}  // namespace

std::vector<Result<LoadedDirectory>> load_directories(FileSystem& files, const Clock& clock,
                                                      const LogDirectories& directories,
                                                      const LoadOptions& options) {
  const auto begun = clock.monotonic();
  std::vector<std::string> paths;
  for (const auto& directory : directories) paths.push_back(directory->path());
  log_info(kComponent, "Loading logs from log dirs {}", fmt::join(paths, ", "));
  // Shared with the metrics' collector, which may be at it when this function returns.
  auto loadings = std::make_shared<std::deque<DirectoryLoading>>();
  for (const auto& directory : directories) loadings->emplace_back(files, clock, directory, options);
  if (options.metrics != nullptr) {
    options.metrics->add_collector(loadings, [told = loadings.get()](MetricsPage& page) {
      for (const DirectoryLoading& loading : *told) loading.tell(page);
    });
  }
  std::vector<Result<LoadedDirectory>> results(directories.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < directories.size(); ++i) {
    auto load = [&loading = (*loadings)[i], &result = results[i]] { result = load_by_threads(loading); };
    // The last one by the calling thread, as by it alone all of them when no threads are wanted.
    if (options.threads_per_directory > 0 && i + 1 < directories.size())
      threads.emplace_back(load);
    else
      load();
  }
  for (std::thread& thread : threads) thread.join();
  std::size_t count = 0;
  for (const auto& result : results)
    if (result) count += result->logs.size();
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(clock.monotonic() - begun);
  log_info(kComponent, "Loaded {} logs in {}ms", count, took.count());
  return results;
}

}  // namespace barnabas::log

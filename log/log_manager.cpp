#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "base/logging.hpp"
#include "log/checkpoint_file.hpp"
#include "log/log_manager_impl.hpp"
#include "log/partition_files.hpp"

namespace barnabas::log {

DirectoryLogManager::DirectoryLogManager(FileSystem& files, const Clock& clock, Random& random,
                                         LogManagerOptions options)
    : files_(files),
      clock_(clock),
      random_(random),
      options_(std::move(options)),
      locks_(options_.directories.size()),
      directory_ids_(options_.directories.size()) {
  for (const std::string& path : options_.directories)
    directories_.push_back(std::make_shared<LogDirectory>(path, options_.on_directory_failure));
}

/// Errors are mistakes that an operator has to mend before the node may start. A disk that fails takes its
/// directory offline (measured on Kafka 4.3.1, as is which is which).
Result<void> DirectoryLogManager::lock_and_check(std::size_t index) {
  const std::string& directory = options_.directories[index];
  const auto offline = [&](const Error& error) -> Result<void> {
    if (!is_disk_failure(error)) return std::unexpected(error);
    directories_[index]->fail(error);
    return {};
  };
  const auto exists = files_.exists(directory);
  if (!exists) return offline(exists.error());
  if (!*exists)
    return fail(ErrorCode::kKafkaStorageError,
                fmt::format("log directory {} does not exist: run `barnabas format` first", directory));
  auto lock = files_.lock(directory + "/.lock");
  if (!lock) return offline(lock.error());
  locks_[index] = std::move(*lock);
  const auto meta = read_meta_properties(files_, directory);
  if (!meta) return offline(meta.error());
  if (!*meta)
    return fail(
        ErrorCode::kKafkaStorageError,
        fmt::format("no meta.properties in log directory {}: run `barnabas format` first", directory));
  TRY(check_meta_properties(index, **meta));
  directory_ids_[index] = (*meta)->directory_id;
  return {};
}

Result<void> DirectoryLogManager::check_meta_properties(std::size_t index, const MetaProperties& meta) const {
  const std::string& directory = options_.directories[index];
  if (meta.node_id != options_.node_id) {
    return fail(ErrorCode::kKafkaStorageError,
                fmt::format("log directory {} belongs to node {}, but node.id is {}", directory,
                            meta.node_id.value(), options_.node_id.value()));
  }
  if (!options_.cluster_id.empty() && meta.cluster_id != options_.cluster_id) {
    return fail(ErrorCode::kInconsistentClusterId,
                fmt::format("log directory {} belongs to cluster {}, not to {}", directory, meta.cluster_id,
                            options_.cluster_id));
  }
  if (std::ranges::find(directory_ids_, meta.directory_id) != directory_ids_.end()) {
    return fail(ErrorCode::kKafkaStorageError,
                fmt::format("the directory.id of {} is that of another log directory", directory));
  }
  return {};
}

Result<void> DirectoryLogManager::load() {
  if (options_.metrics != nullptr)
    options_.metrics->add_collector(collecting_, [this](MetricsPage& page) { tell_metrics(page); });
  LogDirectories online;
  std::vector<std::size_t> numbers;  // of those
  for (std::size_t i = 0; i < directories_.size(); ++i) {
    TRY(lock_and_check(i));
    if (!is_online(i)) continue;
    online.push_back(directories_[i]);
    numbers.push_back(i);
  }
  LoadOptions how{options_.recovery_threads_per_directory,
                  [this](const TopicPartition& tp) { return config_for(tp); }, options_.metrics};
  auto loaded = load_directories(files_, clock_, online, how);
  std::vector<std::vector<OpenLogOptions>> futures(directories_.size());
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    if (!loaded[i] && directories_.size() == 1) return std::unexpected(std::move(loaded[i]).error());
    if (!loaded[i]) online[i]->fail(loaded[i].error());
    if (!online[i]->is_online()) continue;
    futures[numbers[i]] = std::exchange(loaded[i]->futures, {});
    TRY(take_in(numbers[i], std::move(*loaded[i])));
  }
  for (std::size_t i = 0; i < futures.size(); ++i)
    for (OpenLogOptions& future : futures[i]) TRY(load_future(std::move(future), i));
  if (std::ranges::none_of(directories_, &LogDirectory::is_online))
    return fail(ErrorCode::kKafkaStorageError, "all log directories have failed");
  return {};
}

bool DirectoryLogManager::all_online() const {
  return std::ranges::all_of(directories_, &LogDirectory::is_online);
}

Result<void> DirectoryLogManager::take_in(std::size_t directory, LoadedDirectory loaded) {
  previous_broker_epoch_ = std::max(previous_broker_epoch_, loaded.broker_epoch);
  for (std::string& path : loaded.deleted) doomed_.push_back({std::move(path), directory, clock_.wall_ms()});
  for (auto& log : loaded.logs) {
    const TopicPartition tp = log->topic_partition();
    if (auto known = logs_.find(tp); known != logs_.end()) {
      return fail(ErrorCode::kKafkaStorageError,
                  fmt::format("{} and {} hold the same partition: remove the stale one", log->directory(),
                              known->second.log->directory()));
    }
    // Not only once a partition uses the log: what is checkpointed before must not be less than it was.
    if (const auto known = loaded.high_watermarks.find(tp); known != loaded.high_watermarks.end())
      log->set_high_watermark(known->second);
    logs_[tp] = {std::move(log), directory};
  }
  high_watermarks_.merge(loaded.high_watermarks);
  counts_.reset();
  return {};
}

DirectoryId DirectoryLogManager::directory_id(const std::string& directory) const {
  auto found = std::ranges::find(options_.directories, directory);
  if (found == options_.directories.end()) return DirectoryId{};
  return directory_ids_[static_cast<std::size_t>(found - options_.directories.begin())];
}

bool DirectoryLogManager::is_online(const std::string& directory) const {
  auto found = std::ranges::find(options_.directories, directory);
  return found != options_.directories.end() &&
         is_online(static_cast<std::size_t>(found - options_.directories.begin()));
}

/// Kafka's names (KIP-112).
void DirectoryLogManager::tell_metrics(MetricsPage& page) const {
  int offline = 0;
  for (const auto& directory : directories_) {
    offline += directory->is_online() ? 0 : 1;
    page.gauge("kafka_log_logmanager_logdirectoryoffline", {{"logDirectory", directory->path()}},
               directory->is_online() ? 0 : 1);
  }
  page.gauge("kafka_log_logmanager_offlinelogdirectorycount", {}, offline);
}

std::shared_ptr<PartitionLog> DirectoryLogManager::find(const TopicPartition& tp) const {
  std::lock_guard lock(mutex_);
  auto found = logs_.find(tp);
  return found == logs_.end() ? nullptr : found->second.log;
}

std::vector<std::shared_ptr<PartitionLog>> DirectoryLogManager::all() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<PartitionLog>> logs;
  logs.reserve(logs_.size());
  for (const auto& [tp, hosted] : logs_)
    if (is_online(hosted.directory)) logs.push_back(hosted.log);
  return logs;
}

Result<std::size_t> DirectoryLogManager::index_of(const std::string& directory) const {
  auto found = std::ranges::find(options_.directories, directory);
  if (found == options_.directories.end())
    return fail(ErrorCode::kLogDirNotFound, directory + " is not one of log.dirs");
  return static_cast<std::size_t>(found - options_.directories.begin());
}

Result<void> DirectoryLogManager::prefer_directory(const TopicPartition& tp, const std::string& directory) {
  std::size_t index = TRY(index_of(directory));
  if (!is_online(index)) return fail(ErrorCode::kKafkaStorageError, directory + " is offline");
  std::lock_guard lock(mutex_);
  if (!logs_.contains(tp)) preferred_[tp] = index;
  return {};
}

/// Requires mutex_.
Result<std::size_t> DirectoryLogManager::directory_for(const TopicPartition& tp) {
  if (auto preferred = preferred_.find(tp); preferred != preferred_.end() && is_online(preferred->second))
    return preferred->second;
  if (!counts_) {
    counts_.emplace(options_.directories.size());
    for (const auto* hosts : {&logs_, &futures_})
      for (const auto& [other, hosted] : *hosts) ++(*counts_)[hosted.directory];
  }
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < counts_->size(); ++i)
    if (is_online(i) && (!best || (*counts_)[i] < (*counts_)[*best])) best = i;
  if (!best) return fail(ErrorCode::kKafkaStorageError, "no log directory is online");
  return *best;
}

/// Requires mutex_.
Result<std::shared_ptr<PartitionLogImpl>> DirectoryLogManager::create_in(std::size_t directory,
                                                                         const TopicPartition& tp,
                                                                         TopicId topic_id,
                                                                         const LogConfig& config) {
  OpenLogOptions options{options_.directories[directory] + "/" + to_string(tp),
                         tp,
                         topic_id,
                         config,
                         Offset(0),
                         Offset(0),
                         kNoOffset,
                         true,
                         false,
                         nullptr,
                         CorruptionCounters::of(options_.metrics)};
  auto log = std::make_shared<PartitionLogImpl>(files_, clock_, options, directories_[directory]);
  auto opened = log->open(options);
  if (opened) return log;
  directories_[directory]->note(opened.error());
  return std::unexpected(std::move(opened).error());
}

Result<std::shared_ptr<PartitionLog>> DirectoryLogManager::create(const TopicPartition& tp, TopicId topic_id,
                                                                  const LogConfig& config) {
  std::lock_guard lock(mutex_);
  if (auto found = logs_.find(tp); found != logs_.end()) {
    PartitionLogImpl& log = *found->second.log;
    if (log.topic_id() != topic_id && !log.topic_id().value().is_zero() && !topic_id.value().is_zero()) {
      return fail(ErrorCode::kInconsistentTopicId,
                  fmt::format("{} belongs to topic id {}, not to {}", log.directory(),
                              log.topic_id().value().to_string(), topic_id.value().to_string()));
    }
    // A directory from before topic ids, or one whose partition.metadata a crash took.
    if (log.topic_id().value().is_zero() && !topic_id.value().is_zero()) TRY(log.adopt_topic_id(topic_id));
    log.set_config(config);
    return found->second.log;
  }
  while (true) {
    const std::size_t index = TRY(directory_for(tp));
    auto log = create_in(index, tp, topic_id, config);
    if (!log && !is_online(index)) continue;  // its disk has failed: in the next best
    if (!log) return std::unexpected(std::move(log).error());
    logs_[tp] = {*log, index};
    if (counts_) ++(*counts_)[index];
    preferred_.erase(tp);
    return *log;
  }
}

/// Renames a log's directory away; one on a disk that fails is forgotten. Requires mutex_.
Result<void> DirectoryLogManager::give_up(const TopicPartition& tp, const Hosted& hosted,
                                          DirectoryState state) {
  const std::string& parent = options_.directories[hosted.directory];
  std::string path = parent + "/" + renamed_directory(tp, Uuid::random(random_), state);
  std::int64_t delay_ms = hosted.log->config().file_delete_delay_ms;
  hosted.log->mark_removed();
  if (!is_online(hosted.directory)) return {};
  auto renamed = files_.rename(hosted.log->directory(), path);
  if (renamed) renamed = files_.sync_directory(parent);
  if (!renamed) directories_[hosted.directory]->note(renamed.error());
  if (!is_online(hosted.directory)) return {};
  TRY(std::move(renamed));
  if (state == DirectoryState::kDelete)
    doomed_.push_back({path, hosted.directory, clock_.wall_ms() + delay_ms});
  return {};
}

Result<void> DirectoryLogManager::take_away(const TopicPartition& tp, DirectoryState state) {
  std::lock_guard lock(mutex_);
  TRY(drop_future(tp));
  auto found = logs_.find(tp);
  if (found == logs_.end()) return fail(ErrorCode::kUnknownTopicOrPartition, "no log of " + to_string(tp));
  TRY(give_up(tp, found->second, state));
  logs_.erase(found);
  counts_.reset();
  high_watermarks_.erase(tp);
  return {};
}

void DirectoryLogManager::delete_expired(std::int64_t now_ms) {
  std::vector<Doomed> due;
  {
    std::lock_guard lock(mutex_);
    auto later =
        std::ranges::partition(doomed_, [&](const Doomed& doomed) { return doomed.due_ms > now_ms; });
    due.assign(later.begin(), later.end());
    doomed_.erase(later.begin(), later.end());
  }
  for (const Doomed& doomed : due) {
    if (!is_online(doomed.directory)) continue;
    auto removed = files_.remove_all(doomed.path);
    if (removed) continue;
    directories_[doomed.directory]->note(removed.error());
    if (is_online(doomed.directory))
      log_error("kafka.log.LogManager", "cannot remove deleted partition {}: {}", doomed.path,
                removed.error().detail);
  }
}

Offset DirectoryLogManager::checkpointed_high_watermark(const TopicPartition& tp) const {
  std::lock_guard lock(mutex_);
  auto found = high_watermarks_.find(tp);
  return found == high_watermarks_.end() ? Offset(0) : found->second;
}

/// Writes one checkpoint a directory; a disk that fails takes its directory offline. `offset_of` gives
/// nothing for a log that needs no line.
template <class OffsetOf>
Result<void> DirectoryLogManager::checkpoint(std::string_view file, OffsetOf offset_of) {
  std::lock_guard one_writer(checkpoint_mutex_);
  std::vector<OffsetCheckpoint> checkpoints(options_.directories.size());
  {
    std::lock_guard lock(mutex_);
    for (const auto* hosts : {&logs_, &futures_}) {
      for (const auto& [tp, hosted] : *hosts) {
        std::optional<Offset> offset = offset_of(*hosted.log);
        if (offset) checkpoints[hosted.directory].emplace(tp, *offset);
      }
    }
  }
  Result<void> result;
  for (std::size_t i = 0; i < checkpoints.size(); ++i) {
    if (!is_online(i)) continue;
    auto written =
        write_offset_checkpoint(files_, options_.directories[i] + std::string(file), checkpoints[i]);
    if (written) continue;
    directories_[i]->note(written.error());
    if (is_online(i) && result) result = std::move(written);
  }
  return result;
}

Result<void> DirectoryLogManager::checkpoint_recovery_points() {
  return checkpoint(kRecoveryPoints,
                    [](const PartitionLogImpl& log) { return std::optional(log.recovery_point()); });
}

Result<void> DirectoryLogManager::checkpoint_log_start_offsets() {
  return checkpoint(kLogStarts, [](const PartitionLogImpl& log) {
    Offset start = log.log_start_offset();
    return start > log.first_segment_offset() ? std::optional(start) : std::nullopt;
  });
}

Result<void> DirectoryLogManager::checkpoint_high_watermarks() {
  return checkpoint(kHighWatermarks,
                    [](const PartitionLogImpl& log) { return std::optional(log.high_watermark()); });
}

Result<void> DirectoryLogManager::checkpoint_cleaned_offsets() {
  return checkpoint(kCleanedOffsets, [](const PartitionLogImpl& log) {
    return log.cleaned_to() == kNoOffset ? std::nullopt : std::optional(log.cleaned_to());
  });
}

/// By many threads where threads are wanted: each log waits for the disk, which serves several waits at once.
std::optional<Error> DirectoryLogManager::close_all(const std::vector<Hosted>& hosted,
                                                    std::vector<bool>& is_whole) const {
  constexpr std::size_t kThreads = 8;
  std::optional<Error> first_error;  // guarded by outcome_mutex, as is is_whole
  std::mutex outcome_mutex;
  std::atomic<std::size_t> next = 0;
  auto close_some = [&] {
    for (std::size_t at = next++; at < hosted.size(); at = next++) {
      const bool was_online = !hosted[at].log->is_offline();
      auto closed = hosted[at].log->close();
      if (was_online && closed) continue;
      std::lock_guard lock(outcome_mutex);
      is_whole[hosted[at].directory] = false;
      if (!closed && !first_error) first_error = closed.error();
    }
  };
  std::vector<std::thread> threads;
  if (options_.recovery_threads_per_directory > 0)
    while (threads.size() + 1 < std::min(kThreads, hosted.size())) threads.emplace_back(close_some);
  close_some();
  for (std::thread& thread : threads) thread.join();
  return first_error;
}

Result<void> DirectoryLogManager::shutdown(std::int64_t broker_epoch) {
  TRY(checkpoint_log_start_offsets());
  std::vector<Hosted> hosted;
  {
    std::lock_guard lock(mutex_);
    for (const auto* hosts : {&logs_, &futures_})
      for (const auto& [tp, one] : *hosts) hosted.push_back(one);
  }
  std::vector<bool> is_whole(options_.directories.size(), true);
  const std::optional<Error> first_error = close_all(hosted, is_whole);
  TRY(checkpoint_recovery_points());
  TRY(checkpoint_high_watermarks());
  TRY(checkpoint_cleaned_offsets());
  for (std::size_t i = 0; i < is_whole.size(); ++i) {
    if (!is_whole[i] || !is_online(i)) continue;  // the next start recovers
    TRY(files_.write_file_atomically(options_.directories[i] + std::string(kCleanShutdown),
                                     fmt::format("{{\"version\":0,\"brokerEpoch\":{}}}", broker_epoch)));
  }
  locks_.clear();
  if (first_error) return std::unexpected(*first_error);
  return {};
}

Result<std::unique_ptr<LogManager>> LogManager::open(FileSystem& files, const Clock& clock, Random& random,
                                                     LogManagerOptions options) {
  auto manager = std::make_unique<DirectoryLogManager>(files, clock, random, std::move(options));
  TRY(manager->load());
  return manager;
}

}  // namespace barnabas::log

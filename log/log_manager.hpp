// LogManager: the log directories of a node and the partitions in them.
//
// Owns every PartitionLog. Thread safety: thread-safe; the partition's own mutex protects each log, not this
// class. Opening recovers: with a clean-shutdown marker logs are opened as they are, without it every segment
// above the recovery point is read, truncated at the first bad batch, and indexes and producer state are
// rebuilt.
//
// A directory that cannot be read at the start, or whose disk refuses a call later, is offline until the next
// start (KIP-112): its logs fail every call, no log is made in it, and the others go on. Only when none is
// left open() fails.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.hpp"
#include "base/random.hpp"
#include "log/corruption_counters.hpp"
#include "log/log_directory.hpp"
#include "log/partition_log.hpp"

namespace barnabas::log {

struct LogManagerOptions {
  std::vector<std::string> directories;  // log.dirs
  BrokerId node_id;
  std::string cluster_id;  // checked against meta.properties; empty: not checked
  LogConfig default_config;
  /// Names of directories that are not this manager's partitions (the metadata log is opened by kraft/).
  std::function<LogConfig(const TopicPartition&)> config_for;  // null: default_config
  MetricsRegistry* metrics = nullptr;                          // null: nothing is counted
  /// num.recovery.threads.per.data.dir; 0: the calling thread alone opens all logs, in the order of their
  /// names.
  int recovery_threads_per_directory = 0;
  /// Told once of each directory that fails, from any thread and under locks of this manager and its logs, so
  /// it only passes the news on. Null: nobody is.
  LogDirectory::Listener on_directory_failure = nullptr;
};

/// meta.properties of one directory (version 1).
struct MetaProperties {
  std::string cluster_id;
  BrokerId node_id;
  DirectoryId directory_id;
};

/// Nothing when the file is missing; an error when it is malformed.
Result<std::optional<MetaProperties>> read_meta_properties(FileSystem& files, const std::string& directory);
/// The content is durable; the name too, unless the caller syncs the directory later.
Result<void> write_meta_properties(FileSystem& files, const std::string& directory,
                                   const MetaProperties& properties, bool sync_name = true);

/// Opens one log by itself, outside any manager: the metadata log and tests. Recovers from `recovery_point`.
struct OpenLogOptions {
  std::string directory;  // of the partition, created when missing
  TopicPartition topic_partition;
  TopicId topic_id;
  LogConfig config;
  Offset recovery_point;
  Offset log_start_offset;        // as checkpointed; a new log begins here
  Offset cleaned_to = kNoOffset;  // as checkpointed by the cleaner
  bool clean = false;             // the last stop was clean
  /// No open is ever `clean` and all start at recovery point 0, so that whatever stands beside the segments
  /// is found again in the batches: sync() leaves it to close().
  bool is_always_recovered = false;
  /// Told while segments are recovered how many are left to be, the one under way included. Null: nobody
  /// asks.
  std::function<void(std::size_t)> on_recovery;
  CorruptionCounters corruption;
};
Result<std::unique_ptr<PartitionLog>> open_log(FileSystem& files, const Clock& clock,
                                               const OpenLogOptions& options);

class LogManager {
 public:
  /// Locks the directories, checks meta.properties and loads all partitions. Fails for a directory that is
  /// not formatted or not this node's, and when no directory is online.
  static Result<std::unique_ptr<LogManager>> open(FileSystem& files, const Clock& clock, Random& random,
                                                  LogManagerOptions options);
  virtual ~LogManager() = default;

  [[nodiscard]] virtual const std::vector<std::string>& directories() const = 0;
  /// Zero for one that could not be read at the start.
  [[nodiscard]] virtual DirectoryId directory_id(const std::string& directory) const = 0;
  /// Whether the directory is one of this manager's and works.
  [[nodiscard]] virtual bool is_online(const std::string& directory) const = 0;
  /// Broker epoch in the clean-shutdown marker; -1 after a crash.
  [[nodiscard]] virtual std::int64_t previous_broker_epoch() const = 0;

  [[nodiscard]] virtual std::shared_ptr<PartitionLog> find(const TopicPartition& tp) const = 0;
  /// Those in directories that are online.
  [[nodiscard]] virtual std::vector<std::shared_ptr<PartitionLog>> all() const = 0;
  /// The existing log, or a new empty one in the directory that was preferred for it, else in that with the
  /// fewest logs; online ones only. INCONSISTENT_TOPIC_ID when the log on disk belongs to another topic id.
  virtual Result<std::shared_ptr<PartitionLog>> create(const TopicPartition& tp, TopicId topic_id,
                                                       const LogConfig& config) = 0;
  /// Where create() is to make a log that is not there yet (KIP-113). LOG_DIR_NOT_FOUND for an unknown
  /// directory, KAFKA_STORAGE_ERROR for one that is offline.
  virtual Result<void> prefer_directory(const TopicPartition& tp, const std::string& directory) = 0;
  /// Renames the directory to `...-delete` (in a directory that is offline it is only forgotten, and becomes
  /// a stray at the next start); delete_expired() removes it after file.delete.delay.ms.
  virtual Result<void> remove(const TopicPartition& tp) = 0;
  /// Renames to `...-stray`.
  virtual Result<void> mark_stray(const TopicPartition& tp) = 0;
  virtual void delete_expired(std::int64_t now_ms) = 0;

  // Future replicas: a partition's log moves to another directory (KIP-113). The future one is filled by
  // append_as_follower() and takes the place of the current one once it ends where that does.
  /// A new one in `directory` that begins at the current log's start, or the one that is there.
  /// LOG_DIR_NOT_FOUND for an unknown directory, UNKNOWN_TOPIC_OR_PARTITION without a current log,
  /// KAFKA_STORAGE_ERROR when either directory is offline.
  virtual Result<std::shared_ptr<PartitionLog>> create_future(const TopicPartition& tp,
                                                              const std::string& directory) = 0;
  /// Null without one.
  [[nodiscard]] virtual std::shared_ptr<PartitionLog> find_future(const TopicPartition& tp) const = 0;
  /// The partitions that have one.
  [[nodiscard]] virtual std::vector<TopicPartition> moving() const = 0;
  /// The future log as the current one; the old one's directory is renamed to `...-delete` and its holders'
  /// calls fail. INVALID_REQUEST when it has not caught up. After another error the current log goes on, or
  /// is offline when not even the renames could be undone; a start finds every record in either case.
  /// Requires the current log's partition mutex and that nobody else uses the future log.
  virtual Result<std::shared_ptr<PartitionLog>> replace_with_future(const TopicPartition& tp) = 0;
  /// Gives the move up. Fine without one; KAFKA_STORAGE_ERROR while the current log is offline, whose only
  /// copy this may be.
  virtual Result<void> remove_future(const TopicPartition& tp) = 0;
  /// Forgets the moves to directories that went offline; their partitions go on where they are.
  virtual void drop_offline_futures() = 0;

  /// High watermark found in replication-offset-checkpoint at open; 0 when absent.
  [[nodiscard]] virtual Offset checkpointed_high_watermark(const TopicPartition& tp) const = 0;
  // Checkpoints: written whole, atomically, one file a directory that is online.
  virtual Result<void> checkpoint_recovery_points() = 0;
  virtual Result<void> checkpoint_log_start_offsets() = 0;
  virtual Result<void> checkpoint_high_watermarks() = 0;
  /// CleanableLog::cleaned_to() of every log that was cleaned once.
  virtual Result<void> checkpoint_cleaned_offsets() = 0;

  /// Closes every log, writes checkpoints and the clean-shutdown marker, releases the locks.
  virtual Result<void> shutdown(std::int64_t broker_epoch) = 0;
};

}  // namespace barnabas::log

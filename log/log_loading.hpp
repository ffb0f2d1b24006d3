// Loading the log directories of a node at its start: which partitions are there, from where each is
// recovered, and the opening itself, by `num.recovery.threads.per.data.dir` threads a directory, all
// directories at once.
//
// Used by LogManager alone, which owns what comes out. Thread safety: load_directories() returns once all its
// threads are done. Where it stands is told line by line, and in metrics while it goes on
// (kafka_log_logmanager_remaininglogstorecover, remainingsegmentstorecover), as Kafka tells it.
// Errors: those of a directory are its own result; a directory of which one log cannot be opened has failed.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.hpp"
#include "log/checkpoint_file.hpp"
#include "log/log_directory.hpp"
#include "log/log_manager.hpp"
#include "log/partition_log_impl.hpp"

namespace barnabas::log {

// The files of a log directory beside its partitions.
inline constexpr std::string_view kRecoveryPoints = "/recovery-point-offset-checkpoint";
inline constexpr std::string_view kHighWatermarks = "/replication-offset-checkpoint";
inline constexpr std::string_view kLogStarts = "/log-start-offset-checkpoint";
inline constexpr std::string_view kCleanedOffsets = "/cleaner-offset-checkpoint";
inline constexpr std::string_view kCleanShutdown = "/.kafka_cleanshutdown";

struct LoadedDirectory {
  std::int64_t broker_epoch = -1;  // of the clean-shutdown marker; -1 without one
  OffsetCheckpoint high_watermarks;
  std::vector<std::shared_ptr<PartitionLogImpl>> logs;
  /// Of moves to this directory; not opened yet, since that depends on what the other directories have.
  std::vector<OpenLogOptions> futures;
  std::vector<std::string> deleted;  // paths of directories that wait for their removal
};

struct LoadOptions {
  /// 0: the calling thread alone, one directory after the other, so that the order of calls is always the
  /// same.
  int threads_per_directory = 0;
  std::function<LogConfig(const TopicPartition&)> config_for;
  MetricsRegistry* metrics = nullptr;
};

using LogDirectories = std::vector<std::shared_ptr<LogDirectory>>;

/// One result a directory, in their order. The clean-shutdown markers are gone afterwards.
std::vector<Result<LoadedDirectory>> load_directories(FileSystem& files, const Clock& clock,
                                                      const LogDirectories& directories,
                                                      const LoadOptions& options);

}  // namespace barnabas::log

// LogUpkeep: what looks after a node's logs while others read and write them: retention, flushes and
// checkpoints, compaction, the scrub, and moves between log directories.
//
// Owned by the node, which stops it before the reactors: the scrub may wait for an answer on one. Thread
// safety: for the thread that builds and stops the node. What it is given outlives it.
#pragma once

#include <memory>

#include "base/clock.hpp"
#include "base/file_system.hpp"
#include "base/metrics.hpp"
#include "base/network.hpp"
#include "base/random.hpp"
#include "broker/config/broker_config.hpp"
#include "broker/config/own_settings.hpp"

namespace barnabas::broker {

class LogCleaner;
class LogDirectoryMover;
class LogMaintenance;
class LogScrub;
class MetadataCache;
class ReplicaManager;
class SegmentSource;

struct LogUpkeepDependencies {
  FileSystem& files;
  Clock& clock;
  Random& random;
  const BrokerConfig& config;
  const MetadataCache& cache;  // who has what rotted here
  ReplicaManager& replicas;
  MetricsRegistry& metrics;
  Reactor& peers;  // of requests to other brokers
};

class LogUpkeep {
 public:
  LogUpkeep(const LogUpkeepDependencies& dependencies, const OwnSettings& own);
  ~LogUpkeep();

  void start();
  /// Returns when all threads have ended. Without a start it does nothing.
  void stop();

 private:
  std::unique_ptr<LogMaintenance> maintenance_;
  std::unique_ptr<LogCleaner> cleaner_;
  std::unique_ptr<SegmentSource> segment_source_;
  std::unique_ptr<LogScrub> scrub_;
  std::unique_ptr<LogDirectoryMover> mover_;
};

}  // namespace barnabas::broker

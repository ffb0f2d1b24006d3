// LogMaintenance: the thread that keeps logs in their bounds: retention, flushes of closed segments and by
// time, checkpoints, and the removal of deleted partitions.
//
// Owned by the node. Thread safety: start and stop are called by the main thread. It sleeps until the next of
// its duties is due: once a second it looks for what is to be flushed, and checkpoints are written only when
// something changed since the last. Segments are flushed when they are closed, as in Kafka: recovery after a
// crash reads what lies above the last flush.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "broker/config/broker_config.hpp"

namespace barnabas::broker {

class ReplicaManager;

class LogMaintenance {
 public:
  LogMaintenance(const Clock& clock, const BrokerConfig& config, ReplicaManager& replicas);
  ~LogMaintenance();

  void start();
  void stop();
  /// Carries out the duty that is due first, if it is; when it or the next is due. The thread's, or of a
  /// caller who did not start() it.
  std::chrono::nanoseconds run_due();

  // One duty each; called by the thread, and by tests.
  void apply_retention();
  void remove_deleted_files();
  void expire_producers();
  void flush_closed_segments();
  void flush_by_time();
  void checkpoint_recovery_points();
  void checkpoint_log_starts();
  void checkpoint_high_watermarks();

 private:
  struct Duty {
    std::chrono::nanoseconds interval;
    std::chrono::nanoseconds due;
    void (LogMaintenance::*run)();
  };

  void run();

  const Clock& clock_;
  ReplicaManager& replicas_;
  std::vector<Duty> duties_;
  /// What was checkpointed last, to leave files alone that would not change.
  std::map<std::string, std::int64_t> told_high_watermarks_;
  std::map<std::string, std::int64_t> told_recovery_points_;
  std::map<std::string, std::int64_t> told_log_starts_;
  std::map<std::string, std::int64_t> unflushed_since_ms_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace barnabas::broker

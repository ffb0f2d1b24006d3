// LogFlusher: makes records durable before they are acknowledged, where flush.messages asks for that, and
// lets all who wait for the same partition share one fsync (group commit).
//
// Owned by the node. Thread safety: thread-safe. Its threads (none before the first flush, then as many as
// are busy) take one partition at a time, so that partitions do not wait for each other, and the file system
// can commit several at once. What is asked for while a partition is being synced waits for the next round;
// what is asked for between two rounds shares one. An appended record is in the round that is begun after its
// request. Source: beyond Kafka, which syncs within the append while it holds the partition's lock, once a
// batch.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/metrics.hpp"
#include "base/result.hpp"

namespace barnabas::broker {

class Partition;

class LogFlusher {
 public:
  /// Called once, by a thread of the flusher; must not block.
  using Done = std::move_only_function<void(const Result<void>&)>;

  static constexpr std::size_t kThreads = 8;

  /// With 0 threads flush() does it within the call, for tests and the simulation.
  explicit LogFlusher(MetricsRegistry& metrics, std::size_t max_threads = kThreads);
  ~LogFlusher();

  /// `done` when everything that was appended before the call is on disk, or cannot be.
  void flush(const std::shared_ptr<Partition>& partition, Done done);
  /// Finishes what was asked for; later calls are refused with KAFKA_STORAGE_ERROR.
  void stop();

 private:
  struct Round {
    std::vector<Done> waiting;  // of the next round
    bool running = false;
  };

  void run();

  const std::size_t max_threads_;
  Counter& rounds_;
  Counter& served_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::unordered_map<std::shared_ptr<Partition>, Round> partitions_;  // guarded by mutex_; those with work
  std::deque<std::shared_ptr<Partition>> due_;                        // guarded by mutex_; not running now
  std::vector<std::thread> threads_;                                  // guarded by mutex_
  std::size_t idle_ = 0;                                              // guarded by mutex_
  bool stopping_ = false;                                             // guarded by mutex_
};

}  // namespace barnabas::broker

// LogFlusher: makes records durable before they are acknowledged, where flush.messages asks for that, and
// lets all who wait for the same partition share one fsync (group commit).
//
// Owned by the node. Thread safety: thread-safe. Partitions are synced by several threads, so that they do
// not wait for each other and the file system can commit several at once. What is asked for while a partition
// is being synced waits for its next round; what is asked for between two rounds shares one. An appended
// record is in the round that is begun after its request. Source: beyond Kafka, which syncs within the append
// while it holds the partition's lock, once a batch.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/metrics.hpp"
#include "base/result.hpp"
#include "broker/drivers/blocking_pool.hpp"

namespace barnabas::broker {

class Partition;

class LogFlusher {
 public:
  /// Called once, by a thread of the flusher; must not block.
  using Done = std::move_only_function<void(const Result<void>&)>;

  /// With 0 threads flush() does it within the call.
  explicit LogFlusher(MetricsRegistry& metrics, std::size_t max_threads = 8);

  /// `done` when everything that was appended before the call is on disk, or cannot be.
  void flush(const std::shared_ptr<Partition>& partition, Done done);
  /// Finishes what was asked for; later calls are refused with KAFKA_STORAGE_ERROR.
  void stop();

 private:
  void sync(const std::shared_ptr<Partition>& partition);

  Counter& rounds_;
  Counter& served_;
  std::mutex mutex_;
  /// Who waits for the next round of a partition that is being synced or is to be. Guarded by mutex_.
  std::unordered_map<std::shared_ptr<Partition>, std::vector<Done>> waiting_;
  bool stopping_ = false;  // guarded by mutex_
  BlockingPool pool_;
};

}  // namespace barnabas::broker

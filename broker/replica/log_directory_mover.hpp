// LogDirectoryMover: the threads that carry partitions from one log directory of this node to another
// (KIP-113).
//
// ReplicaManager::move_to() makes a future log in the other directory; a thread here fills it, piece by
// piece, while the partition is written and read as ever. Once it lacks no more than a piece, that is copied
// under the partition's mutex and the future log takes the current one's place. What is to be moved is asked
// of the log manager each time, so a move that was cancelled, sent elsewhere or interrupted by a restart
// needs no word here.
//
// Owned by the node. Thread safety: start, stop and wake from any thread; run_once() is what the threads do,
// and tests. A thread moves one partition at a time, as Kafka's do: several would only make the disks seek.
// Errors: a move that fails stays as it is, is told in the log and in the metrics, and is taken up again when
// it is asked for anew. One that finds the disk full tries again.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "log/log_manager.hpp"

namespace barnabas::broker {

class Partition;
class ReplicaManager;

struct LogDirectoryMoverOptions {
  std::int32_t threads = 1;  // num.replica.alter.log.dirs.threads
  /// replica.alter.log.dirs.io.max.bytes.per.second as it is now, for all threads together; null: no limit.
  std::function<double()> max_bytes_per_second;
};

class LogDirectoryMover {
 public:
  LogDirectoryMover(const Clock& clock, ReplicaManager& replicas, MetricsRegistry& metrics,
                    LogDirectoryMoverOptions options);
  ~LogDirectoryMover();

  /// Moves that the last stop interrupted go on.
  void start();
  void stop();
  /// What is to be moved has changed; what was set aside is tried again.
  void wake();

  /// Copies a piece of one partition that moves, and ends its move when nothing is missing. False when there
  /// is nothing to do now.
  bool run_once();

 private:
  using Log = std::shared_ptr<log::PartitionLog>;
  /// A move that is left alone for a while, or until it is another one.
  struct Waiting {
    std::weak_ptr<log::PartitionLog> future;
    std::chrono::nanoseconds until;
  };

  void run(std::int32_t index);
  [[nodiscard]] std::optional<TopicPartition> grab();
  [[nodiscard]] bool waits(const TopicPartition& tp);
  Result<bool> move_on(Partition& partition, const Log& future);
  Result<std::uint64_t> copy_piece(Partition& partition, const Log& future);
  Result<bool> take_over(Partition& partition, const Log& future);
  void set_aside(const TopicPartition& tp, const Log& future, const Error& error);
  void pace(std::uint64_t bytes);
  void tell_metrics(MetricsPage& page);

  const Clock& clock_;
  ReplicaManager& replicas_;
  LogDirectoryMoverOptions options_;
  std::shared_ptr<const void> collecting_ = std::make_shared<int>();

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;                      // guarded by mutex_
  std::uint64_t changes_ = 0;                  // guarded by mutex_: calls of wake()
  std::set<TopicPartition> in_progress_;       // guarded by mutex_
  std::map<TopicPartition, Waiting> waiting_;  // guarded by mutex_
  double owed_bytes_ = 0;                      // guarded by mutex_: copied faster than the rate allows
  std::chrono::nanoseconds paid_at_{0};        // guarded by mutex_: when owed_bytes_ was looked at
  std::vector<std::thread> threads_;
};

}  // namespace barnabas::broker

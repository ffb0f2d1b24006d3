// LogCleaner: the threads that compact logs (log.cleaner.threads), the filthiest first.
//
// Owned by the node. Thread safety: start and stop are called by the main thread; clean_filthiest() by the
// threads, and by tests. A log that cannot be cleaned (a broken batch) is told once, with file and position,
// and left alone from then on, as in Kafka: uncleanable() names it until its topic is gone. A full disk only
// ends the round. Cleaning holds a partition's mutex for its swaps of segments alone. Settings that can
// change at run time are read anew for each round.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/file_system.hpp"
#include "base/random.hpp"
#include "broker/config/broker_config.hpp"
#include "log/cleaner.hpp"

namespace barnabas::broker {

class Partition;
class ReplicaManager;

class LogCleaner {
 public:
  /// `random` is used by all threads.
  LogCleaner(FileSystem& files, const Clock& clock, Random& random, const BrokerConfig& config,
             ReplicaManager& replicas);
  ~LogCleaner();

  void start();
  void stop();

  /// Cleans one log; false when there was nothing to clean or no room to do it.
  bool clean_filthiest();
  [[nodiscard]] std::vector<TopicPartition> uncleanable() const;

 private:
  void run(std::int32_t index);
  /// With more threads configured than there are, starts them.
  void add_threads();
  [[nodiscard]] std::shared_ptr<Partition> grab_filthiest();
  [[nodiscard]] bool is_left_alone(const Partition& partition);
  bool clean(Partition& partition);
  void mark_uncleanable(const Partition& partition, const Error& error);
  /// Waits as long as `bytes` take at log.cleaner.io.max.bytes.per.second; false once stopping.
  bool pace(std::size_t bytes);

  FileSystem& files_;
  const Clock& clock_;
  Random& random_;
  const BrokerConfig& config_;
  ReplicaManager& replicas_;

  mutable std::mutex mutex_;  // of all below
  std::condition_variable wake_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
  std::set<const Partition*> in_progress_;
  std::map<TopicPartition, TopicId> uncleanable_;
  std::chrono::nanoseconds paid_until_{0};
};

}  // namespace barnabas::broker

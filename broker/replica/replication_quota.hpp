// ReplicationQuota: how fast throttled replicas may be copied, on the side of the leaders or of the followers
// (KIP-73).
//
// Owned by ReplicaManager. Thread safety: thread-safe; a node without throttled topics reads one atomic.
// A partition is throttled by its topic's configuration, the rate is the broker's. What counts is the mean
// over the last windows, as Kafka measures it; who is in sync is never held back, but counts. Units: bytes,
// bytes a second.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/ids.hpp"

namespace barnabas::broker {

/// Of one topic: partitions whose replica on this node is throttled, or all.
struct ThrottledPartitions {
  bool all = false;
  std::set<PartitionIndex> partitions;

  /// "*", or "partition:broker,..." of which those of `self` count; empty: none.
  static ThrottledPartitions parse(std::string_view text, BrokerId self);
  [[nodiscard]] bool empty() const { return !all && partitions.empty(); }
};

class ReplicationQuota {
 public:
  explicit ReplicationQuota(const Clock& clock) : clock_(clock) {}

  void set_limit(std::int64_t bytes_per_second);
  /// replication.quota.window.num windows of replication.quota.window.size.seconds.
  void set_windows(std::int32_t count, std::chrono::nanoseconds size);
  void set_throttled(const std::string& topic, ThrottledPartitions partitions);

  [[nodiscard]] bool is_idle() const { return !has_throttled_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool is_throttled(const TopicPartition& tp) const;
  [[nodiscard]] bool is_exceeded();
  void record(std::int64_t bytes);

 private:
  struct Window {
    std::chrono::nanoseconds begin;
    std::int64_t bytes = 0;
  };
  void drop_old(std::chrono::nanoseconds now);

  const Clock& clock_;
  std::atomic<bool> has_throttled_ = false;
  mutable std::mutex mutex_;
  std::map<std::string, ThrottledPartitions, std::less<>> throttled_;  // guarded by mutex_
  std::int64_t limit_ = INT64_MAX;                                     // guarded by mutex_
  std::int32_t window_count_ = 11;                                     // guarded by mutex_
  std::chrono::nanoseconds window_size_ = std::chrono::seconds(1);     // guarded by mutex_
  std::deque<Window> windows_;                                         // guarded by mutex_
};

}  // namespace barnabas::broker

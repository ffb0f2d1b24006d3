// LogScrub: the thread that reads closed segments through, slowly, and tells of bits that rotted since they
// were written, before somebody needs them.
//
// Owned by the node. Thread safety: start and stop are called by the main thread; step() by the thread, or by
// a test or a simulation without one. A pass reads every closed segment of the partitions that are here, then
// rests until its interval is over. A partition's mutex is held to take a segment and to look again where one
// is broken, not while it is read. The active segment is left out: a start verifies what it finds in it.
// A segment with a broken batch is written anew from another replica, where there is one that is in sync
// (log/segment_repair.hpp), at the end of its turn; what is refused meanwhile is served again then. Without
// one, or when the other's is broken too, it is left for the next pass.
// What was not in the page cache does not stay there. What is in it is read from there, as consumers get it.
// Units: bytes, and seconds by Clock::monotonic(). Source: beyond Kafka, which serves what it finds.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "log/scrubbed_segment.hpp"
#include "log/segment_repair.hpp"

namespace barnabas::broker {

class Partition;
class ReplicaManager;
class SegmentSource;

class LogScrub {
 public:
  struct Options {
    std::uint64_t bytes_per_second = std::uint64_t{4} << 20;  // 0: nothing is scrubbed
    std::chrono::milliseconds interval =
        std::chrono::hours(24);  // from the begin of a pass to that of the next
  };

  /// Without a source nothing is repaired.
  LogScrub(const Clock& clock, ReplicaManager& replicas, MetricsRegistry& metrics, const Options& options,
           SegmentSource* source = nullptr);
  ~LogScrub();

  void start();
  void stop();

  /// Reads one piece; returns how long to rest before the next.
  std::chrono::nanoseconds step();

 private:
  void run();
  bool take_segment();
  std::uint64_t read_piece();
  void end_segment();
  [[nodiscard]] bool is_stopping();
  Result<bool> repair(Partition& partition);
  Result<void> fill(const Partition& partition, log::SegmentRepair& repair);
  void begin_pass();
  void end_pass();

  const Clock& clock_;
  ReplicaManager& replicas_;
  Options options_;
  Counter& bytes_;
  Counter& passes_;
  Gauge& corrupt_places_;
  Gauge& last_pass_;
  Counter& repaired_;
  SegmentSource* source_;

  // Of the pass under way; by whoever calls step().
  std::vector<std::shared_ptr<Partition>> left_;  // the one at the back is read
  Offset from_;                                   // of its next segment
  std::optional<log::ScrubbedSegment> segment_;
  std::uint64_t position_ = 0;
  std::int64_t found_ = 0;  // in segments that were not repaired
  std::int64_t found_in_segment_ = 0;
  bool is_passing_ = false;
  std::chrono::nanoseconds next_pass_{0};

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace barnabas::broker

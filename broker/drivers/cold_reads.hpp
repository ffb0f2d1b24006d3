// ColdReads: reads what lagging consumers ask for from the disk into the page cache, so that no reactor waits
// for a disk, and keeps what they read from driving out of the cache what everybody else reads.
//
// Owned by the node. Thread safety: thread-safe. A thread loads a range, has the next `read_ahead_bytes` of
// the file read meanwhile, and remembers both. Of what was loaded the last `kept_bytes` stay cached; what is
// older is dropped, since who reads a log from its beginning reads it once. 0 keeps everything. Units: bytes.
// Source: beyond Kafka, whose request threads wait for the disk.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/metrics.hpp"
#include "broker/drivers/blocking_pool.hpp"
#include "log/partition_log.hpp"

namespace barnabas::broker {

class ColdReads {
 public:
  struct Options {
    std::size_t threads = 4;  // 0: load() does it within the call
    std::uint64_t read_ahead_bytes = std::uint64_t{4} << 20;
    std::uint64_t kept_bytes = std::uint64_t{64} << 20;
  };
  /// Called once, by a thread of this class; must not block.
  using Done = std::move_only_function<void()>;

  ColdReads(MetricsRegistry& metrics, Options options);

  /// `done` once the ranges are in the cache, or could not be read: who reads them next is told.
  void load(std::vector<log::FileSlice> ranges, Done done);
  /// Ends the threads; what is not loaded by then is done.
  void stop();

 private:
  /// Does not keep the file: the room of a segment that is deleted meanwhile comes back.
  struct Loaded {
    std::weak_ptr<const File> file;
    std::uint64_t position = 0;
    std::uint64_t size = 0;
  };

  void load_now(const std::vector<log::FileSlice>& ranges);
  void remember(log::FileSlice range);

  const Options options_;
  Counter& loads_;
  Counter& loaded_bytes_;
  Counter& dropped_bytes_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::deque<Loaded> loaded_;      // guarded by mutex_; the oldest first
  std::uint64_t loaded_size_ = 0;  // guarded by mutex_; of loaded_
  BlockingPool pool_;
};

}  // namespace barnabas::broker

// ColdReads: reads what lagging consumers ask for from the disk into the page cache, so that no reactor waits
// for a disk, and keeps what they read from driving out of the cache what everybody else reads.
//
// Owned by the node. Thread safety: thread-safe. Its threads (none before the first cold read, at most
// `threads`; with 0 load() reads within the call, for tests and the simulation) load a range, have the next
// `read_ahead_bytes` of the file read meanwhile, and remember both. Of what was loaded the last `kept_bytes`
// stay cached; what is older is dropped, since who reads a log from its beginning reads it once. 0 keeps
// everything. Units: bytes. Source: beyond Kafka, whose request threads wait for the disk.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/metrics.hpp"
#include "log/partition_log.hpp"

namespace barnabas::broker {

class ColdReads {
 public:
  struct Options {
    std::size_t threads = 4;
    std::uint64_t read_ahead_bytes = std::uint64_t{4} << 20;
    std::uint64_t kept_bytes = std::uint64_t{64} << 20;
  };
  /// Called once, by a thread of this class; must not block.
  using Done = std::move_only_function<void()>;

  ColdReads(MetricsRegistry& metrics, Options options);
  ~ColdReads();

  /// `done` once the ranges are in the cache, or could not be read: who reads them next is told.
  void load(std::vector<log::FileSlice> ranges, Done done);
  /// Ends the threads; what is not loaded by then is done.
  void stop();

 private:
  struct Order {
    std::vector<log::FileSlice> ranges;
    Done done;
  };

  void run();
  void fulfil(Order order, bool gives_up);
  void remember(log::FileSlice range);

  const Options options_;
  Counter& loads_;
  Counter& loaded_bytes_;
  Counter& dropped_bytes_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Order> orders_;           // guarded by mutex_
  std::deque<log::FileSlice> loaded_;  // guarded by mutex_; the oldest first
  std::uint64_t loaded_size_ = 0;      // guarded by mutex_; of loaded_
  std::vector<std::thread> threads_;   // guarded by mutex_
  std::size_t idle_ = 0;               // guarded by mutex_
  bool stopping_ = false;              // guarded by mutex_
};

}  // namespace barnabas::broker

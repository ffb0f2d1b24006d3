// MemoryBudget: queued.max.request.bytes, the memory of requests that are being read or handled.
//
// Shared by the sessions of a node and by their buffers, which may outlive the server. Thread-safe. Units:
// bytes. Sessions that hold parts of frames must not wait for one another for ever, so one of them at a time
// may overdraw the limit until its frame is whole.
#pragma once

#include <atomic>
#include <cstdint>

namespace barnabas::broker {

class MemoryBudget {
 public:
  /// `limit` < 0: none.
  explicit MemoryBudget(std::int64_t limit) : limit_(limit) {}
  [[nodiscard]] bool try_take(std::int64_t size);
  void take(std::int64_t size) { used_.fetch_add(size, std::memory_order_relaxed); }
  void give_back(std::int64_t size) { used_.fetch_sub(size, std::memory_order_relaxed); }
  [[nodiscard]] bool begin_overdraft() { return !overdrawn_.exchange(true); }
  void end_overdraft() { overdrawn_.store(false); }
  [[nodiscard]] bool is_limited() const { return limit_ >= 0; }
  [[nodiscard]] std::int64_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  std::int64_t limit_;
  std::atomic<std::int64_t> used_ = 0;
  std::atomic<bool> overdrawn_ = false;
};

}  // namespace barnabas::broker

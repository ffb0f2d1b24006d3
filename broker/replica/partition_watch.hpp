// PartitionWatch: somebody who wants to know when a partition changes, and what of it there is to know.
//
// Owned by who wants to know; a Partition keeps weak pointers and forgets each when it has told it
// (Partition::watch, Partition::wait_for_change). Thread safety: on_change() comes from any thread, without a
// lock.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

namespace barnabas::broker {

enum class PartitionChange : std::uint8_t {
  kCommitted,  // the high watermark, the log start, or who leads: what consumers see
  kAppended,   // the log end, or who leads: what followers see
};

class PartitionWatch {
 public:
  PartitionWatch() = default;
  virtual ~PartitionWatch() = default;
  PartitionWatch(const PartitionWatch&) = delete;
  PartitionWatch& operator=(const PartitionWatch&) = delete;
  virtual void on_change(PartitionChange change) = 0;
};

/// Calls when something that is waited for may have changed.
class Wakeup final : public PartitionWatch {
 public:
  explicit Wakeup(std::function<void()> call) : call_(std::move(call)) {}
  void on_change(PartitionChange) override { call_(); }

 private:
  const std::function<void()> call_;
};

/// How often a partition has changed so far: what a fetch saw of it is out of date when the count is another.
struct PartitionChanges {
  std::uint64_t committed = 0;
  std::uint64_t appended = 0;
};

}  // namespace barnabas::broker

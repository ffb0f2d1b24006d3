// TimerQueue: when something in a shard is due next, made for deadlines that are moved far more often than
// they strike (a heartbeat moves one).
//
// Owned by a shard. Thread safety: none.
// Invariants
//  1. A Deadline that is set has an entry in the queue at or before its time.
//  2. Moving a deadline later touches only the Deadline; its entry finds out when it comes up.
#pragma once

#include <cstdint>
#include <limits>
#include <queue>
#include <string>
#include <utility>
#include <vector>

namespace barnabas::broker {

/// Milliseconds of CoordinatorTime::mono_ms. Part of what is timed; found again by group and member.
struct Deadline {
  static constexpr std::int64_t kUnset = std::numeric_limits<std::int64_t>::max();
  std::int64_t at_ms = kUnset;
  std::int64_t queued_ms = kUnset;  // the earliest entry that stands for it

  [[nodiscard]] bool is_set() const { return at_ms != kUnset; }
  void cancel() { at_ms = kUnset; }
};

enum class TimerKind : std::uint8_t {
  kHeartbeat,
  kPendingMember,
  kJoin,
  kSync,
  kCleanup,
  // Of members of the consumer protocol.
  kMemberSession,
  kMemberRebalance,
  kMemberJoin,
  kMemberSync,
  // Of transactions.
  kTimeouts,
  kMarkers,
};

class TimerQueue {
 public:
  struct Entry {
    std::int64_t at_ms;
    std::uint64_t sequence;  // equal times strike in the order they were set
    TimerKind kind;
    std::string group;
    std::string member;
    bool operator>(const Entry& other) const {
      return at_ms != other.at_ms ? at_ms > other.at_ms : sequence > other.sequence;
    }
  };

  void set(Deadline& deadline, std::int64_t at_ms, TimerKind kind, const std::string& group,
           const std::string& member = {}) {
    deadline.at_ms = at_ms;
    if (deadline.queued_ms <= at_ms) return;
    deadline.queued_ms = at_ms;
    queue_.push({at_ms, next_sequence_++, kind, group, member});
  }

  [[nodiscard]] std::int64_t next_ms() const {
    return queue_.empty() ? Deadline::kUnset : queue_.top().at_ms;
  }
  /// Requires a due entry.
  Entry pop() {
    Entry entry = queue_.top();
    queue_.pop();
    return entry;
  }
  /// Whether `entry` means that `deadline` struck at `now_ms`; else the deadline is queued again where it is
  /// set.
  bool strikes(const Entry& entry, Deadline& deadline, std::int64_t now_ms) {
    if (entry.at_ms != deadline.queued_ms) return false;  // an earlier entry took its place
    deadline.queued_ms = Deadline::kUnset;
    if (!deadline.is_set()) return false;
    if (deadline.at_ms > now_ms) {
      set(deadline, deadline.at_ms, entry.kind, entry.group, entry.member);
      return false;
    }
    deadline.cancel();
    return true;
  }
  void clear() { queue_ = {}; }

 private:
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;
  std::uint64_t next_sequence_ = 0;
};

}  // namespace barnabas::broker

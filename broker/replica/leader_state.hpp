// LeaderState: what a partition's leader knows of its followers: how far each has come, which of them are in
// sync, and what of that the controller has not confirmed yet.
//
// Owned by a Partition, under whose mutex it is used. Pure: no I/O, no clock of its own; the changes of the
// in-sync set (ISR) that it wants are returned, to be asked of the controller.
//
// Invariants
//  1. The ISR is that of the metadata, or of the controller's answer where that is newer (by partition
//  epoch);
//     at most one change of it is under way.
//  2. A follower that is to join counts for the high watermark as soon as it is asked for, one that is to
//     leave until the controller has said yes: whatever becomes of the change, nothing is committed that the
//     ISR does not have.
//  3. committed_end() is never above what a replica of the ISR has fetched.
// Source: KIP-497 (pending changes), KIP-841 and KIP-903 (who may join), KIP-966 (nothing is committed while
// the ISR is below min.insync.replicas); Kafka's Partition.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "broker/replica/alter_partition.hpp"
#include "kraft/metadata_image.hpp"

namespace barnabas::broker {

/// When the fetch session of a follower was used last.
using FetchPulse = std::atomic<std::chrono::nanoseconds>;

/// That a follower's session fetches a partition, request after request, from where it ends. Thread-safe.
class FollowerRest {
 public:
  explicit FollowerRest(std::shared_ptr<const FetchPulse> pulse) : pulse_(std::move(pulse)) {}
  /// Requests of the session after `last` are no such fetches.
  void end(std::chrono::nanoseconds last) { last_ = last; }
  /// Of the last such fetch.
  [[nodiscard]] std::chrono::nanoseconds fetched_at() const { return std::min(pulse_->load(), last_.load()); }

 private:
  const std::shared_ptr<const FetchPulse> pulse_;
  std::atomic<std::chrono::nanoseconds> last_ = std::chrono::nanoseconds::max();
};

/// What the newest metadata say of the brokers. Thread-safe.
class BrokerView {
 public:
  virtual ~BrokerView() = default;
  /// Epoch of a registered broker; -1 when there is none.
  [[nodiscard]] virtual std::int64_t epoch_of(BrokerId broker) const = 0;
  /// Registered, unfenced and not shutting down.
  [[nodiscard]] virtual bool is_active(BrokerId broker) const = 0;
};

/// One fetch of a follower, as it was read.
struct FollowerFetch {
  BrokerId broker;
  std::int64_t broker_epoch = -1;  // -1: it did not tell (before Fetch 15)
  Offset from;                     // everything below it has
  Offset log_start = kNoOffset;
  Offset leader_end;  // before the read
  std::chrono::nanoseconds time{};
};

/// A replica as the choice of one to read from sees it (KIP-392).
struct ReadableReplica {
  BrokerId broker;
  Offset log_start;
  Offset log_end;
  std::chrono::nanoseconds caught_up_at{};
};

class LeaderState {
 public:
  /// Whose state it is.
  struct Identity {
    TopicId topic;
    std::int32_t index = 0;
    BrokerId self;
  };
  /// A change that the controller is to be asked for; `number` comes back with the answer.
  struct Wanted {
    IsrChange change;
    std::uint64_t number = 0;
  };
  enum class Outcome : std::uint8_t {
    kUnchanged,  // too late, or to be settled by the metadata
    kChanged,    // the high watermark may move
    kAgain,      // ask once more for pending_change()
  };

  LeaderState(const Identity& identity, std::chrono::nanoseconds max_lag)
      : identity_(identity), max_lag_(max_lag) {}

  /// This node leads by `metadata`, which is not older than what is known. `epoch_start` is set with a leader
  /// epoch that is new to it: the log end then; `was_leader`: it led in the one before, too.
  void lead(const kraft::PartitionRegistration& metadata, std::optional<Offset> epoch_start, bool was_leader,
            std::chrono::nanoseconds now);
  /// It does not.
  void follow(const kraft::PartitionRegistration& metadata);
  void set_min_insync_replicas(std::int32_t count) { min_insync_replicas_ = count; }

  [[nodiscard]] std::int32_t partition_epoch() const { return partition_epoch_; }
  [[nodiscard]] Offset epoch_start() const { return epoch_start_; }
  /// Without followers the log end is committed.
  [[nodiscard]] bool is_alone() const { return followers_.empty(); }
  [[nodiscard]] const std::vector<BrokerId>& isr() const { return isr_; }
  [[nodiscard]] bool is_in_sync(BrokerId broker) const;
  /// min.insync.replicas, but not more than there are replicas.
  [[nodiscard]] bool is_under_min_isr() const { return isr_.size() < effective_min_isr(); }
  [[nodiscard]] bool is_at_min_isr() const { return isr_.size() == effective_min_isr(); }
  [[nodiscard]] bool is_under_replicated() const { return isr_.size() < wanted_replicas_; }
  /// Whether what is committed now has enough copies: an ISR that grows counts as grown.
  [[nodiscard]] bool has_enough_copies() const;
  [[nodiscard]] bool knows(BrokerId follower) const { return find(follower) != nullptr; }

  struct Moved {
    bool log_end = false;
    bool log_start = false;
  };
  /// Takes note of a fetch, and says what of the follower has moved. NOT_LEADER_OR_FOLLOWER from an earlier
  /// life of the broker. Requires knows().
  Result<Moved> note(const FollowerFetch& fetch, const BrokerView& brokers);
  /// The follower's fetches are not noted until end_rests() or the next note(): they are all the same, and
  /// `rest` says when the last one was. False where each must be noted: the follower is not in sync, or not
  /// at the log end.
  [[nodiscard]] bool rest(BrokerId follower, Offset log_end, std::shared_ptr<const FollowerRest> rest);
  /// Before it matters that the log end is another than it was: notes the last of the fetches that were not.
  void end_rests();
  /// What all who count have; nothing while the ISR is too small to commit.
  [[nodiscard]] std::optional<Offset> committed_end(Offset log_end, std::chrono::nanoseconds now,
                                                    const BrokerView& brokers) const;

  /// The ISR with a follower that has reached what is committed and this leader's first offset.
  [[nodiscard]] std::optional<Wanted> expand(BrokerId follower, Offset high_watermark,
                                             const BrokerView& brokers);
  /// The ISR without those that have not reached the log end for replica.lag.time.max.ms.
  [[nodiscard]] std::optional<Wanted> shrink(Offset log_end, std::chrono::nanoseconds now,
                                             const BrokerView& brokers);
  /// After an unclean election, which lost what there was to lose: that the leader is done with it (KIP-704).
  [[nodiscard]] std::optional<Wanted> recover(const BrokerView& brokers);

  [[nodiscard]] Outcome on_answer(std::uint64_t number, const Result<AcceptedIsr>& answer);
  [[nodiscard]] bool is_pending() const { return pending_.has_value(); }
  /// Requires is_pending().
  [[nodiscard]] Wanted pending_change() const { return {pending_->change, pending_->number}; }

  /// Followers of the ISR that have `offset`, for a consumer that may read from one of them.
  [[nodiscard]] std::vector<ReadableReplica> readable_at(Offset offset) const;
  /// The smallest log start of the replicas that are alive (DeleteRecords waits for it).
  [[nodiscard]] Offset low_watermark(Offset own, const BrokerView& brokers) const;

 private:
  struct Follower {
    BrokerId broker;
    Offset log_end = kNoOffset;  // kNoOffset: it has not fetched yet
    Offset log_start = kNoOffset;
    std::optional<std::int64_t> broker_epoch = std::nullopt;  // of its last fetch
    Offset leader_end = kNoOffset;                            // the leader's log end at its last fetch
    std::chrono::nanoseconds fetched_at = kNever;
    std::chrono::nanoseconds caught_up_at = kNever;
    std::shared_ptr<const FollowerRest> rest = nullptr;  // it has `log_end`, which is the leader's
  };
  struct Pending {
    std::uint64_t number;
    IsrChange change;
    std::optional<BrokerId> joining;
  };
  static constexpr std::chrono::nanoseconds kNever = std::chrono::nanoseconds::min() / 2;

  [[nodiscard]] const Follower* find(BrokerId broker) const;
  [[nodiscard]] std::size_t effective_min_isr() const;
  [[nodiscard]] bool is_caught_up(const Follower& follower, Offset log_end,
                                  std::chrono::nanoseconds now) const;
  static void end_rest(Follower& follower);
  [[nodiscard]] static std::chrono::nanoseconds caught_up_at(const Follower& follower);
  [[nodiscard]] static bool may_join(const Follower& follower, const BrokerView& brokers);
  Wanted propose(const std::vector<BrokerId>& isr, std::optional<BrokerId> joining,
                 const BrokerView& brokers);

  Identity identity_;
  std::chrono::nanoseconds max_lag_;
  std::int32_t min_insync_replicas_ = 1;
  std::vector<Follower> followers_;
  std::vector<BrokerId> isr_;
  std::size_t wanted_replicas_ = 0;  // without those that a reassignment adds
  bool is_recovering_ = false;
  LeaderEpoch leader_epoch_ = kNoLeaderEpoch;
  std::int32_t partition_epoch_ = -1;
  Offset epoch_start_;
  std::optional<Pending> pending_;
  std::uint64_t last_number_ = 0;
};

}  // namespace barnabas::broker

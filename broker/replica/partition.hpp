// Partition: one replica on this node, as leader or as follower, and who waits on it.
//
// Owned by ReplicaManager (requests hold it longer); the log belongs to log::LogManager. Thread safety:
// thread-safe. The mutex is a leaf: nothing but the log manager's own is locked while it is held; waiters,
// commit callbacks and questions to the controller run without it.
//
// Invariants
//  1. What is appended as leader carries the leader epoch of the metadata, what is appended as follower comes
//     from the leader of the epoch that it was fetched in: anything else is refused.
//  2. The high watermark never goes back but where the log is truncated below it.
//  3. Per leader epoch at most one change of the in-sync set is under way (leader_state.hpp).
//  4. Whatever changes what a fetch could see is counted and told to who watches, by the end of the call that
//     changed it, or once the image is published that brought it about: a fetch session looks again only at
//     what it was told of (fetch_session.hpp).
// Source: Kafka's Partition; KIP-101, KIP-279, KIP-320 for epochs, KIP-392 for reads from followers.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "broker/replica/kept_news.hpp"
#include "broker/replica/leader_state.hpp"
#include "broker/replica/partition_watch.hpp"
#include "log/partition_log.hpp"

namespace barnabas::broker {

/// Called once, from any thread, without a lock: NONE, or why what was appended must not be acknowledged
/// (NOT_ENOUGH_REPLICAS_AFTER_APPEND, NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR).
using CommitCallback = std::move_only_function<void(ErrorCode)>;

/// What the partitions of a node share. Outlives them.
struct PartitionSurroundings {
  BrokerId self;
  const Clock& clock;
  const BrokerView& brokers;
  AlterPartitionChannel* isr_changes = nullptr;  // null: nobody is asked, so the ISR stays what it is
  std::chrono::nanoseconds max_lag{};            // replica.lag.time.max.ms
  // Of all partitions, for the metrics.
  mutable std::atomic<std::uint64_t> isr_shrinks = 0;
  mutable std::atomic<std::uint64_t> isr_expands = 0;
  mutable std::atomic<std::uint64_t> failed_isr_updates = 0;
  mutable KeptNews news{};
};

enum class RequiredAcks : std::uint8_t { kLeader, kAll };

struct PartitionAppend : log::AppendResult {
  bool is_committed = false;  // by the append itself, as with a lone replica
};

/// What one fetch brought from the leader.
struct FetchedFromLeader {
  LeaderEpoch leader_epoch;  // in which it was asked
  Offset from;               // the log end then
  ByteView records;
  Offset high_watermark;
  Offset log_start;
};
struct FollowerPosition {
  Offset log_end;
  LeaderEpoch last_epoch = kNoLeaderEpoch;
  Offset log_start;
};

struct FollowerRequest {
  FollowerFetch fetch;  // `leader_end` is filled in
  LeaderEpoch current_epoch = kNoLeaderEpoch;
  /// Only the first look of a fetch says how far the follower is.
  bool is_first_look = true;
};

/// A follower whose fetches are not noted while nothing changes; without a rest they are.
struct RestingFollower {
  BrokerId broker;
  std::shared_ptr<const FollowerRest> rest;
};

struct ReplicaCounts {
  bool is_leader = false;
  bool is_under_replicated = false;
  bool is_under_min_isr = false;
  bool is_at_min_isr = false;
};

class Partition : public std::enable_shared_from_this<Partition> {
 public:
  Partition(std::shared_ptr<log::PartitionLog> log, TopicId topic_id,
            const PartitionSurroundings& surroundings);

  [[nodiscard]] TopicId topic_id() const { return topic_id_; }
  [[nodiscard]] const TopicPartition& topic_partition() const { return topic_partition_; }

  // What the metadata say. Older ones than are known (by partition epoch) are ignored.
  void become_leader(const kraft::PartitionRegistration& metadata);
  /// True when the leader epoch is new: what is fetched from now on comes from another leader, or again.
  bool become_follower(const kraft::PartitionRegistration& metadata);
  /// Leads and follows no more: the replica goes, or the leader is unknown.
  void resign();
  /// The log directory has failed: every answer is KAFKA_STORAGE_ERROR until the next start.
  void go_offline();
  void set_min_insync_replicas(std::int32_t count);

  [[nodiscard]] bool is_offline() const;
  /// The directory of log.dirs that the log is in.
  [[nodiscard]] std::string log_directory() const;
  [[nodiscard]] bool is_leader() const;
  [[nodiscard]] LeaderEpoch leader_epoch() const;
  [[nodiscard]] ReplicaCounts counts() const;
  [[nodiscard]] bool is_in_sync(BrokerId broker) const;
  /// NONE, KAFKA_STORAGE_ERROR, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH or NOT_LEADER_OR_FOLLOWER; epoch -1
  /// asks for nothing.
  [[nodiscard]] ErrorCode check_leader(LeaderEpoch current_epoch_of_client) const {
    std::lock_guard lock(mutex_);
    return check(current_epoch_of_client, true);
  }
  /// A new leader does not know yet how much was committed before it (KIP-207).
  [[nodiscard]] bool is_behind_its_epoch() const;

  /// Appends and wakes who waits for data. NOT_LEADER_OR_FOLLOWER when another node leads,
  /// KAFKA_STORAGE_ERROR when offline, NOT_ENOUGH_REPLICAS when all must have it and too few are in sync.
  std::expected<PartitionAppend, log::AppendError> append(MutableByteView batches, log::AppendOptions options,
                                                          RequiredAcks acks = RequiredAcks::kLeader);
  /// `callback` when everything below `end` is committed, or will not be by this leader. Within the call when
  /// that is known already.
  void when_committed(Offset end, CommitCallback callback);
  /// Who waits is forgotten, not told: the node goes, and a callback may hold this partition.
  void drop_waits();

  /// Appends what was fetched, moves high watermark and log start after the leader's.
  /// NOT_LEADER_OR_FOLLOWER when this node leads by now or follows in another epoch; OFFSET_OUT_OF_RANGE when
  /// the log does not end where the fetch began; else the log's errors.
  Result<FollowerPosition> append_as_follower(const FetchedFromLeader& fetched);
  /// Removes what the leader does not have: its end of the largest epoch that it shares with this log at
  /// most. More fetches may tell of smaller epochs (KIP-279).
  Result<FollowerPosition> truncate_to_leader(LeaderEpoch epoch, log::EpochEndOffset leader);
  /// The leader's log is [start, end): what lies outside goes, all of it when they do not meet.
  Result<FollowerPosition> follow_range(LeaderEpoch epoch, Offset start, Offset end);
  /// Where a follower begins to fetch. Without epochs what is above the high watermark cannot be compared,
  /// and is removed.
  Result<FollowerPosition> begin_following(LeaderEpoch epoch);

  /// A follower's fetch: `read(log, changes)` runs under the mutex and says whether the follower's log is a
  /// prefix of this one; then it is noted how far the follower is. As check_leader(); UNKNOWN_LEADER_EPOCH or
  /// NOT_LEADER_OR_FOLLOWER for a broker that has no replica by what is known here.
  template <class Read>
  ErrorCode serve_follower(const FollowerRequest& request, Read&& read) {
    Hold hold(*this);
    if (const ErrorCode refused = check_follower(request); refused != ErrorCode::kNone) return refused;
    FollowerFetch fetch = request.fetch;
    fetch.leader_end = log_->log_end_offset();
    const bool is_prefix = read(*log_, changes_);
    return is_prefix && request.is_first_look ? note_fetch(fetch, hold.aftermath) : ErrorCode::kNone;
  }
  /// A consumer's: as check_leader(), or the same for who may read from a follower, too (KIP-392);
  /// `read(log, changes)` runs under the mutex.
  template <class Read>
  ErrorCode serve_consumer(LeaderEpoch current_epoch_of_client, bool needs_leader, Read&& read) {
    std::lock_guard lock(mutex_);
    const ErrorCode refused = check(current_epoch_of_client, needs_leader);
    if (refused == ErrorCode::kNone) read(*log_, changes_);
    return refused;
  }
  /// In-sync followers that have `offset`, and the leader itself last; empty when this node does not lead.
  [[nodiscard]] std::vector<ReadableReplica> readable_at(Offset offset) const;
  [[nodiscard]] Offset low_watermark() const;

  /// Who has not caught up for too long leaves the in-sync set.
  void shrink_isr();

  /// Makes everything that was appended before the call durable, and visible where it waited for that. May
  /// block on the disk; beside appends. Once it failed the log is offline.
  Result<void> sync();

  /// Whether an append closed a segment since the last call: its data waits for a sync().
  [[nodiscard]] bool take_closed_segment();

  /// Runs `call` with the log while holding the partition's mutex. `call` must not block.
  template <class Call>
  auto with_log(Call&& call) {
    Hold hold(*this);
    return call(*log_);
  }

  /// Held for every call of the partition's future log while that is filled; taken before the partition's
  /// mutex.
  [[nodiscard]] std::unique_lock<std::mutex> hold_move() { return std::unique_lock(move_mutex_); }
  /// Under the partition's mutex: `call(log)` gives the log that takes its place, or null when it is to stay.
  template <class Call>
  Result<bool> replace_log(Call&& call) {
    Hold hold(*this);
    std::shared_ptr<log::PartitionLog> next = TRY(call(*log_));
    if (next == nullptr) return false;
    log_ = std::move(next);
    return true;
  }

  /// `watch` is told once, of the next change that consumers see.
  void wait_for_change(std::weak_ptr<PartitionWatch> watch);
  [[nodiscard]] PartitionChanges changes() const;
  /// The same for a fetch that saw what was there at `seen`: what has changed since is told within the call.
  /// A follower's is told of an append, too. True when nothing has changed and nobody has to look before
  /// `watch` is told of something; a follower with a rest is at rest then (LeaderState::rest).
  bool watch(const std::shared_ptr<PartitionWatch>& watch, const PartitionChanges& seen,
             const RestingFollower* follower);

 private:
  using Watches = std::vector<std::weak_ptr<PartitionWatch>>;
  struct CommitWait {
    Offset end;
    CommitCallback callback;
  };
  /// What those who wait are to be told.
  struct News {
    Watches committed;
    Watches appended;
    std::vector<CommitWait> commits;
    ErrorCode outcome = ErrorCode::kNone;  // of the commits
    [[nodiscard]] bool is_empty() const { return committed.empty() && appended.empty() && commits.empty(); }
    void tell();
  };
  /// What a change brings about once the mutex is free.
  struct Aftermath : News {
    std::optional<LeaderState::Wanted> wanted;
  };
  /// Has the mutex where something may change; then brings about what comes of it.
  class Hold {
   public:
    explicit Hold(Partition& partition) : partition_(partition) { partition_.mutex_.lock(); }
    ~Hold() {
      partition_.note_changes(aftermath);
      partition_.mutex_.unlock();
      partition_.settle(aftermath);
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    Aftermath aftermath;

   private:
    Partition& partition_;
  };
  /// What a fetch can see, the records themselves apart.
  struct Visible {
    Offset log_start;
    Offset last_stable;
    Offset high_watermark;
    Offset log_end;
    std::int32_t partition_epoch = -1;
    LeaderEpoch leader_epoch;
    bool leader = false;
    bool follower = false;
    bool offline = false;
    [[nodiscard]] bool same_role(const Visible& other) const {
      return leader_epoch == other.leader_epoch && leader == other.leader && follower == other.follower &&
             offline == other.offline;
    }
  };

  // These require the mutex.
  [[nodiscard]] Visible visible() const;
  void note_changes(Aftermath& aftermath);
  void count_commit(Aftermath& aftermath);
  void count_append(Aftermath& aftermath);
  [[nodiscard]] ErrorCode check(LeaderEpoch current_epoch_of_client, bool needs_leader) const;
  [[nodiscard]] ErrorCode check_epoch(LeaderEpoch current_epoch_of_client) const;
  [[nodiscard]] ErrorCode check_follower(const FollowerRequest& request) const;
  ErrorCode note_fetch(const FollowerFetch& fetch, Aftermath& aftermath);
  [[nodiscard]] Offset local_end() const;
  void advance_high_watermark(Aftermath& aftermath);
  void take_committed(Aftermath& aftermath);
  void end_waits(ErrorCode why, Aftermath& aftermath);
  [[nodiscard]] Result<void> check_following(LeaderEpoch epoch) const;
  [[nodiscard]] FollowerPosition position() const;
  Result<log::AppendResult> append_fetched(ByteView records);
  Result<FollowerPosition> truncated_to(Offset offset);
  static void add_watch(Watches& watches, std::weak_ptr<PartitionWatch> watch);

  // These must not hold it.
  void settle(Aftermath& aftermath);
  void ask(LeaderState::Wanted wanted);
  void on_isr_answer(std::uint64_t number, const Result<AcceptedIsr>& answer);

  TopicPartition topic_partition_;
  TopicId topic_id_;
  const PartitionSurroundings& surroundings_;
  std::mutex move_mutex_;
  mutable std::mutex mutex_;
  std::shared_ptr<log::PartitionLog> log_;  // guarded by mutex_
  bool leader_ = false;                     // guarded by mutex_
  bool follower_ = false;                   // guarded by mutex_; neither: the replica goes
  bool offline_ = false;                    // guarded by mutex_
  bool closed_segment_ = false;             // guarded by mutex_
  LeaderEpoch leader_epoch_;                // guarded by mutex_
  LeaderState state_;                       // guarded by mutex_
  Visible visible_;                         // guarded by mutex_: as who watches was told of last
  PartitionChanges changes_;                // guarded by mutex_
  Watches committed_watches_;               // guarded by mutex_
  Watches appended_watches_;                // guarded by mutex_
  std::vector<CommitWait> commit_waits_;    // guarded by mutex_: in the order of their offsets
};

}  // namespace barnabas::broker

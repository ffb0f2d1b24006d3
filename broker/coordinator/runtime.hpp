// CoordinatorRuntime: runs one coordinator shard as an event-sourced state machine over one partition of an
// internal topic.
//
// Owned by a driver, one for each partition that this node leads; the shard and its log outlive it. Thread
// safety: none; every call on the shard's thread, none from inside another. Invariants
//  1. A record is replayed into the shard exactly once, in log order, after the log took it; loading is the
//  same
//     replay. A failed append changes nothing that loading would not restore.
//  2. Exclusive operations see every record written before; commuting ones may share an append with others.
//  3. A reply leaves when the high watermark passed everything written when it was made, or with an error:
//  when the
//     shard closes (NOT_COORDINATOR) or after `write_timeout_ms` (COORDINATOR_NOT_AVAILABLE).
// Units: milliseconds of CoordinatorTime::mono_ms. Source: the behaviour of Kafka 4.3.1's group coordinator.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "broker/coordinator/coordinator_metrics.hpp"
#include "broker/coordinator/step.hpp"

namespace barnabas::broker {

inline constexpr std::int64_t kNoDeadline = std::numeric_limits<std::int64_t>::max();

/// What the runtime drives: state, and nothing else.
class CoordinatorShard {
 public:
  virtual ~CoordinatorShard() = default;
  /// Applies one record; nothing for a tombstone. Unknown types are passed over. CORRUPT_MESSAGE when the
  /// bytes of a known type do not parse.
  virtual Result<void> replay(ByteView key, std::optional<ByteView> value) = 0;
  /// A record of an open transaction, and its end (KIP-98).
  virtual Result<void> replay_transactional(ProducerId producer, ByteView key,
                                            std::optional<ByteView> value) = 0;
  virtual Result<void> replay_end_of_transaction(ProducerId producer, bool committed) = 0;
  /// The log was replayed to its end: timers start.
  virtual void loaded(Step& step) = 0;
  /// Answers everything that still waits with `error`.
  virtual void unloaded(ErrorCode error) = 0;
  /// Not earlier than the first timer is due; kNoDeadline without timers.
  [[nodiscard]] virtual std::int64_t next_deadline_ms() const = 0;
  /// Runs one due timer; false when none was due.
  virtual bool fire_timer(Step& step) = 0;
  /// CHECKs. Run after every step in debug builds.
  virtual void check_invariants() const = 0;
  /// How much it keeps of what its driver has gauges for, in their order.
  virtual void tally(std::span<std::int64_t> counts) const = 0;
};

/// What the log is told beside the batch: of a transactional one, and of a transaction's end.
struct ShardAppend {
  std::uint64_t guard = 0;
  std::int16_t transaction_version = 0;
};

/// The partition that a shard's records are in.
class ShardLog {
 public:
  virtual ~ShardLog() = default;
  /// Appends one batch; the offset after its last record.
  virtual Result<Offset> append(MutableByteView batch, const ShardAppend& how) = 0;
  [[nodiscard]] virtual Offset start_offset() const = 0;
  [[nodiscard]] virtual Offset end_offset() const = 0;
  [[nodiscard]] virtual Offset high_watermark() const = 0;
  /// Whole batches from `from` on, at least one, below end_offset(); empty at the end.
  virtual Result<Bytes> read(Offset from, std::uint64_t max_bytes) = 0;
};

struct CoordinatorRuntimeOptions {
  std::string name;                          // of the partition, for log lines
  std::int64_t write_timeout_ms = 5000;      // offsets.commit.timeout.ms
  std::int32_t load_buffer_bytes = 5242880;  // offsets.load.buffer.size
  std::int32_t max_batch_bytes = 1048588;    // max.message.bytes of the topic
  std::int32_t base_sequence = 0;            // of its batches: each topic has Kafka's own
  RuntimeCounters counters = {};
};

class CoordinatorRuntime {
 public:
  enum class Phase { kLoading, kActive, kClosed };
  enum class Kind { kExclusive, kCommuting };
  using Operation = std::move_only_function<void(Step&)>;

  CoordinatorRuntime(CoordinatorShard& shard, ShardLog& log, CoordinatorRuntimeOptions options);

  [[nodiscard]] Phase phase() const { return phase_; }
  /// What an operation is answered while the shard does not run: NONE, COORDINATOR_LOAD_IN_PROGRESS or
  /// NOT_COORDINATOR.
  [[nodiscard]] ErrorCode availability() const;

  /// Replays one buffer of the log. True when the end is reached and the shard is active.
  Result<bool> load_some(CoordinatorTime now);
  /// Requires Phase::kActive.
  void run(Kind kind, CoordinatorTime now, Operation operation);
  /// Whether commuting operations wait for flush().
  [[nodiscard]] bool has_unflushed() const { return !unflushed_.empty(); }
  void flush(CoordinatorTime now);
  /// Whether replies wait for the high watermark.
  [[nodiscard]] bool awaits_commit() const { return !waiting_.empty(); }
  /// Lets replies go that the high watermark has passed.
  void release();
  /// Runs due timers and gives up on replies that waited too long.
  void run_timers(CoordinatorTime now);
  /// When run_timers() is due.
  [[nodiscard]] std::int64_t next_deadline_ms() const;
  /// Ends everything that waits with `error`. Idempotent.
  void close(ErrorCode error);

 private:
  struct Waiting {
    Offset needs;  // high watermark at least this
    std::int64_t deadline_ms;
    PendingReply reply;
  };
  struct Unflushed {
    RecordList records;
    Step::Applied applied;
  };

  void finish(Step& step);
  using Transaction = std::optional<TransactionalWrite>;

  void applied(Step::Applied& call, ErrorCode error, CoordinatorTime now);
  ErrorCode append(const RecordList& records, std::size_t first, std::size_t count, CoordinatorTime now,
                   const Transaction& transaction = {});
  ErrorCode append_in_parts(const RecordList& records, CoordinatorTime now);
  ErrorCode append_end(const TransactionEnd& end, CoordinatorTime now);
  ErrorCode append_batch(MutableByteView batch, std::size_t records, const ShardAppend& how = {});
  ErrorCode replay(const RecordList& records, std::size_t first, std::size_t count,
                   const Transaction& transaction = {});
  Result<void> replay_batches(ByteView bytes);
  [[nodiscard]] bool all_committed() const;
  void await_commit(Step& step);

  CoordinatorShard& shard_;
  ShardLog& log_;
  const CoordinatorRuntimeOptions options_;
  Phase phase_ = Phase::kLoading;
  Offset replayed_to_;  // every record below is in the shard's state
  Offset load_end_;
  std::deque<Waiting> waiting_;  // in the order of `needs`
  std::vector<Unflushed> unflushed_;
  std::size_t unflushed_bytes_ = 0;
  std::int64_t unflushed_since_ms_ = 0;
};

/// What a client of a group is told when the log refused its records with `error`.
[[nodiscard]] ErrorCode coordinator_error_of_append(ErrorCode error);

}  // namespace barnabas::broker

// ProducerState: what a partition knows of its idempotent and transactional producers.
//
// Owned by a PartitionLog, in whose order check() and apply() are called. Thread-compatible, does no I/O:
// encode() and decode() are the bytes of %020d.snapshot. Invariants
//  1. The state is that of replaying, with apply(), all batches below the log end.
//  2. A producer has at most five batches remembered and at most one transaction open.
//  3. ongoing transactions are those of the entries; unreplicated ones ended at or above the high watermark.
// Units: milliseconds. Sequences run 0..2147483647 and begin at 0 again.
// Errors: OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE,
// TRANSACTION_COORDINATOR_FENCED. Source: KIP-98, KIP-360, KIP-890; measured on Kafka 4.3.1.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "log/partition_log.hpp"
#include "protocol/record_batch.hpp"

namespace barnabas::log {

/// A remembered batch of a producer.
struct ProducedBatch {
  std::int32_t last_sequence = protocol::kNoSequence;
  Offset last_offset = kNoOffset;
  std::int32_t offset_delta = 0;
  std::int64_t timestamp_ms = -1;

  [[nodiscard]] std::int32_t first_sequence() const {
    return protocol::decrement_sequence(last_sequence, offset_delta);
  }
  [[nodiscard]] Offset first_offset() const { return last_offset - offset_delta; }
};

/// A transaction and the marker that ends it.
struct CompletedTransaction {
  ProducerId producer_id;
  Offset first_offset;
  Offset last_offset;  // of the marker
  bool aborted = false;
};

/// The record of a marker batch.
struct TransactionMarker {
  bool aborted = false;
  std::int32_t coordinator_epoch = -1;
  Offset offset;
  std::int64_t timestamp_ms = -1;
};
/// Nothing when the control batch is empty (compacted) or of another kind.
Result<std::optional<TransactionMarker>> read_transaction_marker(const protocol::RecordBatchView& batch);

class ProducerState {
 public:
  ProducerState(std::string partition, std::int64_t expiration_ms)
      : partition_(std::move(partition)), expiration_ms_(expiration_ms) {}

  void set_expiration(std::int64_t expiration_ms) { expiration_ms_ = expiration_ms; }
  /// Whether a batch that opens a transaction needs a guard.
  void set_verification(bool verifies) { verifies_ = verifies; }
  [[nodiscard]] bool empty() const { return producers_.empty(); }
  void clear();

  /// The remembered batch with the same sequences and epoch.
  [[nodiscard]] std::optional<ProducedBatch> find_duplicate(const protocol::RecordBatchHeader& batch) const;
  /// A snapshot tells of each producer its last batch alone. Where `batch` may repeat one before that: the
  /// offset below which its producer's earlier batches lie.
  [[nodiscard]] std::optional<Offset> may_be_forgotten(const protocol::RecordBatchHeader& batch) const;
  /// Those batches, the oldest first. They are not asked for again.
  void remember_earlier(ProducerId id, const std::vector<ProducedBatch>& earlier);
  /// A guard for the append that is asked for, or none: where the producer's transaction is open, and where
  /// nothing is verified and the request is not of transaction.version 2.
  VerificationGuard begin_verification(const VerificationRequest& request, std::int64_t now_ms);
  /// Whether `batch` may be appended at `offset`; changes nothing. Sequences are checked for a client only.
  Result<void> check(const protocol::RecordBatchView& batch, Offset offset,
                     const AppendOptions& options) const;
  /// The transaction that apply() would complete; changes nothing.
  [[nodiscard]] Result<std::optional<CompletedTransaction>> completed_by(
      const protocol::RecordBatchView& batch) const;
  /// Takes a batch in that was appended (base offset set). A marker completes its producer's transaction,
  /// which the transaction index has noted by now.
  Result<void> apply(const protocol::RecordBatchView& batch);

  /// The last stable offset as it is once `transaction` is complete.
  [[nodiscard]] Offset stable_offset_after(const CompletedTransaction& transaction) const;
  /// Forgets completed transactions that end below.
  void on_high_watermark(Offset high_watermark);
  void on_log_start(Offset log_start);
  /// First offset of the earliest transaction that is open or completed above the high watermark.
  [[nodiscard]] std::optional<Offset> first_unstable_offset() const;

  /// Drops producers without an open transaction that were silent for the expiration time, and verifications
  /// that no append followed.
  void expire(std::int64_t now_ms);

  [[nodiscard]] Bytes encode() const;
  /// Replaces everything, leaving expired producers out. kCorruptMessage for what is not a snapshot.
  Result<void> decode(ByteView bytes, std::int64_t now_ms);

  [[nodiscard]] std::vector<ActiveProducer> active() const;
  /// What compaction must keep for each producer.
  [[nodiscard]] LastRecords last_records() const;

 private:
  struct Entry {
    ProducerEpoch epoch = kNoProducerEpoch;
    std::int32_t coordinator_epoch = -1;
    std::int64_t last_timestamp_ms = -1;
    Offset transaction_start = kNoOffset;
    std::array<ProducedBatch, 5> batches;  // the oldest first
    std::size_t batch_count = 0;
    bool knows_earlier = true;  // not while what lay before the last batch of a snapshot may be asked for

    [[nodiscard]] const ProducedBatch* last_batch() const {
      return batch_count == 0 ? nullptr : &batches[batch_count - 1];
    }
    void set_epoch(ProducerEpoch value);
    void add(const ProducedBatch& batch);
  };

  /// A question to a transaction coordinator that no append followed yet.
  struct Verification {
    VerificationGuard guard;
    std::int64_t began_ms = 0;
    ProducerEpoch epoch;
    std::int32_t lowest_sequence = 0;  // of the epoch: a higher one must not overtake it
    bool supports_epoch_bump = false;
  };

  [[nodiscard]] bool has_open_transaction(ProducerId id, ProducerEpoch epoch) const;
  Result<void> check_verification(const protocol::RecordBatchHeader& batch, Offset offset,
                                  const AppendOptions& options) const;
  void end_verification(const Entry& entry, const protocol::RecordBatchHeader& marker);
  Result<void> check_epoch(const Entry& entry, const protocol::RecordBatchHeader& batch, Offset offset,
                           std::int16_t transaction_version) const;
  Result<void> check_sequence(const Entry& entry, const protocol::RecordBatchHeader& batch,
                              Offset offset) const;
  Result<void> check_marker(const Entry& entry, const protocol::RecordBatchView& batch, Offset offset) const;
  [[nodiscard]] bool is_expired(const Entry& entry, std::int64_t now_ms) const {
    return entry.transaction_start == kNoOffset && now_ms - entry.last_timestamp_ms >= expiration_ms_;
  }

  std::string partition_;  // for messages
  std::int64_t expiration_ms_;
  bool verifies_ = false;
  std::unordered_map<ProducerId, Entry> producers_;
  std::unordered_map<ProducerId, Verification> verifications_;
  std::uint64_t last_guard_ = 0;
  std::map<Offset, ProducerId> ongoing_;   // by first offset
  std::map<Offset, Offset> unreplicated_;  // first offset to that of the marker
};

}  // namespace barnabas::log

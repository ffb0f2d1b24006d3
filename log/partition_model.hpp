// PartitionModel: what a partition is, without files - a plain list of batches and the rules that Apache
// Kafka has for it. Tests and the simulation hold a PartitionLog against it.
//
// Owned by a test. Not thread-safe, does no I/O, knows no clock: `now_ms` comes in. It is told what happened
// to the log (an append, a truncation, a crash that lost the end) and then answers what the log must answer.
// Two things are taken from the log instead of foretold: the size of batches that were stored in another form
// than sent, and which emptied batches and markers compaction kept (adopt_cleaned() checks that it may).
// Invariants: 1. batches are in offset order, those of the segments that are there; log_start may lie in the
// first segment's midst. 2. segments are in offset order, never none, the last one is active.
// Units: offsets, bytes, milliseconds.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "log/partition_log.hpp"
#include "protocol/record_batch.hpp"
#include "protocol/records.hpp"

namespace barnabas::log {

struct ModelRecord {
  Offset offset;
  std::int64_t timestamp_ms = -1;
  std::optional<std::string> key;
  std::optional<std::string> value;
  bool operator==(const ModelRecord&) const = default;
};

struct ModelBatch {
  Offset base;
  Offset last;
  std::uint64_t size = 0;
  std::int8_t magic = 2;
  protocol::Codec codec = protocol::Codec::kNone;
  LeaderEpoch epoch = kNoLeaderEpoch;
  std::int64_t max_timestamp_ms = -1;
  ProducerId producer_id = kNoProducerId;
  ProducerEpoch producer_epoch = kNoProducerEpoch;
  std::int32_t base_sequence = -1;
  bool is_transactional = false;
  bool is_control = false;
  bool commits = false;                 // of a marker
  std::int32_t coordinator_epoch = -1;  // of a marker
  std::optional<std::int64_t> delete_horizon_ms = std::nullopt;
  std::vector<ModelRecord> records = {};  // a marker's too

  [[nodiscard]] std::int32_t last_sequence() const;
  /// Moves it, its records too, to `offset`.
  void move_to(Offset offset);
  /// As LogAppendTime does.
  void stamp(std::int64_t time_ms);
  /// Everything but size and horizon.
  [[nodiscard]] bool same_content(const ModelBatch& other) const;
};
/// The entry as the model sees it.
Result<ModelBatch> model_batch(const protocol::LogEntry& entry, protocol::RecordScratch& scratch);
std::string to_string(const ModelBatch& batch);

struct ModelSegment {
  Offset base;
  std::int64_t made_ms = 0;
};

/// What a batch left of its producer.
struct ModelHeard {
  std::int64_t timestamp_ms = -1;
  std::int32_t coordinator_epoch = -1;  // of a marker
  bool leaves_transaction = false;      // open
};

struct ModelProducer {
  ProducerEpoch epoch = kNoProducerEpoch;
  std::int32_t last_sequence = -1;
  std::int64_t last_timestamp_ms = -1;
  std::int32_t coordinator_epoch = -1;
  Offset transaction_start = kNoOffset;
  /// Those that a repeat of is known for sure: the last five, fewer after the state was read again.
  std::deque<ModelBatch> remembered = {};
  std::vector<ModelHeard> heard = {};  // of every batch, the oldest first
};

struct ModelCleaning {
  Offset from;
  Offset to;
  Offset end_of_segments;    // below it segments are written anew
  Offset first_uncleanable;  // the batch that ends there stays, if empty
};

struct PartitionModel {
  LogConfig config;
  std::vector<ModelBatch> batches;
  std::vector<ModelSegment> segments;
  std::vector<std::pair<LeaderEpoch, Offset>> epochs;
  std::map<ProducerId, ModelProducer> producers;
  std::vector<AbortedTransaction> aborted;
  Offset log_start;
  Offset log_end;
  Offset high_watermark;
  Offset recovery_point;
  Offset cleaned_to = kNoOffset;
  /// Batches were taken out of the midst, by compaction or a crash.
  bool has_holes = false;
  /// The log end at the last compaction: what is cut below it may take batches away that made earlier ones
  /// superfluous, and the producers they told of. Then producers come from the log (adopt_producers()).
  Offset producers_known_from;
  /// Until the high watermark is there, transactions that ended above it before the state was read again may
  /// or may not hold the last stable offset back.
  Offset stable_known_from;

  PartitionModel(const LogConfig& how, Offset begin, std::int64_t now_ms);

  // What happens.
  /// Why the log refuses the batch; nothing when it takes it. `by_client`: sequences are checked.
  [[nodiscard]] std::optional<ErrorCode> refusal(const ModelBatch& batch, bool by_client) const;
  [[nodiscard]] const ModelBatch* duplicate_of(const ModelBatch& batch) const;
  /// Batches of one append, with their offsets. True when a segment was closed for them.
  bool append(const std::vector<ModelBatch>& added, std::int64_t now_ms);
  void begin_epoch(LeaderEpoch epoch, Offset start);
  void roll(std::int64_t now_ms);
  void synced() { recovery_point = std::max(recovery_point, log_end); }
  void set_high_watermark(Offset offset);
  void truncate_to(Offset offset, std::int64_t now_ms);
  void start_anew(Offset offset, std::int64_t now_ms);
  void delete_records_before(Offset offset, std::int64_t now_ms);
  /// The part of retention that needs no setting. The number of segments.
  int delete_below_start(std::int64_t now_ms);
  /// Returns how many segments go.
  int apply_retention(std::int64_t now_ms);
  /// The log was opened again and ends at `end`, in the segments that begin at `bases`.
  void reopened(Offset end, const std::vector<Offset>& bases, std::int64_t now_ms);
  void adopt_producers(const std::vector<ActiveProducer>& active);
  /// Of what was not synced, a crash may take a marker and leave what stands behind it: the transaction then
  /// goes on until the producer's next marker. What ended below the recovery point stays as it is known.
  void adopt_aborted(const std::vector<AbortedTransaction>& told);
  /// Whether a log that read its state again at `now_ms` may know the producer by this coordinator epoch: a
  /// snapshot in which the producer is expired by then forgets what was before it.
  [[nodiscard]] bool may_know_coordinator(ProducerId id, std::int32_t epoch, std::int64_t now_ms) const;
  void forget_expired(std::int64_t now_ms);

  // Compaction: clean() takes the records away, adopt_cleaned() then compares with what the log has.
  ModelCleaning clean(Offset first_uncleanable, std::uint64_t map_entries, std::int64_t now_ms);
  /// A sentence when the log's batches cannot have come of this cleaning.
  std::optional<std::string> adopt_cleaned(const std::vector<ModelBatch>& found,
                                           const std::vector<Offset>& bases, const ModelCleaning& cleaning,
                                           std::int64_t now_ms);

  // What the log must answer.
  /// Where the log ends by its files alone.
  [[nodiscard]] Offset end_by_files() const;
  [[nodiscard]] std::vector<Offset> segment_bases() const;
  [[nodiscard]] std::uint64_t size_bytes() const;
  [[nodiscard]] Offset last_stable_offset() const;
  [[nodiscard]] LeaderEpoch epoch_of(Offset offset) const;
  [[nodiscard]] EpochEndOffset end_offset_for_epoch(LeaderEpoch epoch) const;
  [[nodiscard]] std::optional<TimestampOffset> find_by_timestamp(std::int64_t timestamp_ms,
                                                                 Offset up_to) const;
  [[nodiscard]] std::optional<TimestampOffset> find_max_timestamp() const;
  [[nodiscard]] std::vector<AbortedTransaction> aborted_transactions(Offset from, Offset up_to) const;
  [[nodiscard]] bool is_aborted(const ModelBatch& batch) const;
  /// Less those that are expired.
  [[nodiscard]] std::vector<ActiveProducer> active_producers(std::int64_t now_ms) const;
  [[nodiscard]] bool is_expired(const ModelProducer& producer, std::int64_t now_ms) const;
  [[nodiscard]] Offset first_dirty_offset() const;
  /// Of segment `index`: its batches, as positions in `batches`.
  [[nodiscard]] std::pair<std::size_t, std::size_t> batches_of(std::size_t index) const;

 private:
  using Producers = std::map<ProducerId, ModelProducer>;
  struct Completed {
    Offset first;
    Offset marker;
  };

  void append_piece(const std::vector<ModelBatch>& added, std::int64_t now_ms, bool& rolled);
  [[nodiscard]] bool must_roll(std::uint64_t bytes, std::int64_t max_timestamp_ms, std::int64_t now_ms) const;
  void take(const ModelBatch& batch);
  void reload_producers(Offset end);
  [[nodiscard]] std::uint64_t segment_size(std::size_t index) const;
  [[nodiscard]] Offset end_of(std::size_t index) const;
  [[nodiscard]] std::int64_t retention_timestamp(std::size_t index) const;
  void delete_first_segment();
  void move_log_start(Offset offset);
  template <class Due>
  int delete_oldest(std::int64_t now_ms, Due is_due);
  void truncate_epochs_from_end(Offset end);
  static std::optional<AbortedTransaction> apply(Producers& state, const ModelBatch& batch,
                                                 std::vector<Completed>* completed);

  Producers oldest_;                  // as they were before history_
  std::deque<ModelBatch> history_;    // every batch with a producer since, deleted and compacted ones too
  std::vector<Completed> completed_;  // transactions that ended at or above the high watermark
};

}  // namespace barnabas::log

// RecordBatchBuilder: writes one batch of magic 2.
//
// Owned by the writer (coordinators, the metadata log, compaction, tests). Thread safety: none.
// Invariants
//  1. Offsets grow; the first record's timestamp (or the delete horizon) is the base of the deltas.
//  2. Without compression the records are written once, where they stay in the result.
// Requires (CHECK): offsets grow and lie within 2^31 of the base offset; a batch stays under 2 GiB.
// Source: Kafka's message format v2; byte-identical to Kafka 4.3.1's for uncompressed batches (tested).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "protocol/compression.hpp"
#include "protocol/record_batch.hpp"
#include "protocol/records.hpp"

namespace barnabas::protocol {

struct BatchOptions {
  Offset base_offset{0};
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  Codec codec = Codec::kNone;
  int level = kStandardLevel;
  TimestampType timestamp_type = TimestampType::kCreateTime;
  /// The time of all records where the type is kLogAppendTime.
  std::int64_t append_timestamp = kNoTimestamp;
  ProducerId producer_id = kNoProducerId;
  ProducerEpoch producer_epoch = kNoProducerEpoch;
  std::int32_t base_sequence = kNoSequence;
  bool is_transactional = false;
  bool is_control = false;
  std::optional<std::int64_t> delete_horizon_ms = std::nullopt;
};

/// The options that rebuild a batch like `batch`, its codec at the standard level.
[[nodiscard]] BatchOptions options_of(const RecordBatchHeader& batch);

struct RecordInput {
  std::int64_t timestamp = kNoTimestamp;
  std::optional<ByteView> key = std::nullopt;
  std::optional<ByteView> value = std::nullopt;
  std::span<const RecordHeader> headers = {};
};

class RecordBatchBuilder {
 public:
  explicit RecordBatchBuilder(const BatchOptions& options);

  /// At the next offset.
  void append(const RecordInput& record);
  /// Leaves a gap before `offset`, as compaction does.
  void append_at(Offset offset, const RecordInput& record);
  /// Copies a record with its offset, timestamp and headers.
  void append_copy(const RecordView& record);
  /// The batch ends at `offset` though its last record may be before (compaction keeps last offsets).
  void set_last_offset(Offset offset) { last_offset_ = offset; }

  [[nodiscard]] std::int32_t count() const { return count_; }
  [[nodiscard]] Offset base_offset() const { return options_.base_offset; }
  [[nodiscard]] Offset next_offset() const { return next_offset_; }
  /// Of the batch without compression.
  [[nodiscard]] std::size_t size_bytes() const { return buffer_.size(); }
  /// What a record would add, at most.
  [[nodiscard]] static std::size_t max_record_bytes(const RecordInput& record);

  /// The finished batch; the builder is empty and ready for the next, which starts at next_offset().
  [[nodiscard]] Bytes build(Compressor& compressor);
  /// With contexts of its own where it compresses.
  [[nodiscard]] Bytes build();

 private:
  void write(Offset offset, std::int64_t timestamp, std::optional<ByteView> key,
             std::optional<ByteView> value, std::int32_t header_count, std::size_t headers_size);
  void reset();

  BatchOptions options_;
  Bytes buffer_;  // 61 bytes for the header, then records
  Offset next_offset_;
  std::optional<Offset> last_offset_;
  std::optional<std::int64_t> base_timestamp_;
  std::int64_t max_timestamp_ = kNoTimestamp;
  std::int32_t count_ = 0;
};

/// The header that compaction leaves of a batch whose records are all gone, so that its producer's last
/// sequence is not forgotten. Base and max timestamp are those given.
[[nodiscard]] Bytes make_empty_batch(const BatchOptions& options, Offset last_offset, std::int64_t timestamp);

}  // namespace barnabas::protocol

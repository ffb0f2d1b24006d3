// Record batches of magic 2 where they lie: header fields, checks, patching, and walking a run of batches.
//
// Views own nothing and are valid as long as the bytes. Thread safety: that of the bytes.
// Invariants
//  1. A RecordBatchHeader has 61 readable bytes, a RecordBatchView size_bytes() of them, and size_bytes()
//  >= 61.
//     BatchCursor makes only such views; whoever makes one from other bytes checks the sizes first.
//  2. Base offset and leader epoch lie outside the CRC; every other patch recomputes it.
// Units: timestamps in milliseconds since the epoch, sizes in bytes, the 12 bytes before `length` included.
// Errors: kCorruptMessage for sizes, magic and CRC, as Apache Kafka 4.3.1 answers.
// Source: Kafka's message format v2 (KIP-98, KIP-534 for the delete horizon), measured on Kafka 4.3.1.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "protocol/compression.hpp"

namespace barnabas::protocol {

/// Offset and length, which every entry of a log begins with whatever its magic.
inline constexpr std::size_t kLogOverheadBytes = 12;
/// The shortest beginning that tells an entry's size and magic.
inline constexpr std::size_t kEntryPrefixBytes = 17;
inline constexpr std::size_t kBatchHeaderBytes = 61;
/// Of a message of magic 0 with null key and value, without the log overhead: no entry announces less.
inline constexpr std::int32_t kMinEntryLength = 14;

inline constexpr std::int64_t kNoTimestamp = -1;
inline constexpr std::int32_t kNoSequence = -1;

enum class TimestampType : std::uint8_t { kCreateTime = 0, kLogAppendTime = 1 };

/// Bits of the attributes field.
namespace batch_attributes {
inline constexpr std::int16_t kCodecMask = 0x07;
inline constexpr std::int16_t kLogAppendTime = 0x08;
inline constexpr std::int16_t kTransactional = 0x10;
inline constexpr std::int16_t kControl = 0x20;
inline constexpr std::int16_t kDeleteHorizon = 0x40;
}  // namespace batch_attributes

/// Byte positions of the header's fields.
namespace batch_field {
inline constexpr std::size_t kBaseOffset = 0;
inline constexpr std::size_t kLength = 8;
inline constexpr std::size_t kLeaderEpoch = 12;
inline constexpr std::size_t kMagic = 16;
inline constexpr std::size_t kCrc = 17;
inline constexpr std::size_t kAttributes = 21;
inline constexpr std::size_t kLastOffsetDelta = 23;
inline constexpr std::size_t kBaseTimestamp = 27;
inline constexpr std::size_t kMaxTimestamp = 35;
inline constexpr std::size_t kProducerId = 43;
inline constexpr std::size_t kProducerEpoch = 51;
inline constexpr std::size_t kBaseSequence = 53;
inline constexpr std::size_t kCount = 57;
}  // namespace batch_field

template <class T>
[[nodiscard]] inline T load_big_endian(const std::uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  if constexpr (sizeof(T) > 1) value = std::byteswap(value);
  return value;
}
template <class T>
inline void store_big_endian(std::uint8_t* to, T value) {
  if constexpr (sizeof(T) > 1) value = std::byteswap(value);
  std::memcpy(to, &value, sizeof value);
}

/// Sequence numbers run 0..2147483647 and start again at 0.
[[nodiscard]] constexpr std::int32_t increment_sequence(std::int32_t sequence, std::int32_t by) {
  std::int64_t sum = std::int64_t{sequence} + by;
  return static_cast<std::int32_t>(sum > INT32_MAX ? sum - INT32_MAX - 1 : sum);
}
[[nodiscard]] constexpr std::int32_t decrement_sequence(std::int32_t sequence, std::int32_t by) {
  std::int64_t difference = std::int64_t{sequence} - by;
  return static_cast<std::int32_t>(difference < 0 ? difference + INT32_MAX + 1 : difference);
}

/// The fixed part of a batch of magic 2.
class RecordBatchHeader {
 public:
  /// Requires 61 bytes at `at`.
  explicit RecordBatchHeader(const std::uint8_t* at) : at_(at) {}

  [[nodiscard]] Offset base_offset() const { return Offset(load<std::int64_t>(batch_field::kBaseOffset)); }
  /// The bytes of the whole batch, by its length field. Negative lengths give less than 12.
  [[nodiscard]] std::int64_t size_bytes() const {
    return std::int64_t{load<std::int32_t>(batch_field::kLength)} + std::int64_t{kLogOverheadBytes};
  }
  [[nodiscard]] LeaderEpoch leader_epoch() const {
    return LeaderEpoch(load<std::int32_t>(batch_field::kLeaderEpoch));
  }
  [[nodiscard]] std::int8_t magic() const { return load<std::int8_t>(batch_field::kMagic); }
  [[nodiscard]] std::uint32_t crc() const { return load<std::uint32_t>(batch_field::kCrc); }
  [[nodiscard]] std::int16_t attributes() const { return load<std::int16_t>(batch_field::kAttributes); }
  [[nodiscard]] std::int32_t last_offset_delta() const {
    return load<std::int32_t>(batch_field::kLastOffsetDelta);
  }
  /// What record timestamps are counted from. With has_delete_horizon() this is the horizon.
  [[nodiscard]] std::int64_t base_timestamp() const {
    return load<std::int64_t>(batch_field::kBaseTimestamp);
  }
  [[nodiscard]] std::int64_t max_timestamp() const { return load<std::int64_t>(batch_field::kMaxTimestamp); }
  [[nodiscard]] ProducerId producer_id() const {
    return ProducerId(load<std::int64_t>(batch_field::kProducerId));
  }
  [[nodiscard]] ProducerEpoch producer_epoch() const {
    return ProducerEpoch(load<std::int16_t>(batch_field::kProducerEpoch));
  }
  [[nodiscard]] std::int32_t base_sequence() const { return load<std::int32_t>(batch_field::kBaseSequence); }
  /// Records in the batch, as it says; 0 where compaction left only the header.
  [[nodiscard]] std::int32_t count() const { return load<std::int32_t>(batch_field::kCount); }

  /// May be a value without a name (5 to 7).
  [[nodiscard]] Codec codec() const {
    return static_cast<Codec>(attributes() & batch_attributes::kCodecMask);
  }
  [[nodiscard]] TimestampType timestamp_type() const {
    return has(batch_attributes::kLogAppendTime) ? TimestampType::kLogAppendTime : TimestampType::kCreateTime;
  }
  [[nodiscard]] bool is_transactional() const { return has(batch_attributes::kTransactional); }
  [[nodiscard]] bool is_control() const { return has(batch_attributes::kControl); }
  [[nodiscard]] bool has_delete_horizon() const { return has(batch_attributes::kDeleteHorizon); }
  /// When tombstones and markers of this batch may be dropped (KIP-534).
  [[nodiscard]] std::optional<std::int64_t> delete_horizon_ms() const {
    return has_delete_horizon() ? std::optional(base_timestamp()) : std::nullopt;
  }
  [[nodiscard]] bool has_producer_id() const { return producer_id() > kNoProducerId; }

  /// Wraps around where the fields of an unchecked batch are absurd.
  [[nodiscard]] Offset last_offset() const { return offset_at(last_offset_delta()); }
  [[nodiscard]] Offset next_offset() const { return offset_at(std::int64_t{last_offset_delta()} + 1); }
  /// kNoSequence where the batch has none.
  [[nodiscard]] std::int32_t last_sequence() const {
    return base_sequence() < 0 ? kNoSequence : increment_sequence(base_sequence(), last_offset_delta());
  }

 protected:
  template <class T>
  [[nodiscard]] T load(std::size_t position) const {
    return load_big_endian<T>(at_ + position);
  }
  [[nodiscard]] Offset offset_at(std::int64_t delta) const {
    return Offset(static_cast<std::int64_t>(load<std::uint64_t>(batch_field::kBaseOffset) +
                                            static_cast<std::uint64_t>(delta)));
  }
  [[nodiscard]] bool has(std::int16_t bit) const { return (attributes() & bit) != 0; }

  const std::uint8_t* at_;
};

/// A whole batch of magic 2.
class RecordBatchView : public RecordBatchHeader {
 public:
  /// Requires a batch's header and all its bytes at the start of `bytes`; more may follow.
  explicit RecordBatchView(ByteView bytes)
      : RecordBatchHeader(bytes.data()), size_(static_cast<std::size_t>(size_bytes())) {}

  [[nodiscard]] ByteView bytes() const { return {at_, size_}; }
  /// What follows the header: records, compressed as one stream where codec() says so.
  [[nodiscard]] ByteView payload() const { return {at_ + kBatchHeaderBytes, size_ - kBatchHeaderBytes}; }

  [[nodiscard]] std::uint32_t computed_crc() const;
  [[nodiscard]] bool crc_matches() const { return computed_crc() == crc(); }
  /// kCorruptMessage unless the CRC is right.
  Result<void> check_crc() const;

 private:
  std::size_t size_;
};

/// An entry of a log: a batch of magic 2, or a message of magic 0 or 1 (legacy_message_set.hpp reads those).
class LogEntry {
 public:
  explicit LogEntry(ByteView bytes) : bytes_(bytes) {}
  [[nodiscard]] ByteView bytes() const { return bytes_; }
  [[nodiscard]] std::int8_t magic() const { return static_cast<std::int8_t>(bytes_[batch_field::kMagic]); }
  [[nodiscard]] bool is_legacy() const { return magic() < 2; }
  /// Requires !is_legacy().
  [[nodiscard]] RecordBatchView batch() const { return RecordBatchView(bytes_); }
  [[nodiscard]] Offset last_offset() const {
    return is_legacy() ? Offset(load_big_endian<std::int64_t>(bytes_.data())) : batch().last_offset();
  }

 private:
  ByteView bytes_;
};

/// The size and magic that an entry's first 17 bytes announce.
struct EntryPrefix {
  std::int64_t size_bytes;
  std::int8_t magic;
};
/// Requires 17 bytes. kCorruptMessage for a magic outside 0..2 or a size below the magic's minimum.
Result<EntryPrefix> parse_entry_prefix(ByteView bytes);

/// Walks the entries of a byte run: a produce's records, a fetch response, a piece of a segment.
class BatchCursor {
 public:
  enum class Tail {
    kMayBeCut,  // a last entry that ends outside the bytes is the end: fetch responses
    kWhole,     // it is kInvalidRecord: produce
  };

  explicit BatchCursor(ByteView bytes, Tail tail = Tail::kMayBeCut) : bytes_(bytes), tail_(tail) {}

  /// The next entry, nothing at the end. After an error or the end it stays there.
  /// kCorruptMessage for a malformed prefix (parse_entry_prefix).
  Result<std::optional<LogEntry>> next();
  /// Bytes before the entry that next() would give.
  [[nodiscard]] std::size_t position() const { return position_; }
  /// After the end: whether bytes of an incomplete entry remain.
  [[nodiscard]] bool is_cut() const { return position_ < bytes_.size(); }

 private:
  ByteView bytes_;
  Tail tail_;
  std::size_t position_ = 0;
};

// Patching in place. `batch` begins with a batch of magic 2 and holds all of it.

inline void set_base_offset(MutableByteView batch, Offset offset) {
  store_big_endian(batch.data() + batch_field::kBaseOffset, offset.value());
}
inline void set_leader_epoch(MutableByteView batch, LeaderEpoch epoch) {
  store_big_endian(batch.data() + batch_field::kLeaderEpoch, epoch.value());
}
/// Timestamp type and max timestamp; with kLogAppendTime this gives every record the time `max_timestamp`.
/// The CRC is recomputed only when something changes.
void set_max_timestamp(MutableByteView batch, TimestampType type, std::int64_t max_timestamp);
/// Puts in the CRC of the bytes as they are.
void seal_batch(MutableByteView batch);

}  // namespace barnabas::protocol

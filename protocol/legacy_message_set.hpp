// Message sets of magic 0 and 1: what logs and clients older than Kafka 0.11 hold.
//
// Read from old logs, written for old consumers; a producer's are refused elsewhere. Views own nothing.
// Thread safety: none for cursor and builder.
// Invariants
//  1. A LegacyMessageView has all bytes of its entry, and at least its magic's fixed part (BatchCursor sees
//  to it).
//  2. A cursor gives absolute offsets. Views of compressed messages are valid until the scratch is used
//  again.
// Limits: the inner set of a compressed message is held whole, within RecordLimits::max_record_bytes.
// Errors: kCorruptMessage for sizes and CRC (inner ones too), kInvalidRecord for a malformed inner set; those
// of compression.hpp. Source: KIP-31 (relative offsets), KIP-32 (timestamps); sets written by Kafka 4.3.1's
// own classes.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "protocol/record_batch.hpp"
#include "protocol/record_batch_builder.hpp"
#include "protocol/records.hpp"

namespace barnabas::protocol {

/// One message, perhaps the wrapper of a compressed set.
class LegacyMessageView {
 public:
  /// Requires a whole entry of magic 0 or 1.
  explicit LegacyMessageView(ByteView bytes) : bytes_(bytes) {}

  [[nodiscard]] ByteView bytes() const { return bytes_; }
  /// Of a wrapper: that of its last inner message.
  [[nodiscard]] Offset offset() const { return Offset(load_big_endian<std::int64_t>(bytes_.data())); }
  [[nodiscard]] std::uint32_t crc() const { return load_big_endian<std::uint32_t>(bytes_.data() + 12); }
  [[nodiscard]] std::int8_t magic() const { return static_cast<std::int8_t>(bytes_[16]); }
  [[nodiscard]] std::int8_t attributes() const { return static_cast<std::int8_t>(bytes_[17]); }
  [[nodiscard]] Codec codec() const {
    return static_cast<Codec>(attributes() & batch_attributes::kCodecMask);
  }
  [[nodiscard]] bool is_compressed() const { return codec() != Codec::kNone; }
  /// kCreateTime for magic 0.
  [[nodiscard]] TimestampType timestamp_type() const {
    return magic() > 0 && (attributes() & batch_attributes::kLogAppendTime) != 0
               ? TimestampType::kLogAppendTime
               : TimestampType::kCreateTime;
  }
  /// kNoTimestamp for magic 0. Of a wrapper: the largest inner one.
  [[nodiscard]] std::int64_t timestamp() const {
    return magic() > 0 ? load_big_endian<std::int64_t>(bytes_.data() + 18) : kNoTimestamp;
  }
  [[nodiscard]] std::uint32_t computed_crc() const;
  /// kCorruptMessage unless the CRC is right.
  Result<void> check_crc() const;

  struct Fields {
    std::optional<ByteView> key;
    std::optional<ByteView> value;
  };
  /// kCorruptMessage when they do not fill the entry.
  Result<Fields> fields() const;

 private:
  ByteView bytes_;
};

/// Reads the records of one entry: itself, or those of its inner set.
class LegacyCursor {
 public:
  /// What is wrong with the entry is told by the first next().
  LegacyCursor(const LegacyMessageView& message, RecordScratch& scratch, const RecordLimits& limits = {});

  /// True with `record` filled, headers empty; false after the last.
  Result<bool> next(RecordView& record);
  /// Of the message that next() gave, as it was stored.
  [[nodiscard]] std::uint32_t crc() const { return crc_; }

 private:
  Result<void> open_wrapper(RecordScratch& scratch, const RecordLimits& limits);
  Result<void> fill(const LegacyMessageView& message, RecordView& record);

  LegacyMessageView message_;
  ByteView inner_;
  std::uint32_t crc_ = 0;
  std::int64_t absolute_base_ = -1;  // added to inner offsets when not negative
  bool done_ = false;
  std::optional<Error> error_;
};

// What a log asks of an entry of any magic.

/// kCorruptMessage unless the CRC is right.
Result<void> check_crc(const LogEntry& entry);
/// kNoTimestamp for magic 0.
[[nodiscard]] std::int64_t max_timestamp(const LogEntry& entry);
/// Of the first record; a compressed message set is decompressed for it.
Result<Offset> base_offset(const LogEntry& entry, RecordScratch& scratch, const RecordLimits& limits = {});

/// Calls `visit(const RecordView&)` for every record.
template <class Visit>
Result<void> visit_records(const LogEntry& entry, RecordScratch& scratch, const RecordLimits& limits,
                           Visit&& visit) {
  auto walk = [&](auto cursor) -> Result<void> {
    RecordView record;
    while (TRY(cursor.next(record))) visit(static_cast<const RecordView&>(record));
    return {};
  };
  if (entry.is_legacy()) return walk(LegacyCursor(LegacyMessageView(entry.bytes()), scratch, limits));
  return walk(RecordCursor(entry.batch(), scratch, limits));
}

struct LegacySetOptions {
  std::int8_t magic = 1;
  Codec codec = Codec::kNone;  // not kZstd
  int level = kStandardLevel;
  TimestampType timestamp_type = TimestampType::kCreateTime;  // magic 1
  std::int64_t append_timestamp = kNoTimestamp;
};

/// Writes a message set; with a codec one wrapper around it.
class LegacySetBuilder {
 public:
  explicit LegacySetBuilder(const LegacySetOptions& options) : options_(options) {}

  /// Offsets grow. Magic 0 drops the timestamp.
  void append(Offset offset, std::int64_t timestamp, std::optional<ByteView> key,
              std::optional<ByteView> value);
  /// The finished set; empty without records.
  [[nodiscard]] Bytes build(Compressor& compressor);

 private:
  struct Message {
    Offset offset;
    std::int64_t timestamp;
    int attributes;
    std::optional<ByteView> key;
    std::optional<ByteView> value;
  };
  void write(const Message& message, Bytes& to) const;

  LegacySetOptions options_;
  Bytes set_;
  std::optional<Offset> base_offset_;
  Offset last_offset_;
  std::int64_t max_timestamp_ = kNoTimestamp;
};

}  // namespace barnabas::protocol

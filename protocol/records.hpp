// The records inside a batch: read one by one, or checked without building anything.
//
// A RecordScratch keeps decompression contexts and one window of decompressed bytes; owned by whoever reads
// (one a thread), used by one cursor at a time. Thread safety: none. Invariants
//  1. Uncompressed records are read where they lie, without allocation.
//  2. Compressed records pass through the scratch's window: reading needs memory for the longest record only,
//     checking needs a fixed amount. RecordLimits bounds both the window and the whole stream.
//  3. A RecordView given out is well framed: its headers iterate without failure.
// Errors: kInvalidRecord for broken framing and for more than the limits; those of compression.hpp.
// Source: Kafka's message format v2; measured on Kafka 4.3.1.
#pragma once

#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "protocol/record_batch.hpp"

namespace barnabas::protocol {

struct RecordHeader {
  std::string_view key;
  std::optional<ByteView> value;
};

/// The headers of a record, decoded as they are walked.
class RecordHeaders {
 public:
  class Iterator {
   public:
    using value_type = RecordHeader;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    using pointer = const RecordHeader*;
    using reference = const RecordHeader&;
    Iterator() = default;
    Iterator(ByteView bytes, std::int32_t left)
        : at_(bytes.data()), end_(bytes.data() + bytes.size()), left_(left) {
      read();
    }
    const RecordHeader& operator*() const { return header_; }
    const RecordHeader* operator->() const { return &header_; }
    Iterator& operator++() {
      --left_;
      read();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(const Iterator& other) const { return left_ == other.left_; }

   private:
    void read();
    const std::uint8_t* at_ = nullptr;
    const std::uint8_t* end_ = nullptr;
    std::int32_t left_ = 0;
    RecordHeader header_;
  };

  RecordHeaders() = default;
  /// Requires `count` well framed headers at the start of `bytes` (no failure is possible later).
  RecordHeaders(ByteView bytes, std::int32_t count) : bytes_(bytes), count_(count) {}
  [[nodiscard]] std::int32_t size() const { return count_; }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  /// As encoded, without the count.
  [[nodiscard]] ByteView bytes() const { return bytes_; }
  [[nodiscard]] Iterator begin() const { return Iterator(bytes_, count_); }
  [[nodiscard]] Iterator end() const { return Iterator({}, 0); }

 private:
  ByteView bytes_;
  std::int32_t count_ = 0;
};

/// One record. Its views are valid until the cursor's next step, or as long as an uncompressed batch's bytes.
struct RecordView {
  std::int8_t attributes = 0;
  std::int64_t timestamp = kNoTimestamp;
  Offset offset;
  std::optional<ByteView> key;
  std::optional<ByteView> value;
  RecordHeaders headers;
  /// Encoded, its length field included.
  std::size_t size_bytes = 0;
};

struct RecordLimits {
  /// Of one record, when decompressed.
  std::size_t max_record_bytes = std::size_t{128} << 20;
  /// Of all records of a batch, when decompressed. They are never held at once.
  std::size_t max_batch_bytes = std::size_t{2} << 30;
};

class RecordScratch {
 public:
  RecordScratch();
  ~RecordScratch();
  RecordScratch(RecordScratch&&) noexcept;
  RecordScratch& operator=(RecordScratch&&) noexcept;
  [[nodiscard]] Decompressor& decompressor() { return decompressor_; }
  [[nodiscard]] Bytes& window() { return window_; }
  /// So that one large batch does not hold memory for ever. Called by whoever fills the window next.
  void drop_large_window();

 private:
  Decompressor decompressor_;
  Bytes window_;
};

/// Bytes of a batch's records in order, decompressed as they are asked for.
class RecordBytes {
 public:
  RecordBytes(Codec codec, ByteView payload, RecordScratch& scratch, const RecordLimits& limits);

  /// Makes `size` bytes readable at at(); false when the stream ends before, or failed.
  bool need(std::size_t size) { return static_cast<std::size_t>(end_ - at_) >= size || refill(size); }
  /// Readable now.
  [[nodiscard]] std::size_t available() const { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] const std::uint8_t* at() const { return at_; }
  /// Requires size <= available().
  void advance(std::size_t size) { at_ += size; }
  /// Passes over `size` bytes without keeping them; false when the stream ends before.
  bool skip(std::size_t size);
  /// Bytes passed since the start.
  [[nodiscard]] std::uint64_t position() const {
    return window_position_ + static_cast<std::uint64_t>(at_ - window_begin_);
  }
  /// Why need() was false, where that was not the end of the stream.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  bool refill(std::size_t size);
  bool fail_with(Error error);

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  const std::uint8_t* window_begin_;
  std::uint64_t window_position_ = 0;
  RecordScratch* scratch_ = nullptr;  // null: all bytes are there
  RecordLimits limits_;
  std::optional<Error> error_;
};

/// Reads the records of one batch of magic 2. The batch and the scratch outlive it.
class RecordCursor {
 public:
  RecordCursor(const RecordBatchView& batch, RecordScratch& scratch, const RecordLimits& limits = {});

  /// True with `record` filled; false after the last. An error ends the walk.
  /// The number of records is the header's: bytes after the last are kInvalidRecord.
  Result<bool> next(RecordView& record);

 private:
  Result<void> read(RecordView& record);
  [[nodiscard]] std::unexpected<Error> ended() const;

  RecordBytes bytes_;
  Offset base_offset_;
  std::int64_t base_timestamp_;
  std::optional<std::int64_t> append_timestamp_;
  std::int32_t left_;
};

/// What a leader asks of the records of a produced batch.
struct RecordRules {
  bool require_keys = false;               // the topic is compacted
  std::int64_t min_timestamp = INT64_MIN;  // outside of min..max a CreateTime record is refused
  std::int64_t max_timestamp = INT64_MAX;
  /// More are counted, not kept: a bomb may hold a hundred million bad records.
  std::size_t max_problems = 10'000;
  RecordLimits limits = {};
};

enum class RecordFault : std::uint8_t { kNoKey, kTimestamp };

/// A record that breaks a rule. Text and error code are the handler's (INVALID_RECORD, INVALID_TIMESTAMP).
struct RecordProblem {
  std::int32_t index;
  RecordFault fault;
  std::int64_t timestamp;
};

struct RecordsSummary {
  std::int32_t count = 0;
  /// Of the records, by their deltas whatever the timestamp type; kNoTimestamp where no record has a later
  /// one.
  std::int64_t max_timestamp = kNoTimestamp;
  /// Of the first record that has it; -1 where none has.
  std::int32_t offset_delta_of_max_timestamp = -1;
  /// Offset deltas are 0, 1, 2, ...
  bool deltas_are_consecutive = true;
  /// In order, at most one a record; the first RecordRules::max_problems of them.
  std::vector<RecordProblem> problems;
  std::int32_t problem_count = 0;
  /// Decompressed.
  std::uint64_t size_bytes = 0;
};

/// Walks the framing of every record and looks at nothing that the rules do not ask for. An error is one of
/// the whole batch; records that break rules are in the summary. Timestamps are not compared with rules when
/// the batch says LogAppendTime.
Result<RecordsSummary> validate_records(const RecordBatchView& batch, const RecordRules& rules,
                                        RecordScratch& scratch);

}  // namespace barnabas::protocol

// OffsetIndex and TimeIndex: the sparse indexes of a segment (%020d.index, %020d.timeindex).
//
// Owned by a Segment. Thread-compatible. Positions are bytes in the segment, times milliseconds.
// Invariants
//  1. OffsetIndex: offsets and positions grow strictly. An entry names the LAST offset of the batch at its
//     position.
//  2. TimeIndex: timestamps grow strictly and offsets do not fall. An entry says that records above its
//  offset
//     are the first that may have a larger timestamp.
// Errors: kKafkaStorageError, for files that break the invariants at their ends (the owner rebuilds them).
// Source: measured on Kafka 4.3.1; KIP-33 for the time index.
#pragma once

#include <optional>

#include "base/ids.hpp"
#include "log/index_file.hpp"

namespace barnabas::log {

struct OffsetPosition {
  Offset offset;
  std::uint64_t position = 0;
};

class OffsetIndex {
 public:
  explicit OffsetIndex(Offset base) : base_(base) {}

  Result<void> create(FileSystem& files, const std::string& path, std::int64_t max_bytes) {
    last_ = std::nullopt;
    return file_.create(files, path, max_bytes);
  }
  /// Opens and checks the last entry against the segment's size.
  Result<void> open(FileSystem& files, const std::string& path, std::int64_t max_bytes, bool writable,
                    std::uint64_t segment_size);
  [[nodiscard]] IndexFile& file() { return file_; }
  [[nodiscard]] const IndexFile& file() const { return file_; }
  [[nodiscard]] bool is_full() const { return file_.count() >= file_.max_count(); }
  [[nodiscard]] const std::optional<OffsetPosition>& last() const { return last_; }

  /// Does nothing when the index is full or `offset` is not above the last entry's.
  Result<void> append(Offset offset, std::uint64_t position);
  /// The last entry with an offset <= `offset`; the segment's begin where there is none.
  Result<OffsetPosition> lookup(Offset offset);
  /// Drops entries that point at `size` or beyond.
  Result<void> truncate_to_size(std::uint64_t size);

 private:
  Result<OffsetPosition> entry(std::int64_t index) const;

  Offset base_;
  IndexFile file_{8};
  std::optional<OffsetPosition> last_;
};

struct TimestampPosition {
  std::int64_t timestamp_ms = -1;
  Offset offset;
};

class TimeIndex {
 public:
  explicit TimeIndex(Offset base) : base_(base) {}

  Result<void> create(FileSystem& files, const std::string& path, std::int64_t max_bytes) {
    last_ = std::nullopt;
    return file_.create(files, path, max_bytes);
  }
  Result<void> open(FileSystem& files, const std::string& path, std::int64_t max_bytes, bool writable);
  [[nodiscard]] IndexFile& file() { return file_; }
  [[nodiscard]] const IndexFile& file() const { return file_; }
  /// One entry is kept back for the last one of a closed segment.
  [[nodiscard]] bool is_full() const { return file_.count() >= file_.max_count() - 1; }
  [[nodiscard]] const std::optional<TimestampPosition>& last() const { return last_; }

  /// Does nothing unless the timestamp is above the last entry's; `closing` may take the kept-back entry.
  Result<void> append(std::int64_t timestamp_ms, Offset offset, bool closing = false);
  /// The last entry with a timestamp <= `timestamp_ms`; timestamp -1 at the segment's base where there is
  /// none.
  Result<TimestampPosition> lookup(std::int64_t timestamp_ms);
  /// Drops entries at `offset` or above.
  Result<void> truncate_to_offset(Offset offset);

 private:
  Result<TimestampPosition> entry(std::int64_t index) const;

  Offset base_;
  IndexFile file_{12};
  std::optional<TimestampPosition> last_;
};

}  // namespace barnabas::log

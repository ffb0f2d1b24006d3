// SegmentRepair: a closed segment in which bits rotted, written anew from the batches of another replica.
//
// Given by PartitionLog::begin_repair(), under the partition's mutex, and given back to end_repair() under
// it; what is between needs no mutex and may block on the disk. While it lasts the log is not compacted, and
// retention leaves its segments alone, as during a compaction, by which means the new segment takes the place
// of the old one. A truncation, a removal or the close of the log ends it: is_wanted() says so.
// What another replica has is right where all of it is committed: batches below the high watermark are the
// same everywhere but for compaction, which may have left fewer.
// Units: bytes. Errors: kCorruptMessage where what was brought is not sound, kOffsetOutOfRange where it does
// not fit, kKafkaStorageError.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "log/cleanable_log.hpp"

namespace barnabas::log {

class SegmentRepair {
 public:
  SegmentRepair(FileSystem& files, std::string directory, SourceSegment source,
                std::shared_ptr<Segment> target, std::shared_ptr<const std::atomic<bool>> aborted);

  [[nodiscard]] bool is_wanted() const { return !*aborted_; }
  /// The next batch that is wanted holds this offset, or begins behind it.
  [[nodiscard]] Offset next() const { return next_; }
  [[nodiscard]] bool is_whole() const { return next_ >= source_.end; }
  /// What another replica has from next() on; a last batch that was cut is passed over. What belongs into
  /// later segments is left out.
  Result<void> append(ByteView batches);
  /// Makes it durable, once it is whole.
  Result<void> finish();

  // Of the log.
  [[nodiscard]] const SourceSegment& source() const { return source_; }
  [[nodiscard]] const std::shared_ptr<Segment>& target() const { return target_; }

 private:
  FileSystem& files_;
  std::string directory_;
  SourceSegment source_;
  std::shared_ptr<Segment> target_;  // its files end in .cleaned
  std::shared_ptr<const std::atomic<bool>> aborted_;
  Offset next_;
};

}  // namespace barnabas::log

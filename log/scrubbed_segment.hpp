// ScrubbedSegment: a closed segment that is read through to see whether it still is what was written.
//
// Given by PartitionLog::closed_segment_from(), under the partition's mutex; what follows needs no mutex: a
// closed segment's bytes do not change, and the file stays open when the log drops it. Bytes that are in the
// page cache are read from there, as readers get them; others are not left there.
// Units: bytes. Errors: kKafkaStorageError.
#pragma once

#include <memory>

#include "log/segment_scan.hpp"

namespace barnabas::log {

class Segment;

struct ScrubbedSegment {
  std::shared_ptr<const Segment> identity;
  std::shared_ptr<const File> file;
  Offset base;
  Offset end;  // base of the next segment
  std::uint64_t size = 0;
};

struct ScrubbedPiece {
  std::uint64_t bytes_read = 0;
  std::uint64_t next = 0;  // where the next piece begins; the segment's size at its end
  /// Where a batch is not sound; the piece ends with it.
  std::optional<std::uint64_t> broken_at;
};
/// Reads from `position`, where a batch begins, about `bytes` on. What lies behind a header that makes no
/// sense cannot be read.
Result<ScrubbedPiece> scrub_piece(const ScrubbedSegment& segment, std::uint64_t position,
                                  std::uint64_t bytes);

}  // namespace barnabas::log

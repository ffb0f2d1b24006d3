// Cleaner: one round of compaction of one log, as Apache Kafka's.
//
// Owned by a cleaner thread, or by a test. Not thread-safe; works on one log at a time. It reads the dirty
// section into an offset map, as far as the map's memory goes, and then writes the segments below its end
// anew, in groups that fit one segment. Closed segments are read without the partition's mutex, which is
// taken through WithLog for the beginning, each group's begin and swap, and the end.
// A crash at any step leaves the old segments or the new ones (partition_log_cleaning.cpp).
// Errors: kCorruptMessage, kInvalidRecord and others of reading batches, with file and position: the log
// cannot be cleaned; kKafkaStorageError of the disk. Source: KIP-58, KIP-98, KIP-354, KIP-534; measured on
// Kafka 4.3.1.
#pragma once

#include <functional>
#include <memory>

#include "log/batch_cleaning.hpp"
#include "log/cleanable_log.hpp"
#include "log/offset_map.hpp"

namespace barnabas::log {

struct CleanerOptions {
  std::uint64_t dedupe_buffer_bytes = std::uint64_t{128} << 20;  // log.cleaner.dedupe.buffer.size
  double load_factor = 0.9;                                      // log.cleaner.io.buffer.load.factor
  std::size_t io_buffer_bytes = std::size_t{256} << 10;          // of reads, and of writes
};

struct CleaningReport {
  Offset from;
  Offset to;  // where the next round begins
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_before = 0;  // of the segments that were written anew
  std::uint64_t bytes_after = 0;
  std::uint64_t segments_before = 0;
  std::uint64_t segments_after = 0;
  std::uint64_t keys = 0;
  CleaningCounts counts;
};

class Cleaner {
 public:
  /// Runs the call with the log while its partition's mutex is held.
  using WithLog = std::function<Result<void>(const std::function<Result<void>(CleanableLog&)>&)>;
  /// Called with the bytes of each read and write, and may wait; false ends the cleaning.
  using Pace = std::function<bool(std::size_t bytes)>;

  Cleaner(FileSystem& files, Random& random, const CleanerOptions& options, Pace pace)
      : files_(files), random_(random), options_(options), pace_(std::move(pace)) {}

  /// Nothing when the cleaning was aborted or the log did not want any.
  Result<std::optional<CleaningReport>> clean(const WithLog& with_log, std::int64_t now_ms);

 private:
  using Group = std::span<const SourceSegment>;
  enum class Mapped { kWhole, kFull, kEnded };
  struct Round;
  struct Target;

  // False: the cleaning was ended.
  Result<bool> clean_planned(Round& round, std::int64_t now_ms);
  Result<bool> build_map(Round& round, OffsetMap& map);
  Result<Mapped> map_segment(Round& round, const SourceSegment& segment, OffsetMap& map,
                             CleanedTransactions& transactions);
  Result<bool> map_entry(const protocol::LogEntry& entry, Offset from, OffsetMap& map,
                         CleanedTransactions& transactions);
  Result<bool> clean_group(Round& round, Group sources, BatchCleaner& batches);
  Result<bool> fill_target(Round& round, Group sources, const CleaningGroup& group, BatchCleaner& batches,
                           Target& target);
  Result<bool> clean_segment(Round& round, const SourceSegment& source, const CleanedSource& context,
                             BatchCleaner& batches, Target& target);
  Result<bool> write(Round& round, Target& target);
  [[nodiscard]] bool goes_on(const Round& round, std::size_t bytes) const;

  FileSystem& files_;
  Random& random_;
  CleanerOptions options_;
  Pace pace_;
  protocol::RecordScratch scratch_;
};

/// Neighbours that together fit one segment by size, index sizes and the range of their offsets.
std::vector<std::span<const SourceSegment>> group_segments(std::span<const SourceSegment> segments,
                                                           const CleaningPlan& plan);

}  // namespace barnabas::log

// Segment: one file of batches with its indexes.
//
// Owned by a PartitionLog by shared pointer. Thread-compatible; sync_files() may run beside appends.
// Invariants
//  1. The file's first size() bytes are whole entries, whose offsets grow from base_offset() on.
//  2. A failed append leaves size() as it was: what it wrote is overwritten by the next or cut by recovery.
//  3. Indexes of a sealed segment are opened when first used, and rebuilt from the file when missing or
//  broken.
//  4. Bytes that were found on disk are given to readers once verify() has held them against their checksums;
//     what this process wrote is trusted.
//  5. What its files' names end in says how it stands: nothing in a log's segment, .cleaned and .swap in one
//     that compaction makes, .deleted in one that waits for its removal.
// Units: bytes, milliseconds. Errors: kKafkaStorageError; kCorruptMessage where batches are broken.
// Source: measured on Kafka 4.3.1.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "log/corruption_counters.hpp"
#include "log/offset_index.hpp"
#include "log/partition_files.hpp"
#include "log/partition_log.hpp"
#include "log/segment_scan.hpp"
#include "log/transaction_index.hpp"
#include "log/verified_ranges.hpp"

namespace barnabas::log {

class Segment {
 public:
  /// A new active segment; left-over files of the same name are overwritten.
  static Result<std::shared_ptr<Segment>> create(FileSystem& files, const std::string& directory, Offset base,
                                                 const LogConfig& config, std::int64_t now_ms);
  /// An existing one, sealed until activate(); its size is the file's.
  static Result<std::shared_ptr<Segment>> open(FileSystem& files, const std::string& directory, Offset base,
                                               const LogConfig& config, std::int64_t now_ms);

  /// What compaction writes into: active, its files end in .cleaned.
  static Result<std::shared_ptr<Segment>> create_cleaned(FileSystem& files, const std::string& directory,
                                                         Offset base, const LogConfig& config,
                                                         std::int64_t now_ms);

  [[nodiscard]] Offset base_offset() const { return base_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] const std::shared_ptr<File>& file() const { return file_; }
  [[nodiscard]] TransactionIndex& transactions() { return transactions_; }
  [[nodiscard]] const TransactionIndex& transactions() const { return transactions_; }
  void set_config(const LogConfig& config);
  void count_in(const CorruptionCounters& counters) { counters_ = counters; }

  /// Writes `bytes`, which are the entries of `entries` (positions are filled in here).
  Result<void> append(ByteView bytes, std::span<EntryInfo> entries);
  /// When it was last appended to; of one that was opened and not appended to since, retention_timestamp().
  [[nodiscard]] std::int64_t modified_ms() {
    return modified_ms_ >= 0 ? modified_ms_ : retention_timestamp();
  }
  void note_append(std::int64_t now_ms) { modified_ms_ = now_ms; }
  /// Whether the segment must be closed before `bytes` more that end at `last_offset` are appended.
  [[nodiscard]] bool should_roll(std::uint64_t bytes, Offset last_offset, std::int64_t max_timestamp_ms,
                                 std::int64_t now_ms) const;

  /// The first entry whose last offset is >= `offset`, nothing at the end.
  Result<std::optional<EntryInfo>> find(Offset offset);
  /// Up to where, in [position, end], the batches from `position` on (where one begins) are sound: at most
  /// about 1 MiB is read for it, so it may stop short of `end`. Offsets must be below `below`, where the next
  /// segment begins. kCorruptMessage, with file and position, when the first is not sound.
  Result<std::uint64_t> verify(std::uint64_t position, std::uint64_t end, Offset below);
  /// Whether readers may have all bytes from `position` on without verify().
  [[nodiscard]] bool is_trusted(std::uint64_t position) const { return position >= found_size_; }
  /// Rot was found: what this process wrote is held against its checksums again, too.
  void distrust() {
    found_size_ = size_;
    verified_.clear();
  }
  /// Where an index led to, to find `offset`: what lies between may hide it when an offset there is wrong.
  Result<std::uint64_t> search_begin(Offset offset);
  /// Where to begin to look for `timestamp_ms`: position of an entry before or at the first that may hold it.
  Result<std::uint64_t> position_for_timestamp(std::int64_t timestamp_ms);
  /// Largest timestamp and the last offset of the first batch that has it; timestamp -1 without any.
  Result<TimestampPosition> max_timestamp();
  /// For retention: max_timestamp(), or the time the segment was made or opened.
  [[nodiscard]] std::int64_t retention_timestamp();
  struct End {
    Offset next_offset;      // one past the last offset
    bool is_broken = false;  // bytes behind it are no whole entry
  };
  /// Scans from the last index entry.
  Result<End> read_end();
  /// Of a closed segment whose batches are synced: cuts what a crash brought back behind the last of them,
  /// which is below `below`, and makes that last. Returns the number of bytes cut.
  Result<std::uint64_t> cut_torn_end(Offset below);

  /// Makes an opened segment the one that is appended to.
  Result<void> activate();
  /// Closes a segment for appends: last time index entry, trimmed files.
  Result<void> seal();
  /// Makes the indexes anew; `on_entry` sees each valid entry in order (after the offset and checksum check),
  /// and the file is cut at the first invalid one. `below`: where the next segment begins. Returns the number
  /// of bytes cut.
  Result<std::uint64_t> recover(const std::function<Result<void>(const protocol::LogEntry&)>& on_entry,
                                std::optional<Offset> below);
  /// The log is known to end at `end`, which the last batch contradicts: true when one bit of its base offset
  /// was wrong and is right now.
  Result<bool> mend_end(Offset end);
  /// Cuts the file to `size`, which is where an entry begins, and the indexes with it.
  Result<void> truncate(std::uint64_t size, Offset offset);

  enum class Standing : std::uint8_t { kLive, kCleaned, kSwap, kDeleted };
  [[nodiscard]] Standing standing() const { return standing_; }
  /// Renames the files, the indexes before the log itself. Those that are not there are passed over.
  Result<void> stand_as(Standing standing);
  /// Removes the files by the names that they have now, and those that were renamed already when stand_as()
  /// could not go on: to .swap by compaction, to .deleted on a full disk.
  Result<void> remove_files();
  /// Of %020d.log.
  [[nodiscard]] std::string log_path() const { return path(kLogSuffix); }
  /// The bytes of an index in use.
  Result<std::uint64_t> offset_index_bytes() const {
    return index_bytes(offsets_.file(), kOffsetIndexSuffix);
  }
  Result<std::uint64_t> time_index_bytes() const { return index_bytes(times_.file(), kTimeIndexSuffix); }
  /// Largest timestamp of the first batch; -1 in an empty segment.
  Result<std::int64_t> first_timestamp();
  /// Makes data durable, and the indexes too when the segment is sealed (an active one's are rebuilt anyway).
  Result<void> sync_files(bool sealed);

 private:
  class RecentEntries;
  /// What a segment needs of its log's configuration: a copy of all of it in each would be most of an idle
  /// one.
  struct Limits {
    std::int64_t max_ms = 0;  // the spread between segments taken off
    std::int32_t bytes = 0;
    std::int32_t index_bytes = 0;
    std::int32_t index_interval_bytes = 0;
    bool preallocates = false;
  };

  Segment(FileSystem& files, const std::string& directory, Offset base, const LogConfig& config,
          std::int64_t now_ms);
  [[nodiscard]] std::string path(std::string_view suffix) const { return path(suffix, standing_); }
  [[nodiscard]] std::string path(std::string_view suffix, Standing standing) const;
  Result<void> begin_empty();
  Result<std::uint64_t> index_bytes(const IndexFile& index, std::string_view suffix) const;
  Result<void> ensure_indexes();
  Result<void> create_indexes();
  Result<void> rebuild_indexes();
  Result<void> replace_indexes();
  Result<void> index(const EntryInfo& entry);
  void note_timestamp(const EntryInfo& entry);
  Result<OffsetPosition> look_up(Offset offset);
  Result<bool> is_right(TimestampPosition entry);
  Result<bool> is_boundary(std::uint64_t position) const;
  [[nodiscard]] std::unexpected<Error> corrupt_at(std::uint64_t position) const;
  Result<std::optional<EntryInfo>> find_in_file(Offset offset, bool may_rebuild);
  enum class Place : std::uint8_t { kRight, kWrong, kKnown };
  Result<Place> place_of(const EntryInfo& info, Offset next, std::optional<Offset> below) const;
  Result<void> mend(const EntryInfo& info, Offset base);

  FileSystem& files_;
  std::string directory_;
  Offset base_;
  std::int64_t made_ms_;
  std::int64_t modified_ms_ = -1;
  Limits limits_;
  std::shared_ptr<File> file_;
  std::atomic<Standing> standing_ = Standing::kLive;  // sync_files() may read it meanwhile
  std::uint64_t size_ = 0;
  std::uint64_t found_size_ = 0;  // of what was on disk at the opening and was not read whole since
  VerifiedRanges verified_;
  CorruptionCounters counters_;
  bool active_ = false;
  OffsetIndex offsets_;
  TimeIndex times_;
  TransactionIndex transactions_;
  std::uint64_t unindexed_bytes_ = 0;
  TimestampPosition max_timestamp_;
  bool max_timestamp_known_ = false;
  std::int64_t first_timestamp_ms_ = -1;  // of the first batch; -1 unknown
  std::shared_ptr<RecentEntries> recent_;
};

}  // namespace barnabas::log

// PartitionLog: one partition's records on disk, in Apache Kafka's files.
//
// Owned by LogManager (log_manager.hpp), which hands out shared pointers; a holder may outlive the
// partition's deletion and then gets kKafkaStorageError from every call that touches files. Thread safety:
// thread-compatible. The owner's partition mutex is held for every call; calls return without blocking on
// anything but the page cache, sync() apart, which may run beside all others but truncation.
//
// Invariants
//  1. log_start_offset <= high_watermark <= log_end_offset, and last_stable_offset <= high_watermark.
//  2. Segments are contiguous in offset order; exactly the last one is active.
//  3. Bytes in a segment are whole batches; offsets grow; a batch's CRC was verified before it was appended.
//  4. The producer state equals the replay of all batches below log_end_offset, less expired producers.
// Units: offsets count records, sizes are bytes, times are milliseconds since the epoch.
// Source: file formats measured on Kafka 4.3.1 (docs/formats.md); KIP-98, KIP-101, KIP-890 for producers and
// epochs.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/file_system.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "log/cleanable_log.hpp"
#include "log/scrubbed_segment.hpp"
#include "log/segment_repair.hpp"

namespace barnabas::log {

enum class TimestampType { kCreateTime, kLogAppendTime };
enum class CompressionSetting { kProducer, kUncompressed, kGzip, kSnappy, kLz4, kZstd };

/// What of a topic's configuration the log obeys. Kafka's names and defaults; change by set_config().
struct LogConfig {
  std::int32_t segment_bytes = 1 << 30;
  std::int64_t segment_ms = 604800000;
  std::int64_t segment_jitter_ms = 0;
  std::int32_t segment_index_bytes = 10 << 20;
  std::int32_t index_interval_bytes = 4096;
  std::int64_t retention_ms = 604800000;  // -1: no limit
  std::int64_t retention_bytes = -1;      // -1: no limit
  std::int64_t file_delete_delay_ms = 60000;
  std::int64_t flush_messages = INT64_MAX;
  std::int64_t flush_ms = INT64_MAX;
  std::int32_t max_message_bytes = 1048588;
  bool cleanup_delete = true;
  bool cleanup_compact = false;
  bool preallocate = false;
  TimestampType message_timestamp_type = TimestampType::kCreateTime;
  std::int64_t message_timestamp_before_max_ms = INT64_MAX;
  std::int64_t message_timestamp_after_max_ms = 3600000;
  CompressionSetting compression = CompressionSetting::kProducer;
  std::int32_t gzip_level = -1;
  std::int32_t lz4_level = 9;
  std::int32_t zstd_level = 3;
  std::int64_t producer_id_expiration_ms = 86400000;
  std::int64_t delete_retention_ms = 86400000;
  std::int64_t min_compaction_lag_ms = 0;
  std::int64_t max_compaction_lag_ms = INT64_MAX;
  double min_cleanable_dirty_ratio = 0.5;
  /// transaction.partition.verification.enable: a transactional batch that opens a transaction needs a guard.
  bool verifies_transactions = false;

  /// When the active segment is closed at the latest: what is active is not compacted.
  [[nodiscard]] std::int64_t max_segment_ms() const {
    return cleanup_compact ? std::min(segment_ms, max_compaction_lag_ms) : segment_ms;
  }
};

enum class AppendOrigin {
  kClient,       // one batch, validated as Kafka validates a produce; sequences checked
  kCoordinator,  // a coordinator of this node: trusted content, may be control batches
  kRaft,         // the metadata log: several batches, epochs given
};

struct RecordError {
  std::int32_t batch_index = 0;
  std::string message;
};

/// Why a produce was refused, with the details that Produce v8+ carries. error.detail is what the client is
/// told; empty where Kafka sends no message.
struct AppendError {
  AppendError() = default;
  AppendError(Error what, std::vector<RecordError> records = {})
      : error(std::move(what)), record_errors(std::move(records)) {}
  Error error;
  std::vector<RecordError> record_errors;
};

struct AppendResult {
  Offset base_offset = kNoOffset;
  Offset last_offset = kNoOffset;
  std::int64_t log_append_time_ms = -1;  // -1 unless the topic stamps LogAppendTime
  Offset log_start_offset;
  std::int64_t max_timestamp_ms = -1;
  std::size_t size_bytes = 0;
  bool rolled = false;     // a segment was closed: its data waits for a sync()
  bool duplicate = false;  // one of the last five batches of its producer, answered with its first offset
  bool sync_due = false;   // flush.messages is reached: not to be acknowledged before a sync()
};

/// Stands for one question to a transaction coordinator: whether the partition is part of a producer's
/// transaction. The append that it was asked for presents it; an end marker that comes between makes it void
/// (KIP-890). Without an id: nothing is to be asked, since the transaction is open here.
struct VerificationGuard {
  std::uint64_t id = 0;
  [[nodiscard]] bool is_needed() const { return id != 0; }
  bool operator==(const VerificationGuard&) const = default;
};

struct VerificationRequest {
  ProducerId producer_id;
  ProducerEpoch epoch;
  std::int32_t base_sequence = -1;
  bool supports_epoch_bump = false;  // transaction.version 2
};

struct AppendOptions {
  AppendOrigin origin = AppendOrigin::kClient;
  LeaderEpoch leader_epoch;
  /// Produce request version; below 7 zstd is refused (76).
  std::int16_t produce_version = INT16_MAX;
  /// What begin_verification() gave, once the coordinator said yes.
  VerificationGuard guard = {};
  /// Of an end marker: from 2 on its epoch is above that of the transaction's batches.
  std::int16_t transaction_version = 0;
  /// The caller answers for the sync that flush.messages asks for (AppendResult::sync_due); else the append
  /// does it.
  bool syncs_later = false;
};

/// Where fetched bytes lie. `size` bytes of `file` from `position`, whole batches but perhaps the last one
/// cut.
struct FileSlice {
  std::shared_ptr<const File> file;
  std::uint64_t position = 0;
  std::uint64_t size = 0;
};

struct ReadResult {
  std::vector<FileSlice> slices;  // empty at the end of the log
  std::uint64_t size_bytes = 0;
  Offset first_batch_offset = kNoOffset;
  /// Of ReadOptions::only_cached: the range that the read stopped at. To be loaded before the next try.
  std::optional<FileSlice> uncached;
};

struct ReadOptions {
  Offset from;
  Offset up_to;  // exclusive bound: high watermark, last stable offset or log end
  std::uint64_t max_bytes = 0;
  /// The first batch whole, whatever max_bytes says (KIP-74). Without it a first batch that does not fit is
  /// left out.
  bool at_least_one_batch = false;
  /// Ends before bytes that would have to be read from a disk now.
  bool only_cached = false;
};

struct SegmentTime {
  Offset base_offset;
  std::int64_t modified_ms = -1;  // last append; of a segment found at the opening, its largest timestamp
};

struct TimestampOffset {
  std::int64_t timestamp_ms = -1;
  Offset offset = kNoOffset;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
};

struct EpochEndOffset {
  LeaderEpoch epoch = kNoLeaderEpoch;
  Offset end_offset = kNoOffset;
};

struct ActiveProducer {
  ProducerId id;
  ProducerEpoch epoch;
  std::int32_t last_sequence = -1;
  std::int64_t last_timestamp_ms = -1;
  std::int32_t coordinator_epoch = -1;
  Offset current_transaction_start = kNoOffset;
};

class PartitionLog : public CleanableLog {
 public:
  [[nodiscard]] virtual const TopicPartition& topic_partition() const = 0;
  [[nodiscard]] virtual TopicId topic_id() const = 0;
  [[nodiscard]] virtual const std::string& directory() const = 0;
  [[nodiscard]] virtual const LogConfig& config() const = 0;
  virtual void set_config(const LogConfig& config) = 0;

  // Offsets.
  [[nodiscard]] virtual Offset log_start_offset() const = 0;
  [[nodiscard]] virtual Offset log_end_offset() const = 0;
  [[nodiscard]] virtual Offset high_watermark() const = 0;
  [[nodiscard]] virtual Offset last_stable_offset() const = 0;
  /// Everything below is on disk.
  [[nodiscard]] virtual Offset recovery_point() const = 0;
  /// Clamped into [log_start_offset, log_end_offset]; never moves back unless the log was truncated.
  virtual void set_high_watermark(Offset offset) = 0;

  /// Appends as leader. `batches` is patched in place (base offset, leader epoch, LogAppendTime) and written
  /// in one call; it is recompressed or converted only when the configuration demands it. A client's append
  /// is one batch. Errors: as Kafka's produce (CORRUPT_MESSAGE, INVALID_RECORD, RECORD_TOO_LARGE via
  /// MESSAGE_TOO_LARGE, ...).
  virtual std::expected<AppendResult, AppendError> append_as_leader(MutableByteView batches,
                                                                    const AppendOptions& options) = 0;
  /// Appends batches fetched from the leader as they are; the first must start at the log end.
  virtual Result<AppendResult> append_as_follower(ByteView batches) = 0;

  /// OFFSET_OUT_OF_RANGE outside [log_start_offset, log_end_offset]; nothing at `up_to` or above. What was
  /// found on disk at the opening is given once it was held against its checksums, a piece a call;
  /// CORRUPT_MESSAGE when the first batch is not sound.
  virtual Result<ReadResult> read(const ReadOptions& options) = 0;
  /// Copies what read() would give (coordinator loading, conversion). Bounded by max_bytes, first batch
  /// whole.
  virtual Result<Bytes> read_bytes(const ReadOptions& options) = 0;
  /// CORRUPT_MESSAGE when a transaction index does not tell: what was aborted must not pass for committed.
  virtual Result<std::vector<AbortedTransaction>> aborted_transactions(Offset from, Offset up_to) = 0;

  /// First record with a timestamp >= `timestamp_ms`, below `up_to`; nothing when there is none.
  virtual Result<std::optional<TimestampOffset>> find_by_timestamp(std::int64_t timestamp_ms,
                                                                   Offset up_to) = 0;
  /// The record with the largest timestamp (ListOffsets -3, KIP-734).
  virtual Result<std::optional<TimestampOffset>> find_max_timestamp() = 0;

  /// Every segment, the oldest first (ListOffsets 0 tells offsets by them).
  virtual std::vector<SegmentTime> segment_times() = 0;

  // Leader epochs (KIP-101).
  [[nodiscard]] virtual LeaderEpoch latest_epoch() const = 0;
  [[nodiscard]] virtual LeaderEpoch epoch_of(Offset offset) const = 0;
  /// Largest epoch <= `epoch` and where it ends; epoch -1 and offset -1 when unknown.
  [[nodiscard]] virtual EpochEndOffset end_offset_for_epoch(LeaderEpoch epoch) const = 0;
  virtual Result<void> assign_epoch_start(LeaderEpoch epoch, Offset start) = 0;

  [[nodiscard]] virtual std::vector<ActiveProducer> active_producers() const = 0;
  /// Before a transactional append: a guard to present with it, or none where the producer's transaction is
  /// open or LogConfig::verifies_transactions wants none (transaction.version 2 always does). Retries that
  /// come before the append get the same.
  virtual VerificationGuard begin_verification(const VerificationRequest& request) = 0;

  // Maintenance.
  /// Removes records from `offset` on.
  virtual Result<void> truncate_to(Offset offset) = 0;
  virtual Result<void> truncate_fully_and_start_at(Offset offset) = 0;
  /// Moves the log start (DeleteRecords); OFFSET_OUT_OF_RANGE above the high watermark. Returns the new
  /// start.
  virtual Result<Offset> delete_records_before(Offset offset) = 0;
  /// Closes the active segment and begins one at the log end.
  virtual Result<void> roll() = 0;
  /// Data, then indexes' metadata; moves the recovery point to the log end at the call.
  virtual Result<void> sync() = 0;
  /// Deletes segments past retention (the active one is rolled first when it is past it too) and below the
  /// log start. Returns the number of segments deleted. While the log is cleaned nothing is.
  virtual Result<int> apply_retention(std::int64_t now_ms) = 0;
  /// Whether files of deleted segments wait for remove_deleted_files(). From any thread.
  [[nodiscard]] virtual bool has_deleted_files() const = 0;
  /// Removes those that were deleted file.delete.delay.ms ago.
  virtual Result<void> remove_deleted_files(std::int64_t now_ms) = 0;
  /// The first closed segment that begins at `from` or behind it: the scrub reads them one after the other.
  [[nodiscard]] virtual std::optional<ScrubbedSegment> closed_segment_from(Offset from) const = 0;
  /// Looks again where the scrub found a batch not to be sound. If so it is told, and all of the segment is
  /// held against its checksums before it is given to readers again.
  virtual bool is_broken(const ScrubbedSegment& segment, std::uint64_t position) = 0;
  /// Holds the transaction index of a segment against its batches again, as at the first use.
  virtual Result<void> check_transactions(const ScrubbedSegment& segment) = 0;
  /// A new copy of a closed segment that is broken, to be filled from another replica; null when it is not
  /// here any more or not all committed, or the log is being compacted.
  virtual Result<std::unique_ptr<SegmentRepair>> begin_repair(const ScrubbedSegment& segment) = 0;
  /// With a finished copy: it takes the segment's place. True when it did; else the segment stays as it is.
  virtual Result<bool> end_repair(SegmentRepair& repair, bool is_finished) = 0;
  /// Forgets producers that were silent for producer.id.expiration.ms.
  virtual void expire_producers(std::int64_t now_ms) = 0;
  [[nodiscard]] virtual std::uint64_t size_bytes() const = 0;
  [[nodiscard]] virtual std::size_t segment_count() const = 0;
  /// Writes what a clean stop writes: producer snapshot, trimmed indexes, synced data; then closes the files.
  virtual Result<void> close() = 0;
};

}  // namespace barnabas::log

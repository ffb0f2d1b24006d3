// RaftLog: __cluster_metadata-0 as raft and the metadata node use it, over a PartitionLog.
//
// Owned by the metadata node; thread safety: none (its strand). Appended batches are readable at once and
// durable after sync(). Errors: KAFKA_STORAGE_ERROR of the files, CORRUPT_MESSAGE of what they hold.
#pragma once

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/file_system.hpp"
#include "kraft/metadata_batch.hpp"
#include "kraft/raft/raft_node.hpp"

namespace barnabas::log {
class PartitionLog;
}

namespace barnabas::kraft {

struct RaftLogOptions {
  std::string directory;  // .../__cluster_metadata-0
  std::int32_t segment_bytes = 1 << 30;
  std::int64_t segment_ms = 604800000;
};

class RaftLog {
 public:
  /// Recovers from the first segment on, as Kafka does: this log has no recovery point of its own.
  static Result<std::unique_ptr<RaftLog>> open(FileSystem& files, const Clock& clock,
                                               const RaftLogOptions& options);
  ~RaftLog();

  [[nodiscard]] Offset start() const;
  [[nodiscard]] LogPosition position() const;
  [[nodiscard]] Offset synced_end() const { return synced_end_; }
  [[nodiscard]] std::uint64_t size_bytes() const;

  /// Where the largest epoch up to `epoch` ends; no epoch when all that the log has are later.
  [[nodiscard]] LogPosition end_of_epoch(LeaderEpoch epoch) const;

  [[nodiscard]] LeaderEpoch epoch_of(Offset offset) const;

  /// One batch with base offset position().end.
  Result<void> append(Bytes batch, LeaderEpoch epoch);
  /// What another replica's log holds from position().end on; a last batch that is cut is left out.
  Result<void> append_received(ByteView batches);
  /// Drops the records from `end` on.
  Result<void> truncate(Offset end);
  Result<void> sync();
  /// Whole batches from `from` on: as many as fit into `max_bytes`, but one if there is any.
  Result<Bytes> read(Offset from, std::uint64_t max_bytes);
  /// Visits the records of [from, to).
  Result<void> visit(Offset from, Offset to, const LogVisitor& visitor);
  /// Forgets everything: a snapshot ends at `offset`, beyond this log.
  Result<void> start_at(Offset offset);
  /// Records below are in a snapshot.
  Result<void> delete_before(Offset offset, std::int64_t now_ms);
  /// Of what is below `offset`, so that delete_before() may pass it.
  void set_high_watermark(Offset offset);
  Result<void> close();

 private:
  explicit RaftLog(std::unique_ptr<log::PartitionLog> log);
  std::unique_ptr<log::PartitionLog> log_;
  Offset synced_end_;
};

}  // namespace barnabas::kraft

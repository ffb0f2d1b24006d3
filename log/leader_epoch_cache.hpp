// LeaderEpochCache: where each leader epoch of a partition begins, kept in leader-epoch-checkpoint (KIP-101).
//
// Owned by a PartitionLog. Thread-compatible.
// Invariants
//  1. Epochs and start offsets both grow strictly.
//  2. The file holds the same entries, but for what a failed write left behind: every change writes it whole.
//     An epoch that begins is durable once the file and its directory are synced, which must be before the
//     recovery point moves past its start. Until then a crash may tear the file: load() refuses it then, and
//     the batches tell the epochs.
// Source: KIP-101, KIP-279.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file_system.hpp"
#include "log/checkpoint_file.hpp"
#include "log/partition_log.hpp"

namespace barnabas::log {

class LeaderEpochCache {
 public:
  /// `path` is the checkpoint file; nothing is read.
  LeaderEpochCache(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  /// Reads the file; kKafkaStorageError when it is malformed or out of order (the cache is empty then).
  Result<void> load();
  /// Writes the file, also when nothing changed; not synced.
  Result<void> replace() { return replace_epoch_checkpoint(files_, path_, entries_); }
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] const std::vector<EpochEntry>& entries() const { return entries_; }

  /// Begins `epoch` at `start` when it is newer than the latest; entries that contradict it are dropped.
  /// Does not sync. True when something changed.
  Result<bool> assign(LeaderEpoch epoch, Offset start);
  /// As assign(), without writing the file; true when something changed. For recovery, which writes once.
  bool assign_in_memory(LeaderEpoch epoch, Offset start);
  [[nodiscard]] bool would_change(LeaderEpoch epoch) const {
    return epoch.value() >= 0 && (entries_.empty() || epoch > entries_.back().epoch);
  }

  [[nodiscard]] LeaderEpoch latest() const {
    return entries_.empty() ? kNoLeaderEpoch : entries_.back().epoch;
  }
  /// The epoch `offset` was written in, kNoLeaderEpoch below the first entry.
  [[nodiscard]] LeaderEpoch epoch_of(Offset offset) const;
  /// Largest epoch <= `epoch` and its end; `log_end` ends the latest one. Unknown: epoch and offset -1.
  [[nodiscard]] EpochEndOffset end_offset_for(LeaderEpoch epoch, Offset log_end) const;

  /// Forgets epochs that begin at `end` or above.
  Result<void> truncate_from_end(Offset end);
  /// Forgets epochs that end at `start` or below; the one in force at `start` begins there.
  Result<void> truncate_from_start(Offset start);
  /// Both, without writing the file; true when something changed.
  bool trim_in_memory(Offset start, Offset end);
  Result<void> clear();

 private:
  Result<void> write() { return write_epoch_checkpoint(files_, path_, entries_); }
  bool trim_end(Offset end);
  bool trim_start(Offset start);

  FileSystem& files_;
  std::string path_;
  std::vector<EpochEntry> entries_;
};

}  // namespace barnabas::log

// LeaderEpochCache: where each leader epoch of a partition begins, kept in leader-epoch-checkpoint (KIP-101).
//
// Owned by a PartitionLog. Thread-compatible.
// Invariants
//  1. Epochs and start offsets both grow strictly.
//  2. The file holds the same entries, but for what a failed write left behind: every change writes it whole.
//     What begins or ends at the log's end, where nothing was written in it, may wait for the next change: a
//     start that makes a leader of every partition would write each file twice.
//  3. An epoch that begins is durable once the file and its directory are synced, which must be before the
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
  Result<void> replace();
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] const std::vector<EpochEntry>& entries() const { return entries_; }

  /// Begins `epoch` at `start` when it is newer than the latest; entries that contradict it are dropped.
  /// Writes what waited, too. Does not sync. True when the file was written.
  Result<bool> assign(LeaderEpoch epoch, Offset start);
  /// As assign() of an epoch that begins at the log's end; the file waits for its first batch.
  void begin(LeaderEpoch epoch, Offset start) { is_unwritten_ |= assign_in_memory(epoch, start); }
  /// As assign(), without writing the file; true when something changed. For recovery, which writes once.
  bool assign_in_memory(LeaderEpoch epoch, Offset start);
  /// What a batch that recovery found at `start` says of its epoch: entries that claim another are dropped,
  /// for a crash may have kept the file and taken what was written to the log. In memory; true when something
  /// changed.
  bool correct_in_memory(LeaderEpoch epoch, Offset start);
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
  /// As trim_in_memory() of a log that was closed well; the file waits for the next change.
  void trim(Offset start, Offset end) { is_unwritten_ |= trim_in_memory(start, end); }
  Result<void> clear();

 private:
  Result<void> write();
  bool trim_end(Offset end);
  bool trim_start(Offset start);

  FileSystem& files_;
  std::string path_;
  std::vector<EpochEntry> entries_;
  bool is_unwritten_ = false;  // the file waits for a change that must be written
};

}  // namespace barnabas::log

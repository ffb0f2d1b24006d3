// Checkpoint files: text of a version line, a count line and one line an entry, written whole and atomically.
//
// Used for the four offset checkpoints of a log directory (TOPIC PARTITION OFFSET) and for
// leader-epoch-checkpoint (EPOCH OFFSET). An empty file has no entries: Kafka makes cleaner-offset-checkpoint
// so. Errors: kKafkaStorageError, for malformed content too (the detail names file and line).
// Source: measured on Kafka 4.3.1.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/file_system.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"

namespace barnabas::log {

using OffsetCheckpoint = std::map<TopicPartition, Offset>;

/// Empty when the file is missing.
Result<OffsetCheckpoint> read_offset_checkpoint(FileSystem& files, const std::string& path);
Result<void> write_offset_checkpoint(FileSystem& files, const std::string& path,
                                     const OffsetCheckpoint& offsets);

struct EpochEntry {
  LeaderEpoch epoch;
  Offset start_offset;
  auto operator<=>(const EpochEntry&) const = default;
};
/// Empty when the file is missing. Entries as they stand; the caller judges their order.
Result<std::vector<EpochEntry>> read_epoch_checkpoint(FileSystem& files, const std::string& path);
Result<void> write_epoch_checkpoint(FileSystem& files, const std::string& path,
                                    const std::vector<EpochEntry>& entries);
/// The same, but it lasts only once the caller has synced the file and its directory.
Result<void> replace_epoch_checkpoint(FileSystem& files, const std::string& path,
                                      const std::vector<EpochEntry>& entries);

}  // namespace barnabas::log

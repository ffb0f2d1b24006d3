// Loading: the image, the voters and the position that a metadata directory holds, from its newest snapshot
// and the log behind it. Used by MetadataNode. Errors: KAFKA_STORAGE_ERROR, CORRUPT_MESSAGE,
// UNSUPPORTED_VERSION for a metadata.version that is newer than this software.
#pragma once

#include <optional>
#include <vector>

#include "kraft/metadata_delta.hpp"
#include "kraft/raft_log.hpp"
#include "kraft/snapshot.hpp"

namespace barnabas::kraft {

struct LoadedMetadata {
  MetadataImagePtr snapshot_image;       // of the newest snapshot, which is committed
  std::unique_ptr<MetadataDelta> delta;  // on that; it has replayed all that the log holds, committed or not
  std::vector<SnapshotId> snapshots;     // oldest first
  std::optional<SnapshotHead> head;      // of the newest snapshot
  std::vector<LoggedControl> controls;   // KRAFT_VERSION and KRAFT_VOTERS of the log behind it
  std::int64_t last_timestamp_ms = 0;    // of the log's last record
  std::uint64_t bytes_since_snapshot = 0;
};

/// `log` is moved to the snapshot's end when it ends before, or is of older epochs.
Result<LoadedMetadata> load_metadata(FileSystem& files, const std::string& directory, RaftLog& log);

/// Replays one record of a log or a snapshot. The error tells the offset.
Result<void> replay_record(MetadataDelta& delta, const LogRecordView& view);
/// The same of a log in this directory, which the error names too.
Result<void> replay_log_record(MetadataDelta& delta, const LogRecordView& view, const std::string& directory);
/// The image of a whole snapshot, on an empty one.
struct LoadedSnapshot {
  SnapshotHead head;
  std::unique_ptr<MetadataDelta> delta;
};
Result<LoadedSnapshot> load_snapshot(FileSystem& files, const std::string& path);

}  // namespace barnabas::kraft

// Loading: the image, the voters and the position that a metadata directory holds, from its newest snapshot
// and the log behind it. Used once, by MetadataNode::open(). Errors: KAFKA_STORAGE_ERROR, CORRUPT_MESSAGE.
#pragma once

#include <optional>
#include <vector>

#include "kraft/metadata_delta.hpp"
#include "kraft/raft_log.hpp"
#include "kraft/snapshot.hpp"

namespace barnabas::kraft {

struct LoadedMetadata {
  MetadataImagePtr image;
  std::unique_ptr<MetadataDelta> delta;  // from nothing to the image
  std::vector<SnapshotId> snapshots;     // oldest first
  std::optional<VoterSet> voters;        // of the log or a snapshot
  std::int16_t kraft_version = 0;
  bool voters_in_log = false;   // not only in the 0-0 checkpoint
  bool in_transaction = false;  // whose leader stopped before the end
  std::int64_t last_timestamp_ms = 0;
  std::uint64_t bytes_since_snapshot = 0;
};

/// `log` is moved to the snapshot's end when it ends before.
Result<LoadedMetadata> load_metadata(FileSystem& files, const std::string& directory, RaftLog& log);

}  // namespace barnabas::kraft

// Snapshots of the metadata log: `%020d-%010d.checkpoint` files beside its segments.
//
// A snapshot's id is its end offset (exclusive) and the epoch of the last record it contains. It is written
// to
// `.checkpoint.part`, synced, made read-only (0400) and renamed, so a file of the final name is whole;
// reading still demands header, footer and CRCs. Free functions; thread safety: one writer a directory.
// Errors: KAFKA_STORAGE_ERROR, CORRUPT_MESSAGE. Source: KIP-630, KIP-853; measured on Kafka 4.3.1.
#pragma once

#include <compare>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.hpp"
#include "kraft/metadata_batch.hpp"

namespace barnabas::kraft {

[[nodiscard]] std::string snapshot_name(const SnapshotId& id);
[[nodiscard]] std::optional<SnapshotId> parse_snapshot_name(std::string_view name);

/// What a snapshot says beside its data records.
struct SnapshotHead {
  std::int64_t last_contained_timestamp_ms = 0;
  /// Both only with kraft.version 1.
  std::optional<std::int16_t> kraft_version;
  std::optional<VoterSet> voters;
};

/// The whole file as bytes: header batch, data batches, footer batch.
[[nodiscard]] Bytes make_snapshot(const SnapshotId& id, const SnapshotHead& head, std::int64_t now_ms,
                                  std::span<const Bytes> records);
Result<void> write_snapshot_file(FileSystem& files, const std::string& directory, const SnapshotId& id,
                                 ByteView content, bool sync_name = true);

/// Calls `record` with each data record; CORRUPT_MESSAGE unless header and footer are there.
Result<SnapshotHead> read_snapshot(ByteView content,
                                   const std::function<Result<void>(const LogRecordView&)>& record);
Result<Bytes> read_whole_file(FileSystem& files, const std::string& path);

/// Oldest first. Leftovers of unfinished snapshots are removed.
Result<std::vector<SnapshotId>> list_snapshots(FileSystem& files, const std::string& directory);
Result<void> remove_snapshot(FileSystem& files, const std::string& directory, const SnapshotId& id);

}  // namespace barnabas::kraft

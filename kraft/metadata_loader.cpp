#include "kraft/metadata_loader.hpp"

#include <fmt/core.h>

#include "kraft/controller/control.hpp"

namespace barnabas::kraft {

namespace {

/// Records that a newer level allows could not be read, nor written for others to read.
Result<void> check_level(const MetadataRecord& record) {
  const auto* feature = std::get_if<protocol::FeatureLevelRecord>(&record);
  if (feature == nullptr || feature->name != kMetadataVersionFeature) return {};
  const std::int16_t newest = supported_features().at(kMetadataVersionFeature).max;
  if (feature->feature_level <= newest) return {};
  return fail(
      ErrorCode::kUnsupportedVersion,
      fmt::format("the cluster is at metadata.version {}, and this software knows them up to {}: run a "
                  "newer one here, or downgrade the feature first",
                  feature->feature_level, newest));
}

}  // namespace

Result<void> replay_record(MetadataDelta& delta, const LogRecordView& view) {
  const auto replayed = [&]() -> Result<void> {
    const MetadataRecord record = TRY(decode(view.value));
    TRY(check_level(record));
    return delta.replay(record);
  }();
  if (!replayed)
    return fail(replayed.error().code, fmt::format("metadata record at offset {}: {}", view.offset.value(),
                                                   replayed.error().detail));
  return {};
}

Result<void> replay_log_record(MetadataDelta& delta, const LogRecordView& view,
                               const std::string& directory) {
  auto replayed = replay_record(delta, view);
  if (!replayed) return fail(replayed.error().code, directory + ": " + replayed.error().detail);
  return {};
}

Result<LoadedSnapshot> load_snapshot(FileSystem& files, const std::string& path) {
  LoadedSnapshot loaded;
  loaded.delta = std::make_unique<MetadataDelta>(MetadataImage::empty());
  const Bytes content = TRY(read_whole_file(files, path));
  auto head =
      read_snapshot(content, [&](const LogRecordView& view) { return replay_record(*loaded.delta, view); });
  if (!head) return fail(head.error().code, path + ": " + head.error().detail);
  loaded.head = *std::move(head);
  return loaded;
}

namespace {

Result<void> read_log(LoadedMetadata& loaded, Offset from, RaftLog& log, const std::string& directory) {
  LogVisitor visitor;
  visitor.data = [&](const LogRecordView& view) -> Result<void> {
    loaded.last_timestamp_ms = view.timestamp_ms;
    loaded.bytes_since_snapshot += view.value.size();
    return replay_log_record(*loaded.delta, view, directory);
  };
  visitor.control = [&](const LogRecordView& view, const ControlValue& control) -> Result<void> {
    if (const auto* version = std::get_if<KraftVersionControl>(&control))
      loaded.controls.push_back({view.offset, *version});
    if (const auto* voters = std::get_if<VotersControl>(&control))
      loaded.controls.push_back({view.offset, *voters});
    return {};
  };
  return log.visit(from, log.position().end, visitor);
}

}  // namespace

Result<LoadedMetadata> load_metadata(FileSystem& files, const std::string& directory, RaftLog& log) {
  LoadedMetadata loaded;
  loaded.snapshots = TRY(list_snapshots(files, directory));
  SnapshotId newest{Offset(0), kNoLeaderEpoch};
  loaded.snapshot_image = MetadataImage::empty();
  if (loaded.snapshots.empty()) {
    loaded.delta = std::make_unique<MetadataDelta>(MetadataImage::empty());
  } else {
    newest = loaded.snapshots.back();
    LoadedSnapshot snapshot = TRY(load_snapshot(files, directory + "/" + snapshot_name(newest)));
    loaded.delta = std::move(snapshot.delta);
    loaded.head = std::move(snapshot.head);
    loaded.last_timestamp_ms = loaded.head->last_contained_timestamp_ms;
    if (newest.end > Offset(0)) loaded.snapshot_image = loaded.delta->build(newest.end - 1, newest.epoch);
  }
  const LogPosition position = log.position();
  // A crash may have come between the snapshot of a leader and the cut of the log that it replaces.
  const bool is_replaced = position.end > newest.end && position.last_epoch < newest.epoch;
  if (position.end < newest.end || is_replaced) TRY(log.start_at(newest.end));
  if (log.start() > newest.end)
    return fail(ErrorCode::kCorruptMessage,
                fmt::format("{}: the log starts at {} but the newest snapshot ends at {}", directory,
                            log.start().value(), newest.end.value()));
  TRY(read_log(loaded, newest.end, log, directory));
  return loaded;
}

}  // namespace barnabas::kraft

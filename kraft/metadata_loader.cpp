#include "kraft/metadata_loader.hpp"

#include <fmt/core.h>

namespace barnabas::kraft {

namespace {

Result<void> replay_view(MetadataDelta& delta, const LogRecordView& view) {
  Result<void> replayed = [&]() -> Result<void> { return delta.replay(TRY(decode(view.value))); }();
  if (!replayed)
    return fail(replayed.error().code, fmt::format("metadata record at offset {}: {}", view.offset.value(),
                                                   replayed.error().detail));
  return {};
}

Result<void> load_snapshot(FileSystem& files, const std::string& directory, LoadedMetadata& loaded) {
  loaded.snapshots = TRY(list_snapshots(files, directory));
  if (loaded.snapshots.empty()) return {};
  const SnapshotId& newest = loaded.snapshots.back();
  const std::string path = directory + "/" + snapshot_name(newest);
  const Bytes content = TRY(read_whole_file(files, path));
  auto head =
      read_snapshot(content, [&](const LogRecordView& view) { return replay_view(*loaded.delta, view); });
  if (!head) return fail(head.error().code, path + ": " + head.error().detail);
  loaded.last_timestamp_ms = head->last_contained_timestamp_ms;
  loaded.kraft_version = head->kraft_version.value_or(0);
  loaded.voters = head->voters;
  loaded.voters_in_log = newest.end > Offset(0) && loaded.voters;
  return {};
}

}  // namespace

Result<LoadedMetadata> load_metadata(FileSystem& files, const std::string& directory, RaftLog& log) {
  LoadedMetadata loaded;
  loaded.delta = std::make_unique<MetadataDelta>(MetadataImage::empty());
  TRY(load_snapshot(files, directory, loaded));
  LogPosition last;
  if (!loaded.snapshots.empty()) last = {loaded.snapshots.back().end, loaded.snapshots.back().epoch};
  if (log.position().end < last.end) TRY(log.start_at(last.end));
  if (log.start() > last.end)
    return fail(ErrorCode::kCorruptMessage,
                fmt::format("{}: the log starts at {} but the newest snapshot ends at {}", directory,
                            log.start().value(), last.end.value()));

  LogVisitor visitor;
  visitor.data = [&](const LogRecordView& view) -> Result<void> {
    loaded.last_timestamp_ms = view.timestamp_ms;
    loaded.bytes_since_snapshot += view.value.size();
    last.last_epoch = view.epoch;
    return replay_view(*loaded.delta, view);
  };
  visitor.control = [&](const LogRecordView& view, const ControlValue& control) -> Result<void> {
    last.last_epoch = view.epoch;
    if (const auto* version = std::get_if<KraftVersionControl>(&control))
      loaded.kraft_version = version->version;
    if (const auto* voters = std::get_if<VotersControl>(&control)) {
      loaded.voters = voters->voters;
      loaded.voters_in_log = true;
    }
    return {};
  };
  TRY(log.visit(last.end, visitor));
  loaded.in_transaction = loaded.delta->in_transaction();
  loaded.image = loaded.delta->build(log.position().end - 1, last.last_epoch);
  return loaded;
}

}  // namespace barnabas::kraft

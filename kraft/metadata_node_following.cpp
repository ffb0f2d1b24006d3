// MetadataNode as a follower or observer: what comes from the leader, and its replay.
#include <algorithm>

#include "base/check.hpp"
#include "base/logging.hpp"
#include "kraft/image_changes.hpp"
#include "kraft/metadata_node_impl.hpp"

namespace barnabas::kraft {

namespace {
constexpr const char* kComponent = "org.apache.kafka.raft.KafkaRaftClient";
constexpr std::chrono::milliseconds kFullDiskRetry{500};
}  // namespace

Result<void> MetadataNode::Impl::append_received(ByteView batches) {
  const Offset before = log_->position().end;
  if (auto appended = log_->append_received(batches); !appended) {
    if (!is_disk_full(appended.error())) return appended;
    log_error(kComponent, "the metadata log does not follow its leader because the disk of {} is full",
              log_directory_);
    disk_full_until_ = now_ + kFullDiskRetry;
    return {};
  }
  LogAppended appended{position()};
  LogVisitor controls;
  controls.data = [](const LogRecordView&) { return Result<void>(); };
  controls.control = [&](const LogRecordView& view, const ControlValue& control) -> Result<void> {
    if (const auto* version = std::get_if<KraftVersionControl>(&control))
      appended.controls.push_back({view.offset, *version});
    if (const auto* voters = std::get_if<VotersControl>(&control))
      appended.controls.push_back({view.offset, *voters});
    return {};
  };
  TRY(visit_batches(batches, before, controls));
  return drive(appended, {});
}

/// Into replay_.
Result<void> MetadataNode::Impl::replay(Offset to) {
  LogVisitor visitor;
  visitor.data = [this](const LogRecordView& view) {
    replayed_timestamp_ms_ = view.timestamp_ms;
    bytes_since_snapshot_ += view.value.size();
    return replay_log_record(*replay_, view, log_directory_);
  };
  TRY(log_->visit(replayed_, to, visitor));
  replayed_ = std::max(replayed_, to);
  return {};
}

Result<void> MetadataNode::Impl::replay_committed() {
  const Offset committed = raft_->high_watermark();
  if (committed <= published_->offset + 1) return {};
  TRY(replay(committed));
  MetadataImagePtr image = replay_->build(committed - 1, log_->epoch_of(committed - 1));
  if (!replay_->in_transaction()) settled_ = image;
  working_ = image;
  publish(std::move(image), replay_->changes());
  return {};
}

void MetadataNode::Impl::publish(MetadataImagePtr image, const MetadataChanges& changes) {
  published_ = std::move(image);
  if (on_image_) on_image_(published_, changes);
}

void MetadataNode::Impl::replay_from_settled() {
  replay_ = std::make_unique<MetadataDelta>(settled_);
  replayed_ = settled_->offset + 1;
}

Result<void> MetadataNode::Impl::truncate(Offset end) {
  log_info(kComponent, "the metadata log in {} leaves its leader's: its records from offset {} to {} go",
           log_directory_, end.value(), log_->position().end.value());
  TRY(log_->truncate(end));
  if (replayed_ > end) replay_from_settled();
  return {};
}

Result<void> MetadataNode::Impl::receive_snapshot(const SnapshotId& id, std::int64_t position,
                                                  ByteView bytes) {
  if (position == 0) {
    receiving_.reset();
    const std::string part = snapshot_path(id) + ".part";
    TRY(dependencies_.files.remove(part));
    receiving_ = Receiving{id, TRY(dependencies_.files.open(part, OpenMode::kReadWriteCreate))};
    log_info(kComponent, "fetching snapshot {} from node {}", snapshot_name(id), raft_->leader().value());
  }
  CHECK(receiving_ && receiving_->id == id, "a snapshot is fetched from its beginning");
  return receiving_->file->write_at(static_cast<std::uint64_t>(position), bytes);
}

/// The log is cut when the snapshot's name is durable: a start between the two cuts it.
Result<void> MetadataNode::Impl::install_snapshot() {
  FileSystem& files = dependencies_.files;
  const SnapshotId id = receiving_->id;
  TRY(receiving_->file->sync());
  receiving_.reset();
  const std::string path = snapshot_path(id);
  LoadedSnapshot loaded = TRY(load_snapshot(files, path + ".part"));
  TRY(files.set_mode(path + ".part", 0400));
  TRY(files.rename(path + ".part", path));
  TRY(files.sync_directory(log_directory_));
  TRY(log_->start_at(id.end));
  for (const SnapshotId& old : snapshots_)
    if (old != id) TRY(remove_snapshot(files, log_directory_, old));
  snapshots_ = {id};
  snapshot_facts_.clear();
  replayed_timestamp_ms_ = loaded.head.last_contained_timestamp_ms;
  bytes_since_snapshot_ = 0;
  last_snapshot_ = now_;
  settled_ = working_ = loaded.delta->build(id.end - 1, id.epoch);
  replay_from_settled();
  log_info(kComponent, "installed snapshot {} in {}", snapshot_name(id), log_directory_);
  publish(settled_, changes_between(*published_, *settled_));
  return drive(SnapshotInstalled{id, loaded.head.voters, loaded.head.kraft_version.value_or(0)}, {});
}

}  // namespace barnabas::kraft

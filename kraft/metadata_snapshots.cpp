// The metadata node's snapshots: when, what, and which old ones go.
#include <fmt/core.h>

#include <algorithm>

#include "base/logging.hpp"
#include "kraft/metadata_node_impl.hpp"

namespace barnabas::kraft {

std::string MetadataNode::Impl::snapshot_path(const SnapshotId& id) const {
  return log_directory_ + "/" + snapshot_name(id);
}

std::optional<std::int64_t> MetadataNode::Impl::snapshot_size(const SnapshotId& id) const {
  if (std::ranges::find(snapshots_, id) == snapshots_.end()) return std::nullopt;
  const auto file = dependencies_.files.open(snapshot_path(id), OpenMode::kReadOnly);
  if (!file) return std::nullopt;
  const auto size = (*file)->size();
  return size ? std::optional(static_cast<std::int64_t>(*size)) : std::nullopt;
}

Result<Bytes> MetadataNode::Impl::read_snapshot_piece(const SnapshotId& id, std::int64_t position,
                                                      std::int32_t max_bytes) {
  const auto file = TRY(dependencies_.files.open(snapshot_path(id), OpenMode::kReadOnly));
  Bytes piece(static_cast<std::size_t>(max_bytes));
  piece.resize(TRY(file->read_at(static_cast<std::uint64_t>(position), piece)));
  return piece;
}

Result<void> MetadataNode::Impl::snapshot_when_due() {
  const auto since = now_ - last_snapshot_;
  const bool by_size = bytes_since_snapshot_ >= static_cast<std::uint64_t>(options_.snapshot_max_new_bytes);
  const bool by_time = options_.snapshot_max_interval_ms > 0 &&
                       since >= std::chrono::milliseconds(options_.snapshot_max_interval_ms);
  if (!by_size && !by_time) return {};
  auto written = write_snapshot();
  if (written) return {};
  if (!is_disk_full(written.error())) return std::unexpected(std::move(written).error());
  log_error("org.apache.kafka.controller.QuorumController",
            "no snapshot is written because the disk of {} is full; the next one is due as usual",
            log_directory_);
  bytes_since_snapshot_ = 0;
  return {};
}

Result<Offset> MetadataNode::Impl::write_snapshot() {
  const MetadataImagePtr image = published_;
  const SnapshotId id{image->offset + 1, image->epoch};
  last_snapshot_ = now_;
  if (id.end <= Offset(0) || (!snapshots_.empty() && snapshots_.back().end >= id.end)) return id.end;
  if (settled_ != image) return id.end;  // A metadata transaction is open: its records stay in the log.
  // After a crash the log must not go on below a snapshot's end.
  if (log_->synced_end() < id.end) TRY(log_->sync());
  std::vector<Bytes> records;
  const std::int16_t level = image->features->metadata_version;
  for (const MetadataRecord& record : image_to_records(*image)) records.push_back(encode(record, level));
  SnapshotHead head;
  head.last_contained_timestamp_ms = replayed_timestamp_ms_;
  if (const auto [version, voters] = raft_->voters_before(id.end); version > 0) {
    head.kraft_version = version;
    head.voters = voters;
  }
  const Bytes content = make_snapshot(id, head, dependencies_.clock.wall_ms(), records);
  TRY(write_snapshot_file(dependencies_.files, log_directory_, id, content));
  snapshots_.push_back(id);
  snapshot_facts_[id] = {replayed_timestamp_ms_, content.size()};
  bytes_since_snapshot_ = 0;
  log_info("org.apache.kafka.controller.QuorumController", "wrote snapshot {} of {} records in {}",
           snapshot_name(id), records.size(), log_directory_);
  TRY(clean_old_snapshots());
  return id.end;
}

Result<MetadataNode::Impl::SnapshotFacts> MetadataNode::Impl::snapshot_facts(const SnapshotId& id) {
  if (auto known = snapshot_facts_.find(id); known != snapshot_facts_.end()) return known->second;
  const Bytes content = TRY(read_whole_file(dependencies_.files, snapshot_path(id)));
  const SnapshotHead head = TRY(read_snapshot(content, [](const LogRecordView&) { return Result<void>(); }));
  return snapshot_facts_[id] = {head.last_contained_timestamp_ms, content.size()};
}

Result<void> MetadataNode::Impl::clean_old_snapshots() {
  const std::int64_t now = dependencies_.clock.wall_ms();
  std::uint64_t total = log_->size_bytes();
  for (const SnapshotId& id : snapshots_) total += TRY(snapshot_facts(id)).size_bytes;
  while (snapshots_.size() > 1) {
    const SnapshotId oldest = snapshots_.front();
    const SnapshotFacts facts = TRY(snapshot_facts(oldest));
    const bool too_old = options_.retention_ms >= 0 && facts.timestamp_ms < now - options_.retention_ms;
    const bool too_big =
        options_.retention_bytes >= 0 && total > static_cast<std::uint64_t>(options_.retention_bytes);
    if (!too_old && !too_big) break;
    TRY(remove_snapshot(dependencies_.files, log_directory_, oldest));
    snapshots_.erase(snapshots_.begin());
    snapshot_facts_.erase(oldest);
    total -= std::min(total, facts.size_bytes);
    TRY(log_->delete_before(snapshots_.front().end, now));
  }
  return {};
}

}  // namespace barnabas::kraft

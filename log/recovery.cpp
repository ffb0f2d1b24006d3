// Opening a log: loading its files and, after a crash, making them whole again.
//
// After a clean stop files are taken as they are. Otherwise every segment from the one that holds the
// recovery point on is read: it is cut at the first batch that is no batch or has a wrong checksum, what lies
// behind it is deleted, and indexes, transaction indexes, leader epochs and producer snapshots are made anew
// from what was read.
#include <fmt/format.h>

#include <algorithm>

#include "base/logging.hpp"
#include "log/partition_files.hpp"
#include "log/partition_log_impl.hpp"

namespace barnabas::log {

Result<std::unique_ptr<PartitionLog>> open_log(FileSystem& files, const Clock& clock,
                                               const OpenLogOptions& options) {
  auto log = std::make_unique<PartitionLogImpl>(files, clock, options);
  TRY(log->open(options));
  return log;
}

Result<void> PartitionLogImpl::open(const OpenLogOptions& options) {
  if (!TRY(files_.exists(directory_))) {
    // Nothing is promised of a log before its first sync(), which makes this durable too.
    TRY(files_.create_directories(directory_));
    parent_changed_ = true;
  }
  auto stored_id = TRY(read_partition_metadata(files_, directory_));
  if (stored_id && !topic_id_.value().is_zero() && *stored_id != topic_id_) {
    return fail(ErrorCode::kInconsistentTopicId,
                fmt::format("{} belongs to topic id {}, not to {}", directory_,
                            stored_id->value().to_string(), topic_id_.value().to_string()));
  }
  if (stored_id) topic_id_ = *stored_id;
  if (!stored_id && !topic_id_.value().is_zero()) TRY(adopt_topic_id(topic_id_));

  TRY(load_files());
  recovery_point_ = options.recovery_point;
  cleaned_to_ = options.cleaned_to;
  if (segments_.empty()) {
    TRY(add_segment(options.log_start_offset));
    log_end_ = options.log_start_offset;
  }
  log_start_ = std::max(options.log_start_offset, segments_.begin()->first);
  auto loaded = epochs_.load();
  if (!loaded) {
    add_to(corruption_.files);
    log_warn("org.apache.kafka.storage.internals.log.LogLoader", "{}; rebuilding it", loaded.error().detail);
  }
  bool clean = options.clean;
  if (clean) {
    TRY(active().activate());
    Segment::End end = TRY(active().read_end());
    clean = !end.is_broken;
    log_end_ = clean ? TRY(end_after_clean_stop(end.next_offset, options.recovery_point)) : end.next_offset;
    if (!clean) recovery_point_ = std::min(recovery_point(), active().base_offset());
  }
  if (clean) drop_impossible_log_start(options);
  bool epochs_changed = !loaded || (epochs_.empty() && TRY(has_epochs()));
  if (epochs_changed) TRY(load_epochs(clean ? segments_.cend() : first_to_recover()));
  if (clean) {
    recovery_point_ = log_end_offset();
    TRY(reload_producers());
  } else {
    epochs_changed |= TRY(recover_segments(options.on_recovery));
    recovery_point_ = std::min(recovery_point(), log_end_offset());
  }
  if (log_start_offset() > log_end_offset()) return start_anew(log_start_offset());
  if (clean && !epochs_changed)
    epochs_.trim(log_start_offset(), log_end_offset());
  else
    epochs_changed |= epochs_.trim_in_memory(log_start_offset(), log_end_offset());
  if (epochs_changed) {
    // Not synced here, which many partitions would feel: until then a crash brings recovery back to the
    // batches.
    TRY(epochs_.replace());
    must_sync(path("leader-epoch-checkpoint"));
  }
  producers_.on_log_start(log_start_offset());
  high_watermark_ = log_start_offset();
  return {};
}

/// A clean stop leaves two witnesses of where the log ends: the checkpointed recovery point and the name of
/// the last snapshot. What contradicts both is the base offset of the last batch, which no checksum covers.
Result<Offset> PartitionLogImpl::end_after_clean_stop(Offset found, Offset checkpointed) {
  auto has_snapshot = [this](Offset at) {
    return files_.exists(path(offset_file_name(at, kSnapshotSuffix)));
  };
  if (found == checkpointed || !TRY(has_snapshot(checkpointed))) return found;
  if (found > active().base_offset() && TRY(has_snapshot(found))) return found;
  return TRY(active().mend_end(checkpointed)) ? checkpointed : found;
}

/// A clean stop checkpoints a recovery point, which is where the log ends: it does not begin behind that.
/// What such an offset would delete is kept.
void PartitionLogImpl::drop_impossible_log_start(const OpenLogOptions& options) {
  if (log_start_offset() <= log_end_offset() || options.recovery_point <= Offset(0) ||
      log_start_offset() <= options.recovery_point)
    return;
  add_to(corruption_.files);
  log_warn("org.apache.kafka.storage.internals.log.LogLoader",
           "{}: a log start offset of {} was checkpointed, but the log ends at {}; going on without it",
           directory_, log_start_offset().value(), log_end_offset().value());
  log_start_ = segments_.begin()->first;
}

Result<void> PartitionLogImpl::adopt_topic_id(TopicId topic_id) {
  TRY(write_partition_metadata(files_, directory_, topic_id));
  topic_id_ = topic_id;
  must_sync(path("partition.metadata"));
  return {};
}

/// Removes what an interrupted deletion or cleaning left, and opens the segments.
Result<void> PartitionLogImpl::load_files() {
  TRY(complete_swaps());
  std::vector<Offset> snapshots;
  std::vector<DirectoryEntry> entries = TRY(files_.list(directory_));
  for (const DirectoryEntry& entry : entries) {
    if (auto base = parse_offset_file_name(entry.name, kLogSuffix)) {
      auto segment = TRY(Segment::open(files_, directory_, *base, config_, clock_.wall_ms()));
      segment->count_in(corruption_);
      segments_[*base] = std::move(segment);
    }
    if (auto offset = parse_offset_file_name(entry.name, kSnapshotSuffix)) snapshots.push_back(*offset);
  }
  for (const DirectoryEntry& entry : entries) {
    for (std::string_view suffix : {kOffsetIndexSuffix, kTimeIndexSuffix, kTransactionIndexSuffix}) {
      auto base = parse_offset_file_name(entry.name, suffix);
      if (base && !segments_.contains(*base)) TRY(files_.remove(path(entry.name)));
    }
  }
  // Snapshots stand at segment boundaries; of others only the latest is of use, above all segments' begins.
  for (Offset offset : snapshots) {
    bool is_latest = offset == snapshots.back() && (segments_.empty() || offset > segments_.rbegin()->first);
    if (!is_latest && !segments_.contains(offset))
      TRY(files_.remove(path(offset_file_name(offset, kSnapshotSuffix))));
  }
  return {};
}

/// Whether the first batch carries an epoch: then the checkpoint has no right to have no entries.
Result<bool> PartitionLogImpl::has_epochs() const {
  for (const auto& [base, segment] : segments_) {
    HeaderScanner scanner(*segment->file(), 0, segment->size(), 64);
    if (auto entry = TRY(scanner.next())) return entry->epoch != kNoLeaderEpoch;
  }
  return false;
}

/// Finds the leader epochs again in the batches before `end`: recovery finds those of what a crash may have
/// torn.
Result<void> PartitionLogImpl::load_epochs(Segments::const_iterator end) {
  for (auto at = segments_.cbegin(); at != end; ++at) {
    HeaderScanner scanner(*at->second->file(), 0, at->second->size(), std::size_t{64} << 10);
    while (auto entry = TRY(scanner.next())) epochs_.assign_in_memory(entry->epoch, entry->base_offset);
  }
  return {};
}

/// True when other leader epochs were found than were known.
Result<bool> PartitionLogImpl::recover_segments(const std::function<void(std::size_t)>& on_progress) {
  auto first = first_to_recover();
  Offset from = first->first;
  if (from == recovery_point() && first != segments_.begin()) {
    const std::uint64_t cut = TRY(std::prev(first)->second->cut_torn_end(from));
    add_to(corruption_.cut_bytes, cut);
  }
  TRY(remove_snapshots_above(from));
  Offset snapshot = TRY(load_snapshot(from));
  // A process that was killed may have written what stands beside the segments without syncing it.
  if (snapshot_offset_ != kNoOffset) must_sync(path(offset_file_name(snapshot_offset_, kSnapshotSuffix)));
  must_sync(path("leader-epoch-checkpoint"));
  must_sync(path("partition.metadata"));
  parent_changed_ = true;
  TRY(replay_segments(snapshot, from));
  bool epochs_changed = false;
  log_end_ = from;
  const auto unflushed = static_cast<std::size_t>(std::distance(first, segments_.cend()));
  std::size_t done = 0;
  for (auto at = first; at != segments_.end(); ++at) {
    Segment& segment = *at->second;
    if (on_progress) on_progress(unflushed - done);
    if (unflushed > 1)
      log_info("org.apache.kafka.storage.internals.log.LogLoader",
               "Recovering unflushed segment {}. {}/{} recovered for {}.", at->first.value(), done, unflushed,
               to_string(topic_partition_));
    ++done;
    if (at != segments_.begin()) TRY(write_snapshot());
    auto take = [&](const protocol::LogEntry& entry) -> Result<void> {
      log_end_ = entry.last_offset() + 1;
      if (entry.is_legacy()) return {};
      protocol::RecordBatchView batch = entry.batch();
      epochs_changed |= epochs_.correct_in_memory(batch.leader_epoch(), batch.base_offset());
      return replay(batch, segment);
    };
    log_end_ = at->first;
    auto next = std::next(at);
    std::uint64_t cut =
        TRY(segment.recover(take, next == segments_.end() ? std::nullopt : std::optional(next->first)));
    add_to(corruption_.cut_bytes, cut);
    // Batches that were never synced may be missing between segments that are there. Compaction leaves holes
    // too, which a topic may have from a time when it was compacted: at the end of any segment that begins
    // below where the cleaning got to. A log that was cut at its start, inside a batch, has one below that.
    bool hole = next != segments_.end() && next->first != log_end_offset() &&
                next->first > log_start_offset() && !config_.cleanup_compact && at->first >= cleaned_to();
    if (cut == 0 && !hole) continue;
    log_warn("org.apache.kafka.storage.internals.log.LogLoader",
             "{}: the segment at {} was cut by {} bytes that are no whole batch; the log now ends at {}",
             directory_, at->first.value(), cut, log_end_offset().value());
    while (std::prev(segments_.end())->first != at->first)
      TRY(delete_segment(std::prev(segments_.end()), clock_.wall_ms()));
  }
  TRY(active().activate());
  TRY(write_snapshot());
  return epochs_changed;
}

Result<void> PartitionLogImpl::remove_snapshots_above(Offset offset) {
  for (const DirectoryEntry& entry : TRY(files_.list(directory_))) {
    auto at = parse_offset_file_name(entry.name, kSnapshotSuffix);
    if (at && *at > offset) TRY(files_.remove(path(entry.name)));
  }
  if (snapshot_offset_ > offset) snapshot_offset_ = kNoOffset;
  return {};
}

/// Loads the latest sound snapshot at or below the offset; returns its offset, or the begin of the log.
Result<Offset> PartitionLogImpl::load_snapshot(Offset at_or_below) {
  producers_.clear();
  snapshot_offset_ = kNoOffset;
  std::vector<Offset> snapshots;
  for (const DirectoryEntry& entry : TRY(files_.list(directory_))) {
    auto at = parse_offset_file_name(entry.name, kSnapshotSuffix);
    if (at && *at <= at_or_below) snapshots.push_back(*at);
  }
  for (; !snapshots.empty(); snapshots.pop_back()) {
    std::string name = path(offset_file_name(snapshots.back(), kSnapshotSuffix));
    std::string content = TRY(files_.read_file(name));
    auto decoded = producers_.decode(as_bytes(content), clock_.wall_ms());
    if (decoded) {
      snapshot_offset_ = snapshots.back();
      return std::max(snapshots.back(), segments_.begin()->first);
    }
    add_to(corruption_.files);
    log_warn("org.apache.kafka.storage.internals.log.LogLoader", "{}: {}; removing it", name,
             decoded.error().detail);
    TRY(files_.remove(name));
  }
  return segments_.begin()->first;
}

/// Brings the producer state from `from` to `to` by the headers of the batches between.
Result<void> PartitionLogImpl::replay_segments(Offset from, Offset to) {
  for (auto at = segment_of(from); at != segments_.end() && at->first < to && from < to; ++at) {
    Segment& segment = *at->second;
    if (segment.base_offset() < from && end_of(at) <= from) continue;
    auto first = TRY(segment.find(from));
    if (!first) continue;
    HeaderScanner scanner(*segment.file(), first->position, segment.size(), std::size_t{64} << 10);
    Bytes whole;
    while (auto entry = TRY(scanner.next())) {
      if (entry->base_offset >= to) break;
      protocol::RecordBatchHeader header(scanner.header().data());
      bool is_legacy = header.magic() < 2;
      if (is_legacy || !header.has_producer_id()) continue;
      ByteView bytes = scanner.header();
      if (header.is_control()) {
        whole.resize(entry->size);
        if (TRY(segment.file()->read_at(entry->position, whole)) != whole.size()) break;
        bytes = whole;
      }
      // The transaction index has these already.
      TRY(producers_.apply(protocol::RecordBatchView(bytes)));
    }
  }
  return {};
}

/// The producer state at the log end, from the files.
Result<void> PartitionLogImpl::reload_producers() {
  TRY(remove_snapshots_above(log_end_offset()));
  Offset snapshot = TRY(load_snapshot(log_end_offset()));
  TRY(replay_segments(snapshot, log_end_offset()));
  producers_.on_high_watermark(high_watermark());
  return {};
}

}  // namespace barnabas::log

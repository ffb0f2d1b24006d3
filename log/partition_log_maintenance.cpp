// Rolling, syncing, truncation, retention and closing.
#include <fmt/format.h>

#include <algorithm>

#include "base/check.hpp"
#include "base/logging.hpp"
#include "log/partition_files.hpp"
#include "log/partition_log_impl.hpp"

namespace barnabas::log {

PartitionLogImpl::PartitionLogImpl(FileSystem& files, const Clock& clock, const OpenLogOptions& options,
                                   std::shared_ptr<LogDirectory> log_directory)
    : files_(files),
      clock_(clock),
      topic_partition_(options.topic_partition),
      topic_id_(options.topic_id),
      directory_(options.directory),
      log_directory_(std::move(log_directory)),
      config_(options.config),
      side_files_wait_(options.is_always_recovered),
      corruption_(options.corruption),
      epochs_(files, options.directory + "/leader-epoch-checkpoint"),
      producers_(to_string(options.topic_partition), options.config.producer_id_expiration_ms) {
  producers_.set_verification(options.config.verifies_transactions);
}

Result<void> PartitionLogImpl::check_open() const {
  if (state_ == State::kOpen && directory_is_online()) return {};
  const char* why = is_offline() ? " is offline after a storage error: check the disk and restart"
                    : state_ == State::kRemoved ? " was deleted"
                                                : " is closed";
  return fail(ErrorCode::kKafkaStorageError, "the log in " + directory_ + why);
}

Error PartitionLogImpl::note(Error error) {
  if (error.code == ErrorCode::kKafkaStorageError && !is_disk_full(error)) go_offline(error);
  if (is_corrupt(error)) tell_corrupt(error);
  return error;
}

/// Once for each place: a consumer asks again and again.
void PartitionLogImpl::tell_corrupt(const Error& what) {
  if (!corrupt_places_.insert(what.detail).second) return;
  add_to(corruption_.places);
  log_error("org.apache.kafka.storage.internals.log.UnifiedLog", "{}: {}; it is not served",
            to_string(topic_partition_), what.detail);
}

void PartitionLogImpl::go_offline(const Error& why) {
  if (state_ != State::kOpen) return;
  state_ = State::kOffline;
  if (directory_is_online())  // else it goes with the others
    log_error("org.apache.kafka.storage.internals.log.UnifiedLog", "{} goes offline: {}", directory_,
              why.detail);
  if (log_directory_ != nullptr) log_directory_->note(why);
}

void PartitionLogImpl::set_config(const LogConfig& config) {
  if (!config.cleanup_compact) abort_cleaning();
  config_ = config;
  producers_.set_expiration(config.producer_id_expiration_ms);
  producers_.set_verification(config.verifies_transactions);
  for (auto& [base, segment] : segments_) segment->set_config(config);
}

PartitionLogImpl::Segments::const_iterator PartitionLogImpl::segment_of(Offset offset) const {
  auto after = segments_.upper_bound(offset);
  return after == segments_.begin() ? after : std::prev(after);
}

/// The one that holds the recovery point. Where a segment begins there, the one before too: it was the active
/// one when it was synced, so its indexes were not, nor the length it was given when it was closed.
PartitionLogImpl::Segments::const_iterator PartitionLogImpl::first_unsynced_segment() const {
  auto segment = segment_of(recovery_point());
  return segment->first != recovery_point() || segment == segments_.begin() ? segment : std::prev(segment);
}

/// The same, but for one before that was cleaned: markers may be gone from it that only the snapshot behind
/// it knows of.
PartitionLogImpl::Segments::const_iterator PartitionLogImpl::first_to_recover() const {
  auto segment = segment_of(recovery_point());
  return segment->first > cleaned_to() ? first_unsynced_segment() : segment;
}

Offset PartitionLogImpl::end_of(Segments::const_iterator segment) const {
  auto next = std::next(segment);
  return next == segments_.end() ? log_end_offset() : next->first;
}

Offset PartitionLogImpl::last_stable_offset() const {
  auto unstable = producers_.first_unstable_offset();
  return unstable && *unstable < high_watermark() ? std::max(*unstable, log_start_offset())
                                                  : high_watermark();
}

void PartitionLogImpl::set_high_watermark(Offset offset) {
  Offset clamped = std::clamp(offset, log_start_offset(), log_end_offset());
  if (clamped > high_watermark()) high_watermark_ = clamped;
  producers_.on_high_watermark(high_watermark());
}

Result<void> PartitionLogImpl::assign_epoch_start(LeaderEpoch epoch, Offset start) {
  TRY(check_open());
  if (start < log_end_offset()) return noted(begin_epoch(epoch, start));
  epochs_.begin(epoch, start);
  return {};
}

Result<void> PartitionLogImpl::begin_epoch(LeaderEpoch epoch, Offset start) {
  if (TRY(epochs_.assign(epoch, start))) must_sync(path("leader-epoch-checkpoint"));
  return {};
}

void PartitionLogImpl::must_sync(const std::string& side_file) {
  std::lock_guard lock(segments_mutex_);
  if (std::ranges::find(unsynced_files_, side_file) == unsynced_files_.end())
    unsynced_files_.push_back(side_file);
  directory_changed_ = true;
}

std::uint64_t PartitionLogImpl::size_bytes() const {
  std::uint64_t size = 0;
  for (const auto& [base, segment] : segments_) size += segment->size();
  return size;
}

Result<void> PartitionLogImpl::add_segment(Offset base) {
  auto segment = Segment::create(files_, directory_, base, config_, clock_.wall_ms());
  if (!segment) {
    // On a full disk the log goes on in the segment it has: an empty one must not stand in its middle.
    for (std::string_view suffix : {kLogSuffix, kOffsetIndexSuffix, kTimeIndexSuffix})
      TRY(files_.remove(path(offset_file_name(base, suffix))));
    return std::unexpected(std::move(segment).error());
  }
  (*segment)->count_in(corruption_);
  std::lock_guard lock(segments_mutex_);
  segments_[base] = std::move(*segment);
  directory_changed_ = true;
  return {};
}

Result<void> PartitionLogImpl::roll_at(Offset base) {
  Segment& last = active();
  auto rolled = last.seal();
  if (rolled) rolled = write_snapshot();
  if (rolled) rolled = add_segment(base);
  if (!rolled) TRY(last.activate());
  return rolled;
}

Result<void> PartitionLogImpl::roll() {
  TRY(check_open());
  if (active().size() == 0 && active().base_offset() == log_end_offset()) return {};
  return noted(roll_at(log_end_offset()));
}

/// Not synced: a torn one is told by its checksum, and sync() makes it durable.
Result<void> PartitionLogImpl::write_snapshot() {
  if (snapshot_offset_ == log_end_offset()) return {};
  if (producers_.empty() && log_end_offset() == segments_.begin()->first) return {};  // an empty log has none
  std::string name = path(offset_file_name(log_end_offset(), kSnapshotSuffix));
  auto file = TRY(files_.open(name, OpenMode::kReadWriteCreate));
  TRY(file->truncate(0));
  TRY(file->write_at(0, producers_.encode()));
  snapshot_offset_ = log_end_offset();
  must_sync(name);
  return {};
}

/// After a sync that failed nobody knows what is on the disk, and another would not tell: the kernel drops
/// the pages and reports it once. So whatever its error the log goes offline, with a full disk too.
Result<void> PartitionLogImpl::sync() {
  std::lock_guard one_at_a_time(sync_mutex_);
  TRY(check_open());  // What waited for a sync that failed has failed as well.
  auto synced = sync_files();
  if (!synced) go_offline(synced.error());
  return synced;
}

Result<void> PartitionLogImpl::sync_files() {
  std::vector<std::shared_ptr<Segment>> to_sync;
  std::vector<std::string> side_files;
  bool directory_changed = false;
  bool parent_changed = false;
  Offset end;
  {
    std::lock_guard lock(segments_mutex_);
    end = log_end_offset();
    for (auto at = first_unsynced_segment(); at != segments_.end(); ++at) to_sync.push_back(at->second);
    if (!side_files_wait_) side_files.swap(unsynced_files_);
    directory_changed = std::exchange(directory_changed_, false);
    parent_changed = std::exchange(parent_changed_, false);
  }
  for (const auto& segment : to_sync) TRY(segment->sync_files(segment != to_sync.back()));
  for (const std::string& name : side_files) {
    auto file = files_.open(name, OpenMode::kReadWrite);
    if (file)
      TRY((*file)->sync());
    else if (!is_not_found(file.error()))
      return std::unexpected(std::move(file).error());
  }
  if (directory_changed) TRY(files_.sync_directory(directory_));
  if (parent_changed) TRY(files_.sync_directory(parent_directory()));
  if (end > recovery_point()) recovery_point_ = end;
  return {};
}

Result<void> PartitionLogImpl::truncate_to(Offset offset) {
  TRY(check_open());
  // A leader that wrote nothing left an epoch behind that begins at the end: the next leader's may be older.
  if (offset >= log_end_offset()) return noted(epochs_.truncate_from_end(log_end_offset()));
  if (offset < segments_.begin()->first) return truncate_fully_and_start_at(offset);
  return noted(truncate_locked(offset));
}

Result<void> PartitionLogImpl::truncate_locked(Offset offset) {
  abort_cleaning();
  std::int64_t now_ms = clock_.wall_ms();
  while (segments_.size() > 1 && segments_.rbegin()->first > offset)
    TRY(delete_segment(std::prev(segments_.end()), now_ms));
  Segment& last = active();
  TRY(last.activate());
  if (auto entry = TRY(last.find(offset))) TRY(last.truncate(entry->position, offset));
  log_end_ = offset;
  log_start_ = std::min(log_start_offset(), offset);
  recovery_point_ = std::min(recovery_point(), offset);
  cleaned_to_ = std::min(cleaned_to(), offset);
  high_watermark_ = std::min(high_watermark(), offset);
  TRY(epochs_.truncate_from_end(offset));
  return reload_producers();
}

Result<void> PartitionLogImpl::truncate_fully_and_start_at(Offset offset) {
  TRY(check_open());
  return noted(start_anew(offset));
}

Result<void> PartitionLogImpl::start_anew(Offset offset) {
  abort_cleaning();
  std::int64_t now_ms = clock_.wall_ms();
  while (!segments_.empty()) TRY(delete_segment(segments_.begin(), now_ms));
  TRY(remove_snapshots_above(kNoOffset));
  TRY(add_segment(offset));
  log_start_ = log_end_ = high_watermark_ = recovery_point_ = offset;
  cleaned_to_ = std::min(cleaned_to(), offset);
  TRY(epochs_.clear());
  producers_.clear();
  snapshot_offset_ = kNoOffset;
  return {};
}

Result<void> PartitionLogImpl::move_log_start(Offset offset) {
  if (offset <= log_start_offset()) return {};
  log_start_ = offset;
  if (high_watermark() < offset) high_watermark_ = offset;
  producers_.on_log_start(offset);
  auto written = epochs_.truncate_from_start(offset);
  // A full disk must not keep its room from coming back; what the file says too much goes when it is loaded.
  return !written && is_disk_full(written.error()) ? Result<void>() : written;
}

Result<Offset> PartitionLogImpl::delete_records_before(Offset offset) {
  TRY(check_open());
  if (offset > high_watermark() || offset < Offset(0)) return fail(ErrorCode::kOffsetOutOfRange);
  TRY(noted(move_log_start(offset)));
  // Closed segments give their room back now. The active one stays until retention looks at it, as on
  // Kafka 4.3.1: its largest timestamp is still asked for.
  auto below = [this](Segment&, Offset next) { return segments_.size() > 1 && next <= log_start_offset(); };
  (void)TRY(noted(delete_oldest(clock_.wall_ms(), below)));
  return log_start_offset();
}

/// Takes a segment out of the log; its files keep their bytes for readers until they are due.
Result<void> PartitionLogImpl::delete_segment(Segments::iterator segment, std::int64_t now_ms,
                                              bool with_snapshot) {
  std::shared_ptr<Segment> gone = segment->second;
  {
    std::lock_guard lock(segments_mutex_);
    segments_.erase(segment);
    directory_changed_ = true;
  }
  std::string snapshot = path(offset_file_name(gone->base_offset(), kSnapshotSuffix));
  std::string renamed = snapshot + std::string(kDeletedSuffix);
  auto set_aside = [&]() -> Result<void> {
    TRY(gone->stand_as(Segment::Standing::kDeleted));
    if (with_snapshot && TRY(files_.exists(snapshot))) TRY(files_.rename(snapshot, renamed));
    return {};
  };
  if (auto done = set_aside(); !done) {
    // A longer name may need room in the directory: then the files go at once. Readers have the log open.
    if (!is_disk_full(done.error())) return done;
    TRY(gone->remove_files());
    return with_snapshot ? files_.remove(snapshot) : Result<void>();
  }
  deleted_.push_back({now_ms + config_.file_delete_delay_ms, std::move(gone), renamed});
  has_deleted_ = true;
  return {};
}

/// Deletes from the oldest on while `is_due`, never above the high watermark; the active segment is rolled
/// before. What is being cleaned is left for the next time.
Result<int> PartitionLogImpl::delete_oldest(std::int64_t now_ms,
                                            const std::function<bool(Segment&, Offset next)>& is_due) {
  int count = 0;
  if (cleaning_) return count;
  while (true) {
    auto oldest = segments_.begin();
    Offset next = end_of(oldest);
    bool is_active = segments_.size() == 1;
    if (is_active && oldest->second->size() == 0) break;
    if (next > high_watermark() || !is_due(*oldest->second, next)) break;
    if (is_active) {
      auto rolled = roll_at(log_end_offset());
      if (!rolled && is_disk_full(rolled.error())) break;  // The segments before it have made room.
      TRY(std::move(rolled));
    }
    // The start moves first: a reader never finds a hole.
    TRY(move_log_start(next));
    TRY(delete_segment(segments_.begin(), now_ms));
    ++count;
  }
  return count;
}

Result<void> PartitionLogImpl::remove_deleted_files(std::int64_t now_ms) {
  TRY(check_open());
  while (!deleted_.empty() && deleted_.front().due_ms <= now_ms) {
    TRY(noted(deleted_.front().segment->remove_files()));
    TRY(noted(files_.remove(deleted_.front().snapshot)));
    deleted_.pop_front();
  }
  has_deleted_ = !deleted_.empty();
  return {};
}

Result<int> PartitionLogImpl::apply_retention(std::int64_t now_ms) {
  TRY(check_open());
  int count = 0;
  if (config_.cleanup_delete && config_.retention_ms >= 0) {
    auto too_old = [&](Segment& segment, Offset) {
      return now_ms - segment.retention_timestamp() > config_.retention_ms;
    };
    count += TRY(noted(delete_oldest(now_ms, too_old)));
  }
  if (config_.cleanup_delete && config_.retention_bytes >= 0) {
    std::int64_t excess = static_cast<std::int64_t>(size_bytes()) - config_.retention_bytes;
    auto too_much = [&](Segment& segment, Offset) {
      auto size = static_cast<std::int64_t>(segment.size());
      if (excess < size) return false;
      excess -= size;
      return true;
    };
    count += TRY(noted(delete_oldest(now_ms, too_much)));
  }
  auto below_start = [this](Segment&, Offset next) { return next <= log_start_offset(); };
  count += TRY(noted(delete_oldest(now_ms, below_start)));
  return count;
}

Result<void> PartitionLogImpl::close() {
  abort_cleaning();
  if (state_ != State::kOpen || !directory_is_online()) {
    state_ = State::kClosed;
    return {};
  }
  auto finish = [this]() -> Result<void> {
    TRY(write_snapshot());
    TRY(active().seal());
    side_files_wait_ = false;
    TRY(sync());
    // sync() leaves the last segment's indexes alone; the next start takes them as they are.
    return active().sync_files(true);
  };
  auto finished = noted(finish());
  state_ = State::kClosed;
  std::lock_guard lock(segments_mutex_);
  segments_.clear();
  return finished;
}

}  // namespace barnabas::log

// Appending: what a produce, a coordinator, raft and a fetch from the leader bring.
#include <fmt/format.h>

#include <algorithm>

#include "base/check.hpp"
#include "log/append_validation.hpp"
#include "log/partition_log_impl.hpp"

namespace barnabas::log {

using protocol::RecordBatchView;

std::expected<AppendResult, AppendError> PartitionLogImpl::append_as_leader(MutableByteView batches,
                                                                            const AppendOptions& options) {
  TRY(check_open());
  if (options.origin == AppendOrigin::kClient) return append_produce(batches, options);
  return TRY(append_trusted(batches, options));
}

std::expected<AppendResult, AppendError> PartitionLogImpl::append_produce(MutableByteView batches,
                                                                          const AppendOptions& options) {
  AppendContext context{topic_partition_, config_, clock_.wall_ms(), options.produce_version};
  auto validated = validate_produce(batches, context);
  if (!validated) return std::unexpected(std::move(validated).error());
  if (validated->bytes.empty()) {
    AppendResult nothing;
    nothing.log_start_offset = log_start_offset();
    return nothing;
  }
  RecordBatchView batch(validated->bytes);
  if (auto known = TRY(find_duplicate(batch))) {
    AppendResult result{known->first_offset(), known->last_offset, known->timestamp_ms, log_start_offset(),
                        known->timestamp_ms};
    result.duplicate = true;
    result.sync_due = known->last_offset >= recovery_point() && flush_is_due();
    return result;
  }
  if (batch.bytes().size() > static_cast<std::size_t>(config_.segment_bytes))
    return fail(ErrorCode::kRecordListTooLarge);
  protocol::set_base_offset(validated->bytes, log_end_offset());
  protocol::set_leader_epoch(validated->bytes, options.leader_epoch);
  TRY(producers_.check(batch, log_end_offset(), options));
  AppendResult result = TRY(append_entries(validated->bytes, options.origin));
  TRY(sync_if_due(options, result));
  if (config_.message_timestamp_type == TimestampType::kLogAppendTime)
    result.log_append_time_ms = context.now_ms;
  return result;
}

/// What a producer's snapshot does not tell of its last five batches is looked for in the log, when somebody
/// seems to repeat it.
Result<std::optional<ProducedBatch>> PartitionLogImpl::find_duplicate(const RecordBatchView& batch) {
  if (auto known = producers_.find_duplicate(batch)) return known;
  const auto before = producers_.may_be_forgotten(batch);
  if (!before) return std::nullopt;
  producers_.remember_earlier(batch.producer_id(), TRY(batches_before(*before, batch)));
  return producers_.find_duplicate(batch);
}

/// Batches of the producer and epoch of `like` in the last part of the segment before the offset.
Result<std::vector<ProducedBatch>> PartitionLogImpl::batches_before(Offset before,
                                                                    const RecordBatchView& like) {
  constexpr std::uint64_t kSearchedBytes = std::uint64_t{1} << 20;
  std::vector<ProducedBatch> found;
  if (before <= log_start_offset()) return found;
  Segment& segment = *segment_of(before - 1)->second;
  const auto last = TRY(segment.find(before - 1));
  if (!last) return found;
  std::uint64_t from = last->position;
  for (std::int64_t back = 64; from > 0 && from + kSearchedBytes > last->position; back *= 2) {
    const auto entry = TRY(segment.find(std::max(segment.base_offset(), before - back)));
    from = entry ? entry->position : 0;
  }
  HeaderScanner scanner(*segment.file(), from, last->position + last->size, std::size_t{64} << 10);
  while (TRY(scanner.next())) {
    const protocol::RecordBatchHeader header(scanner.header().data());
    if (header.magic() < 2 || header.is_control() || header.producer_id() != like.producer_id() ||
        header.producer_epoch() != like.producer_epoch())
      continue;
    found.push_back(
        {header.last_sequence(), header.last_offset(), header.last_offset_delta(), header.max_timestamp()});
  }
  return found;
}

Result<AppendResult> PartitionLogImpl::append_trusted(MutableByteView batches, const AppendOptions& options) {
  protocol::BatchCursor cursor(batches, protocol::BatchCursor::Tail::kWhole);
  Offset next = log_end_offset();
  std::int64_t now_ms = clock_.wall_ms();
  bool stamps = config_.message_timestamp_type == TimestampType::kLogAppendTime;
  for (std::size_t at = 0; auto entry = TRY(cursor.next()); at = cursor.position()) {
    if (entry->is_legacy()) return fail(ErrorCode::kInvalidRecord, "a message of an old format");
    MutableByteView bytes = batches.subspan(at, entry->bytes().size());
    protocol::set_base_offset(bytes, next);
    if (options.origin == AppendOrigin::kCoordinator) protocol::set_leader_epoch(bytes, options.leader_epoch);
    if (stamps) protocol::set_max_timestamp(bytes, protocol::TimestampType::kLogAppendTime, now_ms);
    next = RecordBatchView(bytes).next_offset();
  }
  TRY(check_entries(batches, options));
  AppendResult result = TRY(append_entries(batches, options.origin));
  TRY(sync_if_due(options, result));
  if (stamps) result.log_append_time_ms = now_ms;
  return result;
}

/// Producer ids, epochs and coordinator epochs of batches that a coordinator appends.
Result<void> PartitionLogImpl::check_entries(ByteView bytes, const AppendOptions& options) {
  if (options.origin != AppendOrigin::kCoordinator) return {};
  protocol::BatchCursor cursor(bytes);
  while (auto entry = TRY(cursor.next()))
    TRY(producers_.check(entry->batch(), entry->batch().base_offset(), options));
  return {};
}

Result<AppendResult> PartitionLogImpl::append_as_follower(ByteView batches) {
  TRY(check_open());
  protocol::BatchCursor cursor(batches);
  Offset next = log_end_offset();
  while (auto entry = TRY(cursor.next())) {
    EntryInfo info = entry_info(entry->bytes(), 0);
    if (info.base_offset < next) {
      return fail(ErrorCode::kOffsetOutOfRange,
                  fmt::format("a batch at offset {} of {} was fetched where the log ends at {}",
                              info.base_offset.value(), to_string(topic_partition_), next.value()));
    }
    if (!checksum_matches(*entry))
      return fail(ErrorCode::kCorruptMessage, "a fetched batch with a wrong checksum");
    next = info.last_offset + 1;
  }
  // A batch that the fetch's byte limit cut comes whole with the next fetch.
  AppendResult result = TRY(append_entries(batches.first(cursor.position()), AppendOrigin::kRaft));
  TRY(sync_if_due({}, result));
  return result;
}

Result<void> PartitionLogImpl::sync_if_due(const AppendOptions& options, AppendResult& result) {
  result.sync_due = flush_is_due();
  if (result.sync_due && !options.syncs_later) {
    TRY(sync());
    result.sync_due = false;
  }
  return {};
}

Result<bool> PartitionLogImpl::maybe_roll(std::uint64_t bytes) {
  std::int64_t max_timestamp = -1;
  for (const EntryInfo& entry : entries_) max_timestamp = std::max(max_timestamp, entry.max_timestamp_ms);
  if (!active().should_roll(bytes, entries_.back().last_offset, max_timestamp, clock_.wall_ms()))
    return false;
  if (active().size() == 0 && active().base_offset() == log_end_offset()) return false;
  TRY(roll_at(log_end_offset()));
  return true;
}

/// The index comes first: where the disk has no room for its entry nothing has changed.
Result<void> PartitionLogImpl::replay(const RecordBatchView& batch, Segment& segment) {
  const auto completed = TRY(producers_.completed_by(batch));
  if (completed && completed->aborted) {
    TRY(segment.transactions().append({completed->producer_id, completed->first_offset,
                                       completed->last_offset, producers_.stable_offset_after(*completed)}));
  }
  return producers_.apply(batch);
}

/// The batch, and those behind it, are in the segment. On a full disk they are cut off again, as if they had
/// not come; any other failure leaves state and log apart.
Error PartitionLogImpl::give_up_replay(const EntryInfo& entry, Segment& segment, Error why) {
  if (is_disk_full(why)) {
    auto cut = segment.truncate(entry.position, entry.base_offset);
    if (cut) return why;
    why = std::move(cut).error();
  }
  go_offline(why);
  return why;
}

/// Writes checked batches whose offsets and epochs are set: in one call, or by single batches where they do
/// not fit into one segment.
Result<AppendResult> PartitionLogImpl::append_entries(ByteView bytes, AppendOrigin origin) {
  entries_.clear();
  protocol::BatchCursor cursor(bytes);
  while (auto entry = TRY(cursor.next())) entries_.push_back(entry_info(entry->bytes(), 0));
  AppendResult result;
  result.log_start_offset = log_start_offset();
  if (entries_.empty()) return result;
  if (entries_.size() > 1 &&
      active().size() + bytes.size() > static_cast<std::uint64_t>(config_.segment_bytes)) {
    std::vector<EntryInfo> pieces = entries_;
    result.base_offset = pieces.front().base_offset;
    for (const EntryInfo& piece : pieces) {
      AppendResult one = TRY(append_entries(bytes.first(piece.size), origin));
      bytes = bytes.subspan(piece.size);
      result.last_offset = one.last_offset;
      result.max_timestamp_ms = std::max(result.max_timestamp_ms, one.max_timestamp_ms);
      result.size_bytes += one.size_bytes;
      result.rolled = result.rolled || one.rolled;
    }
    return result;
  }
  result.rolled = TRY(noted(maybe_roll(bytes.size())));
  for (const EntryInfo& entry : entries_) TRY(noted(begin_epoch(entry.epoch, entry.base_offset)));
  Segment& segment = active();
  TRY(noted(segment.append(bytes, entries_)));
  segment.note_append(clock_.wall_ms());

  result.base_offset = entries_.front().base_offset;
  result.last_offset = entries_.back().last_offset;
  result.size_bytes = bytes.size();
  for (const EntryInfo& entry : entries_) {
    result.max_timestamp_ms = std::max(result.max_timestamp_ms, entry.max_timestamp_ms);
    bool is_legacy = entry.epoch == kNoLeaderEpoch && bytes[protocol::batch_field::kMagic] < 2;
    if (!is_legacy) {
      if (auto replayed = replay(RecordBatchView(bytes.first(entry.size)), segment); !replayed)
        return std::unexpected(give_up_replay(entry, segment, std::move(replayed).error()));
    }
    log_end_ = entry.last_offset + 1;
    bytes = bytes.subspan(entry.size);
  }
  return result;
}

}  // namespace barnabas::log

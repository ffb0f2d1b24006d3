// Reading: by offset for fetches, by timestamp for ListOffsets.
#include <algorithm>

#include "log/partition_log_impl.hpp"
#include "protocol/records.hpp"

namespace barnabas::log {
namespace {

Result<Bytes> read_whole(const File& file, const EntryInfo& entry) {
  Bytes bytes(entry.size);
  std::size_t size = TRY(file.read_at(entry.position, bytes));
  if (size != bytes.size()) return fail(ErrorCode::kKafkaStorageError, "a segment ends inside a batch");
  return bytes;
}

/// First record of the entry from `from` on, below `up_to`, whose timestamp is `timestamp_ms` or more.
Result<std::optional<TimestampOffset>> find_in_entry(const File& file, const EntryInfo& entry,
                                                     std::int64_t timestamp_ms, Offset from, Offset up_to) {
  Bytes bytes = TRY(read_whole(file, entry));
  protocol::LogEntry whole{ByteView(bytes)};
  if (whole.is_legacy()) {
    if (entry.base_offset < from || entry.base_offset >= up_to) return std::nullopt;
    return TimestampOffset{entry.max_timestamp_ms, entry.base_offset, kNoLeaderEpoch};
  }
  thread_local protocol::RecordScratch scratch;
  protocol::RecordCursor cursor(whole.batch(), scratch);
  protocol::RecordView record;
  while (TRY(cursor.next(record))) {
    if (record.offset >= up_to) break;
    if (record.timestamp >= timestamp_ms && record.offset >= from)
      return TimestampOffset{record.timestamp, record.offset, entry.epoch};
  }
  return std::nullopt;
}

/// Adds those that meet the range; true when every transaction that began below `up_to` has ended by here.
bool add_aborted(const std::vector<AbortedTransaction>& entries, Offset from, Offset up_to,
                 std::vector<AbortedTransaction>& found) {
  for (const AbortedTransaction& transaction : entries) {
    if (transaction.last_offset >= from && transaction.first_offset < up_to) found.push_back(transaction);
    if (transaction.last_stable_offset >= up_to) return true;
  }
  return false;
}

}  // namespace

Result<ReadResult> PartitionLogImpl::read(const ReadOptions& options) {
  TRY(check_open());
  if (options.from < log_start_offset() || options.from > log_end_offset())
    return fail(ErrorCode::kOffsetOutOfRange);
  ReadResult result;
  ReadOptions wanted = options;
  wanted.up_to = std::min(options.up_to, log_end_offset());
  std::uint64_t budget = options.max_bytes;
  for (auto at = segment_of(options.from); at != segments_.end() && wanted.from < wanted.up_to; ++at) {
    auto given = noted(read_segment(*at->second, end_of(at), wanted, budget, result));
    // What lies before a batch that is not sound is given; who asks on from there is told.
    if (!given && is_corrupt(given.error()) && !result.slices.empty()) break;
    // The next segment follows only on one that was given to its end: nothing is passed over.
    bool to_its_end = TRY(std::move(given));
    if (!to_its_end || (budget == 0 && !result.slices.empty())) break;
    wanted.from = std::max(wanted.from, end_of(at));
    if (!result.slices.empty()) wanted.at_least_one_batch = false;
  }
  return result;
}

/// Adds what `segment` has of the range, as far as the budget goes, and takes it off that. False when there
/// is more in the segment. `below` is where the next segment begins.
Result<bool> PartitionLogImpl::read_segment(Segment& segment, Offset below, const ReadOptions& options,
                                            std::uint64_t& budget, ReadResult& result) {
  auto first = TRY(segment.find(options.from));
  if (!first || first->last_offset >= options.up_to) {
    TRY(verify_search(segment, options.from, first ? first->position + first->size : segment.size(), below));
    return !first;
  }
  Result<std::optional<EntryInfo>> beyond = std::nullopt;
  if (options.up_to < below) beyond = segment.find(options.up_to);
  // Of a broken batch before the bound verification tells, once what lies before it was given.
  if (!beyond && !is_corrupt(beyond.error())) return std::unexpected(std::move(beyond).error());
  std::uint64_t end = beyond && *beyond ? (*beyond)->position : segment.size();
  std::uint64_t limit = options.at_least_one_batch ? std::max(budget, first->size) : budget;
  if (limit < first->size) return false;
  std::uint64_t size = std::min(end - first->position, limit);
  if (options.only_cached && !segment.file()->is_cached(first->position, size)) {
    result.uncached = FileSlice{segment.file(), first->position, size};
    return false;
  }
  size = TRY(verified_size(segment, *first, size, options.from, below));
  result.slices.push_back({segment.file(), first->position, size});
  result.size_bytes += size;
  if (result.first_batch_offset == kNoOffset) result.first_batch_offset = first->base_offset;
  budget -= std::min(budget, size);
  return first->position + size == segment.size();
}

/// How much of `size` bytes from the entry `first` on is sound, when `from` was looked for and led there.
Result<std::uint64_t> PartitionLogImpl::verified_size(Segment& segment, const EntryInfo& first,
                                                      std::uint64_t size, Offset from, Offset below) {
  if (segment.is_trusted(first.position)) return size;
  TRY(verify_search(segment, from, first.position, below));
  return std::min(size, TRY(segment.verify(first.position, first.position + size, below)) - first.position);
}

/// An entry whose offsets are wrong may hide another: what the search for `from` passed over must be sound.
Result<void> PartitionLogImpl::verify_search(Segment& segment, Offset from, std::uint64_t to, Offset below) {
  for (std::uint64_t at = TRY(segment.search_begin(from)); at < to && !segment.is_trusted(at);)
    at = TRY(segment.verify(at, to, below));
  return {};
}

Result<Bytes> PartitionLogImpl::read_bytes(const ReadOptions& options) {
  ReadResult found = TRY(read(options));
  Bytes bytes(found.size_bytes);
  std::size_t filled = 0;
  for (const FileSlice& slice : found.slices) {
    auto into = MutableByteView(bytes).subspan(filled, slice.size);
    if (TRY(noted(slice.file->read_at(slice.position, into))) != slice.size)
      return std::unexpected(
          note({ErrorCode::kKafkaStorageError, "a segment of " + directory_ + " is too short"}));
    filled += slice.size;
  }
  return bytes;
}

Result<std::vector<AbortedTransaction>> PartitionLogImpl::aborted_transactions(Offset from, Offset up_to) {
  return noted(collect_aborted(from, up_to));
}

Result<std::vector<AbortedTransaction>> PartitionLogImpl::collect_aborted(Offset from, Offset up_to) {
  std::vector<AbortedTransaction> found;
  for (auto at = segment_of(from); at != segments_.end(); ++at) {
    TransactionIndex& index = at->second->transactions();
    if (index.empty()) continue;
    const std::vector<AbortedTransaction> entries = TRY(index.entries());
    if (!index.is_trusted()) {
      if (!TRY(is_right(at, entries)))
        return fail(ErrorCode::kCorruptMessage, "wrong entries in transaction index " + index.path());
      index.trust();
    }
    if (add_aborted(entries, from, up_to, found)) break;
  }
  return found;
}

/// Whether what a transaction index that was found on disk holds agrees with itself and with the batches.
Result<bool> PartitionLogImpl::is_right(Segments::const_iterator segment,
                                        const std::vector<AbortedTransaction>& entries) {
  Offset last = segment->first - 1;
  Offset last_stable(0);
  for (const AbortedTransaction& entry : entries) {
    const bool is_ordered = entry.first_offset <= entry.last_offset && entry.last_offset > last &&
                            entry.last_offset < end_of(segment) && entry.last_stable_offset >= last_stable &&
                            entry.last_stable_offset <= entry.last_offset + 1;
    if (!is_ordered || !TRY(matches_batches(entry))) return false;
    last = entry.last_offset;
    last_stable = entry.last_stable_offset;
  }
  return true;
}

/// A transaction begins with a batch of its producer and ends with a marker; what is gone or broken tells
/// nothing.
Result<bool> PartitionLogImpl::matches_batches(const AbortedTransaction& transaction) {
  if (auto bytes = TRY(sound_batch(transaction.last_offset))) {
    const protocol::RecordBatchView batch{ByteView(*bytes)};
    if (!batch.is_control() || batch.producer_id() != transaction.producer_id) return false;
    auto marker = batch.count() > 0 ? TRY(read_transaction_marker(batch)) : std::nullopt;
    if (marker && !marker->aborted) return false;
  }
  auto bytes = TRY(sound_batch(transaction.first_offset));
  if (!bytes) return true;
  const protocol::RecordBatchView batch{ByteView(*bytes)};
  return batch.is_transactional() && !batch.is_control() && batch.producer_id() == transaction.producer_id &&
         batch.base_offset() == transaction.first_offset;
}

/// The batch that holds `offset`; nothing where there is none any more, or none that is sound.
Result<std::optional<Bytes>> PartitionLogImpl::sound_batch(Offset offset) {
  auto at = segment_of(offset);
  if (at == segments_.end() || offset < at->first) return std::nullopt;
  Segment& segment = *at->second;
  auto entry = noted(segment.find(offset));
  if (!entry && is_corrupt(entry.error())) return std::nullopt;
  if (!TRY(std::move(entry)) || (*entry)->base_offset > offset) return std::nullopt;
  auto sound = noted(segment.verify((*entry)->position, (*entry)->position + (*entry)->size, end_of(at)));
  if (!sound && is_corrupt(sound.error())) return std::nullopt;
  (void)TRY(std::move(sound));
  Bytes bytes = TRY(read_whole(*segment.file(), **entry));
  if (protocol::LogEntry(ByteView(bytes)).is_legacy()) return std::nullopt;
  return bytes;
}

Result<std::optional<TimestampOffset>> PartitionLogImpl::find_by_timestamp(std::int64_t timestamp_ms,
                                                                           Offset up_to) {
  TRY(check_open());
  for (auto at = segment_of(log_start_offset()); at != segments_.end(); ++at) {
    if (at->first >= up_to) break;
    TimestampPosition largest = TRY(noted(at->second->max_timestamp()));
    if (largest.timestamp_ms < timestamp_ms) continue;
    auto found = TRY(noted(find_in_segment(*at->second, end_of(at), timestamp_ms, up_to)));
    if (found) return found;
  }
  return std::nullopt;
}

Result<std::optional<TimestampOffset>> PartitionLogImpl::find_in_segment(Segment& segment, Offset below,
                                                                         std::int64_t timestamp_ms,
                                                                         Offset up_to) const {
  std::uint64_t from = TRY(segment.position_for_timestamp(timestamp_ms));
  HeaderScanner scanner(*segment.file(), from, segment.size());
  std::uint64_t sound_to = from;
  for (;;) {
    // A timestamp that is wrong may hide a record as well as show one.
    const std::uint64_t at = scanner.position();
    if (at >= sound_to && at < segment.size()) sound_to = TRY(segment.verify(at, segment.size(), below));
    auto entry = TRY(scanner.next());
    if (!entry) return std::nullopt;
    if (entry->base_offset >= up_to) return std::nullopt;
    if (entry->max_timestamp_ms < timestamp_ms || entry->last_offset < log_start_offset()) continue;
    auto found = TRY(find_in_entry(*segment.file(), *entry, timestamp_ms, log_start_offset(), up_to));
    if (found) return found;
  }
}

std::vector<SegmentTime> PartitionLogImpl::segment_times() {
  std::vector<SegmentTime> times;
  for (const auto& [base, segment] : segments_) times.push_back({base, segment->modified_ms()});
  return times;
}

Result<std::optional<TimestampOffset>> PartitionLogImpl::find_max_timestamp() {
  TRY(check_open());
  auto where = segments_.cend();
  TimestampPosition largest;
  for (auto at = segments_.cbegin(); at != segments_.cend(); ++at) {
    TimestampPosition here = TRY(noted(at->second->max_timestamp()));
    if (here.timestamp_ms <= largest.timestamp_ms) continue;
    largest = here;
    where = at;
  }
  if (where == segments_.cend()) return std::nullopt;
  Segment& segment = *where->second;
  auto entry = TRY(noted(segment.find(largest.offset)));
  if (!entry) return std::nullopt;
  (void)TRY(noted(segment.verify(entry->position, entry->position + entry->size, end_of(where))));
  // Below the log start too, as Kafka 4.3.1 answers after DeleteRecords.
  return find_in_entry(*segment.file(), *entry, largest.timestamp_ms, entry->base_offset, log_end_offset());
}

}  // namespace barnabas::log

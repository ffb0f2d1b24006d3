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
    // The next segment follows only on one that was given to its end: nothing is passed over.
    bool to_its_end = TRY(noted(read_segment(*at->second, wanted, budget, result)));
    if (!to_its_end || (budget == 0 && !result.slices.empty())) break;
    wanted.from = std::max(wanted.from, end_of(at));
    if (!result.slices.empty()) wanted.at_least_one_batch = false;
  }
  return result;
}

/// Adds what `segment` has of the range, as far as the budget goes, and takes it off that. False when there
/// is more in the segment.
Result<bool> PartitionLogImpl::read_segment(Segment& segment, const ReadOptions& options,
                                            std::uint64_t& budget, ReadResult& result) {
  auto first = TRY(segment.find(options.from));
  if (!first) return true;
  if (first->last_offset >= options.up_to) return false;
  auto beyond = TRY(segment.find(options.up_to));
  std::uint64_t end = beyond ? beyond->position : segment.size();
  std::uint64_t limit = options.at_least_one_batch ? std::max(budget, first->size) : budget;
  if (limit < first->size) return false;
  std::uint64_t size = std::min(end - first->position, limit);
  if (options.only_cached && !segment.file()->is_cached(first->position, size)) {
    result.uncached = FileSlice{segment.file(), first->position, size};
    return false;
  }
  result.slices.push_back({segment.file(), first->position, size});
  result.size_bytes += size;
  if (result.first_batch_offset == kNoOffset) result.first_batch_offset = first->base_offset;
  budget -= std::min(budget, size);
  return first->position + size == segment.size();
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

std::vector<AbortedTransaction> PartitionLogImpl::aborted_transactions(Offset from, Offset up_to) const {
  std::vector<AbortedTransaction> found;
  for (auto at = segment_of(from); at != segments_.end(); ++at) {
    const TransactionIndex& index = at->second->transactions();
    if (index.empty()) continue;
    auto entries = index.entries();
    if (!entries) continue;
    if (add_aborted(*entries, from, up_to, found)) break;
  }
  return found;
}

/// As aborted_transactions(), but an index that cannot be read is an error.
Result<std::vector<AbortedTransaction>> PartitionLogImpl::collect_aborted(Offset from, Offset up_to) const {
  std::vector<AbortedTransaction> found;
  for (auto at = segment_of(from); at != segments_.end(); ++at) {
    const TransactionIndex& index = at->second->transactions();
    if (!index.empty() && add_aborted(TRY(index.entries()), from, up_to, found)) break;
  }
  return found;
}

Result<std::optional<TimestampOffset>> PartitionLogImpl::find_by_timestamp(std::int64_t timestamp_ms,
                                                                           Offset up_to) {
  TRY(check_open());
  for (auto at = segment_of(log_start_offset()); at != segments_.end(); ++at) {
    if (at->first >= up_to) break;
    TimestampPosition largest = TRY(noted(at->second->max_timestamp()));
    if (largest.timestamp_ms < timestamp_ms) continue;
    auto found = TRY(noted(find_in_segment(*at->second, timestamp_ms, up_to)));
    if (found) return found;
  }
  return std::nullopt;
}

Result<std::optional<TimestampOffset>> PartitionLogImpl::find_in_segment(Segment& segment,
                                                                         std::int64_t timestamp_ms,
                                                                         Offset up_to) const {
  std::uint64_t from = TRY(segment.position_for_timestamp(timestamp_ms));
  HeaderScanner scanner(*segment.file(), from, segment.size());
  while (auto entry = TRY(scanner.next())) {
    if (entry->base_offset >= up_to) break;
    if (entry->max_timestamp_ms < timestamp_ms || entry->last_offset < log_start_offset()) continue;
    auto found = TRY(find_in_entry(*segment.file(), *entry, timestamp_ms, log_start_offset(), up_to));
    if (found) return found;
  }
  return std::nullopt;
}

std::vector<SegmentTime> PartitionLogImpl::segment_times() {
  std::vector<SegmentTime> times;
  for (const auto& [base, segment] : segments_) times.push_back({base, segment->modified_ms()});
  return times;
}

Result<std::optional<TimestampOffset>> PartitionLogImpl::find_max_timestamp() {
  TRY(check_open());
  Segment* where = nullptr;
  TimestampPosition largest;
  for (auto at = segment_of(log_start_offset()); at != segments_.end(); ++at) {
    TimestampPosition here = TRY(noted(at->second->max_timestamp()));
    if (here.timestamp_ms <= largest.timestamp_ms) continue;
    largest = here;
    where = at->second.get();
  }
  if (where == nullptr) return std::nullopt;
  auto entry = TRY(noted(where->find(largest.offset)));
  if (!entry) return std::nullopt;
  // Below the log start too, as Kafka 4.3.1 answers after DeleteRecords.
  return find_in_entry(*where->file(), *entry, largest.timestamp_ms, entry->base_offset, log_end_offset());
}

}  // namespace barnabas::log

#include "log/batch_cleaning.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "protocol/legacy_message_set.hpp"
#include "protocol/record_batch_builder.hpp"

namespace barnabas::log {

using protocol::RecordBatchView;
using protocol::RecordView;

namespace {

/// A horizon makes every record's timestamp longer: a batch near the format's 2 GiB would not fit any more.
constexpr std::size_t kLargestRebuilt = std::size_t{1} << 29;

void append_bytes(ByteView from, Bytes& into) {
  into.insert(into.end(), from.begin(), from.end());
}

}  // namespace

Result<void> BatchCleaner::clean(const protocol::LogEntry& entry, const CleanedSource& source, Bytes& into) {
  // Writing an entry anew would put a right checksum on wrong bytes.
  if (!checksum_matches(entry)) return fail(ErrorCode::kCorruptMessage, "a wrong checksum");
  return entry.is_legacy() ? clean_legacy(entry, source, into) : clean_batch(entry.batch(), source, into);
}

/// Without the batch with its producer's last sequence, or epoch, that would be forgotten; without the last
/// one of the round, where the log ended.
bool BatchCleaner::is_kept_empty(const RecordBatchView& batch, const LastRecords& last_records) const {
  if (batch.next_offset() == round_.upper_bound) return true;
  if (!batch.has_producer_id()) return false;
  auto last = last_records.find(batch.producer_id());
  if (last == last_records.end()) return false;
  if (last->second.data_offset) return batch.last_offset() == *last->second.data_offset;
  return batch.is_control() && batch.producer_epoch() == last->second.epoch;
}

BatchCleaner::Candidate BatchCleaner::candidate(const RecordView& record) const {
  Candidate candidate{record.offset, record.key.has_value(), record.value.has_value(), {}};
  if (!record.key || record.offset > map_.latest_offset()) return candidate;
  candidate.key = map_.digest(*record.key);
  map_.prefetch(candidate.key);
  return candidate;
}

bool BatchCleaner::stays(const Candidate& record, bool keeps_tombstones) {
  if (record.offset > map_.latest_offset()) return true;
  if (!record.has_key) {
    ++counts_.keyless_records;
    return false;
  }
  bool is_last = record.offset >= map_.find(record.key);
  return is_last && (record.has_value || keeps_tombstones);
}

Result<BatchCleaner::Verdict> BatchCleaner::judge(const RecordBatchView& batch) {
  Verdict verdict;
  auto horizon = batch.delete_horizon_ms();
  bool keeps_tombstones = !horizon || round_.now_ms < *horizon;
  protocol::RecordCursor cursor(batch, scratch_);
  RecordView record;
  Offset next = batch.base_offset();
  auto judge_one = [&](const Candidate& one) {
    bool kept = batch.is_control() || stays(one, keeps_tombstones);
    verdict.stays.push_back(kept);
    if (!kept) return;
    if (one.offset < next || one.offset > batch.last_offset()) verdict.in_order = false;
    next = one.offset + 1;
    ++verdict.kept;
    if (!one.has_value) verdict.keeps_tombstone = true;
  };
  std::array<Candidate, OffsetMap::kKeysAhead> ahead;
  for (bool is_more = true; is_more;) {
    std::size_t count = 0;
    for (; count < ahead.size(); ++count) {
      is_more = TRY(cursor.next(record));
      if (!is_more) break;
      ahead[count] = candidate(record);
    }
    std::ranges::for_each(std::span(ahead).first(count), judge_one);
  }
  return verdict;
}

Result<void> BatchCleaner::rebuild(const RecordBatchView& batch, const Verdict& verdict,
                                   std::optional<std::int64_t> delete_horizon_ms, Bytes& into) {
  protocol::BatchOptions options = protocol::options_of(batch);
  options.delete_horizon_ms = delete_horizon_ms;
  protocol::RecordBatchBuilder builder(options);
  protocol::RecordCursor cursor(batch, scratch_);
  RecordView record;
  for (std::size_t i = 0; TRY(cursor.next(record)); ++i)
    if (verdict.stays[i]) builder.append_copy(record);
  builder.set_last_offset(batch.last_offset());
  append_bytes(builder.build(compressor_), into);
  return {};
}

Result<void> BatchCleaner::clean_batch(const RecordBatchView& batch, const CleanedSource& source,
                                       Bytes& into) {
  auto horizon = batch.delete_horizon_ms();
  bool transaction_is_gone =
      batch.is_control() ? TRY(transactions_.read_control(batch)) : transactions_.read_data(batch);
  bool drops_all = transaction_is_gone;
  if (batch.is_control()) drops_all = drops_all && horizon && *horizon <= round_.now_ms;

  Verdict verdict;
  if (!drops_all) verdict = TRY(judge(batch));
  counts_.records_read += static_cast<std::uint64_t>(std::max(batch.count(), 0));
  if (verdict.kept == 0) {
    if (!is_kept_empty(batch, source.last_records)) return {};
    protocol::BatchOptions options = protocol::options_of(batch);
    options.delete_horizon_ms = std::nullopt;
    append_bytes(protocol::make_empty_batch(options, batch.last_offset(), batch.max_timestamp()), into);
    return {};
  }
  bool sets_horizon = !horizon && (verdict.keeps_tombstone || (batch.is_control() && transaction_is_gone));
  bool is_unchanged = verdict.keeps_all() && !sets_horizon;
  if (is_unchanged || !verdict.in_order || batch.bytes().size() > kLargestRebuilt) {
    counts_.records_kept += verdict.stays.size();
    append_bytes(batch.bytes(), into);
    return {};
  }
  counts_.records_kept += verdict.kept;
  if (sets_horizon) horizon = round_.now_ms + round_.delete_retention_ms;
  return rebuild(batch, verdict, horizon, into);
}

Result<void> BatchCleaner::clean_legacy(const protocol::LogEntry& entry, const CleanedSource& source,
                                        Bytes& into) {
  protocol::LegacyMessageView message(entry.bytes());
  protocol::LegacySetOptions options{message.magic(), message.codec(), protocol::kStandardLevel,
                                     message.timestamp_type(), message.timestamp()};
  protocol::LegacySetBuilder builder(options);
  std::size_t read = 0;
  std::size_t kept = 0;
  bool in_order = true;
  Offset next(0);
  // The records go into the new set at once: a set is held whole anyway, to be read.
  auto take = [&](const RecordView& record) {
    ++read;
    if (!stays(candidate(record), source.keeps_legacy_tombstones)) return;
    ++kept;
    in_order = in_order && record.offset >= next;
    next = record.offset + 1;
    if (in_order) builder.append(record.offset, record.timestamp, record.key, record.value);
  };
  TRY(protocol::visit_records(entry, scratch_, {}, take));
  counts_.records_read += read;
  if (kept == 0) return {};
  bool is_copied = kept == read || !in_order || options.codec > protocol::Codec::kLz4;
  counts_.records_kept += is_copied ? read : kept;
  append_bytes(is_copied ? entry.bytes() : ByteView(builder.build(compressor_)), into);
  return {};
}

}  // namespace barnabas::log

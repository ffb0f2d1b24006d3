#include "log/producer_state.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/crc32c.hpp"
#include "protocol/reader.hpp"
#include "protocol/records.hpp"
#include "protocol/writer.hpp"

namespace barnabas::log {
namespace {

using protocol::RecordBatchHeader;
using protocol::RecordBatchView;

constexpr std::int16_t kSnapshotVersion = 1;
constexpr std::size_t kSnapshotHeadBytes = 6;
constexpr std::size_t kSnapshotEntryBytes = 46;

bool in_sequence(std::int32_t last, std::int32_t next) {
  return next == std::int64_t{last} + 1 || (next == 0 && last == INT32_MAX);
}

}  // namespace

Result<std::optional<TransactionMarker>> read_transaction_marker(const RecordBatchView& batch) {
  protocol::RecordScratch scratch;
  protocol::RecordCursor cursor(batch, scratch);
  protocol::RecordView record;
  if (batch.count() == 0) return std::nullopt;
  if (!TRY(cursor.next(record))) return std::nullopt;
  protocol::Reader key(record.key.value_or(ByteView{}));
  key.int16();
  std::int16_t type = key.int16();
  if (!key.ok()) return fail(ErrorCode::kInvalidRecord, "a control record without a type");
  if (type != 0 && type != 1) return std::nullopt;
  protocol::Reader value(record.value.value_or(ByteView{}));
  value.int16();
  TransactionMarker marker{type == 0, value.int32(), record.offset, record.timestamp};
  if (!value.ok()) return fail(ErrorCode::kInvalidRecord, "a transaction marker without a coordinator epoch");
  return marker;
}

void ProducerState::Entry::set_epoch(ProducerEpoch value) {
  if (epoch == value) return;
  epoch = value;
  batch_count = 0;
  knows_earlier = true;
}

void ProducerState::Entry::add(const ProducedBatch& batch) {
  if (batch_count == batches.size()) {
    std::shift_left(batches.begin(), batches.end(), 1);
    --batch_count;
  }
  batches[batch_count++] = batch;
  last_timestamp_ms = batch.timestamp_ms;
}

void ProducerState::clear() {
  producers_.clear();
  ongoing_.clear();
  unreplicated_.clear();
  verifications_.clear();
}

std::optional<ProducedBatch> ProducerState::find_duplicate(const RecordBatchHeader& batch) const {
  if (!batch.has_producer_id()) return std::nullopt;
  auto found = producers_.find(batch.producer_id());
  if (found == producers_.end() || found->second.epoch != batch.producer_epoch()) return std::nullopt;
  const Entry& entry = found->second;
  for (std::size_t i = 0; i < entry.batch_count; ++i) {
    const ProducedBatch& known = entry.batches[i];
    if (known.first_sequence() == batch.base_sequence() && known.last_sequence == batch.last_sequence())
      return known;
  }
  return std::nullopt;
}

std::optional<Offset> ProducerState::may_be_forgotten(const RecordBatchHeader& batch) const {
  const auto found = producers_.find(batch.producer_id());
  if (found == producers_.end() || found->second.epoch != batch.producer_epoch()) return std::nullopt;
  const Entry& entry = found->second;
  if (entry.knows_earlier || entry.batch_count == 0 || entry.batch_count == entry.batches.size())
    return std::nullopt;
  // Sequences wrap around: what is less than half of them behind comes before.
  const std::int32_t behind =
      protocol::decrement_sequence(entry.batches[0].first_sequence(), batch.base_sequence());
  if (behind == 0 || behind > INT32_MAX / 2) return std::nullopt;
  return entry.batches[0].first_offset();
}

void ProducerState::remember_earlier(ProducerId id, const std::vector<ProducedBatch>& earlier) {
  Entry& entry = producers_[id];
  const std::vector<ProducedBatch> known(
      entry.batches.begin(), entry.batches.begin() + static_cast<std::ptrdiff_t>(entry.batch_count));
  const std::int64_t last_timestamp_ms = entry.last_timestamp_ms;
  entry.batch_count = 0;
  for (const ProducedBatch& batch : earlier) entry.add(batch);
  for (const ProducedBatch& batch : known) entry.add(batch);
  entry.last_timestamp_ms = last_timestamp_ms;
  entry.knows_earlier = true;
}

Result<void> ProducerState::check_sequence(const Entry& entry, const RecordBatchHeader& batch,
                                           Offset offset) const {
  if (batch.producer_epoch() != entry.epoch) {
    if (batch.base_sequence() == 0 || entry.epoch == kNoProducerEpoch) return {};
    return fail(
        ErrorCode::kOutOfOrderSequenceNumber,
        fmt::format("Invalid sequence number for new epoch of producer {} at offset {} in partition {}: {} "
                    "(request epoch), {} (seq. number), {} (current producer epoch)",
                    batch.producer_id().value(), offset.value(), partition_, batch.producer_epoch().value(),
                    batch.base_sequence(), entry.epoch.value()));
  }
  std::int32_t last =
      entry.last_batch() == nullptr ? protocol::kNoSequence : entry.last_batch()->last_sequence;
  if (in_sequence(last, batch.base_sequence())) return {};
  return fail(
      ErrorCode::kOutOfOrderSequenceNumber,
      fmt::format("Out of order sequence number for producer {} at offset {} in partition {}: {} (incoming "
                  "seq. number), {} (current end sequence number)",
                  batch.producer_id().value(), offset.value(), partition_, batch.base_sequence(), last));
}

Result<void> ProducerState::check_marker(const Entry& entry, const RecordBatchView& batch,
                                         Offset offset) const {
  auto marker = TRY(read_transaction_marker(batch));
  if (!marker || marker->coordinator_epoch >= entry.coordinator_epoch) return {};
  return fail(
      ErrorCode::kTransactionCoordinatorFenced,
      fmt::format("Invalid coordinator epoch for producerId {} at offset {} in partition {}: {} (zombie), "
                  "{} (current)",
                  batch.producer_id().value(), offset.value(), partition_, marker->coordinator_epoch,
                  entry.coordinator_epoch));
}

bool ProducerState::has_open_transaction(ProducerId id, ProducerEpoch epoch) const {
  auto found = producers_.find(id);
  return found != producers_.end() && found->second.transaction_start != kNoOffset &&
         found->second.epoch == epoch;
}

/// Markers of transaction.version 2 end a transaction with an epoch above its own; a second one with the same
/// is a retry when there is nothing left to end.
Result<void> ProducerState::check_epoch(const Entry& entry, const RecordBatchHeader& batch, Offset offset,
                                        std::int16_t transaction_version) const {
  ProducerEpoch epoch = batch.producer_epoch();
  if (epoch > entry.epoch) return {};
  bool must_be_above = batch.is_control() && transaction_version >= 2;
  if (epoch == entry.epoch && (!must_be_above || entry.transaction_start == kNoOffset)) return {};
  return fail(
      ErrorCode::kInvalidProducerEpoch,
      fmt::format("Epoch of producer {} at offset {} in {} is {}, which is smaller than the last seen "
                  "epoch {}",
                  batch.producer_id().value(), offset.value(), partition_, epoch.value(),
                  entry.epoch.value() + (must_be_above ? 1 : 0)));
}

Result<void> ProducerState::check(const RecordBatchView& batch, Offset offset,
                                  const AppendOptions& options) const {
  if (!batch.has_producer_id()) return {};
  TRY(check_verification(batch, offset, options));
  static const Entry kUnknown;
  auto found = producers_.find(batch.producer_id());
  const bool is_unknown = found == producers_.end();
  // A marker's epochs must not be below "none" even where nobody is known (measured on Kafka 4.3.1).
  if (is_unknown && !batch.is_control()) return {};
  const Entry& entry = is_unknown ? kUnknown : found->second;
  TRY(check_epoch(entry, batch, offset, options.transaction_version));
  if (batch.is_control()) return check_marker(entry, batch, offset);
  if (options.origin == AppendOrigin::kClient) TRY(check_sequence(entry, batch, offset));
  if (entry.transaction_start != kNoOffset && !batch.is_transactional()) {
    return fail(ErrorCode::kInvalidTxnState,
                fmt::format("Expected transactional write from producer {} at offset {} in partition {}",
                            batch.producer_id().value(), offset.value(), partition_));
  }
  return {};
}

Result<std::optional<CompletedTransaction>> ProducerState::completed_by(const RecordBatchView& batch) const {
  if (!batch.has_producer_id() || !batch.is_control()) return std::nullopt;
  const auto marker = TRY(read_transaction_marker(batch));
  const auto found = producers_.find(batch.producer_id());
  if (!marker || found == producers_.end() || found->second.transaction_start == kNoOffset)
    return std::nullopt;
  return CompletedTransaction{batch.producer_id(), found->second.transaction_start, marker->offset,
                              marker->aborted};
}

Result<void> ProducerState::apply(const RecordBatchView& batch) {
  if (!batch.has_producer_id()) return {};
  if (batch.is_control()) {
    auto marker = TRY(read_transaction_marker(batch));
    if (!marker) return {};
    Entry& entry = producers_[batch.producer_id()];
    end_verification(entry, batch);
    entry.set_epoch(batch.producer_epoch());
    entry.coordinator_epoch = std::max(entry.coordinator_epoch, marker->coordinator_epoch);
    entry.last_timestamp_ms = marker->timestamp_ms;
    if (entry.transaction_start != kNoOffset) {
      ongoing_.erase(entry.transaction_start);
      unreplicated_[entry.transaction_start] = marker->offset;
      entry.transaction_start = kNoOffset;
    }
    return {};
  }
  if (batch.is_transactional()) verifications_.erase(batch.producer_id());
  Entry& entry = producers_[batch.producer_id()];
  entry.set_epoch(batch.producer_epoch());
  entry.add({batch.last_sequence(), batch.last_offset(), batch.last_offset_delta(), batch.max_timestamp()});
  if (batch.is_transactional() && entry.transaction_start == kNoOffset) {
    entry.transaction_start = batch.base_offset();
    ongoing_.emplace(batch.base_offset(), batch.producer_id());
  }
  return {};
}

Offset ProducerState::stable_offset_after(const CompletedTransaction& transaction) const {
  for (const auto& [first, id] : ongoing_)
    if (id != transaction.producer_id) return first;
  return transaction.last_offset + 1;
}

void ProducerState::on_high_watermark(Offset high_watermark) {
  while (!unreplicated_.empty() && unreplicated_.begin()->second < high_watermark)
    unreplicated_.erase(unreplicated_.begin());
}

void ProducerState::on_log_start(Offset log_start) {
  std::erase_if(unreplicated_, [&](const auto& entry) { return entry.second < log_start; });
}

std::optional<Offset> ProducerState::first_unstable_offset() const {
  std::optional<Offset> first;
  if (!ongoing_.empty()) first = ongoing_.begin()->first;
  if (!unreplicated_.empty() && (!first || unreplicated_.begin()->first < *first))
    first = unreplicated_.begin()->first;
  return first;
}

void ProducerState::expire(std::int64_t now_ms) {
  std::erase_if(producers_, [&](const auto& entry) { return is_expired(entry.second, now_ms); });
  std::erase_if(verifications_,
                [&](const auto& entry) { return now_ms - entry.second.began_ms >= expiration_ms_; });
}

Bytes ProducerState::encode() const {
  protocol::Writer writer(kSnapshotHeadBytes + 4 + producers_.size() * kSnapshotEntryBytes);
  writer.int16(kSnapshotVersion);
  writer.int32(0);
  writer.int32(static_cast<std::int32_t>(producers_.size()));
  for (const auto& [id, entry] : producers_) {
    const ProducedBatch last = entry.last_batch() == nullptr ? ProducedBatch{} : *entry.last_batch();
    writer.int64(id.value());
    writer.int16(entry.epoch.value());
    writer.int32(last.last_sequence);
    writer.int64(last.last_offset.value());
    writer.int32(last.offset_delta);
    writer.int64(entry.last_timestamp_ms);
    writer.int32(entry.coordinator_epoch);
    writer.int64(entry.transaction_start.value());
  }
  std::uint32_t crc = crc32c(ByteView(writer.buffer()).subspan(kSnapshotHeadBytes));
  writer.patch_int32(2, static_cast<std::int32_t>(crc));
  return writer.take();
}

Result<void> ProducerState::decode(ByteView bytes, std::int64_t now_ms) {
  clear();
  protocol::Reader reader(bytes);
  std::int16_t version = reader.int16();
  std::uint32_t crc = reader.uint32();
  if (!reader.ok() || version != kSnapshotVersion || crc != crc32c(reader.rest()))
    return fail(ErrorCode::kCorruptMessage, "a producer snapshot with a wrong version or checksum");
  std::int32_t count = reader.array_length(false, kSnapshotEntryBytes);
  for (std::int32_t i = 0; i < count; ++i) {
    ProducerId id(reader.int64());
    Entry entry;
    entry.epoch = ProducerEpoch(reader.int16());
    ProducedBatch last;
    last.last_sequence = reader.int32();
    last.last_offset = Offset(reader.int64());
    last.offset_delta = reader.int32();
    last.timestamp_ms = reader.int64();
    if (last.last_offset >= Offset(0)) entry.add(last);
    entry.knows_earlier = false;
    entry.last_timestamp_ms = last.timestamp_ms;
    entry.coordinator_epoch = reader.int32();
    entry.transaction_start = Offset(reader.int64());
    if (is_expired(entry, now_ms)) continue;
    if (entry.transaction_start != kNoOffset) ongoing_.emplace(entry.transaction_start, id);
    producers_.emplace(id, entry);
  }
  if (!reader.ok()) {
    clear();
    return fail(ErrorCode::kCorruptMessage, "a producer snapshot that ends early");
  }
  return {};
}

LastRecords ProducerState::last_records() const {
  LastRecords records;
  for (const auto& [id, entry] : producers_) {
    const ProducedBatch* last = entry.last_batch();
    records[id] = {last == nullptr ? std::nullopt : std::optional(last->last_offset), entry.epoch};
  }
  return records;
}

std::vector<ActiveProducer> ProducerState::active() const {
  std::vector<ActiveProducer> all;
  all.reserve(producers_.size());
  for (const auto& [id, entry] : producers_) {
    const ProducedBatch* last = entry.last_batch();
    all.push_back({id, entry.epoch, last == nullptr ? protocol::kNoSequence : last->last_sequence,
                   entry.last_timestamp_ms, entry.coordinator_epoch, entry.transaction_start});
  }
  std::ranges::sort(all, {}, &ActiveProducer::id);
  return all;
}

}  // namespace barnabas::log

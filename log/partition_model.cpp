#include "log/partition_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "log/producer_state.hpp"
#include "log/segment_scan.hpp"
#include "protocol/legacy_message_set.hpp"

namespace barnabas::log {
namespace {

constexpr std::size_t kRemembered = 5;

bool follows(std::int32_t last, std::int32_t next) {
  return next == std::int64_t{last} + 1 || (next == 0 && last == INT32_MAX);
}

}  // namespace

std::int32_t ModelBatch::last_sequence() const {
  return base_sequence < 0 ? -1 : protocol::increment_sequence(base_sequence, static_cast<int>(last - base));
}

void ModelBatch::move_to(Offset offset) {
  std::int64_t by = offset - base;
  base = base + by;
  last = last + by;
  for (ModelRecord& record : records) record.offset = record.offset + by;
}

void ModelBatch::stamp(std::int64_t time_ms) {
  max_timestamp_ms = time_ms;
  for (ModelRecord& record : records) record.timestamp_ms = time_ms;
}

bool ModelBatch::same_content(const ModelBatch& other) const {
  return base == other.base && last == other.last && magic == other.magic &&
         (codec == other.codec || records.empty()) && epoch == other.epoch &&
         max_timestamp_ms == other.max_timestamp_ms && producer_id == other.producer_id &&
         producer_epoch == other.producer_epoch && base_sequence == other.base_sequence &&
         is_transactional == other.is_transactional && is_control == other.is_control &&
         commits == other.commits && coordinator_epoch == other.coordinator_epoch && records == other.records;
}

Result<ModelBatch> model_batch(const protocol::LogEntry& entry, protocol::RecordScratch& scratch) {
  if (!checksum_matches(entry)) return fail(ErrorCode::kCorruptMessage, "a wrong checksum");
  ModelBatch batch;
  EntryInfo info = entry_info(entry.bytes(), 0);
  batch.base = info.base_offset;
  batch.last = info.last_offset;
  batch.size = info.size;
  batch.magic = entry.magic();
  batch.epoch = info.epoch;
  batch.max_timestamp_ms = info.max_timestamp_ms;
  if (!entry.is_legacy()) {
    protocol::RecordBatchView view = entry.batch();
    batch.codec = view.codec();
    batch.producer_id = view.producer_id();
    batch.producer_epoch = view.producer_epoch();
    batch.base_sequence = view.base_sequence();
    batch.is_transactional = view.is_transactional();
    batch.is_control = view.is_control();
    batch.delete_horizon_ms = view.delete_horizon_ms();
    if (batch.is_control) {
      if (auto marker = TRY(read_transaction_marker(view))) {
        batch.commits = !marker->aborted;
        batch.coordinator_epoch = marker->coordinator_epoch;
      }
    }
  }
  TRY(protocol::visit_records(entry, scratch, {}, [&](const protocol::RecordView& record) {
    ModelRecord one{record.offset, record.timestamp, {}, {}};
    if (record.key) one.key = std::string(as_text(*record.key));
    if (record.value) one.value = std::string(as_text(*record.value));
    batch.records.push_back(std::move(one));
  }));
  return batch;
}

std::string to_string(const ModelBatch& batch) {
  return fmt::format(
      "[{}..{}] of {} bytes, magic {}, epoch {}, time {}, producer {}/{} sequence {}{}{}, {} records",
      batch.base.value(), batch.last.value(), batch.size, batch.magic, batch.epoch.value(),
      batch.max_timestamp_ms, batch.producer_id.value(), batch.producer_epoch.value(), batch.base_sequence,
      batch.is_transactional ? " transactional" : "",
      !batch.is_control ? ""
      : batch.commits   ? " commit"
                        : " abort",
      batch.records.size());
}

PartitionModel::PartitionModel(const LogConfig& how, Offset begin, std::int64_t now_ms)
    : config(how),
      segments{{begin, now_ms}},
      log_start(begin),
      log_end(begin),
      high_watermark(begin),
      recovery_point(begin) {}

// Appends.

std::optional<ErrorCode> PartitionModel::refusal(const ModelBatch& batch, bool by_client) const {
  if (batch.producer_id == kNoProducerId) return std::nullopt;
  auto found = producers.find(batch.producer_id);
  if (found == producers.end()) return std::nullopt;
  const ModelProducer& known = found->second;
  if (batch.producer_epoch < known.epoch) return ErrorCode::kInvalidProducerEpoch;
  if (batch.is_control) {
    if (batch.coordinator_epoch >= known.coordinator_epoch) return std::nullopt;
    return ErrorCode::kTransactionCoordinatorFenced;
  }
  bool is_in_order = batch.producer_epoch != known.epoch ? batch.base_sequence == 0
                                                         : follows(known.last_sequence, batch.base_sequence);
  if (by_client && !is_in_order) return ErrorCode::kOutOfOrderSequenceNumber;
  if (known.transaction_start != kNoOffset && !batch.is_transactional) return ErrorCode::kInvalidTxnState;
  return std::nullopt;
}

const ModelBatch* PartitionModel::duplicate_of(const ModelBatch& batch) const {
  auto found = producers.find(batch.producer_id);
  if (found == producers.end() || found->second.epoch != batch.producer_epoch) return nullptr;
  for (const ModelBatch& known : found->second.remembered) {
    if (known.base_sequence == batch.base_sequence && known.last_sequence() == batch.last_sequence())
      return &known;
  }
  return nullptr;
}

bool PartitionModel::must_roll(std::uint64_t bytes, std::int64_t max_timestamp_ms,
                               std::int64_t now_ms) const {
  std::size_t active = segments.size() - 1;
  std::uint64_t size = segment_size(active);
  if (size == 0 && segments.back().base == log_end) return false;
  if (size + bytes > static_cast<std::uint64_t>(config.segment_bytes)) return true;
  if (size == 0) return false;
  std::int64_t first_ms = batches[batches_of(active).first].max_timestamp_ms;
  std::int64_t waited = first_ms >= 0 ? max_timestamp_ms - first_ms : now_ms - segments.back().made_ms;
  return waited > config.max_segment_ms();
}

bool PartitionModel::append(const std::vector<ModelBatch>& added, std::int64_t now_ms) {
  std::uint64_t bytes = 0;
  for (const ModelBatch& batch : added) bytes += batch.size;
  bool fits = segment_size(segments.size() - 1) + bytes <= static_cast<std::uint64_t>(config.segment_bytes);
  bool rolled = false;
  if (added.size() == 1 || fits) {
    append_piece(added, now_ms, rolled);
  } else {
    for (const ModelBatch& batch : added) append_piece({batch}, now_ms, rolled);
  }
  if (log_end - recovery_point >= config.flush_messages) synced();
  return rolled;
}

void PartitionModel::append_piece(const std::vector<ModelBatch>& added, std::int64_t now_ms, bool& rolled) {
  std::uint64_t bytes = 0;
  std::int64_t max_timestamp_ms = -1;
  for (const ModelBatch& batch : added) {
    bytes += batch.size;
    max_timestamp_ms = std::max(max_timestamp_ms, batch.max_timestamp_ms);
  }
  if (must_roll(bytes, max_timestamp_ms, now_ms)) {
    roll(now_ms);
    rolled = true;
  }
  for (const ModelBatch& batch : added) {
    begin_epoch(batch.epoch, batch.base);
    batches.push_back(batch);
    log_end = batch.last + 1;
    take(batch);
  }
}

/// What a batch says of its producer.
std::optional<AbortedTransaction> PartitionModel::apply(Producers& state, const ModelBatch& batch,
                                                        std::vector<Completed>* completed) {
  ModelProducer& producer = state[batch.producer_id];
  if (producer.epoch != batch.producer_epoch) {
    producer.epoch = batch.producer_epoch;
    producer.last_sequence = -1;
    producer.remembered.clear();
  }
  producer.last_timestamp_ms = batch.max_timestamp_ms;
  bool leaves_transaction =
      !batch.is_control && (batch.is_transactional || producer.transaction_start != kNoOffset);
  producer.heard.push_back({batch.max_timestamp_ms, batch.coordinator_epoch, leaves_transaction});
  if (!batch.is_control) {
    producer.last_sequence = batch.last_sequence();
    ModelBatch kept = batch;
    kept.records.clear();
    producer.remembered.push_back(std::move(kept));
    if (producer.remembered.size() > kRemembered) producer.remembered.pop_front();
    if (batch.is_transactional && producer.transaction_start == kNoOffset)
      producer.transaction_start = batch.base;
    return std::nullopt;
  }
  producer.coordinator_epoch = std::max(producer.coordinator_epoch, batch.coordinator_epoch);
  if (producer.transaction_start == kNoOffset) return std::nullopt;
  AbortedTransaction ended{batch.producer_id, producer.transaction_start, batch.base, batch.last + 1};
  producer.transaction_start = kNoOffset;
  if (completed != nullptr) completed->push_back({ended.first_offset, ended.last_offset});
  if (batch.commits) return std::nullopt;
  for (const auto& [id, other] : state) {
    if (other.transaction_start != kNoOffset)
      ended.last_stable_offset = std::min(ended.last_stable_offset, other.transaction_start);
  }
  return ended;
}

void PartitionModel::take(const ModelBatch& batch) {
  if (batch.producer_id == kNoProducerId) return;
  history_.push_back(batch);
  history_.back().records.clear();
  if (auto ended = apply(producers, batch, &completed_)) aborted.push_back(*ended);
}

void PartitionModel::begin_epoch(LeaderEpoch epoch, Offset start) {
  if (epoch == kNoLeaderEpoch || (!epochs.empty() && epoch <= epochs.back().first)) return;
  truncate_epochs_from_end(start);
  epochs.emplace_back(epoch, start);
}

void PartitionModel::set_high_watermark(Offset offset) {
  high_watermark = std::max(high_watermark, std::clamp(offset, log_start, log_end));
  std::erase_if(completed_, [&](const Completed& one) { return one.marker < high_watermark; });
}

// Segments.

void PartitionModel::roll(std::int64_t now_ms) {
  if (segments.back().base == log_end) return;
  segments.push_back({log_end, now_ms});
}

std::pair<std::size_t, std::size_t> PartitionModel::batches_of(std::size_t index) const {
  auto from = std::ranges::lower_bound(batches, segments[index].base, {}, &ModelBatch::base);
  auto to = batches.end();
  if (index + 1 < segments.size())
    to = std::ranges::lower_bound(batches, segments[index + 1].base, {}, &ModelBatch::base);
  return {from - batches.begin(), to - batches.begin()};
}

std::uint64_t PartitionModel::segment_size(std::size_t index) const {
  std::uint64_t size = 0;
  auto [from, to] = batches_of(index);
  for (std::size_t i = from; i < to; ++i) size += batches[i].size;
  return size;
}

Offset PartitionModel::end_of(std::size_t index) const {
  return index + 1 < segments.size() ? segments[index + 1].base : log_end;
}

std::int64_t PartitionModel::retention_timestamp(std::size_t index) const {
  std::int64_t largest = -1;
  auto [from, to] = batches_of(index);
  for (std::size_t i = from; i < to; ++i) largest = std::max(largest, batches[i].max_timestamp_ms);
  return largest >= 0 ? largest : segments[index].made_ms;
}

void PartitionModel::delete_first_segment() {
  batches.erase(batches.begin(), batches.begin() + static_cast<std::ptrdiff_t>(batches_of(0).second));
  segments.erase(segments.begin());
  std::erase_if(aborted, [&](const AbortedTransaction& one) { return one.last_offset < segments[0].base; });
}

void PartitionModel::move_log_start(Offset offset) {
  if (offset <= log_start) return;
  log_start = offset;
  high_watermark = std::max(high_watermark, offset);
  std::erase_if(completed_, [&](const Completed& one) { return one.marker < offset; });
  while (!history_.empty() && history_.front().last < offset) {
    apply(oldest_, history_.front(), nullptr);
    history_.pop_front();
  }
  auto after = std::ranges::upper_bound(epochs, offset, {}, &std::pair<LeaderEpoch, Offset>::second);
  if (after == epochs.begin()) return;
  std::prev(after)->second = offset;
  epochs.erase(epochs.begin(), std::prev(after));
}

template <class Due>
int PartitionModel::delete_oldest(std::int64_t now_ms, Due is_due) {
  int count = 0;
  for (;; ++count) {
    Offset next = end_of(0);
    if (segments.size() == 1 && segment_size(0) == 0) break;
    if (next > high_watermark || !is_due(next)) break;
    if (segments.size() == 1) segments.push_back({log_end, now_ms});
    move_log_start(next);
    delete_first_segment();
  }
  return count;
}

void PartitionModel::delete_records_before(Offset offset, std::int64_t now_ms) {
  move_log_start(offset);
  delete_oldest(now_ms, [&](Offset next) { return segments.size() > 1 && next <= log_start; });
}

int PartitionModel::delete_below_start(std::int64_t now_ms) {
  return delete_oldest(now_ms, [&](Offset next) { return next <= log_start; });
}

int PartitionModel::apply_retention(std::int64_t now_ms) {
  int count = 0;
  if (config.cleanup_delete && config.retention_ms >= 0) {
    count +=
        delete_oldest(now_ms, [&](Offset) { return now_ms - retention_timestamp(0) > config.retention_ms; });
  }
  if (config.cleanup_delete && config.retention_bytes >= 0) {
    std::int64_t excess = static_cast<std::int64_t>(size_bytes()) - config.retention_bytes;
    count += delete_oldest(now_ms, [&](Offset) {
      auto size = static_cast<std::int64_t>(segment_size(0));
      if (excess < size) return false;
      excess -= size;
      return true;
    });
  }
  return count + delete_below_start(now_ms);
}

// Losing the end.

void PartitionModel::truncate_epochs_from_end(Offset end) {
  while (!epochs.empty() && epochs.back().second >= end) epochs.pop_back();
}

void PartitionModel::truncate_to(Offset offset, std::int64_t now_ms) {
  if (offset >= log_end) return truncate_epochs_from_end(log_end);
  if (offset < segments.front().base) return start_anew(offset, now_ms);
  while (segments.size() > 1 && segments.back().base > offset) segments.pop_back();
  std::erase_if(batches, [&](const ModelBatch& batch) { return batch.last >= offset; });
  log_end = offset;
  log_start = std::min(log_start, offset);
  recovery_point = std::min(recovery_point, offset);
  cleaned_to = std::min(cleaned_to, offset);
  high_watermark = std::min(high_watermark, offset);
  truncate_epochs_from_end(offset);
  reload_producers(offset);
}

void PartitionModel::start_anew(Offset offset, std::int64_t now_ms) {
  batches.clear();
  segments = {{offset, now_ms}};
  log_start = log_end = high_watermark = recovery_point = offset;
  cleaned_to = std::min(cleaned_to, offset);
  epochs.clear();
  producers.clear();
  oldest_.clear();
  history_.clear();
  completed_.clear();
  aborted.clear();
  producers_known_from = stable_known_from = offset;
}

/// From the batches below `end`, of which the log remembers at least the last one of each producer.
void PartitionModel::reload_producers(Offset end) {
  while (!history_.empty() && history_.back().last >= end) history_.pop_back();
  producers = oldest_;
  completed_.clear();
  std::vector<Completed> completed;
  std::erase_if(aborted, [&](const AbortedTransaction& one) { return one.last_offset >= end; });
  for (const ModelBatch& batch : history_) apply(producers, batch, &completed);
  for (auto& [id, producer] : producers)
    while (producer.remembered.size() > 1) producer.remembered.pop_front();
  stable_known_from = std::min(std::max(stable_known_from, log_start), end);
  for (const Completed& one : completed) stable_known_from = std::max(stable_known_from, one.marker + 1);
}

void PartitionModel::reopened(Offset end, const std::vector<Offset>& bases, std::int64_t now_ms) {
  segments.clear();
  for (Offset base : bases) segments.push_back({base, now_ms});
  std::erase_if(batches, [&](const ModelBatch& batch) { return batch.last >= end || batch.base < bases[0]; });
  log_end = end;
  high_watermark = log_start;
  truncate_epochs_from_end(end);
  reload_producers(end);
}

void PartitionModel::adopt_producers(const std::vector<ActiveProducer>& active) {
  oldest_.clear();
  history_.clear();
  stable_known_from = producers_known_from = log_end;
  for (const ActiveProducer& one : active) {
    const bool has_transaction = one.current_transaction_start != kNoOffset;
    oldest_[one.id] = {one.epoch, one.last_sequence, one.last_timestamp_ms, one.coordinator_epoch,
                       one.current_transaction_start};
    oldest_[one.id].heard = {{one.last_timestamp_ms, one.coordinator_epoch, has_transaction}};
  }
  producers = oldest_;
}

void PartitionModel::adopt_aborted(const std::vector<AbortedTransaction>& told) {
  std::erase_if(aborted, [&](const AbortedTransaction& one) { return one.last_offset >= recovery_point; });
  for (const AbortedTransaction& one : told)
    if (one.last_offset >= recovery_point) aborted.push_back(one);
}

bool PartitionModel::may_know_coordinator(ProducerId id, std::int32_t epoch, std::int64_t now_ms) const {
  auto found = producers.find(id);
  if (found == producers.end()) return false;
  std::set<std::int32_t> known = {-1};
  bool is_expired = false;  // what was heard so far, by a snapshot between two batches
  for (const ModelHeard& heard : found->second.heard) {
    if (is_expired) known.insert(-1);
    std::set<std::int32_t> after;
    for (std::int32_t one : known) after.insert(std::max(one, heard.coordinator_epoch));
    known = std::move(after);
    is_expired = !heard.leaves_transaction && now_ms - heard.timestamp_ms >= config.producer_id_expiration_ms;
  }
  return known.contains(epoch);
}

void PartitionModel::forget_expired(std::int64_t now_ms) {
  std::erase_if(producers, [&](const auto& entry) { return is_expired(entry.second, now_ms); });
}

}  // namespace barnabas::log

// What the log must answer by the model, and what compaction must leave.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "log/partition_model.hpp"

namespace barnabas::log {

Offset PartitionModel::end_by_files() const {
  auto [from, to] = batches_of(segments.size() - 1);
  return from < to ? batches[to - 1].last + 1 : segments.back().base;
}

std::vector<Offset> PartitionModel::segment_bases() const {
  std::vector<Offset> bases;
  for (const ModelSegment& segment : segments) bases.push_back(segment.base);
  return bases;
}

std::uint64_t PartitionModel::size_bytes() const {
  std::uint64_t size = 0;
  for (const ModelBatch& batch : batches) size += batch.size;
  return size;
}

Offset PartitionModel::last_stable_offset() const {
  std::optional<Offset> unstable;
  auto hold = [&](Offset offset) { unstable = unstable ? std::min(*unstable, offset) : offset; };
  for (const auto& [id, producer] : producers)
    if (producer.transaction_start != kNoOffset) hold(producer.transaction_start);
  for (const Completed& one : completed_) hold(one.first);
  if (!unstable || *unstable >= high_watermark) return high_watermark;
  return std::max(*unstable, log_start);
}

LeaderEpoch PartitionModel::epoch_of(Offset offset) const {
  LeaderEpoch found = kNoLeaderEpoch;
  for (const auto& [epoch, start] : epochs)
    if (start <= offset) found = epoch;
  return found;
}

EpochEndOffset PartitionModel::end_offset_for_epoch(LeaderEpoch epoch) const {
  if (epochs.empty() || epoch < LeaderEpoch(0) || epoch > epochs.back().first) return {};
  if (epoch == epochs.back().first) return {epoch, log_end};
  EpochEndOffset answer{epoch, kNoOffset};
  for (const auto& [known, start] : epochs) {
    if (known > epoch) {
      answer.end_offset = start;
      break;
    }
    answer.epoch = known;
  }
  return answer;
}

std::optional<TimestampOffset> PartitionModel::find_by_timestamp(std::int64_t timestamp_ms,
                                                                 Offset up_to) const {
  for (const ModelBatch& batch : batches) {
    for (const ModelRecord& record : batch.records) {
      bool counts = record.offset >= log_start && record.offset < up_to;
      if (counts && record.timestamp_ms >= timestamp_ms)
        return TimestampOffset{record.timestamp_ms, record.offset, batch.epoch};
    }
  }
  return std::nullopt;
}

/// Of the segments that are there, below the log start too: the first batch with the largest timestamp.
std::optional<TimestampOffset> PartitionModel::find_max_timestamp() const {
  const ModelBatch* largest = nullptr;
  for (const ModelBatch& batch : batches) {
    bool is_larger = batch.max_timestamp_ms > (largest == nullptr ? -1 : largest->max_timestamp_ms);
    if (is_larger) largest = &batch;
  }
  if (largest == nullptr) return std::nullopt;
  for (const ModelRecord& record : largest->records) {
    if (record.timestamp_ms >= largest->max_timestamp_ms)
      return TimestampOffset{record.timestamp_ms, record.offset, largest->epoch};
  }
  return std::nullopt;
}

std::vector<AbortedTransaction> PartitionModel::aborted_transactions(Offset from, Offset up_to) const {
  std::vector<AbortedTransaction> found;
  for (const AbortedTransaction& one : aborted)
    if (one.last_offset >= from && one.first_offset < up_to) found.push_back(one);
  return found;
}

bool PartitionModel::is_aborted(const ModelBatch& batch) const {
  if (!batch.is_transactional || batch.is_control) return false;
  return std::ranges::any_of(aborted, [&](const AbortedTransaction& one) {
    return one.producer_id == batch.producer_id && one.first_offset <= batch.base &&
           batch.last < one.last_offset;
  });
}

bool PartitionModel::is_expired(const ModelProducer& producer, std::int64_t now_ms) const {
  return producer.transaction_start == kNoOffset &&
         now_ms - producer.last_timestamp_ms >= config.producer_id_expiration_ms;
}

std::vector<ActiveProducer> PartitionModel::active_producers(std::int64_t now_ms) const {
  std::vector<ActiveProducer> active;
  for (const auto& [id, producer] : producers) {
    if (is_expired(producer, now_ms)) continue;
    active.push_back({id, producer.epoch, producer.last_sequence, producer.last_timestamp_ms,
                      producer.coordinator_epoch, producer.transaction_start});
  }
  return active;
}

Offset PartitionModel::first_dirty_offset() const {
  return cleaned_to < log_start || cleaned_to > log_end ? log_start : cleaned_to;
}

/// The map takes the last offset of each key from the first dirty offset on, until it is full; then what it
/// supersedes goes from every segment that begins below its end.
ModelCleaning PartitionModel::clean(Offset first_uncleanable, std::uint64_t map_entries,
                                    std::int64_t now_ms) {
  std::unordered_map<std::string, Offset> last_of;
  Offset from = first_dirty_offset();
  Offset latest = from - 1;
  bool is_full = false;
  for (std::size_t i = 0; i < segments.size() && segments[i].base < first_uncleanable && !is_full; ++i) {
    if (end_of(i) <= from) continue;
    auto [first, end] = batches_of(i);
    for (std::size_t at = first; at < end && !is_full; ++at) {
      const ModelBatch& batch = batches[at];
      if (batch.last < from) continue;
      bool has_keys = !batch.is_control && !is_aborted(batch);
      for (const ModelRecord& record : batch.records) {
        if (!has_keys || is_full || !record.key || record.offset < from) continue;
        is_full = last_of.size() >= map_entries;
        if (!is_full) last_of[*record.key] = latest = record.offset;
      }
      if (!is_full) latest = std::max(latest, batch.last);
    }
    if (!is_full) latest = end_of(i) - 1;
  }
  ModelCleaning cleaning{from, std::max(latest + 1, from), segments.back().base, first_uncleanable};
  for (const ModelSegment& segment : segments) {
    if (segment.base <= latest && segment.base < first_uncleanable) continue;
    cleaning.end_of_segments = segment.base;
    break;
  }
  for (ModelBatch& batch : batches) {
    if (batch.base >= cleaning.end_of_segments) break;
    if (batch.is_control) continue;
    bool is_gone = is_aborted(batch);
    bool keeps_tombstones = !batch.delete_horizon_ms || now_ms < *batch.delete_horizon_ms;
    std::size_t before = batch.records.size();
    std::erase_if(batch.records, [&](const ModelRecord& record) {
      if (is_gone) return true;
      if (record.offset > latest) return false;
      if (!record.key) return true;
      auto last = last_of.find(*record.key);
      return (last != last_of.end() && record.offset < last->second) || (!record.value && !keeps_tombstones);
    });
    bool has_tombstone = std::ranges::any_of(batch.records, [](const ModelRecord& r) { return !r.value; });
    if (has_tombstone && !batch.delete_horizon_ms)
      batch.delete_horizon_ms = now_ms + config.delete_retention_ms;
    if (batch.records.size() == before || batch.records.empty()) continue;
    batch.max_timestamp_ms = std::ranges::max(batch.records, {}, &ModelRecord::timestamp_ms).timestamp_ms;
  }
  producers_known_from = std::max(producers_known_from, log_end);
  has_holes = true;
  cleaned_to = cleaning.to;
  return cleaning;
}

std::optional<std::string> PartitionModel::adopt_cleaned(const std::vector<ModelBatch>& found,
                                                         const std::vector<Offset>& bases,
                                                         const ModelCleaning& cleaning, std::int64_t now_ms) {
  std::vector<ModelBatch> kept;
  auto at = found.begin();
  for (const ModelBatch& batch : batches) {
    bool is_there = at != found.end() && at->base == batch.base;
    bool may_go = batch.records.empty() || batch.is_control;
    if (batch.last + 1 == cleaning.first_uncleanable && batch.magic == 2) may_go = false;
    if (!is_there && !may_go) return "compaction lost " + to_string(batch);
    if (!is_there) continue;
    ModelBatch wanted = batch;
    // A marker that lost its record stands for its producer's epoch.
    if (batch.is_control && at->records.empty()) {
      wanted.records.clear();
      wanted.commits = at->commits;
      wanted.coordinator_epoch = at->coordinator_epoch;
    }
    if (!at->same_content(wanted))
      return fmt::format("compaction made {} of {}", to_string(*at), to_string(wanted));
    if (!batch.is_control && !batch.records.empty() && at->delete_horizon_ms != batch.delete_horizon_ms)
      return "another delete horizon in " + to_string(*at);
    kept.push_back(*at++);
  }
  if (at != found.end()) return "compaction brought " + to_string(*at);
  batches = std::move(kept);

  std::vector<ModelSegment> merged;
  for (Offset base : bases) {
    auto old = std::ranges::find(segments, base, &ModelSegment::base);
    if (old == segments.end()) return fmt::format("compaction made a segment at {}", base.value());
    merged.push_back({base, base < cleaning.end_of_segments ? now_ms : old->made_ms});
  }
  if (merged.front().base != segments.front().base || merged.back().base != segments.back().base)
    return "compaction moved the first or the active segment";
  segments = std::move(merged);
  return std::nullopt;
}

}  // namespace barnabas::log

// Compaction at the log: what there is to clean, and the swap of segments.
//
// The swap survives a crash at any of its steps, by Kafka's names: a target whose files end in .cleaned is
// not finished and goes; once all end in .swap it is, and the opening of the log completes the swap.
#include <fmt/format.h>

#include <algorithm>

#include "base/logging.hpp"
#include "log/partition_files.hpp"
#include "log/partition_log_impl.hpp"

namespace barnabas::log {
namespace {

constexpr std::string_view kSegmentSuffixes[] = {kLogSuffix, kOffsetIndexSuffix, kTimeIndexSuffix,
                                                 kTransactionIndexSuffix};

/// The base offset in the name of a segment's file that also ends in `end`.
std::optional<Offset> base_of(std::string_view name, std::string_view end) {
  if (!name.ends_with(end)) return std::nullopt;
  name.remove_suffix(end.size());
  for (std::string_view suffix : kSegmentSuffixes)
    if (auto base = parse_offset_file_name(name, suffix)) return base;
  return std::nullopt;
}

struct OffsetRange {
  Offset begin;
  Offset end;
};

}  // namespace

void PartitionLogImpl::abort_cleaning() {
  if (cleaning_) *cleaning_ = true;
}

/// Where the dirty section begins; a checkpoint that the log has left behind counts for nothing.
Offset PartitionLogImpl::first_dirty_offset() {
  if (cleaned_to() < log_start_offset() || cleaned_to() > log_end_offset()) return log_start_offset();
  return cleaned_to();
}

/// The first offset that may not be cleaned yet: of the active segment, of what is not stable, of what is
/// younger than min.compaction.lag.ms. Where a segment begins.
Result<Offset> PartitionLogImpl::first_uncleanable_offset(Offset first_dirty, std::int64_t now_ms) {
  Offset active_base = active().base_offset();
  Offset bound = std::min(last_stable_offset(), active_base);
  if (config_.min_compaction_lag_ms > 0) {
    for (auto at = segment_of(first_dirty); at != segments_.end() && at->first < bound; ++at) {
      if (at->second->retention_timestamp() <= now_ms - config_.min_compaction_lag_ms) continue;
      bound = at->first;
      break;
    }
  }
  bound = std::max(bound, first_dirty);
  return bound >= active_base ? active_base : segment_of(bound)->first;
}

Result<CleaningOutlook> PartitionLogImpl::cleaning_outlook(std::int64_t now_ms) {
  TRY(check_open());
  CleaningOutlook outlook;
  outlook.min_ratio = config_.min_cleanable_dirty_ratio;
  outlook.first_dirty = first_dirty_offset();
  outlook.first_uncleanable = TRY(noted(first_uncleanable_offset(outlook.first_dirty, now_ms)));
  auto first_dirty_segment = segment_of(outlook.first_dirty);
  for (const auto& [base, segment] : segments_) {
    if (base < outlook.first_dirty) outlook.clean_bytes += segment->size();
    if (base >= first_dirty_segment->first && base < outlook.first_uncleanable)
      outlook.cleanable_bytes += segment->size();
  }
  if (config_.max_compaction_lag_ms == INT64_MAX) return outlook;
  for (auto at = first_dirty_segment; std::next(at) != segments_.end(); ++at) {
    std::int64_t first_ms = TRY(noted(at->second->first_timestamp()));
    if (first_ms > 0 && first_ms < now_ms - config_.max_compaction_lag_ms) outlook.is_overdue = true;
  }
  return outlook;
}

std::shared_ptr<const std::atomic<bool>> PartitionLogImpl::begin_flag() {
  std::lock_guard not_removed(removal_mutex_);
  cleaning_ = std::make_shared<std::atomic<bool>>(state_ != State::kOpen);
  return cleaning_;
}

Result<std::optional<CleaningPlan>> PartitionLogImpl::begin_cleaning(std::int64_t now_ms) {
  if (state_ != State::kOpen || cleaning_) return std::nullopt;
  CleaningPlan plan;
  plan.outlook = TRY(cleaning_outlook(now_ms));
  for (auto at = segments_.begin(); at->first < plan.outlook.first_uncleanable; ++at) {
    Segment& segment = *at->second;
    plan.segments.push_back({at->second, segment.file(), at->first, end_of(at), segment.size(),
                             TRY(noted(segment.offset_index_bytes())), TRY(noted(segment.time_index_bytes())),
                             segment.modified_ms(), segment.log_path()});
  }
  plan.dirty_aborted = TRY(noted(collect_aborted(plan.outlook.first_dirty, plan.outlook.first_uncleanable)));
  plan.aborted = begin_flag();
  plan.segment_bytes = config_.segment_bytes;
  plan.segment_index_bytes = config_.segment_index_bytes;
  plan.delete_retention_ms = config_.delete_retention_ms;
  return plan;
}

Result<std::optional<CleaningGroup>> PartitionLogImpl::begin_group(std::span<const SourceSegment> sources) {
  std::lock_guard not_removed(removal_mutex_);
  if (!may_clean_on()) return std::nullopt;
  CleaningGroup group;
  for (const SourceSegment& source : sources)
    group.aborted.push_back(TRY(noted(collect_aborted(source.base, source.end))));
  group.last_records = producers_.last_records();
  group.target = TRY(
      noted(Segment::create_cleaned(files_, directory_, sources.front().base, config_, clock_.wall_ms())));
  group.target->count_in(corruption_);
  group.target->note_append(sources.back().modified_ms);
  return group;
}

Result<bool> PartitionLogImpl::swap_in(std::span<const SourceSegment> sources,
                                       const std::shared_ptr<Segment>& target) {
  std::lock_guard not_removed(removal_mutex_);
  auto is_here = [this](const SourceSegment& source) {
    auto found = segments_.find(source.base);
    return found != segments_.end() && found->second == source.identity;
  };
  if (!may_clean_on() || !std::ranges::all_of(sources, is_here)) return false;
  TRY(noted(target->stand_as(Segment::Standing::kSwap)));
  auto swapped = replace_segments(sources, target);
  if (swapped) return true;
  // Files and memory no longer agree: the next opening completes the swap.
  go_offline(swapped.error());
  return std::unexpected(std::move(swapped).error());
}

Result<void> PartitionLogImpl::replace_segments(std::span<const SourceSegment> sources,
                                                const std::shared_ptr<Segment>& target) {
  for (const SourceSegment& source : sources) {
    auto gone = segments_.find(source.base);
    // The snapshot of the group's first segment stands at the target's begin too.
    bool takes_snapshot = source.base != target->base_offset();
    TRY(delete_segment(gone, clock_.wall_ms(), takes_snapshot));
  }
  TRY(target->stand_as(Segment::Standing::kLive));
  std::lock_guard lock(segments_mutex_);
  segments_[target->base_offset()] = target;
  directory_changed_ = true;
  return {};
}

void PartitionLogImpl::drop_target(Segment& target) {
  std::lock_guard not_removed(removal_mutex_);
  // In a directory that was renamed away it goes with the rest; its old name may be another topic's by now.
  if (state_ == State::kRemoved || !directory_is_online() || target.standing() != Segment::Standing::kCleaned)
    return;
  if (auto removed = target.remove_files(); !removed)
    log_warn("org.apache.kafka.storage.internals.log.UnifiedLog", "{} is left: {}", target.log_path(),
             removed.error().detail);
}

void PartitionLogImpl::end_cleaning(Offset cleaned_to) {
  std::lock_guard not_removed(removal_mutex_);
  bool was_aborted = cleaning_ == nullptr || *cleaning_;
  cleaning_.reset();
  if (cleaned_to != kNoOffset && !was_aborted && state_ == State::kOpen) cleaned_to_ = cleaned_to;
}

/// Finishes or takes back what a crash interrupted, as Kafka does: a swap counts when all of its files were
/// named so, and the segments that it replaces go before it takes their place.
Result<void> PartitionLogImpl::complete_swaps() {
  std::vector<DirectoryEntry> entries = TRY(files_.list(directory_));
  std::optional<Offset> first_cleaned;
  for (const DirectoryEntry& entry : entries) {
    auto base = base_of(entry.name, kCleanedSuffix);
    if (base && (!first_cleaned || *base < *first_cleaned)) first_cleaned = base;
  }
  for (const DirectoryEntry& entry : entries) {
    auto swap = base_of(entry.name, kSwapSuffix);
    bool is_unfinished = swap && first_cleaned && *swap >= *first_cleaned;
    bool is_left_over = entry.name.ends_with(kDeletedSuffix) || entry.name.ends_with(kCleanedSuffix);
    if (is_unfinished || is_left_over) TRY(files_.remove(path(entry.name)));
  }
  std::vector<OffsetRange> replaced;
  entries = TRY(files_.list(directory_));
  for (const DirectoryEntry& entry : entries) {
    auto base = base_of(entry.name, kSwapSuffix);
    if (!base || entry.name != offset_file_name(*base, kLogSuffix) + std::string(kSwapSuffix)) continue;
    auto file = TRY(files_.open(path(entry.name), OpenMode::kReadOnly));
    HeaderScanner scanner(*file, 0, TRY(file->size()), std::size_t{64} << 10);
    Offset end = *base + 1;  // an empty one replaces at least the segment that begins where it does
    while (auto batch = TRY(scanner.next())) end = batch->last_offset + 1;
    replaced.push_back({*base, end});
  }
  for (const DirectoryEntry& entry : entries) {
    auto base = base_of(entry.name, "");
    auto covers = [&](const OffsetRange& range) { return *base >= range.begin && *base < range.end; };
    if (base && std::ranges::any_of(replaced, covers)) TRY(files_.remove(path(entry.name)));
  }
  for (const DirectoryEntry& entry : entries) {
    if (!base_of(entry.name, kSwapSuffix)) continue;
    std::string final_name = entry.name.substr(0, entry.name.size() - kSwapSuffix.size());
    log_info("org.apache.kafka.storage.internals.log.LogLoader", "{}: completing the swap of {}", directory_,
             final_name);
    TRY(files_.rename(path(entry.name), path(final_name)));
  }
  return {};
}

}  // namespace barnabas::log

// What the scrub asks of a log.
#include "log/partition_log_impl.hpp"

namespace barnabas::log {

std::optional<ScrubbedSegment> PartitionLogImpl::closed_segment_from(Offset from) const {
  if (state_ != State::kOpen) return std::nullopt;
  const auto at = segments_.lower_bound(from);
  if (at == segments_.end() || std::next(at) == segments_.end()) return std::nullopt;
  return ScrubbedSegment{at->second, at->second->file(), at->first, end_of(at), at->second->size()};
}

/// False when it was cut, compacted or deleted meanwhile.
bool PartitionLogImpl::is_here(const ScrubbedSegment& segment) const {
  const auto here = segments_.find(segment.base);
  return state_ == State::kOpen && here != segments_.end() && here->second == segment.identity &&
         here->second->size() == segment.size;
}

bool PartitionLogImpl::is_broken(const ScrubbedSegment& segment, std::uint64_t position) {
  if (!is_here(segment)) return false;
  Segment& here = *segments_.at(segment.base);
  here.distrust();
  const auto verified = noted(here.verify(position, segment.size, segment.end));
  return !verified && is_corrupt(verified.error());
}

Result<void> PartitionLogImpl::check_transactions(const ScrubbedSegment& segment) {
  const auto here = segments_.find(segment.base);
  if (state_ != State::kOpen || here == segments_.end() || here->second != segment.identity) return {};
  here->second->transactions().distrust();
  (void)TRY(aborted_transactions(segment.base, segment.end));
  return {};
}

Result<std::unique_ptr<SegmentRepair>> PartitionLogImpl::begin_repair(const ScrubbedSegment& segment) {
  const bool is_due = is_here(segment) && directory_is_online() && !cleaning_ &&
                      segment.end <= high_watermark() && segment.base >= log_start_offset();
  if (!is_due) return nullptr;
  auto made = noted(make_repair(segment));
  if (!made) end_cleaning(kNoOffset);
  return made;
}

/// The transaction index is the segment's own: what it says was compared with the batches of all segments.
Result<std::unique_ptr<SegmentRepair>> PartitionLogImpl::make_repair(const ScrubbedSegment& segment) {
  const auto aborted = TRY(collect_aborted(segment.base, segment.end));
  const auto flag = begin_flag();
  std::lock_guard not_removed(removal_mutex_);
  auto target = TRY(Segment::create_cleaned(files_, directory_, segment.base, config_, clock_.wall_ms()));
  target->count_in(corruption_);
  target->note_append(segments_.at(segment.base)->modified_ms());
  for (const AbortedTransaction& one : aborted)
    if (one.last_offset >= segment.base && one.last_offset < segment.end)
      TRY(target->transactions().append(one));
  SourceSegment source;
  source.identity = segment.identity;
  source.base = segment.base;
  source.end = segment.end;
  return std::make_unique<SegmentRepair>(files_, directory_, std::move(source), std::move(target), flag);
}

Result<bool> PartitionLogImpl::end_repair(SegmentRepair& repair, bool is_finished) {
  Result<bool> swapped = false;
  if (is_finished) swapped = swap_in({&repair.source(), 1}, repair.target());
  if (!swapped || !*swapped) {
    drop_target(*repair.target());
  } else {
    std::erase_if(corrupt_places_, [path = repair.target()->log_path()](const std::string& place) {
      return place.ends_with(path);
    });
  }
  end_cleaning(kNoOffset);
  return swapped;
}

}  // namespace barnabas::log

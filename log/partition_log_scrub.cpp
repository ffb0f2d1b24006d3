// What the scrub asks of a log.
#include "log/partition_log_impl.hpp"

namespace barnabas::log {

std::optional<ScrubbedSegment> PartitionLogImpl::closed_segment_from(Offset from) const {
  if (state_ != State::kOpen) return std::nullopt;
  const auto at = segments_.lower_bound(from);
  if (at == segments_.end() || std::next(at) == segments_.end()) return std::nullopt;
  return ScrubbedSegment{at->second, at->second->file(), at->first, end_of(at), at->second->size()};
}

bool PartitionLogImpl::is_broken(const ScrubbedSegment& segment, std::uint64_t position) {
  const auto here = segments_.find(segment.base);
  const bool is_same = state_ == State::kOpen && here != segments_.end() &&
                       here->second == segment.identity && here->second->size() == segment.size;
  // It was cut, compacted or deleted while it was read.
  if (!is_same) return false;
  here->second->distrust();
  const auto verified = noted(here->second->verify(position, segment.size, segment.end));
  return !verified && is_corrupt(verified.error());
}

Result<void> PartitionLogImpl::check_transactions(const ScrubbedSegment& segment) {
  const auto here = segments_.find(segment.base);
  if (state_ != State::kOpen || here == segments_.end() || here->second != segment.identity) return {};
  here->second->transactions().distrust();
  (void)TRY(aborted_transactions(segment.base, segment.end));
  return {};
}

}  // namespace barnabas::log

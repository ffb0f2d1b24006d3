#include "log/leader_epoch_cache.hpp"

#include <algorithm>

namespace barnabas::log {

Result<void> LeaderEpochCache::load() {
  entries_.clear();
  std::vector<EpochEntry> entries = TRY(read_epoch_checkpoint(files_, path_));
  for (std::size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].epoch <= entries[i - 1].epoch || entries[i].start_offset <= entries[i - 1].start_offset)
      return fail(ErrorCode::kKafkaStorageError, "epochs out of order in " + path_);
  }
  entries_ = std::move(entries);
  return {};
}

Result<void> LeaderEpochCache::replace() {
  TRY(replace_epoch_checkpoint(files_, path_, entries_));
  is_unwritten_ = false;
  return {};
}

Result<void> LeaderEpochCache::write() {
  TRY(write_epoch_checkpoint(files_, path_, entries_));
  is_unwritten_ = false;
  return {};
}

bool LeaderEpochCache::assign_in_memory(LeaderEpoch epoch, Offset start) {
  if (!would_change(epoch)) return false;
  while (!entries_.empty() && entries_.back().start_offset >= start) entries_.pop_back();
  entries_.push_back({epoch, start});
  return true;
}

bool LeaderEpochCache::correct_in_memory(LeaderEpoch epoch, Offset start) {
  if (epoch.value() < 0 || epoch_of(start) == epoch) return false;
  std::erase_if(entries_, [&](const EpochEntry& entry) {
    if (entry.start_offset == start) return true;
    return entry.start_offset < start ? entry.epoch > epoch : entry.epoch <= epoch;
  });
  if (epoch_of(start) == epoch) return true;
  entries_.insert(std::ranges::upper_bound(entries_, start, {}, &EpochEntry::start_offset), {epoch, start});
  return true;
}

Result<bool> LeaderEpochCache::assign(LeaderEpoch epoch, Offset start) {
  if (!would_change(epoch) && !is_unwritten_) return false;
  std::vector<EpochEntry> before = entries_;
  assign_in_memory(epoch, start);
  if (auto written = replace(); !written) {
    entries_ = std::move(before);  // The next append writes it, once the disk has room.
    return std::unexpected(std::move(written).error());
  }
  return true;
}

LeaderEpoch LeaderEpochCache::epoch_of(Offset offset) const {
  auto after = std::ranges::upper_bound(entries_, offset, {}, &EpochEntry::start_offset);
  return after == entries_.begin() ? kNoLeaderEpoch : std::prev(after)->epoch;
}

EpochEndOffset LeaderEpochCache::end_offset_for(LeaderEpoch epoch, Offset log_end) const {
  if (epoch == kNoLeaderEpoch || entries_.empty()) return {};
  if (epoch == entries_.back().epoch) return {epoch, log_end};
  auto higher = std::ranges::upper_bound(entries_, epoch, {}, &EpochEntry::epoch);
  // A requested epoch above all that are known has no end here.
  if (higher == entries_.end()) return {};
  if (higher == entries_.begin()) return {epoch, higher->start_offset};
  return {std::prev(higher)->epoch, higher->start_offset};
}

bool LeaderEpochCache::trim_end(Offset end) {
  const std::size_t before = entries_.size();
  while (!entries_.empty() && entries_.back().start_offset >= end) entries_.pop_back();
  return entries_.size() != before;
}

bool LeaderEpochCache::trim_start(Offset start) {
  auto after = std::ranges::upper_bound(entries_, start, {}, &EpochEntry::start_offset);
  if (after == entries_.begin()) return false;
  auto in_force = std::prev(after);
  if (in_force == entries_.begin() && in_force->start_offset == start) return false;
  in_force->start_offset = start;
  entries_.erase(entries_.begin(), in_force);
  return true;
}

bool LeaderEpochCache::trim_in_memory(Offset start, Offset end) {
  const bool at_end = trim_end(end);
  return trim_start(start) || at_end;
}

Result<void> LeaderEpochCache::truncate_from_end(Offset end) {
  return trim_end(end) ? write() : Result<void>();
}

Result<void> LeaderEpochCache::truncate_from_start(Offset start) {
  return trim_start(start) ? write() : Result<void>();
}

Result<void> LeaderEpochCache::clear() {
  if (entries_.empty()) return {};
  entries_.clear();
  return write();
}

}  // namespace barnabas::log

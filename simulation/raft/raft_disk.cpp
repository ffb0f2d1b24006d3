#include "simulation/raft/raft_disk.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace barnabas::simulation {

using kraft::LogPosition;
using kraft::SnapshotId;

std::uint64_t extend_digest(std::uint64_t digest, const SimulatedRecord& record) {
  constexpr std::uint64_t kPrime = 0x100000001b3;
  digest = (digest ^ record.value) * kPrime;
  return (digest ^ static_cast<std::uint64_t>(record.epoch.value())) * kPrime;
}

LeaderEpoch SimulatedRaftDisk::epoch_before_start() const {
  for (const SimulatedSnapshot& snapshot : snapshots_)
    if (snapshot.id.end == start_) return snapshot.id.epoch;
  return LeaderEpoch(0);
}

LogPosition SimulatedRaftDisk::position() const {
  if (!records_.empty()) return {end(), records_.back().epoch};
  return {start_, start_ == Offset(0) ? kNoLeaderEpoch : epoch_before_start()};
}

LogPosition SimulatedRaftDisk::end_of_epoch(LeaderEpoch epoch) const {
  const auto after = std::ranges::upper_bound(records_, epoch, {}, &SimulatedRecord::epoch);
  if (after == records_.begin()) return {start_, epoch_before_start()};
  return {start_ + (after - records_.begin()), std::prev(after)->epoch};
}

std::optional<SnapshotId> SimulatedRaftDisk::earliest_snapshot() const {
  return snapshots_.empty() ? std::nullopt : std::optional(snapshots_.front().id);
}
std::optional<SnapshotId> SimulatedRaftDisk::latest_snapshot() const {
  return snapshots_.empty() ? std::nullopt : std::optional(snapshots_.back().id);
}
const SimulatedSnapshot* SimulatedRaftDisk::snapshot(const SnapshotId& id) const {
  for (const SimulatedSnapshot& snapshot : snapshots_)
    if (snapshot.id == id) return &snapshot;
  return nullptr;
}
std::optional<std::int64_t> SimulatedRaftDisk::snapshot_size(const SnapshotId& id) const {
  const SimulatedSnapshot* known = snapshot(id);
  return known == nullptr ? std::nullopt : std::optional(known->size);
}

const SimulatedRecord& SimulatedRaftDisk::at(Offset offset) const {
  CHECK(offset >= start_ && offset < end(), "the log holds this offset");
  return records_[static_cast<std::size_t>(offset - start_)];
}

const kraft::VoterSet* SimulatedRaftDisk::last_voters() const {
  for (auto record = records_.rbegin(); record != records_.rend(); ++record)
    if (record->control)
      if (const auto* control = std::get_if<kraft::VotersControl>(record->control.get()))
        return &control->voters;
  return snapshots_.empty() || !snapshots_.back().voters ? nullptr : &*snapshots_.back().voters;
}

SimulatedRecords SimulatedRaftDisk::read(Offset from, std::size_t most) const {
  CHECK(from >= start_ && from <= end(), "the log holds this offset");
  const auto first = records_.begin() + (from - start_);
  const auto count = std::min(most, static_cast<std::size_t>(end() - from));
  return {first, first + static_cast<std::ptrdiff_t>(count)};
}

void SimulatedRaftDisk::truncate(Offset new_end) {
  CHECK(new_end >= start_ && new_end <= end(), "a truncation keeps the log's start");
  const auto at = records_.begin() + (new_end - start_);
  if (new_end < durable_end_) {
    undone_.insert(undone_.begin(), at, records_.begin() + (durable_end_ - start_));
    durable_end_ = new_end;
  }
  records_.erase(at, records_.end());
}

Offset SimulatedRaftDisk::sync() {
  durable_end_ = end();
  undone_.clear();
  return durable_end_;
}

void SimulatedRaftDisk::add_snapshot(SimulatedSnapshot snapshot) {
  std::erase_if(snapshots_, [&](const SimulatedSnapshot& known) { return known.id == snapshot.id; });
  snapshots_.push_back(std::move(snapshot));
}

void SimulatedRaftDisk::delete_before(const SnapshotId& id) {
  std::erase_if(snapshots_, [&](const SimulatedSnapshot& known) { return known.id.end < id.end; });
  if (id.end <= start_) return;
  const auto count = std::min<std::int64_t>(id.end - start_, std::ssize(records_));
  records_.erase(records_.begin(), records_.begin() + count);
  start_ = id.end;
  if (durable_end_ >= start_) return;
  durable_end_ = start_;
  undone_.clear();
}

void SimulatedRaftDisk::install(SimulatedSnapshot snapshot) {
  snapshots_.clear();
  start_ = snapshot.id.end;
  records_.clear();
  snapshots_.push_back(std::move(snapshot));
  (void)sync();
}

void SimulatedRaftDisk::crash(Random& random) {
  const bool is_undone = !undone_.empty() && random.below(2) == 0;
  const auto unsynced = static_cast<std::uint64_t>(end() - durable_end_);
  const auto kept = is_undone ? 0 : static_cast<std::int64_t>(random.below(unsynced + 1));
  records_.erase(records_.begin() + (durable_end_ - start_ + kept), records_.end());
  if (is_undone) records_.insert(records_.end(), undone_.begin(), undone_.end());
  (void)sync();
  // A start lets the log begin at a snapshot that it does not reach.
  if (!snapshots_.empty() && snapshots_.back().id.end > end()) install(SimulatedSnapshot(snapshots_.back()));
}

}  // namespace barnabas::simulation

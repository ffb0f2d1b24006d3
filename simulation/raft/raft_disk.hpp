// The disk of one simulated replica: its metadata log, its snapshots and its quorum state.
//
// Owned by the simulation, outlives the replica's crashes. Thread safety: none. The fault model: what was not
// synced may be lost in a crash, from any record on; a truncation that was not synced may be undone by one;
// the quorum state and snapshots are replaced atomically. Offsets are dense from start() on.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/random.hpp"
#include "kraft/raft/raft_node.hpp"

namespace barnabas::simulation {

struct SimulatedRecord {
  LeaderEpoch epoch;
  std::uint64_t value = 0;  // what the record says; no two records say the same
  std::shared_ptr<const kraft::RaftControlRecord> control = nullptr;
};
using SimulatedRecords = std::vector<SimulatedRecord>;

/// Stands for everything before `id.end`.
struct SimulatedSnapshot {
  kraft::SnapshotId id;
  std::uint64_t digest = 0;  // of the records it stands for
  std::int64_t size = 0;
  std::optional<kraft::VoterSet> voters;
  std::int16_t kraft_version = 0;
};

/// The digest of the records before an offset, extended by one.
[[nodiscard]] std::uint64_t extend_digest(std::uint64_t digest, const SimulatedRecord& record);

class SimulatedRaftDisk final : public kraft::RaftLogView {
 public:
  [[nodiscard]] Offset start() const override { return start_; }
  [[nodiscard]] Offset end() const { return start_ + std::ssize(records_); }
  [[nodiscard]] kraft::LogPosition position() const;
  [[nodiscard]] kraft::LogPosition end_of_epoch(LeaderEpoch epoch) const override;
  [[nodiscard]] std::optional<kraft::SnapshotId> earliest_snapshot() const override;
  [[nodiscard]] std::optional<kraft::SnapshotId> latest_snapshot() const override;
  [[nodiscard]] std::optional<std::int64_t> snapshot_size(const kraft::SnapshotId& id) const override;
  [[nodiscard]] const SimulatedSnapshot* snapshot(const kraft::SnapshotId& id) const;
  [[nodiscard]] const SimulatedRecord& at(Offset offset) const;
  /// The last that the log or the latest snapshot holds.
  [[nodiscard]] const kraft::VoterSet* last_voters() const;
  [[nodiscard]] SimulatedRecords read(Offset from, std::size_t most) const;

  void append(SimulatedRecord record) { records_.push_back(std::move(record)); }
  void truncate(Offset end);
  /// What is durable afterwards ends at the returned offset.
  Offset sync();
  void add_snapshot(SimulatedSnapshot snapshot);
  /// Drops records, and snapshots, that end before the snapshot does.
  void delete_before(const kraft::SnapshotId& id);
  /// The log starts anew behind a snapshot that came from the leader.
  void install(SimulatedSnapshot snapshot);

  void write_quorum_state(const kraft::QuorumState& state) { quorum_state_ = state; }
  [[nodiscard]] const kraft::QuorumState& quorum_state() const { return quorum_state_; }

  void crash(Random& random);

 private:
  [[nodiscard]] LeaderEpoch epoch_before_start() const;

  Offset start_;
  SimulatedRecords records_;
  Offset durable_end_;
  SimulatedRecords undone_;  // durable behind durable_end_ still, as that truncation was not synced
  std::vector<SimulatedSnapshot> snapshots_;
  kraft::QuorumState quorum_state_;
};

}  // namespace barnabas::simulation

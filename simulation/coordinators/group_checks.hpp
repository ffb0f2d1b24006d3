// What must hold of consumer groups in every run of a simulated cluster, whatever happens to it.
//
// Told of what members see, and of the log of __consumer_offsets. Owned by the simulation, the ClusterChecks
// take the violations. Not thread-safe; pure. A member's epoch is its generation in a classic group. Checked:
//  1. A partition belongs to one member of a group in an epoch.
//  2. The offsets of a group do not go back: of those in the log, and of transactions that were committed,
//     the later one is not the lower.
//  3. Who gets a partition begins where those before it were told that they had committed,
//     before it asked, or behind; at the end the group is there too (finish()).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "simulation/nodes/cluster_checks.hpp"

namespace barnabas::simulation {

/// A partition as one group has it.
using GroupPartition = std::pair<std::string, TopicPartition>;

class GroupChecks {
 public:
  explicit GroupChecks(ClusterChecks& all) : all_(all) {}

  /// The member, or the static instance, was told that it has the partition in this epoch.
  void owns(const GroupPartition& partition, std::int32_t epoch, const std::string& member);
  /// A member that got the partition in this epoch, or had it then, was told that it has committed.
  void acknowledged(const GroupPartition& partition, std::int32_t epoch, Offset committed);
  /// The most that was acknowledged so far, and the epoch in which.
  struct Acknowledged {
    std::int32_t epoch = -1;
    Offset offset;
  };
  /// In this epoch or before. To be asked when a member asks where it begins: it may stand still for long
  /// before it reads the answer, and others go on meanwhile.
  [[nodiscard]] Acknowledged acknowledged_by(const GroupPartition& partition, std::int32_t epoch) const;
  /// A member that got the partition in this epoch was told to begin here; so much was acknowledged when it
  /// asked.
  void begins(const GroupPartition& partition, std::int32_t epoch, Offset committed,
              const Acknowledged& when_asked);

  // The committed log of a partition of __consumer_offsets, in the order of its offsets.
  void offset_record(std::int32_t log, const GroupPartition& partition, Offset committed);
  void transactional_offset_record(std::int32_t log, ProducerId producer, const GroupPartition& partition,
                                   Offset committed);
  void marker(std::int32_t log, ProducerId producer, bool committed);

  /// By the log; nothing when nothing is.
  [[nodiscard]] std::optional<Offset> committed(const GroupPartition& partition) const;
  /// Which transactions the log leaves open, for people; empty: none.
  [[nodiscard]] std::string unsettled() const;
  /// Once settled.
  void finish();

  [[nodiscard]] std::size_t assignments() const { return owners_.size(); }
  [[nodiscard]] std::size_t commits() const { return commits_; }

 private:
  struct Committed {
    Offset offset;
    std::uint64_t order = 0;  // of its record
  };
  struct Pending {
    GroupPartition partition;
    Committed committed;
  };
  void count(const GroupPartition& partition, const Committed& committed);

  ClusterChecks& all_;
  std::map<std::pair<GroupPartition, std::int32_t>, std::string> owners_;
  std::map<GroupPartition, std::map<std::int32_t, Offset>> acknowledged_;  // the last, by epoch
  std::map<GroupPartition, Committed> committed_;
  std::map<std::pair<std::int32_t, ProducerId>, std::vector<Pending>> open_;
  std::uint64_t records_ = 0;
  std::size_t commits_ = 0;
};

}  // namespace barnabas::simulation

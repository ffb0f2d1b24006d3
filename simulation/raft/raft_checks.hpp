// What must hold in every run of a simulated quorum, whatever happens to it.
//
// Told of each replica after each step. Owned by the simulation. Thread safety: none. Checked:
//  1. At most one replica leads in an epoch.
//  2. A record that one replica knew to be committed is, at its offset, the same in every replica for ever,
//  also
//     inside snapshots.
//  3. A replica's high watermark does not go back while it runs.
//  4. Who wins an election has every record that was committed in an earlier epoch.
//  5. Who stands for election does so among the voters that its log names last.
//  6. Nobody leads whose removal from the voters it knows to be committed.
//  7. No leader tells a follower that less is committed than the follower knows.
//  8. The invariants that RaftNode itself names.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "simulation/raft/raft_disk.hpp"

namespace barnabas::simulation {

class RaftChecks {
 public:
  /// Of replica number `replica` (0 on), which was just started, or crashed and started again.
  void restarted(std::size_t replica, Offset high_watermark);
  /// Nothing when all holds, else what does not.
  [[nodiscard]] std::optional<std::string> after_step(std::size_t replica, const kraft::RaftNode& node,
                                                      const SimulatedRaftDisk& disk);
  /// Of an answer that is on its way from one replica to another.
  [[nodiscard]] static std::optional<std::string> told(const kraft::FetchResponse& response,
                                                       const kraft::RaftNode& follower);
  [[nodiscard]] std::optional<std::string> installed(const SimulatedSnapshot& snapshot) const;

  [[nodiscard]] Offset committed_end() const { return Offset(std::ssize(committed_)); }
  /// Of the committed records before `end`.
  [[nodiscard]] std::uint64_t digest(Offset end) const;
  [[nodiscard]] std::size_t elections() const { return leaders_.size(); }

 private:
  struct Committed {
    std::uint64_t value = 0;
    LeaderEpoch epoch;
    LeaderEpoch committed_in;  // or before: of the replica that first knew it
    std::uint64_t digest = 0;  // of all up to and with it
  };
  [[nodiscard]] std::optional<std::string> check_standing(std::size_t replica, const kraft::RaftNode& node,
                                                          const SimulatedRaftDisk& disk);
  [[nodiscard]] static std::optional<std::string> check_removed(std::size_t replica,
                                                                const kraft::RaftNode& node,
                                                                const SimulatedRaftDisk& disk);
  [[nodiscard]] std::optional<std::string> check_leader(std::size_t replica, const kraft::RaftNode& node,
                                                        const SimulatedRaftDisk& disk);
  /// The records of [from, to) that were committed before epoch `before`.
  [[nodiscard]] std::optional<std::string> compare(std::size_t replica, Offset from, Offset to,
                                                   LeaderEpoch before, const SimulatedRaftDisk& disk) const;

  std::vector<Committed> committed_;
  std::map<LeaderEpoch, std::size_t> leaders_;
  std::vector<Offset> high_watermarks_;
  std::vector<kraft::RaftRole> roles_;
};

}  // namespace barnabas::simulation

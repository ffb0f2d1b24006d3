// One seed of the raft simulation: a quorum under a random mix of faults, then a quiet time in which it must
// recover.
//
// Free functions; everything follows from the seed. What is checked all the time is in raft_checks.hpp; at
// the end, with all faults gone and a majority of the voters up that any log names, within a minute of
// virtual time there is a leader, it commits what is appended, and every replica that is up, voter or
// observer, has all of it; and the same again with all replicas up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace barnabas::simulation {

struct RaftRun {
  std::optional<std::string> failure;
  std::uint64_t digest = 0;  // equal for equal runs
  std::size_t elections = 0;
  std::int64_t committed = 0;
  std::int64_t virtual_ms = 0;
  std::size_t voter_changes = 0;
  std::size_t snapshots_installed = 0;
  std::size_t truncations = 0;
  std::size_t early_elections = 0;
  std::size_t version_upgrades = 0;
};

/// With `trace` what happens is printed as it happens.
[[nodiscard]] RaftRun run_raft_seed(std::uint64_t seed, bool trace = false);

}  // namespace barnabas::simulation

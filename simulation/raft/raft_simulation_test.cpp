#include "simulation/raft/raft_simulation.hpp"

#include <catch2/catch.hpp>

using namespace barnabas::simulation;

TEST_CASE("quorums under random faults keep what they committed and recover") {
  constexpr std::uint64_t kSeeds = 1000;
  std::size_t elections = 0;
  std::size_t voter_changes = 0;
  std::size_t snapshots = 0;
  std::size_t truncations = 0;
  std::size_t early_elections = 0;
  std::size_t version_upgrades = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const RaftRun run = run_raft_seed(seed);
    INFO("seed " << seed << ": barnabas_simulation --raft --seeds 1 --first-seed " << seed << " --trace");
    INFO(run.failure.value_or(""));
    CHECK_FALSE(run.failure.has_value());
    elections += run.elections;
    voter_changes += run.voter_changes;
    snapshots += run.snapshots_installed;
    truncations += run.truncations;
    early_elections += run.early_elections;
    version_upgrades += run.version_upgrades;
  }
  // Runs in which nothing happens would show nothing.
  CHECK(elections > 2 * kSeeds);
  CHECK(voter_changes > kSeeds / 4);
  CHECK(snapshots > kSeeds / 4);
  CHECK(truncations > kSeeds / 4);
  CHECK(early_elections > kSeeds / 4);
  CHECK(version_upgrades > kSeeds / 20);
}

TEST_CASE("a seed gives the same run each time, another seed another") {
  const RaftRun once = run_raft_seed(11);
  CHECK(run_raft_seed(11).digest == once.digest);
  CHECK(run_raft_seed(12).digest != once.digest);
}

#include "simulation/cluster_simulation.hpp"

#include <catch2/catch.hpp>

#include "base/logging.hpp"

using namespace barnabas::simulation;

namespace {

constexpr std::uint64_t kSeeds = 12;

/// None of the seeds fails. What happened in all of them: runs in which nothing happens would show nothing.
ClusterRun run_seeds(ClusterLoad load, const char* option) {
  barnabas::set_log_level(barnabas::LogLevel::kFatal);
  ClusterRun all;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const ClusterRun run = run_cluster_seed(seed, load);
    INFO("seed " << seed << ": barnabas_simulation " << option << " --seeds 1 --first-seed " << seed
                 << " --trace");
    INFO(run.failure.value_or(""));
    CHECK_FALSE(run.failure.has_value());
    all.add(run);
  }
  return all;
}

}  // namespace

TEST_CASE("clusters under random faults keep what they acknowledged and settle") {
  const ClusterRun all = run_seeds(ClusterLoad::kPlain, "--cluster");
  CHECK(all.acknowledgements > 500 * kSeeds);
  CHECK(all.leaderships > 5 * kSeeds);
  CHECK(all.operations > kSeeds);
  CHECK(all.voter_changes > kSeeds / 4);
  CHECK(all.crashes > kSeeds);
}

TEST_CASE("groups and transactions under random faults: each input is in the output once, and all settles") {
  const ClusterRun all = run_seeds(ClusterLoad::kCoordinators, "--coordinators");
  CHECK(all.commits > 50 * kSeeds);
  CHECK(all.aborts > 5 * kSeeds);
  CHECK(all.copies > 300 * kSeeds);
  CHECK(all.assignments > 20 * kSeeds);
  CHECK(all.crashes > kSeeds);
}

TEST_CASE("a seed gives the same run of a cluster each time, another seed another") {
  barnabas::set_log_level(barnabas::LogLevel::kFatal);
  const ClusterRun once = run_cluster_seed(3);
  const ClusterRun again = run_cluster_seed(3);
  CHECK(again.digest == once.digest);
  CHECK(again.trail == once.trail);
  CHECK(again.virtual_ms == once.virtual_ms);
  CHECK(run_cluster_seed(4).digest != once.digest);
  const ClusterRun with_groups = run_cluster_seed(2, ClusterLoad::kCoordinators);
  CHECK(run_cluster_seed(2, ClusterLoad::kCoordinators).digest == with_groups.digest);
}

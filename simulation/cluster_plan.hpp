// ClusterPlan: what a seed draws for a cluster before it begins: its nodes, its workload, which faults happen
// and how often.
//
// A value. The order of the draws is the seed: what is drawn in between makes another run of every seed.
#pragma once

#include <cstdint>
#include <string>

#include "simulation/cluster.hpp"
#include "simulation/cluster_simulation.hpp"

namespace barnabas::simulation {

/// How often each fault happens, and ends, of a million rounds of a tenth of a second.
struct FaultRates {
  std::uint64_t kill = 0;
  std::uint64_t power = 0;
  std::uint64_t everything = 0;  // all nodes at once
  std::uint64_t stop = 0;
  std::uint64_t restart = 50'000;
  std::uint64_t pause = 0;
  std::uint64_t resume = 30'000;
  std::uint64_t cut = 0;
  std::uint64_t mend = 25'000;
  std::uint64_t depose = 0;
  std::uint64_t reset = 0;
  std::uint64_t clock_jump = 0;
  std::uint64_t full_disk = 0;
  std::uint64_t dead_disk = 0;
  std::uint64_t lost_disk = 0;
};

struct ClusterPlan {
  ClusterOptions options;
  FaultRates rates;
  bool syncs = false;  // before each acknowledgement
  /// Power fails on a broker while the only other one that has all is dead.
  bool loses_among_dead = false;
  std::string text;  // in a line
};
ClusterPlan draw_plan(Random& random, std::uint64_t seed, ClusterLoad load);

}  // namespace barnabas::simulation

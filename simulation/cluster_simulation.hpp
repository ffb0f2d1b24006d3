// One seed of the cluster simulation: a whole cluster with its clients under a random mix of faults, then a
// quiet time in which it must settle.
//
// Free functions; everything follows from the seed: how many nodes of which roles, the workload, which faults
// and how often. What is checked is in cluster_checks.hpp, group_checks.hpp and transaction_checks.hpp; at
// the end, with all faults gone, within some minutes of virtual time every node serves, everything that was
// written is acknowledged, read, and on every replica, and all replicas are in sync. The minutes count from
// the last record that was copied (patience.hpp).
//
// What may be lost legally is never done: a data disk is taken away only from a broker that is in no in-sync
// set; power fails on brokers where every acknowledgement waits for the disk (log.flush.interval.messages=1),
// else on one at a time, while all replicas are in sync, and nothing else happens until it has caught up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace barnabas::simulation {

/// What clients do beside producing, consuming and changing topics.
enum class ClusterLoad : std::uint8_t {
  kPlain,
  /// Groups of both protocols, and copiers of the input to the output in transactions (cluster_crowd.hpp),
  /// who come and go; the internal topics are on several brokers.
  kCoordinators,
};

struct ClusterRun {
  std::optional<std::string> failure;
  std::vector<std::string> trail;  // the last things that happened
  std::string plan;                // what the seed drew, in a line
  std::uint64_t digest = 0;        // equal for equal runs
  std::int64_t virtual_ms = 0;
  std::size_t nodes = 0;
  std::size_t records = 0;  // committed
  std::size_t acknowledgements = 0;
  std::size_t leaderships = 0;  // of partitions
  std::size_t operations = 0;   // of the admin
  std::size_t voter_changes = 0;
  std::size_t crashes = 0;  // of processes and machines
  std::size_t commits = 0;  // of transactions, by partition of the output
  std::size_t aborts = 0;
  std::size_t copies = 0;       // of records of the input
  std::size_t assignments = 0;  // of partitions to members, in an epoch

  /// Adds what happened in another run to what happened in this one.
  void add(const ClusterRun& other);
};

/// With `trace` what happens is printed as it happens.
[[nodiscard]] ClusterRun run_cluster_seed(std::uint64_t seed, ClusterLoad load = ClusterLoad::kPlain,
                                          bool trace = false);

}  // namespace barnabas::simulation

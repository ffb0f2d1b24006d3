// barnabas_simulation: runs seeds of the simulation and says which fail.
//
//   barnabas_simulation --raft|--cluster|--coordinators [--seeds N] [--first-seed S] [--trace] [--log]
//   [--stop]
//
// --raft: metadata quorums alone; --cluster: whole nodes with their clients; --coordinators: the same with
// consumer groups and transactions. --trace prints what happens, --log what the nodes log, --stop ends at the
// first seed that fails. A failing seed is printed with the command that repeats it exactly; the exit code is
// then 1.
#include <fmt/core.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "base/logging.hpp"
#include "simulation/cluster_simulation.hpp"
#include "simulation/raft/raft_simulation.hpp"

namespace {

std::atomic<std::uint64_t> seed_in_hand{0};

/// A broken CHECK aborts: the seed must not be lost with it.
extern "C" void say_seed(int) {
  char text[64];
  std::size_t size = 0;
  for (const char c : std::string_view("\nseed ")) text[size++] = c;
  auto [end, error] = std::to_chars(text + size, text + sizeof(text) - 1, seed_in_hand.load());
  *end++ = '\n';
  (void)!write(STDERR_FILENO, text, static_cast<std::size_t>(end - text));
  _exit(1);
}

struct Arguments {
  std::string_view kind;
  std::uint64_t seeds = 100;
  std::uint64_t first_seed = 1;
  bool trace = false;
  bool log = false;
  bool stop = false;
};

std::optional<Arguments> parse(int count, char** values) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string_view name = values[i];
    std::uint64_t* number = name == "--seeds"        ? &arguments.seeds
                            : name == "--first-seed" ? &arguments.first_seed
                                                     : nullptr;
    if (name == "--raft" || name == "--cluster" || name == "--coordinators") {
      arguments.kind = name;
    } else if (name == "--trace") {
      arguments.trace = true;
    } else if (name == "--log") {
      arguments.log = true;
    } else if (name == "--stop") {
      arguments.stop = true;
    } else if (number != nullptr && i + 1 < count) {
      const std::string_view text = values[++i];
      auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
      if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    } else {
      return std::nullopt;
    }
  }
  return arguments.kind.empty() ? std::nullopt : std::optional(arguments);
}

void say_failure(const Arguments& arguments, std::uint64_t seed, const std::string& what) {
  fmt::print("seed {} failed {}\n  repeat: barnabas_simulation {} --seeds 1 --first-seed {} --trace\n", seed,
             what, arguments.kind, seed);
}

/// Calls run(seed) for each seed; it says whether the seed failed. How many did.
template <class Run>
std::uint64_t for_each_seed(const Arguments& arguments, Run run) {
  std::uint64_t failed = 0;
  for (std::uint64_t seed = arguments.first_seed; seed < arguments.first_seed + arguments.seeds; ++seed) {
    seed_in_hand = seed;
    if (!run(seed)) continue;
    ++failed;
    if (arguments.stop) break;
  }
  return failed;
}

double cpu_minutes() {
  return std::max(static_cast<double>(std::clock()) / CLOCKS_PER_SEC, 0.001) / 60;
}

long peak_memory_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

std::uint64_t run_raft(const Arguments& arguments) {
  barnabas::simulation::RaftRun all;
  const std::uint64_t failed = for_each_seed(arguments, [&](std::uint64_t seed) {
    const auto run = barnabas::simulation::run_raft_seed(seed, arguments.trace);
    all.committed += run.committed;
    all.virtual_ms += run.virtual_ms;
    all.elections += run.elections;
    all.voter_changes += run.voter_changes;
    all.snapshots_installed += run.snapshots_installed;
    all.truncations += run.truncations;
    all.early_elections += run.early_elections;
    all.version_upgrades += run.version_upgrades;
    if (arguments.trace) fmt::print("digest {:016x}\n", run.digest);
    if (run.failure) say_failure(arguments, seed, *run.failure);
    return run.failure.has_value();
  });
  fmt::print(
      "{} elections ({} stood early), {} committed records, {} voter changes, {} upgrades of kraft.version, "
      "{} snapshots installed, {} truncations in {} virtual s\n",
      all.elections, all.early_elections, all.committed, all.voter_changes, all.version_upgrades,
      all.snapshots_installed, all.truncations, all.virtual_ms / 1000);
  return failed;
}

std::uint64_t run_cluster(const Arguments& arguments) {
  barnabas::set_log_level(arguments.log ? barnabas::LogLevel::kInfo : barnabas::LogLevel::kFatal);
  using barnabas::simulation::ClusterLoad;
  const auto load = arguments.kind == "--coordinators" ? ClusterLoad::kCoordinators : ClusterLoad::kPlain;
  barnabas::simulation::ClusterRun all;
  const std::uint64_t failed = for_each_seed(arguments, [&](std::uint64_t seed) {
    const auto run = barnabas::simulation::run_cluster_seed(seed, load, arguments.trace);
    all.add(run);
    if (arguments.trace) fmt::print("{}\ndigest {:016x}\n", run.plan, run.digest);
    if (!run.failure) return false;
    say_failure(arguments, seed, *run.failure);
    fmt::print("  {}\n", run.plan);
    for (const std::string& line : run.trail) fmt::print("  {}\n", line);
    return true;
  });
  const double hours = static_cast<double>(all.virtual_ms) / 3'600'000;
  fmt::print(
      "{} records committed, {} acknowledged, {} partition leaderships, {} changes of topics, {} of voters, "
      "{} crashes in {:.2f} virtual hours ({:.1f} a CPU minute)\n",
      all.records, all.acknowledgements, all.leaderships, all.operations, all.voter_changes, all.crashes,
      hours, hours / cpu_minutes());
  if (load == ClusterLoad::kCoordinators)
    fmt::print("{} records copied, {} commits and {} aborts in partitions, {} assignments of partitions\n",
               all.copies, all.commits, all.aborts, all.assignments);
  return failed;
}

}  // namespace

int main(int count, char** values) {
  const auto arguments = parse(count, values);
  if (!arguments) {
    fmt::print(stderr,
               "usage: barnabas_simulation --raft|--cluster|--coordinators [--seeds N] [--first-seed S] "
               "[--trace] [--log] [--stop]\n");
    return 2;
  }
  std::signal(SIGABRT, say_seed);
  const std::uint64_t failed = arguments->kind == "--raft" ? run_raft(*arguments) : run_cluster(*arguments);
  fmt::print("{} seeds in {:.2f} CPU s ({:.0f} a CPU minute), {} MiB, {} failed\n", arguments->seeds,
             cpu_minutes() * 60, static_cast<double>(arguments->seeds) / cpu_minutes(), peak_memory_mib(),
             failed);
  return failed == 0 ? 0 : 1;
}

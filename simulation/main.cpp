// barnabas_simulation: runs seeds of the simulation and says which fail.
//
//   barnabas_simulation --raft [--seeds N] [--first-seed S] [--trace] [--stop]
//
// --trace prints what happens, --stop ends at the first seed that fails.
// A failing seed is printed with the command that repeats it exactly; the exit code is then 1.
#include <fmt/core.h>
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

#include "simulation/raft_simulation.hpp"

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
  std::uint64_t seeds = 100;
  std::uint64_t first_seed = 1;
  bool trace = false;
  bool stop = false;
};

std::optional<Arguments> parse(int count, char** values) {
  Arguments arguments;
  bool has_kind = false;
  for (int i = 1; i < count; ++i) {
    const std::string_view name = values[i];
    std::uint64_t* number = name == "--seeds"        ? &arguments.seeds
                            : name == "--first-seed" ? &arguments.first_seed
                                                     : nullptr;
    if (name == "--raft") {
      has_kind = true;
    } else if (name == "--trace") {
      arguments.trace = true;
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
  return has_kind ? std::optional(arguments) : std::nullopt;
}

}  // namespace

int main(int count, char** values) {
  const auto arguments = parse(count, values);
  if (!arguments) {
    fmt::print(stderr, "usage: barnabas_simulation --raft [--seeds N] [--first-seed S] [--trace] [--stop]\n");
    return 2;
  }
  std::signal(SIGABRT, say_seed);
  std::uint64_t failed = 0;
  std::int64_t committed = 0;
  std::int64_t virtual_ms = 0;
  std::size_t elections = 0;
  std::size_t voter_changes = 0;
  std::size_t snapshots = 0;
  std::size_t truncations = 0;
  for (std::uint64_t seed = arguments->first_seed; seed < arguments->first_seed + arguments->seeds; ++seed) {
    seed_in_hand = seed;
    const auto run = barnabas::simulation::run_raft_seed(seed, arguments->trace);
    committed += run.committed;
    virtual_ms += run.virtual_ms;
    elections += run.elections;
    voter_changes += run.voter_changes;
    snapshots += run.snapshots_installed;
    truncations += run.truncations;
    if (arguments->trace) fmt::print("digest {:016x}\n", run.digest);
    if (!run.failure) continue;
    ++failed;
    fmt::print("seed {} failed {}\n  repeat: barnabas_simulation --raft --seeds 1 --first-seed {} --trace\n",
               seed, *run.failure, seed);
    if (arguments->stop) break;
  }
  const double cpu_seconds = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  fmt::print(
      "{} elections, {} committed records, {} voter changes, {} snapshots installed, {} truncations in {} "
      "virtual s\n",
      elections, committed, voter_changes, snapshots, truncations, virtual_ms / 1000);
  fmt::print("{} seeds in {:.2f} CPU s ({:.0f} a CPU minute), {} failed\n", arguments->seeds, cpu_seconds,
             static_cast<double>(arguments->seeds) * 60 / std::max(cpu_seconds, 0.001), failed);
  return failed == 0 ? 0 : 1;
}

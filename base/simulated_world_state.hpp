// What the parts of a simulated world share: its clock, its chance, its queue of events, its hosts and the
// links between them.
//
// Owned by SimulatedWorld (simulated_network.hpp), in which nobody but its parts sees it: the reactors
// (simulated_network.cpp) and the connections (simulated_connection.hpp). Not thread-safe.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/simulated_events.hpp"
#include "base/simulated_network.hpp"

namespace barnabas {

/// A node's name, whether its process lives, and what it listens to.
struct SimulatedHost : SimulatedEvents::Process {
  std::map<std::uint16_t, std::shared_ptr<Reactor::AcceptHandler>> listeners;
  std::uint16_t next_port = 30000;
  std::unique_ptr<Reactor> reactor;
};

struct SimulatedNetworkParts {
  using State = SimulatedWorld::State;
  static constexpr std::chrono::nanoseconds kOwnDelay = std::chrono::microseconds(10);  // of a host to itself

  static std::unexpected<Error> network_error(std::string detail) {
    return fail(ErrorCode::kNetworkException, std::move(detail));
  }

  class Side;
  class NodeReactor;
  class Wire;
  class NodeListener;
};

struct SimulatedWorld::State {
  State(std::uint64_t seed, const Options& chosen) : random(seed), options(chosen) {}
  ~State() { clear(); }

  std::uint64_t add(std::chrono::nanoseconds when, SimulatedHost& node, std::string&& what,
                    Reactor::Task&& task) {
    return events.add(std::max(when, clock.monotonic()), node, std::move(what), std::move(task));
  }
  void add_now(SimulatedHost& node, std::string&& what, Reactor::Task&& task) {
    add(clock.monotonic(), node, std::move(what), std::move(task));
  }
  bool step() {
    if (!events.next_time()) return false;
    SimulatedEvents::Due due = events.take();
    clock.advance_to(due.time);
    note(due.event);
    current = due.event.process;
    due.event.task();
    current = nullptr;
    return true;
  }
  void note(const SimulatedEvents::Event& event) {
    add_to_hash(static_cast<std::uint64_t>(clock.monotonic().count()));
    add_to_hash(event.process->host);
    add_to_hash(event.what);
    if (keeps_trace) trace.push_back({clock.monotonic(), event.process->host, event.what});
  }
  void add_to_hash(std::uint64_t value) { hash = (hash ^ value) * 0x100000001B3ULL; }  // FNV's prime
  void add_to_hash(std::string_view text) {
    for (; !text.empty(); text.remove_prefix(std::min(text.size(), sizeof(std::uint64_t)))) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data(), std::min(text.size(), sizeof word));
      add_to_hash(word);
    }
  }

  std::chrono::nanoseconds delay(const std::string& from, const std::string& to) {
    return from == to ? SimulatedNetworkParts::kOwnDelay : jittered(delay_of_link(from, to));
  }
  std::chrono::nanoseconds delay_of_link(const std::string& from, const std::string& to) {
    const auto [link, is_new] = delays.try_emplace({from, to});
    if (is_new) {
      const auto spread = static_cast<std::uint64_t>((options.max_delay - options.min_delay).count());
      link->second = options.min_delay + std::chrono::nanoseconds(random.below(spread + 1));
    }
    return link->second;
  }
  std::chrono::nanoseconds jittered(std::chrono::nanoseconds delay) {
    return delay + std::chrono::nanoseconds(random.below(static_cast<std::uint64_t>(delay.count()) / 4 + 1));
  }
  [[nodiscard]] bool is_blocked(const std::string& from, const std::string& to) const {
    return !blocked.empty() && blocked.contains({from, to});
  }
  SimulatedHost* find(const std::string& host) {
    const auto found = nodes.find(host);
    return found == nodes.end() ? nullptr : found->second.get();
  }
  void clear();

  SimulatedClock clock;
  SeededRandom random;
  Options options;
  std::map<std::string, std::unique_ptr<SimulatedHost>> nodes;
  SimulatedEvents events;
  std::map<std::pair<std::string, std::string>, std::chrono::nanoseconds> delays;
  std::set<std::pair<std::string, std::string>> blocked;
  std::vector<std::weak_ptr<SimulatedNetworkParts::Side>> sides;
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  const SimulatedEvents::Process* current = nullptr;  // whose event runs
  bool keeps_trace = false;
  std::vector<TraceEvent> trace;
};

}  // namespace barnabas

// The queue of events of a simulated world: what is to happen when, and to which process.
//
// Owned by SimulatedWorld (simulated_network.hpp). Not thread-safe. Events run in the order of their times,
// those of one time in the order in which they were added. What is due to a process that stands still waits
// until it goes on; what is due to one that died is dropped without a call.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/network.hpp"

namespace barnabas {

class SimulatedEvents {
 public:
  using Id = std::uint64_t;
  using Key = std::pair<std::chrono::nanoseconds, Id>;
  struct Process;
  struct Event {
    Process* process = nullptr;
    std::uint64_t incarnation = 0;
    bool is_cancellable = false;
    std::string what;
    Reactor::Task task;
  };
  /// Outlives its events, which refer to it.
  struct Process {
    std::string host;
    bool alive = true;
    std::uint64_t incarnation = 0;

   private:
    friend class SimulatedEvents;
    bool paused_ = false;
    std::vector<std::pair<Key, Event>> held_;  // taken out of the queue meanwhile
  };
  struct Due {
    std::chrono::nanoseconds time{0};
    Event event;
  };

  Id add(std::chrono::nanoseconds when, Process& process, std::string what, Reactor::Task task);
  /// One that cancel() may take back.
  Id add_cancellable(std::chrono::nanoseconds when, Process& process, std::string what, Reactor::Task task);
  /// False when it ran already or never was.
  bool cancel(Id id);
  /// The time of the next event that a living process is there to run.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> next_time();
  /// Requires next_time().
  [[nodiscard]] Due take();

  /// The process dies: its events are given back, for the caller to destroy.
  [[nodiscard]] std::vector<Event> kill(Process& process);
  void pause(Process& process) { process.paused_ = true; }
  /// What was due meanwhile is due from `now` on, in its order.
  void resume(Process& process, std::chrono::nanoseconds now);
  /// Drops all. What events hold may add others when it is destroyed: until none is left.
  void clear();

 private:
  std::map<Key, Event> events_;
  std::unordered_map<Id, std::chrono::nanoseconds> times_;  // of those that may be cancelled
  Id last_ = 0;
};

}  // namespace barnabas

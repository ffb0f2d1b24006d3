// The queue of events of a simulated world: what is to happen when, and to which process.
//
// Owned by SimulatedWorld (simulated_network.hpp). Not thread-safe. Events run in the order of their times,
// those of one time in the order in which they were added. What is due to a process that stands still waits
// until it goes on; what is due to one that died is dropped without a call.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/network.hpp"

namespace barnabas {

class SimulatedEvents {
 public:
  /// Grows with every event that is added; never 0.
  using Id = std::uint64_t;
  using Key = std::pair<std::chrono::nanoseconds, Id>;
  struct Process;
  struct Event {
    Process* process = nullptr;
    std::uint64_t incarnation = 0;
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
    std::vector<Key> held_;  // taken out of the queue meanwhile
  };
  struct Due {
    std::chrono::nanoseconds time{0};
    Event event;
  };

  Id add(std::chrono::nanoseconds when, Process& process, std::string&& what, Reactor::Task&& task);
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
  /// Where an event lies while it waits. An id names its slot, and is found there until the event is gone.
  struct Slot {
    Id id = 0;
    Event event;
  };
  [[nodiscard]] Slot& slot_of(Id id);
  [[nodiscard]] Event release(Slot& slot);
  void push(Key key);
  [[nodiscard]] const Key* front() const;
  Key pop();
  void drop_cancelled();

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;   // of slots_
  std::size_t waiting_ = 0;           // events in slots_
  std::vector<Key> queue_;            // a heap, the first on top; what was cancelled stays for a while
  std::vector<Key> due_now_;          // what was added at now_ and for then, in its order
  std::size_t taken_now_ = 0;         // of due_now_
  std::size_t cancelled_ = 0;         // of queue_ and due_now_
  std::chrono::nanoseconds now_{-1};  // when the last event was taken
  std::uint64_t last_ = 0;
};

}  // namespace barnabas

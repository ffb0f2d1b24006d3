#include "base/simulated_events.hpp"

#include <algorithm>

namespace barnabas {

using std::chrono::nanoseconds;

SimulatedEvents::Id SimulatedEvents::add(nanoseconds when, Process& process, std::string what,
                                         Reactor::Task task) {
  const Id id = ++last_;
  events_.emplace(Key{when, id},
                  Event{&process, process.incarnation, false, std::move(what), std::move(task)});
  return id;
}

SimulatedEvents::Id SimulatedEvents::add_cancellable(nanoseconds when, Process& process, std::string what,
                                                     Reactor::Task task) {
  const Id id = ++last_;
  events_.emplace(Key{when, id},
                  Event{&process, process.incarnation, true, std::move(what), std::move(task)});
  times_.emplace(id, when);
  return id;
}

bool SimulatedEvents::cancel(Id id) {
  const auto time = times_.find(id);
  if (time == times_.end()) return false;
  const auto event = events_.extract(Key{time->second, id});
  times_.erase(time);
  return true;
}

std::optional<nanoseconds> SimulatedEvents::next_time() {
  while (!events_.empty()) {
    const auto& [key, event] = *events_.begin();
    Process& process = *event.process;
    const bool lives = process.alive && event.incarnation == process.incarnation;
    if (lives && !process.paused_) return key.first;
    if (event.is_cancellable) times_.erase(key.second);
    auto taken = events_.extract(events_.begin());
    if (lives) process.held_.emplace_back(taken.key(), std::move(taken.mapped()));
  }
  return std::nullopt;
}

SimulatedEvents::Due SimulatedEvents::take() {
  auto taken = events_.extract(events_.begin());
  if (taken.mapped().is_cancellable) times_.erase(taken.key().second);
  return {taken.key().first, std::move(taken.mapped())};
}

std::vector<SimulatedEvents::Event> SimulatedEvents::kill(Process& process) {
  process.alive = false;
  process.paused_ = false;
  ++process.incarnation;
  std::vector<Event> dropped;
  for (auto& [key, event] : std::exchange(process.held_, {})) dropped.push_back(std::move(event));
  for (auto it = events_.begin(); it != events_.end();) {
    if (it->second.process != &process) {
      ++it;
      continue;
    }
    times_.erase(it->first.second);
    dropped.push_back(std::move(it->second));
    it = events_.erase(it);
  }
  return dropped;
}

void SimulatedEvents::resume(Process& process, nanoseconds now) {
  process.paused_ = false;
  nanoseconds overdue = now;
  auto held = std::exchange(process.held_, {});
  std::ranges::sort(held, {}, [](const auto& one) { return one.first; });
  for (auto& [key, event] : held) {
    // They keep their order, which that of their ids need not be.
    const nanoseconds when = std::max(key.first, overdue);
    overdue += nanoseconds(1);
    if (event.is_cancellable) times_.emplace(key.second, when);
    events_.emplace(Key{when, key.second}, std::move(event));
  }
}

void SimulatedEvents::clear() {
  while (!events_.empty()) {
    for (auto& [key, event] : events_) event.process->held_.clear();
    std::map<Key, Event> dropped;
    dropped.swap(events_);
    times_.clear();
  }
}

}  // namespace barnabas

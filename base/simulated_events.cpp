#include "base/simulated_events.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace barnabas {

using std::chrono::nanoseconds;

namespace {

constexpr unsigned kSlotBits = 24;
constexpr std::uint64_t kMaxSlots = std::uint64_t{1} << kSlotBits;
constexpr std::size_t kCancelledToKeep = 64;  // at least; beyond, as many as there are others

/// std::pair's own order takes three comparisons.
bool is_later(const SimulatedEvents::Key& one, const SimulatedEvents::Key& other) {
  return one.first != other.first ? one.first > other.first : one.second > other.second;
}

}  // namespace

SimulatedEvents::Id SimulatedEvents::add(nanoseconds when, Process& process, std::string&& what,
                                         Reactor::Task&& task) {
  if (free_.empty()) {
    CHECK(slots_.size() < kMaxSlots, "too many events wait");
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t at = free_.back();
  free_.pop_back();
  const Id id = ++last_ << kSlotBits | at;
  Slot& slot = slots_[at];
  slot.id = id;
  slot.event.process = &process;
  slot.event.incarnation = process.incarnation;
  slot.event.what = std::move(what);
  slot.event.task = std::move(task);
  ++waiting_;
  // Every other event is due at once: it comes behind all that are due now.
  if (when == now_)
    due_now_.push_back({when, id});
  else
    push({when, id});
  return id;
}

bool SimulatedEvents::cancel(Id id) {
  const std::size_t at = id % kMaxSlots;
  if (id == 0 || at >= slots_.size() || slots_[at].id != id) return false;
  const Event cancelled = release(slots_[at]);
  if (std::erase_if(cancelled.process->held_, [id](const Key& key) { return key.second == id; }) == 0)
    ++cancelled_;
  drop_cancelled();
  return true;
}

SimulatedEvents::Slot& SimulatedEvents::slot_of(Id id) {
  return slots_[id % kMaxSlots];
}

SimulatedEvents::Event SimulatedEvents::release(Slot& slot) {
  free_.push_back(static_cast<std::uint32_t>(slot.id % kMaxSlots));
  slot.id = 0;
  --waiting_;
  return std::move(slot.event);
}

void SimulatedEvents::push(Key key) {
  queue_.push_back(key);
  std::ranges::push_heap(queue_, is_later);
}

/// The first; null when there is none.
const SimulatedEvents::Key* SimulatedEvents::front() const {
  if (taken_now_ == due_now_.size()) return queue_.empty() ? nullptr : &queue_.front();
  const Key& key = due_now_[taken_now_];
  return !queue_.empty() && is_later(key, queue_.front()) ? &queue_.front() : &key;
}

/// Requires front().
SimulatedEvents::Key SimulatedEvents::pop() {
  if (front() != queue_.data()) {
    const Key key = due_now_[taken_now_++];
    if (taken_now_ == due_now_.size()) {
      due_now_.clear();
      taken_now_ = 0;
    }
    return key;
  }
  std::ranges::pop_heap(queue_, is_later);
  const Key key = queue_.back();
  queue_.pop_back();
  return key;
}

/// Most timers are cancelled long before their time.
void SimulatedEvents::drop_cancelled() {
  if (cancelled_ < kCancelledToKeep || 2 * cancelled_ < queue_.size()) return;
  // Those that are due now go soon by themselves.
  cancelled_ -=
      std::erase_if(queue_, [this](const Key& key) { return slot_of(key.second).id != key.second; });
  std::ranges::make_heap(queue_, is_later);
}

std::optional<nanoseconds> SimulatedEvents::next_time() {
  while (const Key* first = front()) {
    const Key key = *first;
    Slot& slot = slot_of(key.second);
    if (slot.id != key.second) {
      pop();
      --cancelled_;
      continue;
    }
    Process& process = *slot.event.process;
    const bool lives = process.alive && slot.event.incarnation == process.incarnation;
    if (lives && !process.paused_) return key.first;
    pop();
    if (lives) {
      process.held_.push_back(key);
      continue;
    }
    const Event dropped = release(slot);
  }
  return std::nullopt;
}

SimulatedEvents::Due SimulatedEvents::take() {
  const Key key = pop();
  now_ = key.first;
  return {key.first, release(slot_of(key.second))};
}

std::vector<SimulatedEvents::Event> SimulatedEvents::kill(Process& process) {
  process.alive = false;
  process.paused_ = false;
  ++process.incarnation;
  std::vector<Key> keys = std::exchange(process.held_, {});
  const auto held = std::ssize(keys);
  const auto take = [&](const Key& key) {
    const Slot& slot = slot_of(key.second);
    if (slot.id == key.second && slot.event.process == &process) keys.push_back(key);
  };
  std::for_each(queue_.begin(), queue_.end(), take);
  std::for_each(due_now_.begin() + static_cast<std::ptrdiff_t>(taken_now_), due_now_.end(), take);
  std::sort(keys.begin() + held, keys.end());
  std::vector<Event> dropped;
  dropped.reserve(keys.size());
  for (const Key& key : keys) dropped.push_back(release(slot_of(key.second)));
  cancelled_ += keys.size() - static_cast<std::size_t>(held);
  drop_cancelled();
  return dropped;
}

void SimulatedEvents::resume(Process& process, nanoseconds now) {
  process.paused_ = false;
  nanoseconds overdue = now;
  auto held = std::exchange(process.held_, {});
  std::ranges::sort(held);
  for (const Key& key : held) {
    // They keep their order, which that of their ids need not be.
    const nanoseconds when = std::max(key.first, overdue);
    overdue += nanoseconds(1);
    push({when, key.second});
  }
}

void SimulatedEvents::clear() {
  while (waiting_ > 0) {
    for (Slot& slot : slots_)
      if (slot.id != 0) slot.event.process->held_.clear();
    queue_.clear();
    due_now_.clear();
    taken_now_ = cancelled_ = 0;
    std::vector<Event> dropped;
    for (std::size_t at = 0; at < slots_.size(); ++at)
      if (slots_[at].id != 0) dropped.push_back(release(slots_[at]));
  }
}

}  // namespace barnabas

#include "simulation/nodes/reactor_metadata_driver.hpp"

#include <algorithm>

namespace barnabas::simulation {

using std::chrono::nanoseconds;

namespace {
constexpr std::chrono::milliseconds kPatienceToResign{500};
}

void ReactorMetadataDriver::submit(Task task) {
  tasks_.push_back(std::move(task));
  wake_at(round_.now());
}

void ReactorMetadataDriver::wake_at(nanoseconds when) {
  if (timer_ != 0 && timer_due_ <= when) return;
  if (timer_ != 0) reactor_.cancel(timer_);
  timer_due_ = when;
  timer_ = reactor_.schedule_at(when, [this] {
    timer_ = 0;
    run();
  });
}

void ReactorMetadataDriver::run() {
  if (has_failed_) return;
  const std::int64_t wall_ms = round_.wall_ms();
  for (auto& task : std::exchange(tasks_, {})) task(*round_.node(), wall_ms);
  const auto next = resigns_until_ ? round_.run_node() : round_.run();
  if (!next) {
    has_failed_ = true;
    return on_failure_(next.error());
  }
  if (*next < nanoseconds::max()) wake_at(*next);
  if (when_left_) go_on_leaving();
}

void ReactorMetadataDriver::leave(std::function<void()> done) {
  when_left_ = std::move(done);
  if (round_.life() != nullptr) round_.life()->leave(*round_.node());
  wake_at(round_.now());
}

void ReactorMetadataDriver::go_on_leaving() {
  if (!resigns_until_) {
    if (round_.life() != nullptr && !round_.life()->has_left()) return;
    resigns_until_ = round_.now() + kPatienceToResign;
    if (!round_.node()->resign()) resigns_until_ = round_.now();
  }
  if (round_.node()->may_stop() || round_.now() >= *resigns_until_) return std::exchange(when_left_, {})();
  wake_at(std::min(round_.now() + std::chrono::milliseconds(20), *resigns_until_));
}

}  // namespace barnabas::simulation

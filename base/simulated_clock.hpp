// Virtual time: it passes only when its owner (SimulatedWorld, or a test) says so.
// Not thread-safe: a simulation is one thread.
#pragma once

#include "base/clock.hpp"

namespace barnabas {

// Of check.hpp, whose macro has the name of one of the test framework's: tests include this header.
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const char* message) noexcept;

class SimulatedClock final : public Clock {
 public:
  /// `start_wall_ms` is the wall time at monotonic() == 0.
  explicit SimulatedClock(std::int64_t start_wall_ms = 1'767'225'600'000) : start_wall_ms_(start_wall_ms) {}

  [[nodiscard]] std::int64_t wall_ms() const override {
    return start_wall_ms_ + std::chrono::duration_cast<std::chrono::milliseconds>(now_).count();
  }
  [[nodiscard]] std::chrono::nanoseconds monotonic() const override { return now_; }

  /// Requires a time not before monotonic().
  void advance_to(std::chrono::nanoseconds time) {
    if (time < now_) check_failed(__FILE__, __LINE__, "time >= now_", "virtual time runs forward");
    now_ = time;
  }
  void jump_wall(std::int64_t by_ms) { start_wall_ms_ += by_ms; }

 private:
  std::int64_t start_wall_ms_;
  std::chrono::nanoseconds now_{0};
};

}  // namespace barnabas

// Time, passed in: everything that asks what time it is holds a Clock.
#pragma once

#include <chrono>
#include <cstdint>

namespace barnabas {

/// Thread safety: implementations may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Milliseconds since the epoch: what records and files carry. May jump.
  [[nodiscard]] virtual std::int64_t wall_ms() const = 0;
  /// For deadlines and durations. Never goes back.
  [[nodiscard]] virtual std::chrono::nanoseconds monotonic() const = 0;
};

/// The machine's own clocks.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override;
  [[nodiscard]] std::chrono::nanoseconds monotonic() const override;
};

}  // namespace barnabas

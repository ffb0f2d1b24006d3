// What is measured: a process's CPU time and memory, and how long things took.
//
// Thread safety: none needed, values. Units: seconds, microseconds and kB (1024 bytes) as the names say.
// Source: /proc (times of every thread, in clock ticks of 10 ms: measure over seconds).
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace barnabas::wirebench {

using MonotonicClock = std::chrono::steady_clock;

[[nodiscard]] inline double seconds_since(MonotonicClock::time_point begin) {
  return std::chrono::duration<double>(MonotonicClock::now() - begin).count();
}

struct ProcessUsage {
  double cpu_seconds = 0;
  long resident_kb = 0;
};

/// Zeros for pid 0 and for a process that is gone.
[[nodiscard]] ProcessUsage usage_of(long pid);

/// What a process used while it was asked for something; begins when it is made.
class Measurement {
 public:
  explicit Measurement(long pid) : pid_(pid), usage_(usage_of(pid)), begin_(MonotonicClock::now()) {}

  [[nodiscard]] double seconds() const { return seconds_since(begin_); }
  [[nodiscard]] bool has_process() const { return pid_ != 0; }
  struct Used {
    double seconds;
    double cpu_seconds;
    double resident_mb;
    double grown_kb;
  };
  [[nodiscard]] Used used() const;

 private:
  long pid_;
  ProcessUsage usage_;
  MonotonicClock::time_point begin_;
};

/// "n=... p50_us=... p90_us=... p99_us=... p999_us=... max_us=..."
[[nodiscard]] std::string percentiles(std::vector<double> microseconds);

}  // namespace barnabas::wirebench

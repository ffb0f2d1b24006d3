// Throttle: when the next of a steady stream of records is due.
#pragma once

#include <chrono>
#include <cstdint>

namespace barnabas::tools {

class Throttle {
 public:
  /// A rate below 0: no limit.
  explicit Throttle(double records_per_second)
      : rate_(records_per_second), begun_(std::chrono::steady_clock::now()) {}

  /// When record number `index` (from 0) is due.
  [[nodiscard]] std::chrono::steady_clock::time_point due(std::int64_t index) const {
    if (rate_ < 0) return begun_;
    // A rate of 0 is a stream that never begins.
    if (rate_ == 0) return std::chrono::steady_clock::time_point::max();
    const std::chrono::duration<double> after(static_cast<double>(index) / rate_);
    return begun_ + std::chrono::duration_cast<std::chrono::steady_clock::duration>(after);
  }

 private:
  double rate_;
  std::chrono::steady_clock::time_point begun_;
};

}  // namespace barnabas::tools

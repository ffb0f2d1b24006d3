// Patience: how long a cluster without faults is waited for.
//
// Owned by who waits. Not thread-safe. What hangs moves nothing, so it is the time without progress that is
// limited: clients who have much left to do, over a slow network, may take longer than that altogether. The
// progress must be of something finite, else who turns in circles would be waited for without end.
#pragma once

#include <chrono>
#include <cstddef>

namespace barnabas::simulation {

class Patience {
 public:
  /// `done` of the work is done by `now`; nobody is waited for `most` in which nothing is.
  Patience(std::chrono::nanoseconds most, std::size_t done, std::chrono::nanoseconds now)
      : most_(most), done_(done), since_(now) {}

  void note(std::size_t done, std::chrono::nanoseconds now) {
    if (done > done_) since_ = now;
    done_ = done;
  }
  [[nodiscard]] bool is_over(std::chrono::nanoseconds now) const { return now - since_ >= most_; }

 private:
  const std::chrono::nanoseconds most_;
  std::size_t done_;
  std::chrono::nanoseconds since_;  // when some of it was done last
};

}  // namespace barnabas::simulation

// ProgressBar: how far a long work is, drawn on standard error.
//
// Owned by a command, which tells it how much is done; the line goes when it is destroyed. Thread safety:
// none. It is drawn only where standard error is a terminal and the total is known, after half a second, ten
// times a second at most; a work that prints its results draws nothing on the terminal that it prints them
// to.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace barnabas::tools {

class ProgressBar {
 public:
  enum class Output { kNone, kStandardOutput };  // of the work itself

  /// A total of 0 or less is not known.
  ProgressBar(std::int64_t total, Output output);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  [[nodiscard]] bool is_drawn() const { return is_wanted_; }
  void at(std::int64_t done);

 private:
  using Clock = std::chrono::steady_clock;

  std::int64_t total_;
  bool is_wanted_;
  bool is_on_screen_ = false;
  Clock::time_point begun_ = Clock::now();
  Clock::time_point next_;
};

/// "[=====>              ]  28 %, 12 s left". Requires a total above 0; nothing is said of the rest before
/// some is done.
[[nodiscard]] std::string progress_line(std::int64_t done, std::int64_t total,
                                        std::chrono::milliseconds elapsed);

}  // namespace barnabas::tools

#include "tools/commands/progress_bar.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace barnabas::tools {
namespace {

constexpr std::chrono::milliseconds kFirst{500};
constexpr std::chrono::milliseconds kInterval{100};
constexpr std::int64_t kWidth = 40;
constexpr const char* kClearLine = "\r\033[K";

}  // namespace

std::string progress_line(std::int64_t done, std::int64_t total, std::chrono::milliseconds elapsed) {
  const double part = std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
  const auto filled = static_cast<std::int64_t>(part * kWidth);
  std::string bar(static_cast<std::size_t>(filled), '=');
  if (filled < kWidth) bar += '>';
  std::string line = fmt::format("[{:<{}}] {:>3} %", bar, kWidth, static_cast<int>(part * 100));
  if (part > 0) {
    const double left_ms = static_cast<double>(elapsed.count()) * (1 - part) / part;
    line += fmt::format(", {} s left", static_cast<std::int64_t>(left_ms / 1000 + 0.5));
  }
  return line;
}

ProgressBar::ProgressBar(std::int64_t total, Output output)
    : total_(total),
      is_wanted_(total > 0 && ::isatty(STDERR_FILENO) != 0 &&
                 (output == Output::kNone || ::isatty(STDOUT_FILENO) == 0)),
      next_(begun_ + kFirst) {}

ProgressBar::~ProgressBar() {
  if (is_on_screen_) fmt::print(stderr, "{}", kClearLine);
}

void ProgressBar::at(std::int64_t done) {
  if (!is_wanted_) return;
  const auto now = Clock::now();
  if (now < next_) return;
  next_ = now + kInterval;
  is_on_screen_ = true;
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - begun_);
  fmt::print(stderr, "{}{}", kClearLine, progress_line(done, total_, elapsed));
}

}  // namespace barnabas::tools

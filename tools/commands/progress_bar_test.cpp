#include "tools/commands/progress_bar.hpp"

#include <catch2/catch.hpp>

namespace barnabas::tools {

using namespace std::chrono_literals;

TEST_CASE("a bar grows with what is done, and tells how long the rest takes") {
  CHECK(progress_line(0, 100, 0ms) == "[>                                       ]   0 %");
  CHECK(progress_line(25, 100, 10s) == "[==========>                             ]  25 %, 30 s left");
  CHECK(progress_line(100, 100, 10s) == "[========================================] 100 %, 0 s left");
}

TEST_CASE("more than everything is everything") {
  CHECK(progress_line(300, 100, 1s) == progress_line(100, 100, 1s));
}

TEST_CASE("no bar is drawn where the total is not known") {
  CHECK_FALSE(ProgressBar(0, ProgressBar::Output::kNone).is_drawn());
  CHECK_FALSE(ProgressBar(-1, ProgressBar::Output::kNone).is_drawn());
}

}  // namespace barnabas::tools

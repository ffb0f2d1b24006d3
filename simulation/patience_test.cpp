#include "simulation/patience.hpp"

#include <catch2/catch.hpp>

namespace barnabas::simulation {
namespace {

using std::chrono::seconds;

TEST_CASE("who gets on is waited for, who stands still is not") {
  Patience patience(seconds(180), 5, seconds(100));
  patience.note(5, seconds(279));
  CHECK_FALSE(patience.is_over(seconds(279)));
  CHECK(patience.is_over(seconds(280)));
  patience.note(6, seconds(279));
  CHECK_FALSE(patience.is_over(seconds(458)));
  patience.note(6, seconds(458));
  CHECK(patience.is_over(seconds(459)));
}

}  // namespace
}  // namespace barnabas::simulation

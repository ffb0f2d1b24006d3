#include "tools/commands/java_number.hpp"

#include <catch2/catch.hpp>

namespace barnabas::tools {
namespace {

TEST_CASE("doubles are printed as Java prints them") {
  CHECK(java_double(1024) == "1024.0");
  CHECK(java_double(0.5) == "0.5");
  CHECK(java_double(1.25e-4) == "1.25E-4");
  CHECK(java_double(10'000'000) == "1.0E7");
  CHECK(java_double(9'999'999) == "9999999.0");
  CHECK(java_double(-12'345'678'901.5) == "-1.23456789015E10");
  CHECK(java_double(0) == "0.0");
}

}  // namespace
}  // namespace barnabas::tools

#include "base/random.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <set>

#include "base/clock.hpp"

namespace barnabas {
namespace {

TEST_CASE("one seed is one sequence, another seed another") {
  SeededRandom first(5);
  SeededRandom again(5);
  SeededRandom other(6);
  int different = 0;
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t value = first.next();
    REQUIRE(value == again.next());
    if (value != other.next()) ++different;
  }
  CHECK(different == 100);
}

TEST_CASE("the sequence of a seed never changes, so that old seeds replay old runs") {
  SeededRandom random(0);
  CHECK(random.next() == 0x99EC5F36CB75F2B4ULL);
  CHECK(random.next() == 0xBF6E1F784956452AULL);
}

TEST_CASE("below is in its bound and about uniform") {
  SeededRandom random(7);
  std::array<int, 6> counts{};
  for (int i = 0; i < 60000; ++i) ++counts[random.below(6)];
  for (const int count : counts) CHECK(std::abs(count - 10000) < 500);
  for (int i = 0; i < 10; ++i) CHECK(random.below(1) == 0);
  const std::uint64_t large = (std::uint64_t{1} << 63) + 1;
  for (int i = 0; i < 100; ++i) CHECK(random.below(large) < large);
}

TEST_CASE("the kernel's chance does not repeat") {
  SystemRandom random;
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random.next());
  CHECK(seen.size() == 1000);
}

TEST_CASE("the machine's clocks run forward and are in our century") {
  const SystemClock clock;
  const auto before = clock.monotonic();
  CHECK(clock.monotonic() >= before);
  CHECK(clock.wall_ms() > 1'700'000'000'000);
  CHECK(clock.wall_ms() < 4'100'000'000'000);
}

}  // namespace
}  // namespace barnabas

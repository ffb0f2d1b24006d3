#include "tools/commands/replica_striping.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <set>

namespace barnabas::tools {
namespace {

using Racks = std::vector<std::vector<std::int32_t>>;

TEST_CASE("replica striping: every broker leads as many partitions") {
  for (const Racks& racks : {Racks{{1, 2, 3, 4}}, Racks{{1, 2}, {3, 4}}, Racks{{1}, {2}, {3}, {4}}}) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      SeededRandom random(seed);
      const auto placed = stripe_replicas(racks, 12, 3, random);
      REQUIRE(placed);
      std::map<std::int32_t, int> led;
      for (const auto& replicas : *placed) ++led[replicas.front()];
      CHECK(led == std::map<std::int32_t, int>{{1, 3}, {2, 3}, {3, 3}, {4, 3}});
    }
  }
}

TEST_CASE("replica striping: no broker holds a partition twice") {
  SeededRandom random(7);
  const auto placed = stripe_replicas({{1}, {2, 3, 4}}, 9, 4, random);
  REQUIRE(placed);
  for (const auto& replicas : *placed)
    CHECK(std::set(replicas.begin(), replicas.end()) == std::set{1, 2, 3, 4});
}

TEST_CASE("replica striping: replicas lie in different racks while there are some") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SeededRandom random(seed);
    const auto placed = stripe_replicas({{0, 1, 2}, {10, 11, 12}, {20, 21, 22}}, 9, 3, random);
    REQUIRE(placed);
    for (const auto& replicas : *placed) {
      std::set<std::int32_t> racks;
      for (const auto id : replicas) racks.insert(id / 10);
      CHECK(racks.size() == 3);
    }
  }
}

TEST_CASE("replica striping: too few brokers are a mistake") {
  SeededRandom random(1);
  CHECK_FALSE(stripe_replicas({}, 1, 1, random).has_value());
  CHECK_FALSE(stripe_replicas({{1}, {2}}, 1, 3, random).has_value());
}

}  // namespace
}  // namespace barnabas::tools

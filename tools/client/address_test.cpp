#include "tools/client/address.hpp"

#include <catch2/catch.hpp>

using namespace barnabas;
using namespace barnabas::tools;

TEST_CASE("a bootstrap list is read as addresses, with blanks, schemes and IPv6 brackets") {
  const auto addresses = parse_bootstrap("one:9092, PLAINTEXT://two:1,[::1]:65535,");
  REQUIRE(addresses.has_value());
  CHECK(*addresses == std::vector<Address>{{"one", 9092}, {"two", 1}, {"::1", 65535}});
  CHECK(to_string(addresses->back()) == "[::1]:65535");
  CHECK(to_string(addresses->front()) == "one:9092");
}

TEST_CASE("what is no address is named") {
  for (const std::string bad : {"localhost", "localhost:", ":9092", "host:65536", "host:9092x", "a b:1"}) {
    const auto addresses = parse_bootstrap("good:9092," + bad);
    REQUIRE(!addresses.has_value());
    CHECK(addresses.error().code == ErrorCode::kInvalidConfig);
    CHECK(addresses.error().detail == "Invalid url in bootstrap.servers: " + bad);
  }
  CHECK(!parse_bootstrap("").has_value());
  CHECK(!parse_bootstrap(",").has_value());
}

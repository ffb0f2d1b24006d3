#include "tools/commands/config_pairs.hpp"

#include <catch2/catch.hpp>

namespace barnabas::tools {
namespace {

TEST_CASE("commas and equals signs within brackets part nothing") {
  const auto pairs = parse_config_pairs("a=1, b = [x,y] ,SCRAM-SHA-256=[iterations=4096,password=k=l],e=");
  REQUIRE(pairs);
  CHECK(*pairs ==
        ConfigPairs{{"a", "1"}, {"b", "x,y"}, {"SCRAM-SHA-256", "iterations=4096,password=k=l"}, {"e", ""}});
}

TEST_CASE("a part that is no pair is refused") {
  for (const char* text : {"a", "a=1,b", "a=b=c", "a=1,"}) CHECK_FALSE(parse_config_pairs(text));
}

}  // namespace
}  // namespace barnabas::tools

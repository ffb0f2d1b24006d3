#include "broker/config/properties_file.hpp"

#include <catch2/catch.hpp>

namespace barnabas::broker {
namespace {

struct Pair {
  std::string key;
  std::string value;
  bool operator==(const Pair&) const = default;
};
using Pairs = std::vector<Pair>;

Pairs pairs(std::string_view text) {
  Pairs found;
  const auto parsed = parse_properties(text);
  REQUIRE(parsed);
  for (const auto& property : *parsed) found.push_back({property.key, property.value});
  return found;
}

TEST_CASE("a property's key ends at the first unescaped separator") {
  CHECK(pairs("a=1\nb:2\nc 3\nd\t=\t4\ne = : 5\n") ==
        Pairs{Pair{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}, {"e", ": 5"}});
  CHECK(pairs("a\\=b=c\na\\ b c\nurl=host:9092=x") ==
        Pairs{Pair{"a=b", "c"}, {"a b", "c"}, {"url", "host:9092=x"}});
}

TEST_CASE("a key may be alone, a value empty, and the last line without its end") {
  CHECK(pairs("alone\nempty=\n=nokey\nlast=x") ==
        Pairs{Pair{"alone", ""}, {"empty", ""}, {"", "nokey"}, {"last", "x"}});
  CHECK(pairs("") == Pairs{});
  CHECK(pairs("a=1\\") == Pairs{Pair{"a", "1"}});
}

TEST_CASE("comments and blank lines hold no property, but a # inside a value does not begin a comment") {
  CHECK(pairs("# a=1\n  ! b=2\n\n \t\nc=3 # not a comment\r\nd=4\r") ==
        Pairs{Pair{"c", "3 # not a comment"}, {"d", "4"}});
}

TEST_CASE("an odd number of trailing backslashes continues a line, and blanks before its rest are dropped") {
  CHECK(pairs("a=1,\\\n   2,\\\r\n\t3\nb=c\\\\\nd=e") == Pairs{Pair{"a", "1,2,3"}, {"b", "c\\"}, {"d", "e"}});
  // A comment sign in a continuation is text.
  CHECK(pairs("a=1\\\n#2") == Pairs{Pair{"a", "1#2"}});
}

TEST_CASE("escapes give control characters, unicode and the character itself") {
  CHECK(pairs("a=\\t\\n\\r\\f\\\\\\q") == Pairs{Pair{"a", "\t\n\r\f\\q"}});
  CHECK(pairs("a=\\u0041\\u00e9\\u20AC\\uD83D\\uDE00") ==
        Pairs{Pair{"a", "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"}});
  CHECK(pairs("p=C:\\new") == Pairs{Pair{"p", "C:\new"}});
}

TEST_CASE("a malformed unicode escape is refused with its line") {
  const auto parsed = parse_properties("a=1\n# x\nb=\\u12g4\n");
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().detail.find("line 3") != std::string::npos);
  CHECK_FALSE(parse_properties("a=\\u12"));
}

TEST_CASE("line numbers are those where a property begins") {
  const auto parsed = parse_properties("a=1\\\n2\n\n#\nb=3").value();
  REQUIRE(parsed.size() == 2);
  CHECK(parsed[0].line == 1);
  CHECK(parsed[1].line == 5);
}

}  // namespace
}  // namespace barnabas::broker

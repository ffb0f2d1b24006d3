// Patterns over topics' names are those of RE2 for Java.
#include "broker/coordinator/topic_pattern.hpp"

#include <catch2/catch.hpp>

namespace barnabas::broker {
namespace {

bool matches(const std::string& pattern, std::string_view topic) {
  return TopicPattern::make(pattern)->matches(topic);
}

TEST_CASE("A pattern matches whole names") {
  CHECK(matches("regx.*", "regx1"));
  CHECK(!matches("regx", "regx1"));
  CHECK(!matches("regx.*", "a-regx1"));
  CHECK(matches("a|b", "b"));
  CHECK(matches("", ""));
  CHECK(!matches("", "a"));
}

TEST_CASE("Named groups may be written in either way") {
  CHECK(matches("(?P<name>a+)b", "aab"));
  CHECK(matches("(?<name>a+)b", "aab"));
  CHECK(matches("[(?<]x", "<x"));
  CHECK(matches("\\(\\?<x", "(?<x"));
}

TEST_CASE("What is no pattern is told as Apache Kafka tells it") {
  const auto told = [](const std::string& pattern) {
    const auto made = TopicPattern::make(pattern);
    REQUIRE(!made.has_value());
    CHECK(made.error().code == ErrorCode::kInvalidRegularExpression);
    return made.error().detail;
  };
  CHECK(told("(") == "SubscribedTopicRegex `(` is not a valid regular expression: missing closing ).");
  CHECK(told(")") ==
        "SubscribedTopicRegex `)` is not a valid regular expression: regexp/syntax: internal error.");
  CHECK(told("a{1001}") ==
        "SubscribedTopicRegex `a{1001}` is not a valid regular expression: invalid repeat count.");
  CHECK(told("(?<n") ==
        "SubscribedTopicRegex `(?<n` is not a valid regular expression: invalid named capture.");
  CHECK(told("(?P<n>a)(?P<n>b)") ==
        "SubscribedTopicRegex `(?P<n>a)(?P<n>b)` is not a valid regular expression: duplicate capture group "
        "name.");
  CHECK(
      told("(?=a)") ==
      "SubscribedTopicRegex `(?=a)` is not a valid regular expression: invalid or unsupported Perl syntax.");
}

}  // namespace
}  // namespace barnabas::broker

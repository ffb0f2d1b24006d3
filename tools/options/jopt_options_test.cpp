#include "tools/options/jopt_options.hpp"

#include <catch2/catch.hpp>

namespace barnabas::tools {
namespace {

JoptOptions some_options() {
  JoptOptions options("kafka-letters", "Carries letters.");
  options.flag("list", "List them.").value("topic", "NAME", "Whose.").values("config", "K=V", "How.");
  options.value("partitions", "COUNT", "How many.").flag("v", "Say more.").value("o", "WHERE", "Whereto.");
  options.add({.name = "state", .argument = JoptOptions::Argument::kOptional, .placeholder = "NAMES"});
  options.add({.name = "timeout", .argument = JoptOptions::Argument::kRequired, .standard = "5000"});
  return options;
}

std::string refusal_of(std::vector<const char*> arguments) {
  JoptOptions options = some_options();
  const auto parsed = options.parse(arguments);
  return parsed ? "accepted" : parsed.error().detail;
}

TEST_CASE("a value stands behind its option or behind an equals sign, one hyphen is as good as two") {
  JoptOptions options = some_options();
  REQUIRE(options.parse(std::vector<const char*>{"--list", "--topic", "castle", "--config", "a=1",
                                                 "--config=b=2", "-partitions", "3", "letter"}));
  CHECK(options.has("list"));
  CHECK(options.text("topic") == "castle");
  CHECK(options.all("config") == std::vector<std::string>{"a=1", "b=2"});
  CHECK(*options.integer("partitions") == 3);
  CHECK(options.positional() == std::vector<std::string>{"letter"});
  CHECK(options.text("timeout") == "5000");
  CHECK_FALSE(options.has("timeout"));
}

TEST_CASE("an argument that is required may look like an option, an optional one may not") {
  JoptOptions options = some_options();
  REQUIRE(options.parse(std::vector<const char*>{"--topic", "--list", "--state", "--list"}));
  CHECK(options.text("topic") == "--list");
  CHECK(options.has("state"));
  CHECK(options.all("state").empty());
  CHECK(options.has("list"));
}

TEST_CASE("letters stand in one argument, the rest of which is the value of the last") {
  JoptOptions options = some_options();
  REQUIRE(options.parse(std::vector<const char*>{"-vocastle", "--", "--list"}));
  CHECK(options.has("v"));
  CHECK(options.text("o") == "castle");
  CHECK(options.positional() == std::vector<std::string>{"--list"});
}

TEST_CASE("mistakes are told as Kafka's tools tell them") {
  CHECK(refusal_of({"--bogus"}) == "bogus is not a recognized option");
  CHECK(refusal_of({"--lis"}) == "lis is not a recognized option");
  CHECK(refusal_of({"-bogus"}) == "b is not a recognized option");
  CHECK(refusal_of({"--topic"}) == "Option topic requires an argument");
  CHECK(refusal_of({"--topic", "a", "--topic", "b"}) ==
        "Found multiple arguments for option topic, but you asked for only one");
  CHECK(refusal_of({"--list=true"}) == "accepted");
}

TEST_CASE("what must, and what must not, stand together") {
  JoptOptions options = some_options();
  REQUIRE(options.parse(std::vector<const char*>{"--list", "--partitions", "abc"}));
  CHECK(options.require({"list", "topic"}).error().detail == "Missing required argument \"[topic]\"");
  CHECK(options.exclude("partitions", {"topic", "list"}).error().detail ==
        "Option \"[partitions]\" can't be used with option \"[list]\"");
  CHECK(options.exclude("topic", {"list"}));
  CHECK(options.count({"list", "topic", "partitions"}) == 2);
  CHECK(options.integer("partitions").error().detail == "Cannot parse argument 'abc' of option partitions");
  CHECK(options.number("topic").value() == std::nullopt);
}

TEST_CASE("the usage names every option") {
  const std::string usage = some_options().usage();
  for (const auto& word : some_options().words()) CHECK(usage.find(word) != std::string::npos);
}

}  // namespace
}  // namespace barnabas::tools

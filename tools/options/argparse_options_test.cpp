#include "tools/options/argparse_options.hpp"

#include <catch2/catch.hpp>

namespace barnabas::tools {
namespace {

using Kind = ArgparseOptions::Kind;

ArgparseOptions some_options() {
  ArgparseOptions options("kafka-castle", "Asks the castle.");
  options.add_exclusive(
      true, {{.names = {"--bootstrap-server", "-b"}}, {.names = {"--bootstrap-controller", "-C"}}});
  auto& describe = options.subcommand("describe", "Describe it.");
  describe.flag("status", "Shortly.").value("format", "NAME", "How.");
  auto& upgrade = options.subcommand("upgrade", "Raise it.");
  upgrade.add({.names = {"--feature"}, .kind = Kind::kValues});
  upgrade.add({.names = {"--id", "-i"}, .kind = Kind::kInteger, .required = true});
  options.subcommand("downgrade", "Lower it.").add({.names = {"--name"}, .kind = Kind::kList});
  return options;
}

std::string refusal_of(std::vector<const char*> arguments) {
  ArgparseOptions options = some_options();
  const auto parsed = options.parse(arguments);
  return parsed ? "accepted" : parsed.error().detail;
}

TEST_CASE("options of the tool stand before its command, those of the command after it") {
  ArgparseOptions options = some_options();
  REQUIRE(options.parse(std::vector<const char*>{"-b", "castle:1", "upgrade", "--feature", "a=1",
                                                 "--feature=b=2", "-i", "-7"}));
  CHECK(options.chosen() == "upgrade");
  CHECK(options.text("bootstrap-server") == "castle:1");
  CHECK(options.all("feature") == std::vector<std::string>{"a=1", "b=2"});
  CHECK(options.number("id") == -7);
  CHECK_FALSE(options.has("bootstrap-controller"));
}

TEST_CASE("names and commands may be abbreviated as long as one fits") {
  ArgparseOptions options = some_options();
  REQUIRE(options.parse(std::vector<const char*>{"--bootstrap-s=castle:1", "desc", "--stat"}));
  CHECK(options.chosen() == "describe");
  CHECK(options.has("status"));
  CHECK(refusal_of({"--boot", "a", "describe"}) ==
        "ambiguous option: --boot could match --bootstrap-controller, --bootstrap-server");
}

TEST_CASE("a list goes on to the next option, letters take what is glued to them") {
  ArgparseOptions options = some_options();
  REQUIRE(options.parse(std::vector<const char*>{"-bcastle:1", "downgrade", "--name", "a", "b", "c"}));
  CHECK(options.text("bootstrap-server") == "castle:1");
  CHECK(options.all("name") == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("mistakes of commands are told as Kafka's tools tell them") {
  CHECK(refusal_of({}) == "too few arguments");
  CHECK(refusal_of({"-b", "x"}) == "too few arguments");
  CHECK(refusal_of({"describe"}) ==
        "one of the arguments --bootstrap-server/-b --bootstrap-controller/-C is required");
  CHECK(refusal_of({"-b", "x", "bogus"}) ==
        "invalid choice: 'bogus' (choose from 'describe', 'upgrade', 'downgrade')");
  CHECK(refusal_of({"-b", "x", "describe", "--bogus"}) == "unrecognized arguments: '--bogus'");
  CHECK(refusal_of({"-b", "x", "describe", "extra"}) == "unrecognized arguments: 'extra'");
  CHECK(refusal_of({"-b", "x", "describe", "--format"}) == "argument --format: expected one argument");
  CHECK(refusal_of({"-b", "x", "-C", "y", "describe"}) ==
        "argument --bootstrap-controller/-C: not allowed with argument --bootstrap-server/-b");
  CHECK(refusal_of({"-b", "x", "upgrade"}) == "argument --id/-i is required");
  CHECK(refusal_of({"-b", "x", "upgrade", "--id", "abc"}) ==
        "argument --id/-i: could not convert 'abc' to Integer (For input string: \"abc\")");
}

TEST_CASE("whoever asks for help need not give what is required") {
  ArgparseOptions options = some_options();
  REQUIRE(options.parse(std::vector<const char*>{"upgrade", "--help"}));
  CHECK(options.help_wanted());
  CHECK(options.usage().find("--feature") != std::string::npos);
  CHECK(options.usage().find("--status") == std::string::npos);
}

}  // namespace
}  // namespace barnabas::tools

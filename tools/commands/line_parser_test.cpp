#include "tools/commands/line_parser.hpp"

#include <catch2/catch.hpp>

using namespace barnabas;
using namespace barnabas::tools;

namespace {

std::string shown(const std::optional<ByteView>& field) {
  return field ? std::string(as_text(*field)) : "<null>";
}
/// "header=value,... key value", or the error's sentence.
std::string parsed(const Properties& properties, std::string_view line) {
  auto parser = LineParser::of(properties);
  if (!parser) return parser.error().detail;
  ParsedLine to;
  const auto done = parser->parse(line, to);
  if (!done) return done.error().detail;
  std::string text;
  for (const auto& header : to.headers) text += std::string(header.key) + "=" + shown(header.value) + ",";
  return text + " " + shown(to.key) + " " + shown(to.value);
}

}  // namespace

TEST_CASE("a line is a value, or a key and a value, with headers before them") {
  CHECK(parsed({}, "a\tb") == " <null> a\tb");
  CHECK(parsed({}, "") == " <null> ");
  const Properties keys = {{"parse.key", "TRUE"}, {"key.separator", "::"}};
  CHECK(parsed(keys, "k::v::w") == " k v::w");
  CHECK(parsed(keys, "v") == "No key separator found on line number 1: 'v'");
  const Properties headers = {{"parse.key", "true"}, {"parse.headers", "true"}};
  CHECK(parsed(headers, "h1:a,h2:\tk\tv") == "h1=a,h2=, k v");
  CHECK(parsed(headers, "h1:a,\tk\tv") == "h1=a, k v");
  CHECK(parsed(headers, "k") == "No headers delimiter found on line number 1: 'k'");
  CHECK(parsed(headers, "h\tk\tv") == "No header key separator found in pair 'h' on line number 1");
  CHECK(parsed(headers, "\tk\tv") == "No header key separator found in pair '' on line number 1");
}

TEST_CASE("the null marker makes nulls of fields, and errors may be ignored") {
  const Properties marked = {{"parse.key", "true"}, {"parse.headers", "true"}, {"null.marker", "NULL"}};
  CHECK(parsed(marked, "NULL\tNULL\tNULL") == " <null> <null>");
  CHECK(parsed(marked, "h:NULL\tk\tv") == "h=<null>, k v");
  CHECK(parsed(marked, "NULL:x\tk\tv").starts_with("Header keys should not be equal to the null marker"));
  const Properties lenient = {{"parse.key", "true"}, {"parse.headers", "true"}, {"ignore.error", "true"}};
  CHECK(parsed(lenient, "nothing") == " <null> nothing");
  CHECK(parsed(lenient, "h\tk\tv") == "h=<null>, k v");
}

TEST_CASE("separators that cannot be told apart are refused") {
  CHECK(parsed({{"headers.separator", ":"}}, "") ==
        "headers.separator and headers.key.separator may not be equal");
  CHECK(parsed({{"null.marker", "\t"}}, "") == "null.marker and key.separator may not be equal");
}

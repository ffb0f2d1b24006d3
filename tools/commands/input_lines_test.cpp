#include "tools/commands/input_lines.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>

using namespace barnabas::tools;

namespace {

/// The lines of `text`, which arrives in pieces of `piece` bytes.
std::vector<std::string> lines_of(const std::string& text, std::size_t piece) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  InputLines lines(ends[0]);
  std::vector<std::string> found;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const std::string part = text.substr(at, piece);
    REQUIRE(::write(ends[1], part.data(), part.size()) == static_cast<ssize_t>(part.size()));
    REQUIRE(lines.fill());
    while (const auto line = lines.next()) found.emplace_back(*line);
  }
  ::close(ends[1]);
  CHECK(!lines.fill());
  while (const auto line = lines.next()) found.emplace_back(*line);
  if (const auto line = lines.rest()) found.emplace_back(*line);
  ::close(ends[0]);
  return found;
}

}  // namespace

TEST_CASE("lines end as Java's do, however they arrive") {
  using Lines = std::vector<std::string>;
  for (const std::size_t piece : {1, 2, 3, 100}) {
    CHECK(lines_of("a\r\nb\rc\n\nd", piece) == Lines{"a", "b", "c", "", "d"});
    CHECK(lines_of("a\n", piece) == Lines{"a"});
    CHECK(lines_of("a\r\n", piece) == Lines{"a"});
    CHECK(lines_of("", piece).empty());
    CHECK(lines_of("\r\r\n\n", piece) == Lines{"", "", ""});
  }
}

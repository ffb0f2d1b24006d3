#include "base/logging.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <regex>

namespace barnabas {
namespace {

/// What `act` writes to standard output.
template <class Act>
std::string output_of(Act act) {
  std::FILE* const into = std::tmpfile();
  REQUIRE(into != nullptr);
  std::fflush(stdout);
  const int saved = ::dup(STDOUT_FILENO);
  ::dup2(::fileno(into), STDOUT_FILENO);
  act();
  // Nothing is flushed here: each line must have been written when its call returned.
  std::string text(4096, '\0');
  const ssize_t size = ::pread(::fileno(into), text.data(), text.size(), 0);
  ::dup2(saved, STDOUT_FILENO);
  ::close(saved);
  std::fclose(into);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

TEST_CASE("a line has Kafka's layout and is out when the call returns") {
  const std::string text = output_of([] { log_info("kafka.server.KafkaRaftServer", "started {}", 1); });
  const std::regex layout(
      R"(\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] INFO started 1 \(kafka\.server\.KafkaRaftServer\)\n)");
  CAPTURE(text);
  CHECK(std::regex_match(text, layout));
}

TEST_CASE("braces and percent signs in a line are only text") {
  const std::string text = output_of([] { log_line(LogLevel::kError, "c", "{} %v {0}"); });
  CHECK(text.ends_with("] ERROR {} %v {0} (c)\n"));
}

TEST_CASE("lines below the level are not written") {
  CHECK(output_of([] { log_debug("c", "hidden"); }).empty());
  set_log_level(LogLevel::kDebug);
  CHECK(output_of([] { log_debug("c", "shown"); }).ends_with("DEBUG shown (c)\n"));
  set_log_level(LogLevel::kError);
  CHECK(output_of([] { log_warn("c", "hidden"); }).empty());
  set_log_level(LogLevel::kInfo);
}

}  // namespace
}  // namespace barnabas

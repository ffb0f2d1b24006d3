#include "base/log4j_levels.hpp"

#include <catch2/catch.hpp>

#include "base/logging.hpp"

namespace barnabas {
namespace {

constexpr const char* kFile =
    "Configuration:\n"
    "  Appenders:\n"
    "    Console:\n"
    "      name: STDOUT\n"
    "      level: no level of a logger\n"
    "  Loggers:\n"
    "    Root:\n"
    "      level: INFO  # said softly\n"
    "      AppenderRef:\n"
    "        - ref: STDOUT\n"
    "          level: ERROR\n"
    "    Logger:\n"
    "      # loud\n"
    "      - name: kafka\n"
    "        level: \"DEBUG\"\n"
    "        AppenderRef:\n"
    "          ref: STDOUT\n"
    "      - level: WARN\n"
    "        name: org.apache.kafka\n";

}  // namespace

TEST_CASE("the levels of Root and of each Logger are read, and nothing else's") {
  const auto levels = read_log4j_levels(kFile);
  CHECK(levels.root == "INFO");
  CHECK(levels.loggers == std::vector<LoggerLevel>{{"kafka", "DEBUG"}, {"org.apache.kafka", "WARN"}});
  CHECK(read_log4j_levels("").loggers.empty());
  CHECK(read_log4j_levels("rootLogger=INFO").root.empty());
}

TEST_CASE("levels are replaced where they stand, and new loggers follow the others") {
  const auto written = with_log4j_levels(kFile, "ERROR", {{"kafka", "TRACE"}, {"x.y", "INFO"}});
  const auto levels = read_log4j_levels(written);
  CHECK(levels.root == "ERROR");
  CHECK(levels.loggers ==
        std::vector<LoggerLevel>{{"kafka", "TRACE"}, {"org.apache.kafka", "WARN"}, {"x.y", "INFO"}});
  CHECK(written.find("          level: ERROR\n") != std::string::npos);
  CHECK(with_log4j_levels(kFile, "", {}) == kFile);
  const auto made = read_log4j_levels(with_log4j_levels("", "WARN", {{"a", "INFO"}}));
  CHECK(made.root == "WARN");
  CHECK(made.loggers == std::vector<LoggerLevel>{{"a", "INFO"}});
}

TEST_CASE("the most special level decides which lines are let through") {
  apply_log4j_levels({"ERROR", {{"kafka", "debug"}, {"kafka.server", "OFF"}}});
  CHECK(log_enabled(LogLevel::kDebug));
  CHECK_FALSE(log_enabled(LogLevel::kTrace));
  apply_log4j_levels({"WARN", {}});
  CHECK_FALSE(log_enabled(LogLevel::kInfo));
  apply_log4j_levels({"INFO", {}});
  CHECK(log_enabled(LogLevel::kInfo));
}

}  // namespace barnabas

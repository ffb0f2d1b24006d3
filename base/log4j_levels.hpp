// Levels of the log as a log4j2.yaml has them: the level of Root, and one for each Logger by name.
//
// Only the well-known shape is read: Configuration / Loggers / Root / level and a list Logger of names and
// levels, each on a line of its own. Thread safety: pure functions, apply_log4j_levels() and log4j_levels()
// apart, which are thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace barnabas {

struct LoggerLevel {
  std::string logger;
  std::string level;
  bool operator==(const LoggerLevel&) const = default;
};

struct Log4jLevels {
  std::string root;  // empty: none is named
  std::vector<LoggerLevel> loggers;
};

[[nodiscard]] Log4jLevels read_log4j_levels(std::string_view yaml);
/// `yaml` with the root's level replaced unless `root` is empty, and each of `loggers` replaced or added.
[[nodiscard]] std::string with_log4j_levels(std::string_view yaml, const std::string& root,
                                            const std::vector<LoggerLevel>& loggers);
/// From now on lines pass by these levels: the longest logger that a line's component begins with, else the
/// root. OFF silences. A level that nobody knows is taken for INFO.
void apply_log4j_levels(const Log4jLevels& levels);
/// What was applied last; nothing before.
[[nodiscard]] Log4jLevels log4j_levels();

}  // namespace barnabas

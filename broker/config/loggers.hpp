// The loggers of this node: the components under whose names its lines are written, by the names of Kafka's
// own loggers where Kafka writes such lines, and their levels.
//
// The levels belong to the process (base/logging.hpp) and end with it, as Kafka's do. Thread safety: any.
// Errors and sentences: measured on Kafka 4.3.1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/log4j_levels.hpp"
#include "base/result.hpp"

namespace barnabas::broker {

/// "root" and every logger with the level in force, sorted by name.
[[nodiscard]] std::vector<LoggerLevel> logger_levels();

/// One change that IncrementalAlterConfigs asks for.
struct LoggerChange {
  std::string logger;
  std::int8_t operation = 0;         // 0 SET, 1 DELETE
  std::optional<std::string> level;  // of SET
};

/// All or none of them; none when `validate_only`. A logger whose level is deleted follows the root's.
Result<void> alter_loggers(const std::vector<LoggerChange>& changes, bool validate_only);

}  // namespace barnabas::broker

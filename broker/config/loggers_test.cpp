#include "broker/config/loggers.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "base/logging.hpp"

namespace barnabas::broker {
namespace {

constexpr const char* kReplicas = "kafka.server.ReplicaManager";

std::string level_of(std::string_view name) {
  const auto levels = logger_levels();
  const auto found = std::ranges::find(levels, name, &LoggerLevel::logger);
  return found == levels.end() ? "" : found->level;
}

std::string refusal_of(const std::vector<LoggerChange>& changes) {
  const auto altered = alter_loggers(changes, false);
  if (altered) return "";
  return std::to_string(static_cast<int>(altered.error().code)) + " " + altered.error().detail;
}

/// Leaves the levels as they were.
struct Restored {
  Log4jLevels before = log4j_levels();
  ~Restored() { apply_log4j_levels(before); }
};

TEST_CASE("a logger has its own level until that is deleted, then the root's") {
  const Restored restored;
  apply_log4j_levels({});
  CHECK(level_of(kReplicas) == "INFO");
  CHECK(alter_loggers({{kReplicas, 0, "DEBUG"}}, true));
  CHECK(level_of(kReplicas) == "INFO");
  CHECK(alter_loggers({{kReplicas, 0, "DEBUG"}}, false));
  CHECK(level_of(kReplicas) == "DEBUG");
  CHECK(log_enabled(LogLevel::kDebug));
  CHECK(alter_loggers({{"root", 0, "ERROR"}}, false));
  CHECK(level_of(kReplicas) == "DEBUG");
  CHECK(level_of("root") == "ERROR");
  CHECK(level_of("kafka.log.LogManager") == "ERROR");
  CHECK(alter_loggers({{kReplicas, 1, std::nullopt}}, false));
  CHECK(level_of(kReplicas) == "ERROR");
}

TEST_CASE("changes of levels are refused together, in Kafka's words") {
  const Restored restored;
  apply_log4j_levels({});
  CHECK(refusal_of({{kReplicas, 0, "DEBUG"}, {"nosuch", 0, "INFO"}}) == "40 Logger nosuch does not exist!");
  CHECK(level_of(kReplicas) == "INFO");
  CHECK(refusal_of({{kReplicas, 0, "debug"}}) ==
        "40 Cannot set the log level of kafka.server.ReplicaManager to debug as it is not a supported log "
        "level. "
        "Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN");
  CHECK(refusal_of({{"root", 1, std::nullopt}}) ==
        "42 Removing the log level of the root logger is not allowed");
  CHECK(refusal_of({{kReplicas, 2, "INFO"}}) ==
        "42 APPEND operation is not allowed for the BROKER_LOGGER resource");
  CHECK(refusal_of({{kReplicas, 0, std::nullopt}}) ==
        "42 Null value not supported for : kafka.server.ReplicaManager");
  CHECK(refusal_of({{kReplicas, 9, "INFO"}}) == "-1 ");
}

}  // namespace
}  // namespace barnabas::broker

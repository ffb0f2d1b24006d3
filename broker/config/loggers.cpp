#include "broker/config/loggers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

namespace barnabas::broker {
namespace {

constexpr std::string_view kRoot = "root";
constexpr std::string_view kLoggers[] = {
    "kafka.log.LogManager",
    "kafka.network.SocketServer",
    "kafka.server.BrokerServer",
    "kafka.server.KafkaApis",
    "kafka.server.KafkaRaftServer",
    "kafka.server.ReplicaManager",
    "kafka.server.metadata.BrokerMetadataPublisher",
    "org.apache.kafka.common.config.AbstractConfig",
    "org.apache.kafka.common.utils.AppInfoParser",
    "org.apache.kafka.controller.QuorumController",
    "org.apache.kafka.coordinator.common.runtime.CoordinatorRuntime",
    "org.apache.kafka.coordinator.group.GroupCoordinatorService",
    "org.apache.kafka.server.BrokerLifecycleManager",
    "org.apache.kafka.storage.internals.log.LogCleaner",
    "org.apache.kafka.storage.internals.log.LogLoader",
    "org.apache.kafka.storage.internals.log.LogSegment",
    "org.apache.kafka.storage.internals.log.UnifiedLog",
    kRoot,
};
constexpr std::string_view kLevels[] = {"DEBUG", "ERROR", "FATAL", "INFO", "TRACE", "WARN"};
enum Operation : std::int8_t { kSet = 0, kDelete = 1, kAppend = 2, kSubtract = 3 };

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(toupper(static_cast<unsigned char>(c)));
  return text;
}

Result<void> check(const LoggerChange& change) {
  if (change.operation == kAppend || change.operation == kSubtract)
    return fail(ErrorCode::kInvalidRequest,
                fmt::format("{} operation is not allowed for the BROKER_LOGGER resource",
                            change.operation == kAppend ? "APPEND" : "SUBTRACT"));
  if (change.operation != kSet && change.operation != kDelete) return fail(ErrorCode::kUnknownServerError);
  if (std::ranges::find(kLoggers, change.logger) == std::end(kLoggers))
    return fail(ErrorCode::kInvalidConfig, fmt::format("Logger {} does not exist!", change.logger));
  if (change.operation == kDelete && change.logger == kRoot)
    return fail(ErrorCode::kInvalidRequest, "Removing the log level of the root logger is not allowed");
  const std::string level = change.level.value_or("");
  if (change.operation == kSet && std::ranges::find(kLevels, level) == std::end(kLevels))
    return fail(ErrorCode::kInvalidConfig,
                fmt::format("Cannot set the log level of {} to {} as it is not a supported log level. Valid "
                            "log levels are {}",
                            change.logger, level, fmt::join(kLevels, ", ")));
  return {};
}

Result<void> check_all(const std::vector<LoggerChange>& changes) {
  std::string nulls;
  for (const auto& change : changes)
    if (change.operation != kDelete && !change.level) nulls += (nulls.empty() ? "" : ",") + change.logger;
  if (!nulls.empty()) return fail(ErrorCode::kInvalidRequest, "Null value not supported for : " + nulls);
  for (const auto& change : changes) TRY(check(change));
  return {};
}

void apply(const LoggerChange& change, Log4jLevels& levels) {
  if (change.logger == kRoot) {
    levels.root = *change.level;
    return;
  }
  std::erase_if(levels.loggers, [&](const auto& known) { return known.logger == change.logger; });
  if (change.operation == kSet) levels.loggers.push_back({change.logger, *change.level});
}

/// The level of the longest configured logger above `name`, or of itself.
std::string level_of(const Log4jLevels& levels, std::string_view name) {
  std::string_view longest;
  std::string level = levels.root;
  for (const auto& [logger, own] : levels.loggers) {
    const bool above =
        name.starts_with(logger) && (name.size() == logger.size() || name[logger.size()] == '.');
    if (!above || logger.size() < longest.size()) continue;
    longest = logger;
    level = own;
  }
  return level.empty() ? "INFO" : upper(level);
}

}  // namespace

std::vector<LoggerLevel> logger_levels() {
  const Log4jLevels levels = log4j_levels();
  std::vector<LoggerLevel> all;
  for (const std::string_view name : kLoggers) all.push_back({std::string(name), level_of(levels, name)});
  return all;
}

Result<void> alter_loggers(const std::vector<LoggerChange>& changes, bool validate_only) {
  static std::mutex one_at_a_time;
  TRY(check_all(changes));
  if (validate_only || changes.empty()) return {};
  std::lock_guard lock(one_at_a_time);
  Log4jLevels levels = log4j_levels();
  for (const auto& change : changes) apply(change, levels);
  apply_log4j_levels(levels);
  return {};
}

}  // namespace barnabas::broker

#include "base/logging.hpp"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/log4j_levels.hpp"

namespace barnabas {
namespace {

std::atomic<LogLevel> g_level{LogLevel::kInfo};

constexpr std::array<std::string_view, 6> kNames = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"};

spdlog::logger& output() {
  // Never destroyed: threads that outlive main() may still log.
  static spdlog::logger* const logger = [] {
    auto* made = new spdlog::logger("barnabas", std::make_shared<spdlog::sinks::stdout_sink_mt>());
    made->set_level(spdlog::level::trace);
    made->set_formatter(std::make_unique<spdlog::pattern_formatter>("[%Y-%m-%d %H:%M:%S,%e] %v"));
    // Containers and tests wait for lines; a buffered one would come late or, after a crash, never.
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

constexpr LogLevel kOff = static_cast<LogLevel>(kNames.size());

struct Filter {
  LogLevel root = LogLevel::kInfo;
  std::vector<std::pair<std::string, LogLevel>> loggers;  // a name comes after those that begin with it
};
std::atomic<const Filter*> g_filter{nullptr};

LogLevel level_named(std::string name) {
  for (char& c : name) c = static_cast<char>(toupper(static_cast<unsigned char>(c)));
  if (name == "OFF") return kOff;
  if (name == "ALL") return LogLevel::kTrace;
  const auto found = std::ranges::find(kNames, name);
  return found == kNames.end() ? LogLevel::kInfo : static_cast<LogLevel>(found - kNames.begin());
}

/// Names are paths: a logger speaks for the components below it.
bool speaks_for(std::string_view logger, std::string_view component) {
  return component.starts_with(logger) &&
         (component.size() == logger.size() || component[logger.size()] == '.');
}

bool passes(const Filter& filter, LogLevel level, std::string_view component) {
  for (const auto& [logger, least] : filter.loggers)
    if (speaks_for(logger, component)) return level >= least;
  return level >= filter.root;
}

/// Both outlive main(), as the output does.
std::mutex& applied_mutex() {
  static auto* const mutex = new std::mutex;
  return *mutex;
}
Log4jLevels& applied_levels() {
  static auto* const levels = new Log4jLevels;
  return *levels;
}

}  // namespace

Log4jLevels log4j_levels() {
  std::lock_guard lock(applied_mutex());
  return applied_levels();
}

void apply_log4j_levels(const Log4jLevels& levels) {
  // Never destroyed: a thread may be reading the one before.
  static auto* const filters = new std::deque<Filter>;
  std::lock_guard lock(applied_mutex());
  applied_levels() = levels;
  Filter* const filter = &filters->emplace_back();
  if (!levels.root.empty()) filter->root = level_named(levels.root);
  LogLevel least = filter->root;
  for (const auto& [logger, level] : levels.loggers) {
    filter->loggers.emplace_back(logger, level_named(level));
    least = std::min(least, filter->loggers.back().second);
  }

  std::ranges::sort(filter->loggers, std::ranges::greater());
  set_log_level(least);
  g_filter.store(filter, std::memory_order_release);
}

void set_log_level(LogLevel level) {
  g_filter.store(nullptr, std::memory_order_release);
  g_level.store(level, std::memory_order_relaxed);
}

bool log_enabled(LogLevel level) {
  return level >= g_level.load(std::memory_order_relaxed);
}

void log_line(LogLevel level, std::string_view component, std::string_view text) {
  const Filter* filter = g_filter.load(std::memory_order_acquire);
  if (filter != nullptr && !passes(*filter, level, component)) return;
  output().log(spdlog::level::info, "{} {} ({})", kNames[static_cast<std::size_t>(level)], text, component);
}

}  // namespace barnabas

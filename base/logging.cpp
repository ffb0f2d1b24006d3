#include "base/logging.hpp"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <array>
#include <atomic>
#include <memory>

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

}  // namespace

void set_log_level(LogLevel level) {
  g_level.store(level, std::memory_order_relaxed);
}

bool log_enabled(LogLevel level) {
  return level >= g_level.load(std::memory_order_relaxed);
}

void log_line(LogLevel level, std::string_view component, std::string_view text) {
  output().log(spdlog::level::info, "{} {} ({})", kNames[static_cast<std::size_t>(level)], text, component);
}

}  // namespace barnabas

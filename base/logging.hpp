// The lines an operator reads. One line an event: what, which file, topic, partition, offset, and what to do.
// Thread safety: from any thread. The layout follows Kafka's own ("[2026-01-02 03:04:05,678] INFO text
// (component)").
#pragma once

#include <fmt/core.h>

#include <string_view>
#include <utility>

namespace barnabas {

enum class LogLevel { kTrace, kDebug, kInfo, kWarn, kError, kFatal };

/// What passes; kInfo at start.
void set_log_level(LogLevel level);
[[nodiscard]] bool log_enabled(LogLevel level);
void log_line(LogLevel level, std::string_view component, std::string_view text);

template <class... Args>
void log_debug(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::kDebug))
    log_line(LogLevel::kDebug, component, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::kInfo))
    log_line(LogLevel::kInfo, component, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warn(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::kWarn))
    log_line(LogLevel::kWarn, component, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::kError))
    log_line(LogLevel::kError, component, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace barnabas

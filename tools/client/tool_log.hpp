// Lines on standard error, as the log of Kafka's own tools has them: "[time] WARN text (component)".
//
// Thread safety: from any thread. Standard output is left to what the user asked for.
#pragma once

#include <fmt/format.h>

#include <string_view>

#include "base/result.hpp"

namespace barnabas::tools {

void log_to_stderr(std::string_view level, std::string_view component, std::string_view text);

template <class... Args>
void tool_warn(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  log_to_stderr("WARN", component, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void tool_error(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  log_to_stderr("ERROR", component, fmt::format(format, std::forward<Args>(args)...));
}

/// "org.apache.kafka.common.errors.TimeoutException: ...": an error as Kafka's tools print it.
std::string exception_line(const Error& error);

}  // namespace barnabas::tools

#include "tools/client/tool_log.hpp"

#include <fmt/chrono.h>

#include <chrono>
#include <cstdio>

#include "protocol/error_table.hpp"

namespace barnabas::tools {

void log_to_stderr(std::string_view level, std::string_view component, std::string_view text) {
  const auto now = std::chrono::system_clock::now();
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  const std::tm local = fmt::localtime(std::chrono::system_clock::to_time_t(now));
  // One write, so that lines of several threads do not mix.
  const std::string line =
      fmt::format("[{:%Y-%m-%d %H:%M:%S},{:03}] {} {} ({})\n", local, milliseconds, level, text, component);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

std::string exception_line(const Error& error) {
  const std::string name = error.code == ErrorCode::kInvalidConfig
                               ? "org.apache.kafka.common.config.ConfigException"
                               : protocol::exception_name(error.code);
  const std::string text = error.detail.empty() ? protocol::error_message(error.code) : error.detail;
  return name + ": " + text;
}

}  // namespace barnabas::tools

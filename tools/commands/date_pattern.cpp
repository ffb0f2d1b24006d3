#include "tools/commands/date_pattern.hpp"

#include <fmt/chrono.h>

#include <optional>

namespace barnabas::tools {
namespace {

std::optional<std::int64_t> field_of(char letter, const std::tm& time, std::int64_t wall_ms) {
  switch (letter) {
    case 'y':
      return 1900 + time.tm_year;
    case 'M':
      return 1 + time.tm_mon;
    case 'd':
      return time.tm_mday;
    case 'H':
      return time.tm_hour;
    case 'm':
      return time.tm_min;
    case 's':
      return time.tm_sec;
    case 'S':
      return wall_ms % 1000;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::string format_date(std::string_view pattern, std::int64_t wall_ms) {
  const std::tm time = fmt::localtime(static_cast<std::time_t>(wall_ms / 1000));
  std::string text;
  bool is_quoted = false;
  for (std::size_t at = 0; at < pattern.size();) {
    const char letter = pattern[at];
    if (letter == '\'') {
      is_quoted = !is_quoted;
      ++at;
      continue;
    }
    const auto field = is_quoted ? std::nullopt : field_of(letter, time, wall_ms);
    if (!field) {
      text += letter;
      ++at;
      continue;
    }
    const std::size_t end = std::min(pattern.find_first_not_of(letter, at), pattern.size());
    text += fmt::format("{:0{}}", *field, end - at);
    at = end;
  }
  return text;
}

}  // namespace barnabas::tools

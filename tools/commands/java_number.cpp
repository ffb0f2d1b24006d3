#include "tools/commands/java_number.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace barnabas::tools {

std::string java_double(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  if (value == 0) return std::signbit(value) ? "-0.0" : "0.0";
  const double size = std::fabs(value);
  const bool is_plain = size >= 1e-3 && size < 1e7;
  char buffer[400];
  const auto format = is_plain ? std::chars_format::fixed : std::chars_format::scientific;
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value, format);
  std::string text(buffer, end);
  if (is_plain) return text.find('.') == std::string::npos ? text + ".0" : text;
  const auto exponent_at = text.find('e');
  std::string digits = text.substr(0, exponent_at);
  if (digits.find('.') == std::string::npos) digits += ".0";
  return fmt::format("{}E{}", digits, std::stoi(text.substr(exponent_at + 1)));
}

}  // namespace barnabas::tools

// Numbers of a command line: a whole argument or none of it.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace barnabas::tools {

/// As Java's parseInt and parseLong take it: decimal digits with a sign, within the range of the type.
template <class Number>
[[nodiscard]] std::optional<Number> parse_number(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace barnabas::tools

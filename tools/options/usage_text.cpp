#include "tools/options/usage_text.hpp"

#include <fmt/format.h>

namespace barnabas::tools {
namespace {

constexpr std::size_t kTextColumn = 34;
constexpr std::size_t kLineWidth = 100;

}  // namespace

std::string usage_entry(std::string_view left, std::string_view text) {
  std::string line = fmt::format("  {:<{}}", left, kTextColumn - 3);
  if (line.size() >= kTextColumn) line += "\n" + std::string(kTextColumn - 1, ' ');
  std::string entry;
  while (!text.empty()) {
    const std::size_t end = text.find(' ');
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const std::size_t start = line.rfind('\n') == std::string::npos ? 0 : line.rfind('\n') + 1;
    if (line.size() - start + 1 + word.size() > kLineWidth) {
      entry += line + "\n";
      line = std::string(kTextColumn - 1, ' ');
    }
    line += fmt::format(" {}", word);
  }
  return entry + line + "\n";
}

}  // namespace barnabas::tools

#include "tools/commands/config_pairs.hpp"

#include <vector>

#include "tools/commands/text_lists.hpp"
#include "tools/options/misuse.hpp"

namespace barnabas::tools {
namespace {

/// True if no bracket is open where `rest` begins.
bool is_outside(std::string_view rest) {
  const auto bracket = rest.find_first_of("[]");
  return bracket == std::string_view::npos || rest[bracket] == '[';
}

std::vector<std::string> split_outside(std::string_view text, char separator) {
  std::vector<std::string> parts{""};
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == separator && is_outside(text.substr(i + 1))) {
      parts.emplace_back();
    } else {
      parts.back() += text[i];
    }
  }
  return parts;
}

}  // namespace

Result<ConfigPairs> parse_config_pairs(std::string_view text) {
  ConfigPairs pairs;
  for (const auto& part : split_outside(text, ',')) {
    auto sides = split_outside(part, '=');
    if (sides.size() != 2)
      return misuse(
          "requirement failed: Invalid entity config: all configs to be added must be in the format "
          "\"key=val\" or  \"key=[val1,val2]\" to group values which contain commas.");
    std::erase_if(sides[1], [](char letter) { return letter == '[' || letter == ']'; });
    pairs[std::string(trim(sides[0]))] = trim(sides[1]);
  }
  return pairs;
}

}  // namespace barnabas::tools

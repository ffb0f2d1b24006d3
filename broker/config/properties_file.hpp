// PropertiesFile: text in Java's .properties syntax as keys and values.
//
// Comments (# and !), the separators `=`, `:` and blanks, backslash escapes with \uXXXX, and lines continued
// by a trailing backslash. Bytes above 0x7f are taken as UTF-8, as Kafka's own loading of files takes them.
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace barnabas::broker {

struct Property {
  std::string key;
  std::string value;
  std::size_t line = 0;  // where it begins, from 1
};

/// In the order of the file; a key may occur again, then the last one counts. INVALID_CONFIG names the line
/// of a malformed \u escape.
Result<std::vector<Property>> parse_properties(std::string_view text);

}  // namespace barnabas::broker

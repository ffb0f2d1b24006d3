// The lines of a usage text: an option to the left, what it is for to the right.
#pragma once

#include <string>
#include <string_view>

namespace barnabas::tools {

/// One entry, wrapped to the width of a terminal; ends in a line feed.
[[nodiscard]] std::string usage_entry(std::string_view left, std::string_view text);

}  // namespace barnabas::tools

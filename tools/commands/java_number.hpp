// Numbers as Java prints them.
#pragma once

#include <string>

namespace barnabas::tools {

/// Double.toString: "1024.0", "1.0E7".
[[nodiscard]] std::string java_double(double value);

}  // namespace barnabas::tools

// Dates in a pattern of Java's SimpleDateFormat: y, M, d, H, m, s and S in runs, everything else as it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace barnabas::tools {

/// In the local time zone. Text between quotes is copied.
[[nodiscard]] std::string format_date(std::string_view pattern, std::int64_t wall_ms);

}  // namespace barnabas::tools

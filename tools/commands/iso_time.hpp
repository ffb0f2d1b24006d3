// Times and durations as ISO 8601 writes them, in the forms that Kafka's tools take.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace barnabas::tools {

/// "2026-01-31T10:20:30.400", with Z or an offset such as +01:00 behind it if it is not UTC: milliseconds
/// since 1970. kMisuse with Kafka's sentence.
Result<std::int64_t> parse_date_time(const std::string& text);

/// "P1DT2H3M4.5S", also with signs: milliseconds. kMisuse with Kafka's sentence.
Result<std::int64_t> parse_duration(std::string_view text);

}  // namespace barnabas::tools

// What the tools answer to --version: scripts look for Kafka's.
#pragma once

#include <string_view>

namespace barnabas::tools {

inline constexpr std::string_view kKafkaVersion = "4.3.1";
inline constexpr std::string_view kVersionText = "4.3.1 (Barnabas 0.1.0)";

}  // namespace barnabas::tools

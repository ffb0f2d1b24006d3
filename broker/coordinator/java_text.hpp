// Text as Java has it, where Kafka's formats depend on that: hashes of strings go over UTF-16 units.
//
// Pure function.
#pragma once

#include <string>
#include <string_view>

namespace barnabas::broker {

/// The units of UTF-8 text; 0xFFFD where it is broken.
[[nodiscard]] std::u16string java_string(std::string_view text);

}  // namespace barnabas::broker

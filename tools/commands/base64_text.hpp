// Base64 as a user gives it, its padding left out or not.
//
// Pure, safe from any thread. Errors: kMisuse with the sentence of Kafka's tools, which tell what is wrong in
// Java's words. Source: measured on Kafka 4.3.1.
#pragma once

#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace barnabas::tools {

Result<Bytes> parse_base64_text(std::string_view text);

}  // namespace barnabas::tools

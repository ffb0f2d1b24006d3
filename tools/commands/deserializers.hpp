// Deserializers: the bytes of a key, value or header as the text that Kafka's own classes make of them.
//
// Pure functions. Errors: INVALID_RECORD with the sentence of the class's SerializationException. Source:
// org.apache.kafka.common.serialization, measured on Kafka 4.3.1.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace barnabas::tools {

/// Appends the text to `to`.
using Deserializer = Result<void> (*)(ByteView bytes, std::string& to);

/// By the name of the class; null if there is none.
[[nodiscard]] Deserializer find_deserializer(std::string_view class_name);

}  // namespace barnabas::tools

// For tests: bytes as text.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.hpp"

namespace barnabas::broker::testing {

inline std::string hex(ByteView bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

}  // namespace barnabas::broker::testing

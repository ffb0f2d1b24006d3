// Byte sequences: owned, viewed, and viewed for patching in place.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace barnabas {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using MutableByteView = std::span<std::uint8_t>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(ByteView view) {
  return Bytes(view.begin(), view.end());
}

}  // namespace barnabas

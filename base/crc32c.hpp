// CRC-32C (Castagnoli), by the processor's own instructions; and CRC-32 (IEEE) of the old message formats.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace barnabas {

/// `seed` is the CRC of the bytes before, 0 at the start: crc32c(b, crc32c(a)) == crc32c(ab).
[[nodiscard]] std::uint32_t crc32c(ByteView bytes, std::uint32_t seed = 0);
[[nodiscard]] std::uint32_t crc32_ieee(ByteView bytes, std::uint32_t seed = 0);

}  // namespace barnabas

// Constants of the framings around compressed blocks, shared by compression.cpp and compression_streams.cpp.
// Source: snappy-java's stream format (what Kafka calls snappy), the LZ4 frame description.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"

namespace barnabas::protocol {

/// Magic, version 1, lowest version that can read it 1. Then blocks, each after its length (int32).
inline constexpr std::array<std::uint8_t, 16> kXerialHeader = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
                                                               0,    0,   0,   1,   0,   0,   0,   1};
inline constexpr std::size_t kXerialMagicBytes = 8;
inline constexpr std::size_t kXerialBlockBytes = 32 * 1024;

inline constexpr std::size_t kLz4MagicBytes = 4;

/// The second byte of the XXH32 of `covered`. Of the descriptor for the standard header, of the descriptor
/// with the magic before it for that of magic 0.
[[nodiscard]] std::uint8_t lz4_header_checksum(ByteView covered);

}  // namespace barnabas::protocol

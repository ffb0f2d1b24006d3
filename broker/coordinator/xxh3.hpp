// XXH3 of 64 bits, seed 0: the hash of topics' metadata in the records of newer groups.
//
// Pure function. Source: the XXH3 specification (github.com/Cyan4973/xxHash); its test vectors are in
// metadata_hash_test.cpp.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace barnabas::broker {

[[nodiscard]] std::uint64_t xxh3_64(ByteView bytes);

}  // namespace barnabas::broker

#include "base/crc32c.hpp"

#include <isa-l/crc.h>

#include <algorithm>
#include <cstddef>

namespace barnabas {

std::uint32_t crc32c(ByteView bytes, std::uint32_t seed) {
  // ISA-L's crc32_iscsi leaves the inversion before and after to its caller, and takes its length as an int.
  constexpr std::size_t kPieceBytes = std::size_t{1} << 30;
  std::uint32_t state = ~seed;
  while (!bytes.empty()) {
    const std::size_t size = std::min(bytes.size(), kPieceBytes);
    state = ::crc32_iscsi(const_cast<unsigned char*>(bytes.data()), static_cast<int>(size), state);
    bytes = bytes.subspan(size);
  }
  return ~state;
}

std::uint32_t crc32_ieee(ByteView bytes, std::uint32_t seed) {
  if (bytes.empty()) return seed;
  return ::crc32_gzip_refl(seed, bytes.data(), bytes.size());
}

}  // namespace barnabas

#include "base/crc32c.hpp"

#include <catch2/catch.hpp>

#include "base/random.hpp"

namespace barnabas {
namespace {

std::uint32_t bit_by_bit(ByteView bytes, std::uint32_t reflected_polynomial) {
  std::uint32_t state = ~0U;
  for (const std::uint8_t byte : bytes) {
    state ^= byte;
    for (int bit = 0; bit < 8; ++bit) {
      state = (state >> 1) ^ ((state & 1) != 0 ? reflected_polynomial : 0);
    }
  }
  return ~state;
}

Bytes random_bytes(Random& random, std::size_t size) {
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.next());
  return bytes;
}

TEST_CASE("the checksums of the check string are the published ones") {
  CHECK(crc32c(as_bytes("123456789")) == 0xE3069283);
  CHECK(crc32_ieee(as_bytes("123456789")) == 0xCBF43926);
  CHECK(crc32c({}) == 0);
  CHECK(crc32_ieee({}) == 0);
  CHECK(crc32c({}, 77) == 77);
  CHECK(crc32_ieee({}, 77) == 77);
}

TEST_CASE("32 zero bytes and 32 bytes of ones have the CRC-32C that RFC 3720 gives") {
  CHECK(crc32c(Bytes(32, 0x00)) == 0x8A9136AA);
  CHECK(crc32c(Bytes(32, 0xFF)) == 0x62A8AB43);
}

TEST_CASE("checksums equal the polynomial division done bit by bit, at every length and alignment") {
  SeededRandom random(1);
  const Bytes bytes = random_bytes(random, 700);
  for (std::size_t start = 0; start < 9; ++start) {
    for (std::size_t size = 0; start + size <= bytes.size(); size += 1 + size / 7) {
      const ByteView part = ByteView(bytes).subspan(start, size);
      REQUIRE(crc32c(part) == bit_by_bit(part, 0x82F63B78));
      REQUIRE(crc32_ieee(part) == bit_by_bit(part, 0xEDB88320));
    }
  }
}

TEST_CASE("a checksum continues from the checksum of the bytes before") {
  SeededRandom random(2);
  for (int round = 0; round < 200; ++round) {
    const Bytes bytes = random_bytes(random, 1 + random.below(3000));
    const std::size_t cut = random.below(bytes.size() + 1);
    const ByteView head = ByteView(bytes).first(cut);
    const ByteView tail = ByteView(bytes).subspan(cut);
    REQUIRE(crc32c(tail, crc32c(head)) == crc32c(bytes));
    REQUIRE(crc32_ieee(tail, crc32_ieee(head)) == crc32_ieee(bytes));
  }
}

}  // namespace
}  // namespace barnabas

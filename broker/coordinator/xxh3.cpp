#include "broker/coordinator/xxh3.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace barnabas::broker {
namespace {

constexpr std::uint64_t kPrime32A = 0x9E3779B1;
constexpr std::uint64_t kPrime32B = 0x85EBCA77;
constexpr std::uint64_t kPrime32C = 0xC2B2AE3D;
constexpr std::uint64_t kPrimeA = 0x9E3779B185EBCA87;
constexpr std::uint64_t kPrimeB = 0xC2B2AE3D27D4EB4F;
constexpr std::uint64_t kPrimeC = 0x165667B19E3779F9;
constexpr std::uint64_t kPrimeD = 0x85EBCA77C2B2AE63;
constexpr std::uint64_t kPrimeE = 0x27D4EB2F165667C5;
constexpr std::uint64_t kMixA = 0x165667919E3779F9;
constexpr std::uint64_t kMixB = 0x9FB21C651E98DF25;

constexpr std::size_t kSecretSize = 192;
constexpr std::size_t kStripe = 64;
constexpr std::size_t kStripesInBlock = (kSecretSize - kStripe) / 8;
constexpr std::size_t kBlock = kStripe * kStripesInBlock;

constexpr std::array<std::uint8_t, kSecretSize> kSecret = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
};

static_assert(std::endian::native == std::endian::little, "words are read as they stand");

std::uint64_t word(const std::uint8_t* at) {
  std::uint64_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}
std::uint64_t half(const std::uint8_t* at) {
  std::uint32_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}
std::uint64_t secret(std::size_t at) {
  return word(kSecret.data() + at);
}

/// The two halves of the product, folded.
std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a} * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}
std::uint64_t spread(std::uint64_t hash) {
  hash ^= hash >> 37;
  hash *= kMixA;
  return hash ^ (hash >> 32);
}
std::uint64_t spread_short(std::uint64_t hash) {
  hash ^= hash >> 33;
  hash *= kPrimeB;
  hash ^= hash >> 29;
  hash *= kPrimeC;
  return hash ^ (hash >> 32);
}
std::uint64_t mix(const std::uint8_t* at, std::size_t secret_at) {
  return fold(word(at) ^ secret(secret_at), word(at + 8) ^ secret(secret_at + 8));
}

std::uint64_t up_to_16(const std::uint8_t* at, std::size_t size) {
  if (size == 0) return spread_short(secret(56) ^ secret(64));
  if (size <= 3) {
    const std::uint64_t combined = (std::uint64_t{at[0]} << 16) | (std::uint64_t{at[size >> 1]} << 24) |
                                   std::uint64_t{at[size - 1]} | (size << 8);
    return spread_short(combined ^ (half(kSecret.data()) ^ half(kSecret.data() + 4)));
  }
  if (size <= 8) {
    std::uint64_t hash = (half(at + size - 4) + (half(at) << 32)) ^ (secret(8) ^ secret(16));
    hash ^= std::rotl(hash, 49) ^ std::rotl(hash, 24);
    hash *= kMixB;
    hash ^= (hash >> 35) + size;
    hash *= kMixB;
    return hash ^ (hash >> 28);
  }
  const std::uint64_t low = word(at) ^ (secret(24) ^ secret(32));
  const std::uint64_t high = word(at + size - 8) ^ (secret(40) ^ secret(48));
  return spread(size + std::byteswap(low) + high + fold(low, high));
}

std::uint64_t up_to_128(const std::uint8_t* at, std::size_t size) {
  std::uint64_t sum = size * kPrimeA;
  for (std::size_t i = (size - 1) / 32 + 1; i-- > 0;) {
    sum += mix(at + 16 * i, 32 * i);
    sum += mix(at + size - 16 * (i + 1), 32 * i + 16);
  }
  return spread(sum);
}

std::uint64_t up_to_240(const std::uint8_t* at, std::size_t size) {
  std::uint64_t sum = size * kPrimeA;
  for (std::size_t i = 0; i < 8; ++i) sum += mix(at + 16 * i, 16 * i);
  sum = spread(sum);
  for (std::size_t i = 8; i < size / 16; ++i) sum += mix(at + 16 * i, 16 * (i - 8) + 3);
  return spread(sum + mix(at + size - 16, 136 - 17));
}

using Lanes = std::array<std::uint64_t, 8>;

void add_stripe(Lanes& lanes, const std::uint8_t* at, std::size_t secret_at) {
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    const std::uint64_t value = word(at + 8 * i);
    const std::uint64_t keyed = value ^ secret(secret_at + 8 * i);
    lanes[i ^ 1] += value;
    lanes[i] += (keyed & 0xFFFFFFFF) * (keyed >> 32);
  }
}

std::uint64_t longer(const std::uint8_t* at, std::size_t size) {
  Lanes lanes = {kPrime32C, kPrimeA, kPrimeB, kPrimeC, kPrimeD, kPrime32B, kPrimeE, kPrime32A};
  const std::size_t blocks = (size - 1) / kBlock;
  for (std::size_t block = 0; block < blocks; ++block) {
    for (std::size_t n = 0; n < kStripesInBlock; ++n)
      add_stripe(lanes, at + block * kBlock + n * kStripe, 8 * n);
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      std::uint64_t lane = lanes[i];
      lane ^= lane >> 47;
      lane ^= secret(kSecretSize - kStripe + 8 * i);
      lanes[i] = lane * kPrime32A;
    }
  }
  const std::size_t stripes = ((size - 1) - blocks * kBlock) / kStripe;
  for (std::size_t n = 0; n < stripes; ++n) add_stripe(lanes, at + blocks * kBlock + n * kStripe, 8 * n);
  add_stripe(lanes, at + size - kStripe, kSecretSize - kStripe - 7);
  std::uint64_t sum = size * kPrimeA;
  for (std::size_t i = 0; i < 4; ++i)
    sum += fold(lanes[2 * i] ^ secret(11 + 16 * i), lanes[2 * i + 1] ^ secret(11 + 16 * i + 8));
  return spread(sum);
}

}  // namespace

std::uint64_t xxh3_64(ByteView bytes) {
  const std::uint8_t* at = bytes.data();
  const std::size_t size = bytes.size();
  if (size <= 16) return up_to_16(at, size);
  if (size <= 128) return up_to_128(at, size);
  if (size <= 240) return up_to_240(at, size);
  return longer(at, size);
}

}  // namespace barnabas::broker

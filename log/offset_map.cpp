#include "log/offset_map.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.hpp"

namespace barnabas::log {
namespace {

constexpr std::uint64_t kFirstSlots = 1024;
constexpr std::uint64_t kGrowth = 4;

struct SipState {
  std::uint64_t v0, v1, v2, v3;

  void rounds(int count) {
    for (int i = 0; i < count; ++i) {
      v0 += v1;
      v1 = std::rotl(v1, 13) ^ v0;
      v0 = std::rotl(v0, 32);
      v2 += v3;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1;
      v1 = std::rotl(v1, 17) ^ v2;
      v2 = std::rotl(v2, 32);
    }
  }
  void take(std::uint64_t word) {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }
  [[nodiscard]] std::uint64_t folded() const { return v0 ^ v1 ^ v2 ^ v3; }
};

std::uint64_t little_endian_word(const std::uint8_t* from, std::size_t size) {
  std::uint64_t word = 0;
  std::memcpy(&word, from, size);
  if constexpr (std::endian::native == std::endian::big) word = std::byteswap(word);
  return word;
}

}  // namespace

KeyDigest digest_of(ByteView key, const std::array<std::uint64_t, 2>& secret) {
  SipState state{secret[0] ^ 0x736f6d6570736575, secret[1] ^ 0x646f72616e646f6d ^ 0xee,
                 secret[0] ^ 0x6c7967656e657261, secret[1] ^ 0x7465646279746573};
  std::size_t whole = key.size() / 8 * 8;
  for (std::size_t at = 0; at < whole; at += 8) state.take(little_endian_word(key.data() + at, 8));
  std::uint64_t last = static_cast<std::uint64_t>(key.size()) << 56;
  if (key.size() > whole) last |= little_endian_word(key.data() + whole, key.size() - whole);
  state.take(last);
  state.v2 ^= 0xee;
  state.rounds(4);
  KeyDigest digest;
  digest.low = state.folded();
  state.v1 ^= 0xdd;
  state.rounds(4);
  digest.high = state.folded();
  return digest;
}

OffsetMap::OffsetMap(std::uint64_t memory_bytes, Random& random)
    : max_slots_(std::max<std::uint64_t>(memory_bytes / kBytesPerEntry, 1)),
      secret_{random.next(), random.next()},
      table_(std::min(max_slots_, kFirstSlots)) {}

/// Of the digest's slot, or of the empty one where it belongs; table.size() where neither is.
std::size_t OffsetMap::place_of(const std::vector<Slot>& table, const KeyDigest& digest) {
  std::size_t at = table.empty() ? 0 : digest.low % table.size();
  for (std::size_t tries = 0; tries < table.size(); ++tries) {
    if (table[at].offset_plus_one == 0 || table[at].digest == digest) return at;
    at = at + 1 == table.size() ? 0 : at + 1;
  }
  return table.size();
}

void OffsetMap::grow() {
  std::vector<Slot> larger(std::min(max_slots_, table_.size() * kGrowth));
  for (const Slot& slot : table_)
    if (slot.offset_plus_one != 0) larger[place_of(larger, slot.digest)] = slot;
  table_ = std::move(larger);
}

void OffsetMap::put(ByteView key, Offset offset) {
  CHECK(size_ < max_slots_, "an offset map is full");
  // At the greatest size it is the caller's load factor that keeps empty slots.
  if (table_.size() < max_slots_ && size_ >= table_.size() / 4 * 3) grow();
  KeyDigest digest = digest_of(key, secret_);
  Slot& slot = table_[place_of(table_, digest)];
  if (slot.offset_plus_one == 0) ++size_;
  slot = {digest, offset.value() + 1};
  latest_offset_ = offset;
}

Offset OffsetMap::find(ByteView key) const {
  std::size_t at = place_of(table_, digest_of(key, secret_));
  return at == table_.size() ? kNoOffset : Offset(table_[at].offset_plus_one - 1);
}

}  // namespace barnabas::log

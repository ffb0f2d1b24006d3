#include "log/offset_map.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

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

OffsetMap::Table::Table(std::uint64_t count) {
  const std::size_t size = count * sizeof(Slot);
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  // Small pages do too, more slowly.
  (void)::madvise(memory, size, MADV_HUGEPAGE);
  // The system's pages are zero, which is an empty slot.
  slots_ = {static_cast<Slot*>(memory), count};
}

OffsetMap::Table::~Table() {
  if (!slots_.empty()) ::munmap(slots_.data(), slots_.size_bytes());
}

OffsetMap::Slot* OffsetMap::Table::place_of(const KeyDigest& digest) const {
  std::size_t at = first_place_of(digest);
  for (std::size_t tries = 0; tries < slots_.size(); ++tries) {
    if (slots_[at].offset_plus_one == 0 || slots_[at].digest == digest) return &slots_[at];
    at = at + 1 == slots_.size() ? 0 : at + 1;
  }
  return nullptr;
}

void OffsetMap::grow() {
  std::span<Slot> old = table_.slots();
  Table larger(std::min<std::uint64_t>(max_slots_, old.size() * kGrowth));
  for (std::size_t i = 0; i < old.size(); ++i) {
    if (i + kKeysAhead < old.size()) larger.prefetch(old[i + kKeysAhead].digest);
    if (old[i].offset_plus_one != 0) *larger.place_of(old[i].digest) = old[i];
  }
  table_ = std::move(larger);
}

void OffsetMap::put(const KeyDigest& key, Offset offset) {
  CHECK(size_ < max_slots_, "an offset map is full");
  // At the greatest size it is the caller's load factor that keeps empty slots.
  const std::uint64_t slots = table_.slots().size();
  if (slots < max_slots_ && size_ >= slots / 4 * 3) grow();
  Slot& slot = *table_.place_of(key);
  if (slot.offset_plus_one == 0) ++size_;
  slot = {key, offset.value() + 1};
  latest_offset_ = offset;
}

Offset OffsetMap::find(const KeyDigest& key) const {
  const Slot* slot = table_.place_of(key);
  return slot == nullptr ? kNoOffset : Offset(slot->offset_plus_one - 1);
}

}  // namespace barnabas::log

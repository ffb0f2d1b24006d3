// OffsetMap: the offset of the last record of each key, in bounded memory: what compaction decides by.
//
// Owned by a Cleaner. Thread-compatible. Keys are kept as digests of 16 bytes (SipHash with a key of its own
// for each map, so nobody can prepare keys that meet), which with the offset makes 24 bytes an entry, as in
// Kafka: log.cleaner.dedupe.buffer.size means the same.
// Invariants
//  1. size() <= slots(), and slots() * 24 bytes is within the memory given; a map that grows holds its old
//     quarter beside it meanwhile. Small logs take little: the table begins small.
//  2. The latest put() of a key counts, whatever the offsets are: what stands later in the log is newer.
// A table of many keys is in no cache: whoever has several keys digests them all and asks for their slots
// with prefetch() before the first put() or find(), so that it waits for memory once and not once a key.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/random.hpp"

namespace barnabas::log {

/// SipHash-2-4 with 128 bits of output.
struct KeyDigest {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const KeyDigest&) const = default;
};
KeyDigest digest_of(ByteView key, const std::array<std::uint64_t, 2>& secret);

class OffsetMap {
 public:
  static constexpr std::uint64_t kBytesPerEntry = 24;

  /// How many keys are worth asking for ahead: memory serves about a dozen misses of a core at a time.
  static constexpr std::size_t kKeysAhead = 32;

  OffsetMap(std::uint64_t memory_bytes, Random& random);

  /// How many entries fit in all.
  [[nodiscard]] std::uint64_t slots() const { return max_slots_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] KeyDigest digest(ByteView key) const { return digest_of(key, secret_); }
  /// Begins to load the key's slot; changes nothing.
  void prefetch(const KeyDigest& key) const { table_.prefetch(key); }
  /// Requires size() < slots().
  void put(const KeyDigest& key, Offset offset);
  void put(ByteView key, Offset offset) { put(digest(key), offset); }
  /// kNoOffset for a key that was not put.
  [[nodiscard]] Offset find(const KeyDigest& key) const;
  [[nodiscard]] Offset find(ByteView key) const { return find(digest(key)); }

  /// Up to here, inclusive, the map knows every key of what it was built from.
  [[nodiscard]] Offset latest_offset() const { return latest_offset_; }
  void set_latest_offset(Offset offset) { latest_offset_ = offset; }

 private:
  struct Slot {
    KeyDigest digest;
    std::int64_t offset_plus_one = 0;  // 0: empty
  };
  static_assert(sizeof(Slot) == kBytesPerEntry);

  /// Slots in memory of their own, of large pages where the system has them: with small ones nearly every
  /// look-up in a large table misses the TLB too. Memory is taken when a slot is first used.
  class Table {
   public:
    explicit Table(std::uint64_t count);
    ~Table();
    Table(Table&& from) noexcept : slots_(std::exchange(from.slots_, {})) {}
    Table& operator=(Table&& from) noexcept {
      std::swap(slots_, from.slots_);
      return *this;
    }
    [[nodiscard]] std::span<Slot> slots() const { return slots_; }
    /// The digest's slot, or the empty one where it belongs; null where neither is.
    [[nodiscard]] Slot* place_of(const KeyDigest& digest) const;
    void prefetch(const KeyDigest& digest) const { __builtin_prefetch(&slots_[first_place_of(digest)]); }

   private:
    [[nodiscard]] std::size_t first_place_of(const KeyDigest& digest) const {
      return digest.low % slots_.size();
    }
    std::span<Slot> slots_;  // never empty, but after a move
  };

  void grow();

  std::uint64_t max_slots_;
  std::array<std::uint64_t, 2> secret_;
  Table table_;
  std::uint64_t size_ = 0;
  Offset latest_offset_ = kNoOffset;
};

}  // namespace barnabas::log

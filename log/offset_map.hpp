// OffsetMap: the offset of the last record of each key, in bounded memory: what compaction decides by.
//
// Owned by a Cleaner. Thread-compatible. Keys are kept as digests of 16 bytes (SipHash with a key of its own
// for each map, so nobody can prepare keys that meet), which with the offset makes 24 bytes an entry, as in
// Kafka: log.cleaner.dedupe.buffer.size means the same.
// Invariants
//  1. size() <= slots(), and slots() * 24 bytes is within the memory given; a map that grows holds its old
//     quarter beside it meanwhile. Small logs take little: the table begins small.
//  2. The latest put() of a key counts, whatever the offsets are: what stands later in the log is newer.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

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

  OffsetMap(std::uint64_t memory_bytes, Random& random);

  /// How many entries fit in all.
  [[nodiscard]] std::uint64_t slots() const { return max_slots_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Requires size() < slots().
  void put(ByteView key, Offset offset);
  /// kNoOffset for a key that was not put.
  [[nodiscard]] Offset find(ByteView key) const;

  /// Up to here, inclusive, the map knows every key of what it was built from.
  [[nodiscard]] Offset latest_offset() const { return latest_offset_; }
  void set_latest_offset(Offset offset) { latest_offset_ = offset; }

 private:
  struct Slot {
    KeyDigest digest;
    std::int64_t offset_plus_one = 0;  // 0: empty
  };
  static_assert(sizeof(Slot) == kBytesPerEntry);

  [[nodiscard]] static std::size_t place_of(const std::vector<Slot>& table, const KeyDigest& digest);
  void grow();

  std::uint64_t max_slots_;
  std::array<std::uint64_t, 2> secret_;
  std::vector<Slot> table_;
  std::uint64_t size_ = 0;
  Offset latest_offset_ = kNoOffset;
};

}  // namespace barnabas::log

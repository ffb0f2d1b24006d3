// The map of keys that compaction decides by.
#include "log/offset_map.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace barnabas::log {
namespace {

TEST_CASE("digests are SipHash-2-4 of 128 bits") {
  // The first of the reference vectors: secret 00..0f, inputs empty, 00, 00 01, ... of these lengths.
  const std::array<std::uint64_t, 2> secret = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  Bytes input;
  for (std::uint8_t i = 0; i < 63; ++i) input.push_back(i);
  CHECK(digest_of(ByteView(input).first(0), secret) == KeyDigest{0xe6a825ba047f81a3, 0x930255c71472f66d});
  CHECK(digest_of(ByteView(input).first(1), secret) == KeyDigest{0x44af996bd8c187da, 0x45fc229b11597634});
}

TEST_CASE("the offset put last counts, whatever it is, and unknown keys have none") {
  SeededRandom random(1);
  OffsetMap map(10 * OffsetMap::kBytesPerEntry, random);
  CHECK(map.slots() == 10);
  CHECK(map.find(as_bytes("a")) == kNoOffset);
  map.put(as_bytes("a"), Offset(7));
  map.put(as_bytes("b"), Offset(0));
  map.put(as_bytes("a"), Offset(5));
  CHECK(map.find(as_bytes("a")) == Offset(5));
  CHECK(map.find(as_bytes("b")) == Offset(0));
  CHECK(map.find(as_bytes("")) == kNoOffset);
  CHECK(map.size() == 2);
  CHECK(map.latest_offset() == Offset(5));
}

TEST_CASE("a map can be filled to its last slot and still answers") {
  SeededRandom random(2);
  for (std::uint64_t slots : {1, 2, 1023, 1024, 1025, 5000, 100'000}) {
    OffsetMap map(slots * OffsetMap::kBytesPerEntry, random);
    for (std::uint64_t i = 0; i < slots; ++i)
      map.put(as_bytes("key-" + std::to_string(i)), Offset(static_cast<std::int64_t>(i)));
    CHECK(map.size() == map.slots());
    for (std::uint64_t i = 0; i < slots; i += slots / 100 + 1)
      CHECK(map.find(as_bytes("key-" + std::to_string(i))) == Offset(static_cast<std::int64_t>(i)));
    CHECK(map.find(as_bytes("another")) == kNoOffset);
  }
}

TEST_CASE("keys that are asked for ahead are found as others, and asking puts nothing") {
  SeededRandom random(3);
  OffsetMap map(100'000 * OffsetMap::kBytesPerEntry, random);
  std::vector<KeyDigest> digests;
  for (std::int64_t i = 0; i < 50'000; ++i) digests.push_back(map.digest(as_bytes(std::to_string(i))));
  for (const KeyDigest& digest : digests) map.prefetch(digest);
  CHECK(map.size() == 0);
  CHECK(map.find(digests[7]) == kNoOffset);
  // It grows meanwhile, more than once.
  for (std::int64_t i = 0; i < 50'000; ++i) {
    map.prefetch(digests[static_cast<std::size_t>(i)]);
    map.put(digests[static_cast<std::size_t>(i)], Offset(i));
  }
  CHECK(map.size() == 50'000);
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < 50'000; ++i)
    if (map.find(as_bytes(std::to_string(i))) != Offset(i)) ++wrong;
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace barnabas::log

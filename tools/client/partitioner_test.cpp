#include "tools/client/partitioner.hpp"

#include <catch2/catch.hpp>

using namespace barnabas;
using namespace barnabas::tools;

TEST_CASE("murmur2 is that of Kafka's Java client") {
  const std::pair<std::string_view, std::uint32_t> known[] = {
      {"", 0x106e08d9},
      {"a", 0xa2d0b27c},
      {"ab", 0x12d8262a},
      {"abc", 0x1c94221b},
      {"abcd", 0xb11ab5f4},
      {"abcde", 0x1b897edd},
      {"21", 0xc5f2f8ec},
      {"foobar", 0xd0e47bbe},
      {"\xc3\xbc\xe2\x82\xac-key", 0xaf69334a},
      {"a-little-bit-long-string", 0xc53b1da0},
  };
  for (const auto& [text, hash] : known) CHECK(murmur2(as_bytes(text)) == hash);
  CHECK(partition_of_key(as_bytes("foobar"), 7) == PartitionIndex(0xd0e47bbe % 0x80000000 % 7));
}

TEST_CASE("records without a key stay with a partition until a batch of bytes went there") {
  SeededRandom random(1);
  StickyPartition sticky;
  const PartitionIndex first = sticky.choose(1000, 100, true, random);
  sticky.count(99);
  CHECK(sticky.choose(1000, 100, true, random) == first);
  sticky.count(1);
  CHECK(sticky.choose(1000, 100, false, random) == first);
  CHECK(sticky.choose(1000, 100, true, random) != first);
  CHECK(sticky.choose(1, 100, false, random) == PartitionIndex(0));  // the topic is another one now
}

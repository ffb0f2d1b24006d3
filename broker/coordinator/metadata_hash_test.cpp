// The hash over topics' metadata is Kafka's to the bit.
#include "broker/coordinator/metadata_hash.hpp"

#include <catch2/catch.hpp>

#include "broker/coordinator/xxh3.hpp"

namespace barnabas::broker {
namespace {

TEST_CASE("XXH3 of every kind of length is that of the reference implementation") {
  struct Vector {
    std::size_t size;
    std::uint64_t hash;
  };
  // From libxxhash 0.8.1, of the bytes (131 i + 7) mod 256.
  const Vector vectors[] = {
      {0, 0x2D06800538D394C2},    {1, 0x4C5CCA45D0F4811F},    {3, 0x6E3E2670E61106AC},
      {4, 0x5C4C63133443D03F},    {8, 0xF9FD4DD0B04D78F5},    {9, 0x7C20DF9712C26EDF},
      {16, 0x86ABF6BACCEA0858},   {17, 0xB58BF5DC5022D071},   {32, 0xE3712ED84C04A66E},
      {33, 0xA4DEE99B093E1F73},   {64, 0x1291D2D4042330DD},   {65, 0x97C6BF83217E5EC9},
      {96, 0x81296929FC063365},   {97, 0xF145A45B658AB9DD},   {128, 0x10D17F72C0CCBA41},
      {129, 0x1648BDC3DB49D1A2},  {144, 0xB46DBFC6D9E31ABA},  {240, 0xB6CFAF343FAB81E6},
      {241, 0x956CAE592C67279E},  {256, 0xB15E550733C5DFAC},  {1024, 0x70BD377D9574F4BB},
      {1025, 0x66C4487C41E127A7}, {2048, 0x8B46CAA67DAB3A30}, {3000, 0x33A08283BBA03E0C},
  };
  for (const Vector& vector : vectors) {
    Bytes bytes(vector.size);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(131 * i + 7);
    CAPTURE(vector.size);
    CHECK(xxh3_64(bytes) == vector.hash);
  }
}

}  // namespace
}  // namespace barnabas::broker

#include "protocol/compression.hpp"

#include <lz4frame.h>
#include <snappy.h>

#include <catch2/catch.hpp>
#include <string>

#include "base/bytes.hpp"

namespace barnabas::protocol {
namespace {

constexpr Codec kPacking[] = {Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd};

/// Compressible but not trivial, from one seed.
Bytes make_text(std::size_t size) {
  Bytes text(size);
  std::uint32_t state = 12345;
  for (std::size_t i = 0; i < size; ++i) {
    state = state * 1664525 + 1013904223;
    text[i] = static_cast<std::uint8_t>((state >> 28) == 0 ? state >> 20 : 'a' + i % 17);
  }
  return text;
}

Bytes unpack(Decompressor& decompressor, Codec codec, ByteView packed) {
  Bytes out;
  REQUIRE(decompressor.decompress(codec, packed, 64 << 20, out));
  return out;
}

}  // namespace

TEST_CASE("every codec and level gives back what it was given") {
  Compressor compressor;
  Decompressor decompressor;
  for (Codec codec : kPacking) {
    LevelRange levels = compression_levels(codec);
    for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{1000}, std::size_t{200'000}}) {
      Bytes text = make_text(size);
      for (int level :
           {kStandardLevel, std::max(levels.min, -5), levels.standard, std::min(levels.max, 12)}) {
        INFO(codec_name(codec) << " level " << level << " size " << size);
        Bytes packed = {1, 2, 3};
        compressor.compress(codec, level, text, packed);
        CHECK(unpack(decompressor, codec, ByteView(packed).subspan(3)) == text);
      }
    }
  }
}

TEST_CASE("a stream may be read in pieces of any size") {
  Compressor compressor;
  Decompressor decompressor;
  Bytes text = make_text(100'000);
  for (Codec codec : kPacking) {
    Bytes packed;
    compressor.compress(codec, kStandardLevel, text, packed);
    for (std::size_t piece : {std::size_t{7}, std::size_t{1000}, std::size_t{33'000}}) {
      REQUIRE(decompressor.start(codec, packed));
      Bytes out;
      Bytes part(piece);
      while (std::size_t size = decompressor.read(part).value())
        out.insert(out.end(), part.begin(), part.begin() + size);
      CHECK(out == text);
    }
  }
}

TEST_CASE("a cut stream is an error wherever it is cut") {
  Compressor compressor;
  Decompressor decompressor;
  Bytes text = make_text(70'000);
  for (Codec codec : kPacking) {
    Bytes packed;
    compressor.compress(codec, kStandardLevel, text, packed);
    std::size_t step = std::max<std::size_t>(1, packed.size() / 300);
    for (std::size_t size = 0; size < packed.size(); size += size < 64 ? 1 : step) {
      Bytes out;
      auto result = decompressor.decompress(codec, ByteView(packed).first(size), 1 << 20, out);
      INFO(codec_name(codec) << " cut at " << size << " of " << packed.size());
      // Snappy ends wherever a block ends.
      if (codec == Codec::kZstd && size == 0) {
        CHECK((result && out.empty()));  // no bytes are no frames
      } else if (codec == Codec::kSnappy && result) {
        CHECK(size > 0);
        CHECK(out.size() < text.size());
        CHECK(out.size() % (32 * 1024) == 0);
      } else {
        CHECK(!result);
      }
    }
  }
}

TEST_CASE("streams one after another are one") {
  Compressor compressor;
  Decompressor decompressor;
  Bytes text = make_text(50'000);
  Bytes twice = text;
  twice.insert(twice.end(), text.begin(), text.end());
  for (Codec codec : {Codec::kGzip, Codec::kSnappy, Codec::kZstd}) {
    INFO(codec_name(codec));
    Bytes packed;
    compressor.compress(codec, kStandardLevel, text, packed);
    compressor.compress(codec, kStandardLevel, text, packed);
    CHECK(unpack(decompressor, codec, packed) == twice);
  }
}

TEST_CASE("a bare snappy block is read too") {
  Decompressor decompressor;
  Bytes text = make_text(100'000);
  std::string packed;
  snappy::Compress(reinterpret_cast<const char*>(text.data()), text.size(), &packed);
  CHECK(unpack(decompressor, Codec::kSnappy, as_bytes(packed)) == text);
}

TEST_CASE("a snappy block that announces more than it can hold allocates nothing") {
  Decompressor decompressor;
  Bytes bomb = {0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0, 0};
  Bytes out;
  CHECK(!decompressor.decompress(Codec::kSnappy, bomb, std::size_t{8} << 30, out));
  CHECK(out.capacity() < 1 << 20);
}

TEST_CASE("a limit is exact") {
  Compressor compressor;
  Decompressor decompressor;
  Bytes zeros(10'000'000);
  for (Codec codec : kPacking) {
    INFO(codec_name(codec));
    Bytes packed;
    compressor.compress(codec, kStandardLevel, zeros, packed);
    Bytes out;
    CHECK(decompressor.decompress(codec, packed, zeros.size(), out).has_value());
    CHECK(out == zeros);
    Bytes small;
    auto result = decompressor.decompress(codec, packed, zeros.size() - 1, small);
    REQUIRE(!result);
    CHECK(result.error().code == ErrorCode::kInvalidRecord);
    Bytes tiny;
    CHECK(!decompressor.decompress(codec, packed, 100'000, tiny));
    CHECK(tiny.capacity() <= 200'002);
  }
}

TEST_CASE("unknown codecs and other codecs' bytes are errors") {
  Compressor compressor;
  Decompressor decompressor;
  Bytes text = make_text(1000);
  Bytes out;
  CHECK(decompressor.decompress(static_cast<Codec>(5), text, 1 << 20, out).error().code ==
        ErrorCode::kUnknownServerError);
  for (Codec codec : kPacking) {
    auto result = decompressor.decompress(codec, text, 1 << 20, out);
    REQUIRE(!result);
    CHECK(result.error().code == ErrorCode::kUnknownServerError);
  }
}

TEST_CASE("lz4 frames are read with any block size, checksums and content size, but not with linked blocks") {
  Decompressor decompressor;
  Bytes text = make_text(300'000);
  for (bool linked : {false, true}) {
    LZ4F_preferences_t preferences{};
    preferences.frameInfo.blockSizeID = LZ4F_max1MB;
    preferences.frameInfo.blockMode = linked ? LZ4F_blockLinked : LZ4F_blockIndependent;
    preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
    preferences.frameInfo.blockChecksumFlag = LZ4F_blockChecksumEnabled;
    preferences.frameInfo.contentSize = text.size();
    if (linked) preferences.frameInfo.blockSizeID = LZ4F_max64KB;
    Bytes packed(LZ4F_compressFrameBound(text.size(), &preferences));
    packed.resize(LZ4F_compressFrame(packed.data(), packed.size(), text.data(), text.size(), &preferences));
    Bytes out;
    CHECK(decompressor.decompress(Codec::kLz4, packed, 1 << 20, out).has_value() == !linked);
    if (!linked) CHECK(out == text);
    // Magic 0: any header checksum, a content size before it too.
    packed[4 + 2 + 8] ^= 0xFF;
    Bytes again;
    CHECK(decompressor.decompress(Codec::kLz4, packed, 1 << 20, again, Lz4Header::kMagic0).has_value() ==
          !linked);
    CHECK(!decompressor.decompress(Codec::kLz4, packed, 1 << 20, again));
  }
}

TEST_CASE("frames begin as Kafka's do") {
  Compressor compressor;
  Bytes text = make_text(1000);
  auto begins = [&](Codec codec, const Bytes& expected) {
    Bytes packed;
    compressor.compress(codec, kStandardLevel, text, packed);
    packed.resize(expected.size());
    return packed == expected;
  };
  CHECK(begins(Codec::kGzip, {0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF}));
  CHECK(begins(Codec::kSnappy, {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1}));
  CHECK(begins(Codec::kLz4, {0x04, 0x22, 0x4D, 0x18, 0x60, 0x40, 0x82}));
  CHECK(begins(Codec::kZstd, {0x28, 0xB5, 0x2F, 0xFD, 0x00}));
}

}  // namespace barnabas::protocol

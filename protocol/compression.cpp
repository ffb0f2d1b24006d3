#include "protocol/compression.hpp"

#include <lz4frame.h>
#include <lz4hc.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>

#include "base/check.hpp"
#include "protocol/compression_framing.hpp"

namespace barnabas::protocol {

std::string_view codec_name(Codec codec) {
  constexpr std::string_view kNames[] = {"none", "gzip", "snappy", "lz4", "zstd"};
  auto index = static_cast<std::size_t>(codec);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

LevelRange compression_levels(Codec codec) {
  switch (codec) {
    case Codec::kGzip:
      return {1, 9, Z_DEFAULT_COMPRESSION};
    case Codec::kLz4:
      return {1, 17, 9};
    case Codec::kZstd:
      return {ZSTD_minCLevel(), ZSTD_maxCLevel(), ZSTD_CLEVEL_DEFAULT};
    default:
      return {0, 0, 0};
  }
}

/// Made when first needed: a broker that never compresses pays nothing.
struct Compressor::Contexts {
  Contexts() = default;
  Contexts(const Contexts&) = delete;
  Contexts& operator=(const Contexts&) = delete;
  ~Contexts() {
    if (has_deflate) deflateEnd(&deflate);
    if (lz4 != nullptr) LZ4F_freeCompressionContext(lz4);
    ZSTD_freeCCtx(zstd);
  }

  void gzip(int level, ByteView input, Bytes& output);
  void snappy(ByteView input, Bytes& output);
  void lz4_frame(int level, ByteView input, Bytes& output, Lz4Header header);
  void zstd_frame(int level, ByteView input, Bytes& output);

  z_stream deflate{};
  bool has_deflate = false;
  int deflate_level = 0;
  LZ4F_cctx* lz4 = nullptr;
  ZSTD_CCtx* zstd = nullptr;
};

void Compressor::Contexts::gzip(int level, ByteView input, Bytes& output) {
  constexpr int kGzipWrapper = 16;
  if (has_deflate && level == deflate_level) {
    deflateReset(&deflate);
  } else {
    if (has_deflate) deflateEnd(&deflate);
    has_deflate =
        deflateInit2(&deflate, level, Z_DEFLATED, MAX_WBITS + kGzipWrapper, 8, Z_DEFAULT_STRATEGY) == Z_OK;
    CHECK(has_deflate, "zlib refuses the level or has no memory");
    deflate_level = level;
  }
  std::size_t begin = output.size();
  output.resize(begin + deflateBound(&deflate, input.size()));
  deflate.next_in = const_cast<Bytef*>(input.data());
  deflate.avail_in = static_cast<uInt>(input.size());
  deflate.next_out = output.data() + begin;
  deflate.avail_out = static_cast<uInt>(output.size() - begin);
  CHECK(::deflate(&deflate, Z_FINISH) == Z_STREAM_END);
  output.resize(output.size() - deflate.avail_out);
  // Extra flags and operating system as Java writes them.
  output[begin + 8] = 0;
  output[begin + 9] = 0xFF;
}

void Compressor::Contexts::snappy(ByteView input, Bytes& output) {
  output.insert(output.end(), kXerialHeader.begin(), kXerialHeader.end());
  while (!input.empty()) {
    ByteView block = input.first(std::min(input.size(), kXerialBlockBytes));
    input = input.subspan(block.size());
    std::size_t begin = output.size() + 4;
    output.resize(begin + ::snappy::MaxCompressedLength(block.size()));
    std::size_t size = 0;
    ::snappy::RawCompress(reinterpret_cast<const char*>(block.data()), block.size(),
                          reinterpret_cast<char*>(output.data() + begin), &size);
    output.resize(begin + size);
    for (std::size_t i = 0; i < 4; ++i)
      output[begin - 4 + i] = static_cast<std::uint8_t>(size >> (24 - 8 * i));
  }
}

void Compressor::Contexts::lz4_frame(int level, ByteView input, Bytes& output, Lz4Header header) {
  if (lz4 == nullptr) CHECK(!LZ4F_isError(LZ4F_createCompressionContext(&lz4, LZ4F_VERSION)));
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  // The standard level means the fast compressor, any other the high one (KIP-390).
  preferences.compressionLevel =
      level == compression_levels(Codec::kLz4).standard ? 0 : std::max(level, LZ4HC_CLEVEL_MIN);
  std::size_t begin = output.size();
  output.resize(begin + LZ4F_HEADER_SIZE_MAX + LZ4F_compressBound(input.size(), &preferences));
  std::uint8_t* at = output.data() + begin;
  auto put = [&](std::size_t written) {
    CHECK(!LZ4F_isError(written));
    at += written;
  };
  auto room = [&] { return static_cast<std::size_t>(output.data() + output.size() - at); };
  put(LZ4F_compressBegin(lz4, at, room(), &preferences));
  put(LZ4F_compressUpdate(lz4, at, room(), input.data(), input.size(), nullptr));
  put(LZ4F_compressEnd(lz4, at, room(), nullptr));
  output.resize(static_cast<std::size_t>(at - output.data()));
  if (header == Lz4Header::kMagic0) {
    constexpr std::size_t kChecksumAt = 6;  // magic, flags, block size
    output[begin + kChecksumAt] = lz4_header_checksum(ByteView(output).subspan(begin, kChecksumAt));
  }
}

void Compressor::Contexts::zstd_frame(int level, ByteView input, Bytes& output) {
  if (zstd == nullptr) {
    zstd = ZSTD_createCCtx();
    CHECK(zstd != nullptr);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, 0);
  }
  ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, level);
  std::size_t begin = output.size();
  output.resize(begin + ZSTD_compressBound(input.size()));
  std::size_t size =
      ZSTD_compress2(zstd, output.data() + begin, output.size() - begin, input.data(), input.size());
  CHECK(!ZSTD_isError(size), "zstd has no memory");
  output.resize(begin + size);
}

Compressor::Compressor() : contexts_(std::make_unique<Contexts>()) {}
Compressor::~Compressor() = default;
Compressor::Compressor(Compressor&&) noexcept = default;
Compressor& Compressor::operator=(Compressor&&) noexcept = default;

void Compressor::compress(Codec codec, int level, ByteView input, Bytes& output, Lz4Header header) {
  if (level == kStandardLevel) level = compression_levels(codec).standard;
  switch (codec) {
    case Codec::kNone:
      output.insert(output.end(), input.begin(), input.end());
      return;
    case Codec::kGzip:
      return contexts_->gzip(level, input, output);
    case Codec::kSnappy:
      return contexts_->snappy(input, output);
    case Codec::kLz4:
      return contexts_->lz4_frame(level, input, output, header);
    case Codec::kZstd:
      return contexts_->zstd_frame(level, input, output);
  }
  CHECK(false, "an unknown codec");
}

}  // namespace barnabas::protocol

// Decompressor: one reader a codec behind one read().
#include <fmt/format.h>
#include <isa-l/igzip_lib.h>
#include <lz4frame.h>
#include <snappy.h>
#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.hpp"
#include "protocol/compression.hpp"
#include "protocol/compression_framing.hpp"

namespace barnabas::protocol {
namespace {

/// A zstd context that needed a larger window than this is not kept.
constexpr std::size_t kKeptContextBytes = std::size_t{8} << 20;
/// Snappy's densest element is three bytes for 64: a block that announces more than this is broken.
constexpr std::size_t kSnappyMaxRatio = 22;

std::unexpected<Error> broken(Codec codec, std::string_view what) {
  return fail(ErrorCode::kUnknownServerError,
              fmt::format("Bytes do not decompress with {}: {}", codec_name(codec), what));
}

std::uint32_t load_little(const std::uint8_t* from) {
  std::uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace

std::uint8_t lz4_header_checksum(ByteView covered) {
  constexpr std::uint32_t kPrime1 = 2654435761U;
  constexpr std::uint32_t kPrime2 = 2246822519U;
  constexpr std::uint32_t kPrime3 = 3266489917U;
  constexpr std::uint32_t kPrime4 = 668265263U;
  constexpr std::uint32_t kPrime5 = 374761393U;
  const std::uint8_t* at = covered.data();
  const std::uint8_t* end = at + covered.size();
  std::uint32_t hash = kPrime5;
  if (covered.size() >= 16) {
    std::uint32_t lanes[4] = {kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};
    for (; end - at >= 16; at += 16) {
      for (int i = 0; i < 4; ++i)
        lanes[i] = std::rotl(lanes[i] + load_little(at + 4 * i) * kPrime2, 13) * kPrime1;
    }
    hash =
        std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) + std::rotl(lanes[3], 18);
  }
  hash += static_cast<std::uint32_t>(covered.size());
  for (; end - at >= 4; at += 4) hash = std::rotl(hash + load_little(at) * kPrime3, 17) * kPrime4;
  for (; at < end; ++at) hash = std::rotl(hash + *at * kPrime5, 11) * kPrime1;
  hash = (hash ^ (hash >> 15)) * kPrime2;
  hash = (hash ^ (hash >> 13)) * kPrime3;
  hash ^= hash >> 16;
  return static_cast<std::uint8_t>(hash >> 8);
}

struct Decompressor::Stream {
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() {
    if (lz4 != nullptr) LZ4F_freeDecompressionContext(lz4);
    ZSTD_freeDCtx(zstd);
  }

  Result<void> start_lz4(Lz4Header header);
  /// Each writes some bytes to the start of `into`, 0 at the end of the stream.
  Result<std::size_t> read_some(MutableByteView into);
  Result<std::size_t> read_none(MutableByteView into);
  Result<std::size_t> read_gzip(MutableByteView into);
  Result<std::size_t> read_snappy(MutableByteView into);
  Result<ByteView> next_snappy_block();
  Result<std::size_t> read_lz4(MutableByteView into);
  Result<std::size_t> read_zstd(MutableByteView into);

  Codec codec = Codec::kNone;
  ByteView input;
  bool ended = false;
  std::unique_ptr<inflate_state> inflate;
  LZ4F_dctx* lz4 = nullptr;
  std::uint8_t lz4_header[LZ4F_HEADER_SIZE_MAX] = {};  // a copy with the checksum put right
  ByteView lz4_header_left;
  ZSTD_DCtx* zstd = nullptr;
  bool zstd_in_frame = false;
  bool snappy_framed = false;
  bool snappy_empty = false;  // not even a header: snappy-java reads no stream there
  Bytes snappy_block;         // decompressed, where it did not fit the reader's bytes
  std::size_t snappy_block_at = 0;
};

Decompressor::Decompressor() = default;
Decompressor::~Decompressor() = default;
Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&&) noexcept = default;

Result<void> Decompressor::start(Codec codec, ByteView input, Lz4Header header) {
  if (!stream_) stream_ = std::make_unique<Stream>();  // most batches are not compressed
  Stream& stream = *stream_;
  stream.codec = codec;
  stream.input = input;
  stream.ended = false;
  switch (codec) {
    case Codec::kNone:
      return {};
    case Codec::kGzip:
      if (!stream.inflate) stream.inflate = std::make_unique_for_overwrite<inflate_state>();
      isal_inflate_init(stream.inflate.get());
      stream.inflate->crc_flag = ISAL_GZIP;
      stream.inflate->next_in = const_cast<std::uint8_t*>(input.data());
      stream.inflate->avail_in = static_cast<std::uint32_t>(input.size());
      return {};
    case Codec::kSnappy:
      if (stream.snappy_block.size() > kKeptContextBytes) Bytes().swap(stream.snappy_block);
      stream.snappy_block.clear();
      stream.snappy_block_at = 0;
      stream.snappy_framed =
          input.size() >= kXerialHeader.size() &&
          std::equal(kXerialHeader.begin(), kXerialHeader.begin() + kXerialMagicBytes, input.begin());
      stream.snappy_empty = input.empty();
      if (stream.snappy_framed) stream.input = input.subspan(kXerialHeader.size());
      return {};
    case Codec::kLz4:
      return stream.start_lz4(header);
    case Codec::kZstd:
      if (stream.zstd != nullptr && ZSTD_sizeof_DCtx(stream.zstd) > kKeptContextBytes) {
        ZSTD_freeDCtx(stream.zstd);
        stream.zstd = nullptr;
      }
      if (stream.zstd == nullptr) stream.zstd = ZSTD_createDCtx();
      CHECK(stream.zstd != nullptr);
      ZSTD_DCtx_reset(stream.zstd, ZSTD_reset_session_only);
      stream.zstd_in_frame = false;  // no bytes are no frames, not a frame that is cut
      return {};
  }
  stream.ended = true;
  return fail(ErrorCode::kUnknownServerError,
              fmt::format("Unknown compression type id: {}", static_cast<int>(codec)));
}

Result<std::size_t> Decompressor::read(MutableByteView into) {
  std::size_t done = 0;
  while (done < into.size() && !stream_->ended) {
    done += TRY(stream_->read_some(into.subspan(done)));
  }
  return done;
}

Result<void> Decompressor::decompress(Codec codec, ByteView input, std::size_t max_bytes, Bytes& output,
                                      Lz4Header header) {
  TRY(start(codec, input, header));
  std::size_t begin = output.size();
  max_bytes = std::min<std::size_t>(max_bytes, SIZE_MAX / 2);
  std::size_t step = std::clamp<std::size_t>(input.size() * 4, 1024, std::size_t{1} << 20);
  while (true) {
    std::size_t have = output.size() - begin;
    // One byte more than allowed tells a longer stream from one that ends just there.
    std::size_t room = std::min(std::max(step, have), max_bytes - have + 1);
    output.resize(output.size() + room);
    auto got = read(MutableByteView(output).last(room));
    output.resize(output.size() - room + got.value_or(0));
    if (!got) return std::unexpected(std::move(got).error());
    if (output.size() - begin > max_bytes) {
      return fail(ErrorCode::kInvalidRecord, fmt::format("Bytes decompress to more than {}", max_bytes));
    }
    if (*got < room) return {};
  }
}

Result<std::size_t> Decompressor::Stream::read_some(MutableByteView into) {
  auto got = [&]() -> Result<std::size_t> {
    switch (codec) {
      case Codec::kNone:
        return read_none(into);
      case Codec::kGzip:
        return read_gzip(into);
      case Codec::kSnappy:
        return read_snappy(into);
      case Codec::kLz4:
        return read_lz4(into);
      case Codec::kZstd:
        return read_zstd(into);
    }
    return 0;
  }();
  if (!got) ended = true;
  return got;
}

Result<std::size_t> Decompressor::Stream::read_none(MutableByteView into) {
  std::size_t size = std::min(into.size(), input.size());
  std::copy_n(input.begin(), size, into.begin());
  input = input.subspan(size);
  ended = input.empty();
  return size;
}

Result<std::size_t> Decompressor::Stream::read_gzip(MutableByteView into) {
  inflate_state& state = *inflate;
  auto room = static_cast<std::uint32_t>(std::min<std::size_t>(into.size(), UINT32_MAX));
  state.next_out = into.data();
  state.avail_out = room;
  std::uint32_t unread = state.avail_in;
  int code = isal_inflate(&state);
  if (code != ISAL_DECOMP_OK) return broken(codec, fmt::format("ISA-L error {}", code));
  std::size_t written = room - state.avail_out;
  if (state.block_state == ISAL_BLOCK_FINISH) {
    // A further member begins like the first; anything else after a member is ignored, as Java ignores it.
    const std::uint8_t* next = state.next_in;
    std::uint32_t left = state.avail_in;
    ended = left < 2 || next[0] != 0x1F || next[1] != 0x8B;
    if (!ended) {
      isal_inflate_reset(&state);
      state.crc_flag = ISAL_GZIP;
      state.next_in = const_cast<std::uint8_t*>(next);
      state.avail_in = left;
    }
  } else if (state.avail_in == unread && written == 0) {
    return broken(codec, "the stream is cut");
  }
  return written;
}

Result<ByteView> Decompressor::Stream::next_snappy_block() {
  if (!snappy_framed) {
    ByteView whole = input;
    input = {};
    return whole;
  }
  while (true) {
    if (input.size() < 4) return broken(codec, "a block without length");
    // Streams may stand one after another: a header where a length is due.
    if (!std::equal(kXerialHeader.begin(), kXerialHeader.begin() + 4, input.begin())) break;
    if (input.size() < kXerialHeader.size()) return broken(codec, "a header that is cut");
    input = input.subspan(kXerialHeader.size());
    if (input.empty()) return ByteView{};
  }
  std::uint32_t size = std::byteswap(load_little(input.data()));
  if (size > input.size() - 4) return broken(codec, "a block longer than the stream");
  ByteView block = input.subspan(4, size);
  input = input.subspan(4 + std::size_t{size});
  return block;
}

Result<std::size_t> Decompressor::Stream::read_snappy(MutableByteView into) {
  if (snappy_block_at == snappy_block.size()) {
    if (snappy_empty) return broken(codec, "no bytes");
    if (input.empty()) {
      ended = true;
      return 0;
    }
    ByteView block = TRY(next_snappy_block());
    if (block.empty()) return 0;
    const char* from = reinterpret_cast<const char*>(block.data());
    std::size_t size = 0;
    if (!snappy::GetUncompressedLength(from, block.size(), &size) || size > block.size() * kSnappyMaxRatio) {
      return broken(codec, "a block with an impossible length");
    }
    snappy_block_at = 0;
    snappy_block.resize(size <= into.size() ? 0 : size);
    auto* to = reinterpret_cast<char*>(size <= into.size() ? into.data() : snappy_block.data());
    if (!snappy::RawUncompress(from, block.size(), to)) {
      snappy_block.clear();
      return broken(codec, "a malformed block");
    }
    if (size <= into.size()) return size;
  }
  std::size_t size = std::min(into.size(), snappy_block.size() - snappy_block_at);
  std::memcpy(into.data(), snappy_block.data() + snappy_block_at, size);
  snappy_block_at += size;
  return size;
}

Result<void> Decompressor::Stream::start_lz4(Lz4Header header) {
  if (lz4 == nullptr) CHECK(!LZ4F_isError(LZ4F_createDecompressionContext(&lz4, LZ4F_VERSION)));
  LZ4F_resetDecompressionContext(lz4);
  lz4_header_left = {};
  constexpr std::size_t kFlagsAt = kLz4MagicBytes;
  // What LZ4's library reads and Kafka's Java clients do not must not get into a log.
  if (input.size() > kFlagsAt) {
    if ((input[kFlagsAt] & 0x20) == 0) return broken(codec, "blocks that depend on each other");
    if ((input[kFlagsAt] & 0x03) != 0) return broken(codec, "a dictionary or reserved flags");
  }
  if (header == Lz4Header::kStandard || input.size() <= kFlagsAt) return {};
  // Flags and block size, the content's size where bit 3 says so, the checksum.
  std::size_t descriptor = (input[kFlagsAt] & 0x08) != 0 ? 10 : 2;
  std::size_t size = kLz4MagicBytes + descriptor + 1;
  if (input.size() < size) return {};
  std::copy_n(input.begin(), size, lz4_header);
  lz4_header[size - 1] = lz4_header_checksum(ByteView(lz4_header).subspan(kFlagsAt, descriptor));
  lz4_header_left = ByteView(lz4_header).first(size);
  input = input.subspan(size);
  return {};
}

Result<std::size_t> Decompressor::Stream::read_lz4(MutableByteView into) {
  ByteView& from = lz4_header_left.empty() ? input : lz4_header_left;
  std::size_t written = into.size();
  std::size_t consumed = from.size();
  std::size_t hint = LZ4F_decompress(lz4, into.data(), &written, from.data(), &consumed, nullptr);
  if (LZ4F_isError(hint)) return broken(codec, LZ4F_getErrorName(hint));
  from = from.subspan(consumed);
  // Apache Kafka reads one frame and leaves alone what follows.
  if (hint == 0) {
    ended = true;
  } else if (written == 0 && consumed == 0) {
    return broken(codec, "the stream is cut");
  }
  return written;
}

Result<std::size_t> Decompressor::Stream::read_zstd(MutableByteView into) {
  ZSTD_outBuffer out{into.data(), into.size(), 0};
  ZSTD_inBuffer in{input.data(), input.size(), 0};
  if (input.empty() && !zstd_in_frame) {
    ended = true;
    return 0;
  }
  std::size_t hint = ZSTD_decompressStream(zstd, &out, &in);
  if (ZSTD_isError(hint)) return broken(codec, ZSTD_getErrorName(hint));
  input = input.subspan(in.pos);
  zstd_in_frame = hint != 0;
  if (out.pos == 0 && in.pos == 0 && zstd_in_frame) return broken(codec, "the stream is cut");
  return out.pos;
}

}  // namespace barnabas::protocol

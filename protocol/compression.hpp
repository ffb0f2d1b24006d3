// Compression: the five codecs of record batches, as streams of bytes in memory.
//
// A Compressor or Decompressor keeps its libraries' contexts between uses; owned by whoever compresses (one a
// thread). Thread safety: none, different objects are independent.
// Limits: a Decompressor writes only where it is told to, so a reader's memory is bounded by what it offers;
// whole decompression takes `max_bytes`. Contexts that a stream made large are freed when the next stream
// starts. Errors: kUnknownServerError for bytes that do not decompress and for unknown codecs (what Apache
// Kafka 4.3.1 answers a producer, measured), kInvalidRecord for more than `max_bytes`. Source: message format
// of Apache Kafka, KIP-110 (zstd), KIP-57 (LZ4 framing), KIP-390 (levels).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace barnabas::protocol {

/// The low three bits of a batch's attributes. 5 to 7 exist on the wire and have no meaning.
enum class Codec : std::uint8_t { kNone = 0, kGzip = 1, kSnappy = 2, kLz4 = 3, kZstd = 4 };
inline constexpr std::size_t kCodecCount = 5;

/// "none", "gzip", ...; "unknown" beyond them.
[[nodiscard]] std::string_view codec_name(Codec codec);

/// The frame header checksum of LZ4: clients that write magic 0 compute it over too many bytes, and readers
/// of magic 0 ignore it.
enum class Lz4Header : std::uint8_t { kStandard, kMagic0 };

struct LevelRange {
  int min;
  int max;
  int standard;
};
/// The values of compression.{gzip,lz4,zstd}.level; all zero for codecs without levels.
[[nodiscard]] LevelRange compression_levels(Codec codec);
/// "What the codec does without being told", as a level argument.
inline constexpr int kStandardLevel = INT32_MIN;

class Compressor {
 public:
  Compressor();
  ~Compressor();
  Compressor(Compressor&&) noexcept;
  Compressor& operator=(Compressor&&) noexcept;

  /// Appends the compressed form of `input` to `output`. Requires a known codec; `level` within its range.
  void compress(Codec codec, int level, ByteView input, Bytes& output,
                Lz4Header header = Lz4Header::kStandard);

 private:
  struct Contexts;
  std::unique_ptr<Contexts> contexts_;
};

class Decompressor {
 public:
  Decompressor();
  ~Decompressor();
  Decompressor(Decompressor&&) noexcept;
  Decompressor& operator=(Decompressor&&) noexcept;

  /// Begins a stream; what was read of the previous one is forgotten. `input` must stay until the last
  /// read().
  Result<void> start(Codec codec, ByteView input, Lz4Header header = Lz4Header::kStandard);
  /// Fills `into` as far as the stream goes: fewer bytes than `into` holds only at the end, 0 past it.
  Result<std::size_t> read(MutableByteView into);

  /// Appends everything to `output`, which grows by at most `max_bytes`.
  Result<void> decompress(Codec codec, ByteView input, std::size_t max_bytes, Bytes& output,
                          Lz4Header header = Lz4Header::kStandard);

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace barnabas::protocol

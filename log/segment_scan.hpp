// Walking the batches of a segment file: by their headers alone, or with all their bytes.
//
// Owned by the call that walks. Thread-compatible; the file may grow behind the walked range meanwhile.
// A walk ends at the given end, or before it at the first entry that is cut or malformed: is_broken() tells.
// Errors: kKafkaStorageError of the file.
#pragma once

#include <optional>

#include "base/bytes.hpp"
#include "base/file_system.hpp"
#include "base/ids.hpp"
#include "protocol/record_batch.hpp"

namespace barnabas::log {

/// What the log needs of an entry. A message of magic 0 or 1 counts as a batch of the one offset it carries.
struct EntryInfo {
  std::uint64_t position = 0;
  std::uint64_t size = 0;
  Offset base_offset;
  Offset last_offset;
  std::int64_t max_timestamp_ms = -1;
  LeaderEpoch epoch = kNoLeaderEpoch;
};
/// Of an entry whose header is in `bytes`.
EntryInfo entry_info(ByteView bytes, std::uint64_t position);

class HeaderScanner {
 public:
  /// Reads `chunk` bytes at a time: small where one batch is looked for, large to walk a segment.
  HeaderScanner(const File& file, std::uint64_t position, std::uint64_t end, std::size_t chunk = 4096)
      : file_(file), position_(position), end_(end), chunk_(chunk) {}

  Result<std::optional<EntryInfo>> next();
  /// The entry's header: 61 bytes of a batch, 26 or fewer of a legacy message. Valid until next().
  [[nodiscard]] ByteView header() const { return header_; }
  /// Where the next entry begins; of a broken walk, where it broke.
  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] bool is_broken() const { return broken_; }

 private:
  Result<ByteView> bytes_at(std::uint64_t position, std::size_t size);

  const File& file_;
  std::uint64_t position_;
  std::uint64_t end_;
  std::size_t chunk_;
  Bytes buffer_;
  std::uint64_t buffer_position_ = 0;
  ByteView header_;
  bool broken_ = false;
};

class EntryScanner {
 public:
  static constexpr std::size_t kChunk = std::size_t{256} << 10;

  /// Reads `chunk` bytes at a time, and more where an entry is longer.
  EntryScanner(const File& file, std::uint64_t position, std::uint64_t end, std::size_t chunk = kChunk)
      : file_(file), position_(position), end_(end), chunk_(chunk) {}

  /// The whole entry. Valid until the next call.
  Result<std::optional<protocol::LogEntry>> next();
  /// Where the entry that next() gave begins.
  [[nodiscard]] std::uint64_t entry_position() const { return entry_position_; }
  /// Where the next one begins.
  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] bool is_broken() const { return broken_; }

 private:
  Result<bool> fill(std::size_t size);

  const File& file_;
  std::uint64_t position_;
  std::uint64_t end_;
  std::size_t chunk_;
  std::uint64_t entry_position_ = 0;
  Bytes buffer_;
  std::size_t at_ = 0;      // of `position_` in the buffer
  std::size_t filled_ = 0;  // bytes of the buffer that were read
  bool broken_ = false;
};

/// Whether an entry's checksum is right, of any magic.
bool checksum_matches(const protocol::LogEntry& entry);

/// Which bytes of a segment's file are to be held against their checksums, and what they must fit into.
struct VerificationRange {
  std::uint64_t begin = 0;  // where a batch begins
  std::uint64_t stop = 0;   // batches that begin here or behind need not be looked at
  std::uint64_t end = 0;    // of the file's batches
  Offset base;              // of the segment: no offset is below
  Offset below;             // where the next segment begins: every offset is below
};
/// Up to where the batches from `begin` on are sound; `begin` itself when the first is not. Base offset and
/// leader epoch are no part of what a checksum covers: where two batches overlap, or the epoch falls, either
/// may be wrong, so both are held unsound.
Result<std::uint64_t> sound_end(const File& file, const VerificationRange& range);

}  // namespace barnabas::log

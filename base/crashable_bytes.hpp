// The contents of one file of MemoryFileSystem: sparse, and with a memory of what a crash would bring back.
//
// Fault model: a disk writes sectors of 512 bytes, in any order. Until sync() a written sector may be on the
// disk or not, or be cut somewhere in its middle (torn); what truncate() changed is undone or not with the
// size.
//
// Not thread-safe; its file system's lock protects it.
// Invariants: 1. bytes of a page at and beyond size() are zero, 2. a page absent from both maps reads as
// zeros,
// 3. every byte that differs from the synced state lies in a sector marked in `unsynced_`.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>

#include "base/bytes.hpp"
#include "base/random.hpp"

namespace barnabas {

class CrashableBytes {
 public:
  static constexpr std::size_t kPageBytes = 4096;
  static constexpr std::size_t kSectorBytes = 512;

  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Pages that hold memory; holes take none.
  [[nodiscard]] std::size_t allocated_pages() const { return pages_.size(); }
  /// How many more pages write() of this range would allocate.
  [[nodiscard]] std::size_t missing_pages(std::uint64_t position, std::uint64_t size) const;

  [[nodiscard]] std::size_t read(std::uint64_t position, MutableByteView into) const;
  void write(std::uint64_t position, ByteView from);
  void truncate(std::uint64_t size);

  void sync();
  /// What is unsynced now stays so whatever is synced later, as when the kernel dropped dirty pages after an
  /// error.
  void fail_sync() { sync_failed_ = true; }

  /// The power fails: nothing unsynced survives.
  void lose_unsynced();
  /// The power fails: each unsynced sector survives, is lost or is torn, by chance.
  void lose_unsynced(Random& random);

  /// Flips bits of every byte in the range, in what is read now and in what a crash brings back.
  void corrupt(std::uint64_t position, std::uint64_t size);

 private:
  using Page = std::array<std::uint8_t, kPageBytes>;
  struct Unsynced {
    std::unique_ptr<Page> before;  // none where it was a hole
    std::uint8_t sectors = 0;      // bit i: sector i changed since the last sync
  };

  void mark_unsynced(std::uint64_t page, std::size_t from, std::size_t to);
  void cut_pages(std::uint64_t size);
  void lose_sector(std::uint64_t page, const Unsynced& change, std::size_t sector, Random& random);
  Page& page_at(std::uint64_t page);

  std::map<std::uint64_t, std::unique_ptr<Page>> pages_;
  std::map<std::uint64_t, Unsynced> unsynced_;
  std::uint64_t size_ = 0;
  std::uint64_t synced_size_ = 0;
  bool sync_failed_ = false;
};

}  // namespace barnabas

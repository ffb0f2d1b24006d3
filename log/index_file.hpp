// IndexFile: an append-only file of entries of one size, the base of the offset and the time index.
//
// Owned by one index. Thread-compatible.
// Appended entries gather in memory and are written some dozens at a time: an index is rebuilt from its
// segment after a crash, so nothing is lost by that and an append seldom costs a second system call.
// Invariants
//  1. Entries [0, written) are in the file, [written, count) in memory.
//  2. The file of an active segment is preallocated (sparse) to `max_bytes` rounded down to whole entries
//  where
//     the file system is a real one; trim() cuts it to its entries.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "base/file_system.hpp"
#include "base/result.hpp"

namespace barnabas::log {

class IndexFile {
 public:
  explicit IndexFile(std::size_t entry_size) : entry_size_(entry_size) {}

  /// A new, empty file for an active segment; an existing one is emptied.
  Result<void> create(FileSystem& files, const std::string& path, std::int64_t max_bytes);
  /// An existing file of whole entries; `writable` for an active segment. kKafkaStorageError when it is
  /// missing or not a whole number of entries.
  Result<void> open(FileSystem& files, const std::string& path, std::int64_t max_bytes, bool writable);
  void close();
  [[nodiscard]] bool is_open() const { return file_ != nullptr; }

  [[nodiscard]] std::int64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t size_bytes() const { return static_cast<std::uint64_t>(count_) * entry_size_; }
  [[nodiscard]] std::int64_t max_count() const { return max_count_; }
  void set_max_bytes(std::int64_t max_bytes) {
    max_count_ = max_bytes / static_cast<std::int64_t>(entry_size_);
  }

  Result<void> append(ByteView entry);
  Result<void> read(std::int64_t index, MutableByteView into) const;
  /// Number of leading entries for which `holds(entry bytes)` is true; it must be false for all after the
  /// first that is false.
  template <class Predicate>
  Result<std::int64_t> partition_point(Predicate holds) const;

  /// Keeps the first `count` entries.
  Result<void> truncate_to(std::int64_t count);
  /// Writes what is in memory.
  Result<void> flush();
  /// flush(), and cuts the preallocated rest.
  Result<void> trim();
  Result<void> sync() { return file_->sync(); }

 private:
  Result<std::size_t> read_block(std::int64_t first, std::int64_t count, Bytes& into) const;

  std::size_t entry_size_;
  std::unique_ptr<File> file_;
  std::int64_t max_count_ = 0;
  std::int64_t count_ = 0;
  std::int64_t written_ = 0;
  Bytes tail_;  // entries [written_, count_)
};

template <class Predicate>
Result<std::int64_t> IndexFile::partition_point(Predicate holds) const {
  constexpr std::int64_t kBlock = 256;
  std::int64_t low = 0;
  std::int64_t high = count_;
  std::uint8_t entry[32];
  MutableByteView view(entry, entry_size_);
  while (high - low > kBlock) {
    std::int64_t middle = low + (high - low) / 2;
    TRY(read(middle, view));
    (holds(ByteView(view)) ? low : high) = holds(ByteView(view)) ? middle + 1 : middle;
  }
  if (low == high) return low;
  Bytes block;
  (void)TRY(read_block(low, high - low, block));
  std::int64_t first = low;
  while (low < high) {
    std::int64_t middle = low + (high - low) / 2;
    ByteView at =
        ByteView(block).subspan(static_cast<std::size_t>(middle - first) * entry_size_, entry_size_);
    (holds(at) ? low : high) = holds(at) ? middle + 1 : middle;
  }
  return low;
}

}  // namespace barnabas::log

// IndexFile: an append-only file of entries of one size, the base of the offset and the time index.
//
// Owned by one index. Thread-compatible.
// Appended entries gather in memory and are written some dozens at a time: an index is rebuilt from its
// segment after a crash, so nothing is lost by that and an append seldom costs a second system call. The file
// is opened for each of these writes and for what is read, so that a node with many partitions holds few
// descriptors. Invariants
//  1. Entries [0, written) are in the file, [written, count) in memory.
//  2. The file of an active segment is preallocated (sparse) to `max_bytes` rounded down to whole entries
//  where
//     the file system is a real one; trim() cuts it to its entries.
#pragma once

#include <algorithm>
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
  [[nodiscard]] bool is_open() const { return files_ != nullptr; }
  /// The file was renamed.
  void set_path(std::string path) { path_ = std::move(path); }

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
  Result<std::int64_t> partition_point(Predicate holds);

  /// Keeps the first `count` entries.
  Result<void> truncate_to(std::int64_t count);
  /// Writes what is in memory.
  Result<void> flush();
  /// flush(), and cuts the preallocated rest.
  Result<void> trim();

 private:
  static constexpr std::int64_t kBlock = 128;

  /// The file, opened when the first entry is not in memory.
  using Opened = std::unique_ptr<File>;
  Result<void> read(std::int64_t index, MutableByteView into, Opened& file) const;
  Result<void> read_block(std::int64_t first, std::int64_t end, Opened& file);
  Result<Opened> open_file() const { return files_->open(path_, mode_); }
  [[nodiscard]] std::int64_t block_count() const { return std::ssize(block_) / entry_size(); }
  [[nodiscard]] ByteView in_block(std::int64_t index) const {
    return ByteView(block_).subspan(static_cast<std::size_t>(index - block_first_) * entry_size_,
                                    entry_size_);
  }
  [[nodiscard]] std::int64_t entry_size() const { return static_cast<std::int64_t>(entry_size_); }

  std::size_t entry_size_;
  FileSystem* files_ = nullptr;  // null when closed
  std::string path_;
  OpenMode mode_ = OpenMode::kReadOnly;
  std::int64_t max_count_ = 0;
  std::int64_t count_ = 0;
  std::int64_t written_ = 0;
  Bytes tail_;  // entries [written_, count_)
  // Entries of the last search, from `block_first_` on.
  Bytes block_;
  std::int64_t block_first_ = 0;
};

template <class Predicate>
Result<std::int64_t> IndexFile::partition_point(Predicate holds) {
  std::int64_t low = 0;
  std::int64_t high = count_;
  // A reader that goes on from where it was mostly finds its place in the block of its last search.
  const std::int64_t block_end = block_first_ + block_count();
  if (block_count() > 0 && holds(in_block(block_first_)) &&
      (block_end == count_ || !holds(in_block(block_end - 1)))) {
    low = block_first_;
    high = block_end;
  }
  Opened file;
  std::uint8_t entry[32];
  MutableByteView view(entry, entry_size_);
  while (high - low > kBlock) {
    std::int64_t middle = low + (high - low) / 2;
    TRY(read(middle, view, file));
    (holds(ByteView(view)) ? low : high) = holds(ByteView(view)) ? middle + 1 : middle;
  }
  if (low == high) return low;
  // With the entry before them: it is what a search for the last one that holds asks for.
  if (low < block_first_ || high > block_end) TRY(read_block(std::max<std::int64_t>(low - 1, 0), high, file));
  while (low < high) {
    std::int64_t middle = low + (high - low) / 2;
    (holds(in_block(middle)) ? low : high) = holds(in_block(middle)) ? middle + 1 : middle;
  }
  return low;
}

}  // namespace barnabas::log

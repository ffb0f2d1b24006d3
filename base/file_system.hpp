// The seam to disks: POSIX in production (posix_file_system.hpp), in memory in tests and simulation
// (memory_file_system.hpp), where a crash loses what was not synced.
//
// Paths are absolute or relative as POSIX takes them. Every error is ErrorCode::kKafkaStorageError with a
// detail that names the path, the call and errno's text; a full disk can be told by Error::detail beginning
// "ENOSPC".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace barnabas {

/// The Error of a failed call, as every implementation words it: "ENOENT open /data/x: No such file or
/// directory".
Error storage_error(int error_number, std::string_view call, std::string_view path);
bool is_disk_full(const Error& error);
bool is_not_found(const Error& error);
/// A lock() of what somebody else holds.
bool is_locked_elsewhere(const Error& error);
/// A call that the disk refused, but for a full one and for a process out of descriptors or memory.
bool is_disk_failure(const Error& error);

/// An open file. Positioned calls (read_at, write_at) may run at the same time from several threads; append,
/// truncate and sync need one caller at a time. Destroying it closes it without syncing.
class File {
 public:
  virtual ~File() = default;

  /// Reads up to `into.size()` bytes; fewer only at the end of the file. Returns the number read.
  virtual Result<std::size_t> read_at(std::uint64_t position, MutableByteView into) const = 0;
  /// Writes everything or fails.
  virtual Result<void> write_at(std::uint64_t position, ByteView from) = 0;
  /// Writes all pieces at `position`, in one call where the system can.
  virtual Result<void> write_pieces_at(std::uint64_t position, std::span<const ByteView> pieces) = 0;
  virtual Result<std::uint64_t> size() const = 0;
  /// Cuts or extends (with zeros, sparse) to `size` bytes.
  virtual Result<void> truncate(std::uint64_t size) = 0;
  /// Data and what is needed to read it (fdatasync). A failed sync must never be retried as if nothing
  /// happened.
  virtual Result<void> sync() = 0;
  // The system's page cache, where there is one. Hints: none of them fails, and none changes what is read.
  /// Whether the range can be read without waiting for a disk, as far as a few looks can tell.
  [[nodiscard]] virtual bool is_cached(std::uint64_t /*position*/, std::uint64_t /*size*/) const {
    return true;
  }
  /// Reads the range into the cache; waits for the disk.
  virtual void load_into_cache(std::uint64_t /*position*/, std::uint64_t /*size*/) const {}
  /// Has the range read into the cache soon; does not wait.
  virtual void will_need(std::uint64_t /*position*/, std::uint64_t /*size*/) const {}
  /// Frees the cache of the range, but for pages that wait to be written.
  virtual void drop_from_cache(std::uint64_t /*position*/, std::uint64_t /*size*/) const {}
  /// The descriptor for sendfile and mmap, -1 where there is none.
  [[nodiscard]] virtual int native_handle() const = 0;
};

/// A held directory lock; released by destroying it.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

struct DirectoryEntry {
  std::string name;  // without the directory
  bool is_directory = false;
};

enum class OpenMode {
  kReadOnly,
  kReadWrite,        // must exist
  kReadWriteCreate,  // created when missing
  kReadWriteNew,     // must not exist
};

/// Thread safety: calls on different paths may run at the same time.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Result<bool> exists(const std::string& path) const = 0;
  /// Makes the directory and its parents; fine when it is there.
  virtual Result<void> create_directories(const std::string& path) = 0;
  /// Sorted by name.
  virtual Result<std::vector<DirectoryEntry>> list(const std::string& path) const = 0;
  /// Replaces an existing file.
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  /// A file or an empty directory; fine when it is not there.
  virtual Result<void> remove(const std::string& path) = 0;
  virtual Result<void> remove_all(const std::string& path) = 0;
  /// Makes creations, renames and removals inside the directory durable.
  virtual Result<void> sync_directory(const std::string& path) = 0;
  /// Changes the mode bits (0400 of metadata snapshots).
  virtual Result<void> set_mode(const std::string& path, unsigned mode) = 0;
  /// Exclusive lock by the file `path` (created when missing); an error when another holder has it.
  virtual Result<std::unique_ptr<DirectoryLock>> lock(const std::string& path) = 0;

  // Whole files, for small ones.
  Result<std::string> read_file(const std::string& path);
  /// Writes `path`.tmp, syncs it, renames it over `path` and syncs the directory: all or nothing after a
  /// crash.
  Result<void> write_file_atomically(const std::string& path, std::string_view content);
  /// The same without any sync: readers see the old file or the new one, but until the file and its directory
  /// were synced a crash leaves the old, the new or a torn one.
  Result<void> replace_file(const std::string& path, std::string_view content);
};

}  // namespace barnabas

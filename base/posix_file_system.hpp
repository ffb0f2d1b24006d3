// The machine's own file system.
//
// Thread safety: as FileSystem asks; there is no state but the open descriptors.
// Interrupted calls are repeated and short writes continued. sync() is fdatasync, or fsync for a directory.
// lock() takes an open-file-description write lock over the whole file: it conflicts with the POSIX lock that
// Apache Kafka takes on `.lock`, so neither starts on a directory the other holds, and with a second lock
// from this process.
#pragma once

#include "base/file_system.hpp"

namespace barnabas {

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<bool> exists(const std::string& path) const override;
  Result<void> create_directories(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list(const std::string& path) const override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> remove_all(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<void> set_mode(const std::string& path, unsigned mode) override;
  Result<std::unique_ptr<DirectoryLock>> lock(const std::string& path) override;
};

}  // namespace barnabas

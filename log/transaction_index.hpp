// TransactionIndex: the aborted transactions whose markers lie in a segment (%020d.txnindex).
//
// Owned by a Segment. Thread-compatible. The file is made by the first entry; entries are written at once and
// not kept in memory: a segment without aborted transactions costs nothing. Errors: kKafkaStorageError;
// kCorruptMessage for malformed entries. Source: KIP-98, measured on Kafka 4.3.1.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file_system.hpp"
#include "log/partition_log.hpp"

namespace barnabas::log {

class TransactionIndex {
 public:
  TransactionIndex(FileSystem& files, std::string path) : files_(&files), path_(std::move(path)) {}

  /// The file was renamed, or has yet to be made.
  void set_path(std::string path) { path_ = std::move(path); }
  /// Looks whether the file is there.
  Result<void> open();
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// On a full disk it is as before.
  Result<void> append(const AbortedTransaction& transaction);
  /// All entries, in the order of their markers.
  Result<std::vector<AbortedTransaction>> entries() const;
  /// Drops entries whose marker lies at `offset` or above.
  Result<void> truncate_to(Offset offset);
  /// Whether all entries were made by this process or compared with the batches that they are about.
  [[nodiscard]] bool is_trusted() const { return is_trusted_; }
  void trust() { is_trusted_ = true; }
  void distrust() { is_trusted_ = false; }
  [[nodiscard]] const std::string& path() const { return path_; }
  Result<void> reset();
  Result<void> sync();

 private:
  FileSystem* files_;
  std::string path_;
  std::unique_ptr<File> file_;  // open once something was appended
  std::uint64_t size_ = 0;
  bool is_trusted_ = true;
};

}  // namespace barnabas::log

// A file system in memory, for tests and the simulation: it loses what was not synced, and fails when told
// to.
//
// Fault model
//   crash()         The machine stops. File data that no File::sync made durable is lost, and so is every
//   creation,
//                   rename and removal that no sync_directory of its directory made durable. Open files and
//                   locks are dead: their calls fail with ESTALE.
//   crash(random)   The same, but chance decides what survives: each unsynced 512-byte sector is kept, lost
//   or torn,
//                   and of the unsynced directory changes the first few survive, in the order they were made,
//                   as on a journaling file system. The same sequence of calls and the same seed give the
//                   same disk.
//   fail_nth_call   One call of the file system or of a file fails. A write that fails has written
//   its first
//                   half; a sync that fails has lost what it should have synced, even if a later sync
//                   succeeds.
//   capacity        Writes beyond it write what fits and fail with ENOSPC. Counted in pages of 4096 bytes of
//   files
//                   that have a name; holes are free.
//   broken paths    Every call on or under a path fails with EIO, as when its disk is gone.
//   corrupt         Bits flip on the disk.
// Thread safety: every call from any thread; one lock inside. Paths are resolved from one root, absolute or
// not. Modes are remembered, never enforced. native_handle() is -1.
#pragma once

#include <cerrno>
#include <memory>
#include <optional>

#include "base/file_system.hpp"
#include "base/random.hpp"

namespace barnabas {

class MemoryFileSystem final : public FileSystem {
 public:
  MemoryFileSystem();
  ~MemoryFileSystem() override;

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

  void crash();
  void crash(Random& random);

  /// The n-th call from now fails, once; 1 is the next one, 0 takes the order back.
  void fail_nth_call(std::uint64_t n, int error_number = EIO);
  /// The same, and every call after it until fail_nth_call(0): the machine has no disk any more.
  void fail_calls_from(std::uint64_t n);
  /// Whether the call ordered last has failed. Loops order n = 1, 2, ... until a run passes untouched.
  [[nodiscard]] bool fault_struck() const;
  /// Calls so far, failed ones included.
  [[nodiscard]] std::uint64_t calls() const;

  void set_capacity_bytes(std::optional<std::uint64_t> capacity);
  [[nodiscard]] std::uint64_t used_bytes() const;

  void break_path(const std::string& path);
  void mend_path(const std::string& path);

  /// Flips bits of `size` bytes of a file from `position` on. Not a call that fail_nth_call counts.
  Result<void> corrupt(const std::string& path, std::uint64_t position, std::uint64_t size);
  /// The bits that set_mode set last, 0666 or 0777 before.
  [[nodiscard]] Result<unsigned> mode_of(const std::string& path) const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the open files
};

}  // namespace barnabas

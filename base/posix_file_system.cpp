#include "base/posix_file_system.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

namespace barnabas {
namespace {

std::unexpected<Error> failed(std::string_view call, const std::string& path, int error_number = errno) {
  return std::unexpected<Error>(storage_error(error_number, call, path));
}

/// Repeats a call that a signal interrupted.
template <class Call>
auto uninterrupted(Call call) {
  while (true) {
    const auto result = call();
    if (result != -1 || errno != EINTR) return result;
  }
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

Result<Descriptor> open_descriptor(const std::string& path, int flags) {
  const int fd = uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0666); });
  if (fd < 0) return failed("open", path);
  return Descriptor(fd);
}

class PosixFile final : public File {
 public:
  PosixFile(Descriptor descriptor, std::string path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Result<std::size_t> read_at(std::uint64_t position, MutableByteView into) const override {
    std::size_t done = 0;
    while (done < into.size()) {
      const ssize_t got = uninterrupted([&] {
        return ::pread(native_handle(), into.data() + done, into.size() - done,
                       static_cast<off_t>(position + done));
      });
      if (got < 0) return failed("pread", path_);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Result<void> write_at(std::uint64_t position, ByteView from) override {
    return write_pieces_at(position, std::span<const ByteView>(&from, 1));
  }

  Result<void> write_pieces_at(std::uint64_t position, std::span<const ByteView> pieces) override;

  Result<std::uint64_t> size() const override {
    struct stat status;
    if (::fstat(native_handle(), &status) != 0) return failed("fstat", path_);
    return static_cast<std::uint64_t>(status.st_size);
  }

  Result<void> truncate(std::uint64_t size) override {
    if (uninterrupted([&] { return ::ftruncate(native_handle(), static_cast<off_t>(size)); }) != 0) {
      return failed("ftruncate", path_);
    }
    return {};
  }

  Result<void> sync() override {
    if (uninterrupted([&] { return ::fdatasync(native_handle()); }) != 0) return failed("fdatasync", path_);
    return {};
  }

  [[nodiscard]] bool is_cached(std::uint64_t position, std::uint64_t size) const override;
  void load_into_cache(std::uint64_t position, std::uint64_t size) const override;
  void will_need(std::uint64_t position, std::uint64_t size) const override {
    (void)::posix_fadvise(native_handle(), static_cast<off_t>(position), static_cast<off_t>(size),
                          POSIX_FADV_WILLNEED);
  }
  void drop_from_cache(std::uint64_t position, std::uint64_t size) const override {
    (void)::posix_fadvise(native_handle(), static_cast<off_t>(position), static_cast<off_t>(size),
                          POSIX_FADV_DONTNEED);
  }

  [[nodiscard]] int native_handle() const override { return descriptor_.get(); }

 private:
  Descriptor descriptor_;
  std::string path_;
};

/// One byte of each window that the kernel reads ahead at once, and the last.
bool PosixFile::is_cached(std::uint64_t position, std::uint64_t size) const {
  constexpr std::uint64_t kWindow = 128 * 1024;
  if (size == 0) return true;
  const std::uint64_t last = position + size - 1;
  for (std::uint64_t at = position;; at = std::min(at + kWindow, last)) {
    std::uint8_t byte = 0;
    const iovec into{&byte, 1};
    const ssize_t got = uninterrupted(
        [&] { return ::preadv2(native_handle(), &into, 1, static_cast<off_t>(at), RWF_NOWAIT); });
    if (got < 0) return errno != EAGAIN;  // file systems that cannot tell are taken for memory
    if (at == last) return true;
  }
}

void PosixFile::load_into_cache(std::uint64_t position, std::uint64_t size) const {
  constexpr std::size_t kPiece = 128 * 1024;
  thread_local const auto scratch = std::make_unique_for_overwrite<std::uint8_t[]>(kPiece);
  will_need(position, size);
  for (std::uint64_t done = 0; done < size;) {
    const MutableByteView into{scratch.get(), std::min<std::size_t>(kPiece, size - done)};
    const auto got = read_at(position + done, into);
    if (!got || *got == 0) return;  // who reads it next is told
    done += *got;
  }
}

Result<void> PosixFile::write_pieces_at(std::uint64_t position, std::span<const ByteView> pieces) {
  // Linux takes at most 1024 pieces a call.
  std::array<iovec, 64> vectors;
  std::size_t skip = 0;  // bytes of pieces.front() that are written already
  while (true) {
    while (!pieces.empty() && pieces.front().size() == skip) {
      pieces = pieces.subspan(1);
      skip = 0;
    }
    if (pieces.empty()) return {};
    const std::size_t count = std::min(pieces.size(), vectors.size());
    for (std::size_t i = 0; i < count; ++i) {
      const ByteView rest = i == 0 ? pieces[i].subspan(skip) : pieces[i];
      vectors[i] = {const_cast<std::uint8_t*>(rest.data()), rest.size()};
    }
    const ssize_t written = uninterrupted([&] {
      return ::pwritev(native_handle(), vectors.data(), static_cast<int>(count),
                       static_cast<off_t>(position));
    });
    if (written < 0) return failed("pwrite", path_);
    position += static_cast<std::uint64_t>(written);
    auto left = static_cast<std::size_t>(written) + skip;
    while (!pieces.empty() && left >= pieces.front().size()) {
      left -= pieces.front().size();
      pieces = pieces.subspan(1);
    }
    skip = left;
  }
}

class PosixLock final : public DirectoryLock {
 public:
  explicit PosixLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;  // closing it releases the lock
};

int flags_of(OpenMode mode) {
  switch (mode) {
    case OpenMode::kReadOnly:
      return O_RDONLY;
    case OpenMode::kReadWrite:
      return O_RDWR;
    case OpenMode::kReadWriteCreate:
      return O_RDWR | O_CREAT;
    case OpenMode::kReadWriteNew:
      return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

bool is_directory(DIR* directory, const dirent& entry) {
  if (entry.d_type == DT_DIR) return true;
  if (entry.d_type == DT_REG) return false;
  // A link, or a file system that does not say: log directories may be links.
  struct stat status;
  return ::fstatat(::dirfd(directory), entry.d_name, &status, 0) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

Result<std::unique_ptr<File>> PosixFileSystem::open(const std::string& path, OpenMode mode) {
  return std::make_unique<PosixFile>(TRY(open_descriptor(path, flags_of(mode))), path);
}

Result<bool> PosixFileSystem::exists(const std::string& path) const {
  struct stat status;
  if (::stat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return failed("stat", path);
}

Result<void> PosixFileSystem::create_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return failed("mkdir", path, error.value());
  return {};
}

Result<std::vector<DirectoryEntry>> PosixFileSystem::list(const std::string& path) const {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
  if (directory == nullptr) return failed("opendir", path);
  std::vector<DirectoryEntry> entries;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    entries.push_back({std::move(name), is_directory(directory.get(), *entry)});
  }
  if (errno != 0) return failed("readdir", path);
  std::ranges::sort(entries, {}, &DirectoryEntry::name);
  return entries;
}

Result<void> PosixFileSystem::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return failed("rename", from + " to " + to);
  return {};
}

Result<void> PosixFileSystem::remove(const std::string& path) {
  if (::remove(path.c_str()) != 0 && errno != ENOENT) return failed("remove", path);
  return {};
}

Result<void> PosixFileSystem::remove_all(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return failed("remove_all", path, error.value());
  return {};
}

Result<void> PosixFileSystem::sync_directory(const std::string& path) {
  const Descriptor directory = TRY(open_descriptor(path, O_RDONLY | O_DIRECTORY));
  if (uninterrupted([&] { return ::fsync(directory.get()); }) != 0) return failed("fsync", path);
  return {};
}

Result<void> PosixFileSystem::set_mode(const std::string& path, unsigned mode) {
  if (::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0) return failed("chmod", path);
  return {};
}

Result<std::unique_ptr<DirectoryLock>> PosixFileSystem::lock(const std::string& path) {
  Descriptor descriptor = TRY(open_descriptor(path, O_RDWR | O_CREAT));
  struct flock range{};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;  // with start and length zero: the whole file, however long it becomes
  if (::fcntl(descriptor.get(), F_OFD_SETLK, &range) != 0) {
    Error error = storage_error(errno, "lock", path);
    if (errno == EAGAIN || errno == EACCES) {
      error.detail += " (another process, or another part of this one, is using this directory)";
    }
    return std::unexpected<Error>(std::move(error));
  }
  return std::make_unique<PosixLock>(std::move(descriptor));
}

}  // namespace barnabas

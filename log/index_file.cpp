#include "log/index_file.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace barnabas::log {
namespace {

constexpr std::size_t kWriteAtBytes = 512;  // of gathered entries

}  // namespace

Result<void> IndexFile::create(FileSystem& files, const std::string& path, std::int64_t max_bytes) {
  auto file = TRY(files.open(path, OpenMode::kReadWriteCreate));
  files_ = &files;
  path_ = path;
  mode_ = OpenMode::kReadWrite;
  set_max_bytes(max_bytes);
  count_ = written_ = 0;
  tail_.clear();
  block_ = Bytes();
  TRY(file->truncate(0));
  if (file->native_handle() >= 0) TRY(file->truncate(static_cast<std::uint64_t>(max_count_) * entry_size_));
  return {};
}

Result<void> IndexFile::open(FileSystem& files, const std::string& path, std::int64_t max_bytes,
                             bool writable) {
  const OpenMode mode = writable ? OpenMode::kReadWrite : OpenMode::kReadOnly;
  auto file = TRY(files.open(path, mode));
  std::uint64_t size = TRY(file->size());
  if (size % entry_size_ != 0) return fail(ErrorCode::kKafkaStorageError, "index of broken size " + path);
  set_max_bytes(max_bytes);
  count_ = written_ = static_cast<std::int64_t>(size / entry_size_);
  max_count_ = std::max(max_count_, count_);
  tail_.clear();
  block_ = Bytes();
  if (writable && file->native_handle() >= 0)
    TRY(file->truncate(static_cast<std::uint64_t>(max_count_) * entry_size_));
  files_ = &files;
  path_ = path;
  mode_ = mode;
  return {};
}

void IndexFile::close() {
  files_ = nullptr;
  path_ = std::string();
  tail_ = Bytes();
  block_ = Bytes();
}

Result<void> IndexFile::append(ByteView entry) {
  DCHECK(entry.size() == entry_size_);
  tail_.insert(tail_.end(), entry.begin(), entry.end());
  ++count_;
  return tail_.size() >= kWriteAtBytes ? flush() : Result<void>();
}

Result<void> IndexFile::read(std::int64_t index, MutableByteView into) const {
  Opened file;
  return read(index, into, file);
}

Result<void> IndexFile::read(std::int64_t index, MutableByteView into, Opened& file) const {
  CHECK(index >= 0 && index < count_ && into.size() == entry_size_);
  if (index >= block_first_ && index < block_first_ + block_count()) {
    std::ranges::copy(in_block(index), into.begin());
    return {};
  }
  if (index >= written_) {
    auto from = tail_.begin() + static_cast<std::ptrdiff_t>(index - written_) * std::ssize(into);
    std::copy_n(from, entry_size_, into.begin());
    return {};
  }
  if (!file) file = TRY(open_file());
  std::size_t size = TRY(file->read_at(static_cast<std::uint64_t>(index) * entry_size_, into));
  if (size != entry_size_) return fail(ErrorCode::kKafkaStorageError, "an index ends inside an entry");
  return {};
}

Result<void> IndexFile::read_block(std::int64_t first, std::int64_t end, Opened& file) {
  Bytes read(static_cast<std::size_t>(end - first) * entry_size_);
  std::int64_t in_file = std::clamp<std::int64_t>(written_ - first, 0, end - first);
  auto file_bytes = static_cast<std::size_t>(in_file) * entry_size_;
  if (file_bytes > 0) {
    auto from = static_cast<std::uint64_t>(first) * entry_size_;
    if (!file) file = TRY(open_file());
    std::size_t size = TRY(file->read_at(from, MutableByteView(read).first(file_bytes)));
    if (size != file_bytes) return fail(ErrorCode::kKafkaStorageError, "an index ends before its entries");
  }
  std::int64_t skip = std::max<std::int64_t>(first - written_, 0);
  std::copy_n(tail_.begin() + skip * entry_size(), read.size() - file_bytes,
              read.begin() + static_cast<std::ptrdiff_t>(file_bytes));
  block_ = std::move(read);
  block_first_ = first;
  return {};
}

Result<void> IndexFile::truncate_to(std::int64_t count) {
  CHECK(count <= count_);
  block_ = Bytes();
  if (count >= written_) {
    tail_.resize(static_cast<std::size_t>(count - written_) * entry_size_);
  } else {
    tail_.clear();
    written_ = count;
    // Cut and extend again, so that zeros follow the entries.
    auto file = TRY(open_file());
    TRY(file->truncate(static_cast<std::uint64_t>(count) * entry_size_));
    if (file->native_handle() >= 0) TRY(file->truncate(static_cast<std::uint64_t>(max_count_) * entry_size_));
  }
  count_ = count;
  return {};
}

Result<void> IndexFile::flush() {
  if (tail_.empty()) return {};
  auto file = TRY(open_file());
  TRY(file->write_at(static_cast<std::uint64_t>(written_) * entry_size_, tail_));
  written_ = count_;
  tail_.clear();
  return {};
}

Result<void> IndexFile::trim() {
  TRY(flush());
  auto file = TRY(open_file());
  return file->truncate(static_cast<std::uint64_t>(count_) * entry_size_);
}

}  // namespace barnabas::log

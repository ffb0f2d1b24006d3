#include "log/transaction_index.hpp"

#include "protocol/record_batch.hpp"

namespace barnabas::log {
namespace {

using protocol::load_big_endian;
using protocol::store_big_endian;
constexpr std::size_t kEntrySize = 34;
constexpr std::int16_t kVersion = 0;

}  // namespace

Result<void> TransactionIndex::open() {
  size_ = 0;
  is_trusted_ = false;
  file_.reset();
  if (!TRY(files_->exists(path_))) return {};
  auto file = TRY(files_->open(path_, OpenMode::kReadOnly));
  size_ = TRY(file->size());
  return {};
}

Result<void> TransactionIndex::append(const AbortedTransaction& transaction) {
  if (file_ == nullptr) file_ = TRY(files_->open(path_, OpenMode::kReadWriteCreate));
  std::uint8_t bytes[kEntrySize];
  store_big_endian(bytes, kVersion);
  store_big_endian(bytes + 2, transaction.producer_id.value());
  store_big_endian(bytes + 10, transaction.first_offset.value());
  store_big_endian(bytes + 18, transaction.last_offset.value());
  store_big_endian(bytes + 26, transaction.last_stable_offset.value());
  if (auto written = file_->write_at(size_, bytes); !written) {
    TRY(file_->truncate(size_));  // of what a full disk had room for nobody could read anything
    return written;
  }
  size_ += kEntrySize;
  return {};
}

Result<std::vector<AbortedTransaction>> TransactionIndex::entries() const {
  std::vector<AbortedTransaction> found;
  if (size_ == 0) return found;
  auto file = TRY(files_->open(path_, OpenMode::kReadOnly));
  Bytes bytes(size_);
  std::size_t size = TRY(file->read_at(0, bytes));
  if (size != size_ || size % kEntrySize != 0)
    return fail(ErrorCode::kCorruptMessage, "transaction index of broken size " + path_);
  for (const std::uint8_t* at = bytes.data(); at != bytes.data() + size; at += kEntrySize) {
    if (load_big_endian<std::int16_t>(at) != kVersion)
      return fail(ErrorCode::kCorruptMessage, "unknown entry version in transaction index " + path_);
    found.push_back(
        {ProducerId(load_big_endian<std::int64_t>(at + 2)), Offset(load_big_endian<std::int64_t>(at + 10)),
         Offset(load_big_endian<std::int64_t>(at + 18)), Offset(load_big_endian<std::int64_t>(at + 26))});
  }
  return found;
}

Result<void> TransactionIndex::truncate_to(Offset offset) {
  std::vector<AbortedTransaction> all = TRY(entries());
  std::uint64_t kept = 0;
  while (kept < all.size() && all[kept].last_offset < offset) ++kept;
  if (kept == all.size()) return {};
  if (kept == 0) return reset();
  if (file_ == nullptr) file_ = TRY(files_->open(path_, OpenMode::kReadWrite));
  TRY(file_->truncate(kept * kEntrySize));
  size_ = kept * kEntrySize;
  return {};
}

Result<void> TransactionIndex::reset() {
  file_.reset();
  size_ = 0;
  is_trusted_ = true;
  return files_->remove(path_);
}

Result<void> TransactionIndex::sync() {
  return file_ == nullptr ? Result<void>() : file_->sync();
}

}  // namespace barnabas::log

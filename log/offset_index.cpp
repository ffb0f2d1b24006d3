#include "log/offset_index.hpp"

#include "protocol/record_batch.hpp"

namespace barnabas::log {
namespace {

using protocol::load_big_endian;
using protocol::store_big_endian;

std::unexpected<Error> corrupt(const std::string& path) {
  return fail(ErrorCode::kKafkaStorageError, "corrupt index " + path);
}

}  // namespace

Result<void> OffsetIndex::open(FileSystem& files, const std::string& path, std::int64_t max_bytes,
                               bool writable, std::uint64_t segment_size) {
  last_ = std::nullopt;
  TRY(file_.open(files, path, max_bytes, writable));
  if (file_.count() == 0) return {};
  last_ = TRY(entry(file_.count() - 1));
  if (last_->offset < base_ || last_->position >= segment_size) return corrupt(path);
  return {};
}

Result<OffsetPosition> OffsetIndex::entry(std::int64_t index) const {
  std::uint8_t bytes[8];
  TRY(file_.read(index, bytes));
  return OffsetPosition{base_ + load_big_endian<std::int32_t>(bytes),
                        load_big_endian<std::uint32_t>(bytes + 4)};
}

Result<void> OffsetIndex::append(Offset offset, std::uint64_t position) {
  if (is_full() || (last_ && offset <= last_->offset)) return {};
  std::uint8_t bytes[8];
  store_big_endian(bytes, static_cast<std::int32_t>(offset - base_));
  store_big_endian(bytes + 4, static_cast<std::uint32_t>(position));
  last_ = OffsetPosition{offset, position};
  return file_.append(bytes);
}

Result<OffsetPosition> OffsetIndex::lookup(Offset offset) {
  std::int64_t relative = offset - base_;
  std::int64_t above = TRY(file_.partition_point(
      [&](ByteView bytes) { return load_big_endian<std::int32_t>(bytes.data()) <= relative; }));
  if (above == 0) return OffsetPosition{base_, 0};
  return entry(above - 1);
}

Result<void> OffsetIndex::truncate_to_size(std::uint64_t size) {
  std::int64_t kept = TRY(file_.partition_point(
      [&](ByteView bytes) { return load_big_endian<std::uint32_t>(bytes.data() + 4) < size; }));
  if (kept == file_.count()) return {};
  TRY(file_.truncate_to(kept));
  last_ = std::nullopt;
  if (kept > 0) last_ = TRY(entry(kept - 1));
  return {};
}

Result<void> TimeIndex::open(FileSystem& files, const std::string& path, std::int64_t max_bytes,
                             bool writable) {
  last_ = std::nullopt;
  TRY(file_.open(files, path, max_bytes, writable));
  if (file_.count() == 0) return {};
  last_ = TRY(entry(file_.count() - 1));
  TimestampPosition first = TRY(entry(0));
  if (last_->offset < base_ || last_->timestamp_ms < first.timestamp_ms) return corrupt(path);
  return {};
}

Result<TimestampPosition> TimeIndex::entry(std::int64_t index) const {
  std::uint8_t bytes[12];
  TRY(file_.read(index, bytes));
  return TimestampPosition{load_big_endian<std::int64_t>(bytes),
                           base_ + load_big_endian<std::int32_t>(bytes + 8)};
}

Result<void> TimeIndex::append(std::int64_t timestamp_ms, Offset offset, bool closing) {
  if (timestamp_ms < 0 || (last_ && timestamp_ms <= last_->timestamp_ms)) return {};
  if (closing ? file_.count() >= file_.max_count() : is_full()) return {};
  std::uint8_t bytes[12];
  store_big_endian(bytes, timestamp_ms);
  store_big_endian(bytes + 8, static_cast<std::int32_t>(offset - base_));
  last_ = TimestampPosition{timestamp_ms, offset};
  return file_.append(bytes);
}

Result<TimestampPosition> TimeIndex::lookup(std::int64_t timestamp_ms) {
  std::int64_t above = TRY(file_.partition_point(
      [&](ByteView bytes) { return load_big_endian<std::int64_t>(bytes.data()) <= timestamp_ms; }));
  if (above == 0) return TimestampPosition{-1, base_};
  return entry(above - 1);
}

Result<void> TimeIndex::truncate_to_offset(Offset offset) {
  std::int64_t relative = offset - base_;
  std::int64_t kept = TRY(file_.partition_point(
      [&](ByteView bytes) { return load_big_endian<std::int32_t>(bytes.data() + 8) < relative; }));
  if (kept == file_.count()) return {};
  TRY(file_.truncate_to(kept));
  last_ = std::nullopt;
  if (kept > 0) last_ = TRY(entry(kept - 1));
  return {};
}

}  // namespace barnabas::log

#include "log/segment_scan.hpp"

#include <algorithm>
#include <cstring>

#include "base/crc32c.hpp"

namespace barnabas::log {
namespace {

using protocol::load_big_endian;

constexpr std::size_t kLegacyHeaderBytes = 26;

}  // namespace

EntryInfo entry_info(ByteView bytes, std::uint64_t position) {
  auto prefix = protocol::parse_entry_prefix(bytes);
  EntryInfo info;
  info.position = position;
  info.size = static_cast<std::uint64_t>(prefix->size_bytes);
  if (prefix->magic < 2) {
    info.base_offset = info.last_offset = Offset(load_big_endian<std::int64_t>(bytes.data()));
    if (prefix->magic == 1 && bytes.size() >= kLegacyHeaderBytes)
      info.max_timestamp_ms = load_big_endian<std::int64_t>(bytes.data() + 18);
    return info;
  }
  protocol::RecordBatchHeader header(bytes.data());
  info.base_offset = header.base_offset();
  info.last_offset = header.last_offset();
  info.max_timestamp_ms = header.max_timestamp();
  info.epoch = header.leader_epoch();
  return info;
}

Result<ByteView> HeaderScanner::bytes_at(std::uint64_t position, std::size_t size) {
  bool inside = position >= buffer_position_ && position + size <= buffer_position_ + buffer_.size();
  if (!inside) {
    buffer_.resize(
        static_cast<std::size_t>(std::min<std::uint64_t>(std::max(chunk_, size), end_ - position)));
    std::size_t got = TRY(file_.read_at(position, buffer_));
    buffer_.resize(got);
    buffer_position_ = position;
  }
  auto at = static_cast<std::size_t>(position - buffer_position_);
  return ByteView(buffer_).subspan(at, std::min(size, buffer_.size() - at));
}

Result<std::optional<EntryInfo>> HeaderScanner::next() {
  if (broken_ || position_ >= end_) return std::nullopt;
  broken_ = true;
  if (end_ - position_ < protocol::kEntryPrefixBytes) return std::nullopt;
  ByteView head = TRY(bytes_at(position_, protocol::kEntryPrefixBytes));
  if (head.size() < protocol::kEntryPrefixBytes) return std::nullopt;
  auto prefix = protocol::parse_entry_prefix(head);
  if (!prefix) return std::nullopt;
  auto size = static_cast<std::uint64_t>(prefix->size_bytes);
  if (size > end_ - position_) return std::nullopt;
  std::size_t wanted =
      prefix->magic < 2 ? std::min<std::size_t>(kLegacyHeaderBytes, size) : protocol::kBatchHeaderBytes;
  header_ = TRY(bytes_at(position_, wanted));
  if (header_.size() < wanted) return std::nullopt;
  EntryInfo info = entry_info(header_, position_);
  if (info.last_offset < info.base_offset) return std::nullopt;
  position_ += size;
  broken_ = false;
  return info;
}

/// Makes `size` bytes from `position_` readable in the buffer; false when the range ends before.
Result<bool> EntryScanner::fill(std::size_t size) {
  if (filled_ - at_ >= size) return true;
  if (size > end_ - position_) return false;
  if (filled_ > at_) std::memmove(buffer_.data(), buffer_.data() + at_, filled_ - at_);
  filled_ -= at_;
  at_ = 0;
  std::uint64_t left = end_ - position_ - filled_;
  // A short range takes a short buffer: a fetch of old records verifies many such.
  const auto room = static_cast<std::size_t>(std::max<std::uint64_t>(size, std::min(chunk_, filled_ + left)));
  if (buffer_.size() < room) buffer_.resize(room);
  auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size() - filled_, left));
  filled_ += TRY(file_.read_at(position_ + filled_, MutableByteView(buffer_).subspan(filled_, wanted)));
  return filled_ >= size;
}

Result<std::optional<protocol::LogEntry>> EntryScanner::next() {
  if (broken_ || position_ >= end_) return std::nullopt;
  broken_ = true;
  if (!TRY(fill(protocol::kEntryPrefixBytes))) return std::nullopt;
  auto prefix = protocol::parse_entry_prefix(ByteView(buffer_).subspan(at_));
  if (!prefix) return std::nullopt;
  auto size = static_cast<std::size_t>(prefix->size_bytes);
  if (!TRY(fill(size))) return std::nullopt;
  protocol::LogEntry entry(ByteView(buffer_).subspan(at_, size));
  entry_position_ = position_;
  position_ += size;
  at_ += size;
  broken_ = false;
  return entry;
}

bool checksum_matches(const protocol::LogEntry& entry) {
  if (!entry.is_legacy()) return entry.batch().crc_matches();
  return load_big_endian<std::uint32_t>(entry.bytes().data() + 12) == crc32_ieee(entry.bytes().subspan(16));
}

}  // namespace barnabas::log

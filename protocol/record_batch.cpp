#include "protocol/record_batch.hpp"

#include <fmt/format.h>

#include "base/crc32c.hpp"

namespace barnabas::protocol {

std::uint32_t RecordBatchView::computed_crc() const {
  return crc32c(bytes().subspan(batch_field::kAttributes));
}

Result<void> RecordBatchView::check_crc() const {
  std::uint32_t computed = computed_crc();
  if (computed == crc()) return {};
  return fail(ErrorCode::kCorruptMessage,
              fmt::format("Record batch at base offset {} is corrupt: its CRC is {}, that of its bytes is {}",
                          base_offset().value(), crc(), computed));
}

Result<EntryPrefix> parse_entry_prefix(ByteView bytes) {
  auto length = load_big_endian<std::int32_t>(bytes.data() + batch_field::kLength);
  if (length < kMinEntryLength) {
    return fail(
        ErrorCode::kCorruptMessage,
        fmt::format("Record size {} is less than the smallest record's, {}", length, kMinEntryLength));
  }
  auto magic = static_cast<std::int8_t>(bytes[batch_field::kMagic]);
  if (magic < 0 || magic > 2) {
    return fail(ErrorCode::kCorruptMessage, fmt::format("Invalid magic {} in a record", magic));
  }
  EntryPrefix prefix{std::int64_t{length} + std::int64_t{kLogOverheadBytes}, magic};
  constexpr std::int64_t kMinimum[] = {26, 34, std::int64_t{kBatchHeaderBytes}};
  if (prefix.size_bytes < kMinimum[magic]) {
    return fail(ErrorCode::kCorruptMessage,
                fmt::format("Record batch of {} bytes is smaller than its header, {} bytes with magic {}",
                            prefix.size_bytes, kMinimum[magic], magic));
  }
  return prefix;
}

Result<std::optional<LogEntry>> BatchCursor::next() {
  ByteView rest = bytes_.subspan(position_);
  if (rest.empty()) return std::nullopt;
  std::int64_t size = 0;
  if (rest.size() >= kEntryPrefixBytes) size = TRY(parse_entry_prefix(rest)).size_bytes;
  if (size == 0 || static_cast<std::uint64_t>(size) > rest.size()) {
    if (tail_ == Tail::kMayBeCut) return std::nullopt;
    return fail(ErrorCode::kInvalidRecord,
                fmt::format("The last record batch is cut: {} bytes of it are there", rest.size()));
  }
  position_ += static_cast<std::size_t>(size);
  return LogEntry(rest.first(static_cast<std::size_t>(size)));
}

void seal_batch(MutableByteView batch) {
  store_big_endian(batch.data() + batch_field::kCrc, RecordBatchView(batch).computed_crc());
}

void set_max_timestamp(MutableByteView batch, TimestampType type, std::int64_t max_timestamp) {
  RecordBatchView view(batch);
  if (view.timestamp_type() == type && view.max_timestamp() == max_timestamp) return;
  int attributes = view.attributes() & ~batch_attributes::kLogAppendTime;
  if (type == TimestampType::kLogAppendTime) attributes |= batch_attributes::kLogAppendTime;
  store_big_endian(batch.data() + batch_field::kAttributes, static_cast<std::int16_t>(attributes));
  store_big_endian(batch.data() + batch_field::kMaxTimestamp, max_timestamp);
  seal_batch(batch);
}

}  // namespace barnabas::protocol

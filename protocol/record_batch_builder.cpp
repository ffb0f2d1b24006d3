#include "protocol/record_batch_builder.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace barnabas::protocol {
namespace {

std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
std::size_t varint_size(std::int64_t value) {
  return (static_cast<std::size_t>(std::bit_width(zigzag(value) | 1)) + 6) / 7;
}
std::uint8_t* put_varint(std::uint8_t* at, std::int64_t value) {
  std::uint64_t raw = zigzag(value);
  for (; raw >= 0x80; raw >>= 7) *at++ = static_cast<std::uint8_t>(raw | 0x80);
  *at++ = static_cast<std::uint8_t>(raw);
  return at;
}
std::int64_t length_of(const std::optional<ByteView>& field) {
  return field ? static_cast<std::int64_t>(field->size()) : -1;
}
std::size_t field_size(const std::optional<ByteView>& field) {
  return varint_size(length_of(field)) + (field ? field->size() : 0);
}
std::uint8_t* put_field(std::uint8_t* at, const std::optional<ByteView>& field) {
  at = put_varint(at, length_of(field));
  return field ? std::copy(field->begin(), field->end(), at) : at;
}
std::size_t headers_size(std::span<const RecordHeader> headers) {
  std::size_t size = 0;
  for (const RecordHeader& header : headers)
    size += field_size(as_bytes(header.key)) + field_size(header.value);
  return size;
}

std::int16_t attributes_of(const BatchOptions& options) {
  int bits = static_cast<int>(options.codec);
  if (options.timestamp_type == TimestampType::kLogAppendTime) bits |= batch_attributes::kLogAppendTime;
  if (options.is_transactional) bits |= batch_attributes::kTransactional;
  if (options.is_control) bits |= batch_attributes::kControl;
  if (options.delete_horizon_ms) bits |= batch_attributes::kDeleteHorizon;
  return static_cast<std::int16_t>(bits);
}

struct BatchSpan {
  Offset last_offset;
  std::int64_t base_timestamp;
  std::int64_t max_timestamp;
  std::int32_t count;
};

void write_header(Bytes& batch, const BatchOptions& options, const BatchSpan& span) {
  CHECK(batch.size() - kLogOverheadBytes <= INT32_MAX, "a batch of 2 GiB");
  auto put = [at = batch.data()](std::size_t position, auto value) {
    store_big_endian(at + position, value);
  };
  put(batch_field::kBaseOffset, options.base_offset.value());
  put(batch_field::kLength, static_cast<std::int32_t>(batch.size() - kLogOverheadBytes));
  put(batch_field::kLeaderEpoch, options.leader_epoch.value());
  put(batch_field::kMagic, std::int8_t{2});
  put(batch_field::kAttributes, attributes_of(options));
  put(batch_field::kLastOffsetDelta, static_cast<std::int32_t>(span.last_offset - options.base_offset));
  put(batch_field::kBaseTimestamp, options.delete_horizon_ms.value_or(span.base_timestamp));
  put(batch_field::kMaxTimestamp, span.max_timestamp);
  put(batch_field::kProducerId, options.producer_id.value());
  put(batch_field::kProducerEpoch, options.producer_epoch.value());
  put(batch_field::kBaseSequence, options.base_sequence);
  put(batch_field::kCount, span.count);
  seal_batch(batch);
}

}  // namespace

BatchOptions options_of(const RecordBatchHeader& batch) {
  return {.base_offset = batch.base_offset(),
          .leader_epoch = batch.leader_epoch(),
          .codec = batch.codec(),
          .timestamp_type = batch.timestamp_type(),
          .append_timestamp =
              batch.timestamp_type() == TimestampType::kLogAppendTime ? batch.max_timestamp() : kNoTimestamp,
          .producer_id = batch.producer_id(),
          .producer_epoch = batch.producer_epoch(),
          .base_sequence = batch.base_sequence(),
          .is_transactional = batch.is_transactional(),
          .is_control = batch.is_control(),
          .delete_horizon_ms = batch.delete_horizon_ms()};
}

RecordBatchBuilder::RecordBatchBuilder(const BatchOptions& options)
    : options_(options), buffer_(kBatchHeaderBytes), next_offset_(options.base_offset) {}

void RecordBatchBuilder::reset() {
  options_.base_offset = next_offset_;
  if (options_.base_sequence >= 0) {
    options_.base_sequence = increment_sequence(options_.base_sequence, count_);
  }
  buffer_.assign(kBatchHeaderBytes, 0);
  last_offset_.reset();
  base_timestamp_.reset();
  max_timestamp_ = kNoTimestamp;
  count_ = 0;
}

std::size_t RecordBatchBuilder::max_record_bytes(const RecordInput& record) {
  constexpr std::size_t kLongestFixedPart = 5 + 1 + 10 + 5;
  return kLongestFixedPart + field_size(record.key) + field_size(record.value) +
         varint_size(static_cast<std::int64_t>(record.headers.size())) + headers_size(record.headers);
}

void RecordBatchBuilder::append(const RecordInput& record) {
  append_at(next_offset_, record);
}

void RecordBatchBuilder::append_at(Offset offset, const RecordInput& record) {
  std::size_t size = headers_size(record.headers);
  write(offset, record.timestamp, record.key, record.value, static_cast<std::int32_t>(record.headers.size()),
        size);
  std::uint8_t* at = buffer_.data() + buffer_.size() - size;
  for (const RecordHeader& header : record.headers) {
    at = put_field(put_field(at, as_bytes(header.key)), header.value);
  }
}

void RecordBatchBuilder::append_copy(const RecordView& record) {
  ByteView headers = record.headers.bytes();
  write(record.offset, record.timestamp, record.key, record.value, record.headers.size(), headers.size());
  std::copy(headers.begin(), headers.end(), buffer_.end() - static_cast<std::ptrdiff_t>(headers.size()));
}

/// Everything but the headers themselves, for which it leaves room at the end.
void RecordBatchBuilder::write(Offset offset, std::int64_t timestamp, std::optional<ByteView> key,
                               std::optional<ByteView> value, std::int32_t header_count,
                               std::size_t headers_size) {
  CHECK(offset >= next_offset_ && offset - options_.base_offset <= INT32_MAX, "offsets of a batch grow");
  if (!base_timestamp_) base_timestamp_ = options_.delete_horizon_ms.value_or(timestamp);
  auto timestamp_delta = static_cast<std::int64_t>(static_cast<std::uint64_t>(timestamp) -
                                                   static_cast<std::uint64_t>(*base_timestamp_));
  std::int64_t offset_delta = offset - options_.base_offset;
  std::size_t body = 1 + varint_size(timestamp_delta) + varint_size(offset_delta) + field_size(key) +
                     field_size(value) + varint_size(header_count) + headers_size;
  std::size_t begin = buffer_.size();
  buffer_.resize(begin + varint_size(static_cast<std::int64_t>(body)) + body);
  std::uint8_t* at = put_varint(buffer_.data() + begin, static_cast<std::int64_t>(body));
  *at++ = 0;  // attributes, unused in magic 2
  at = put_varint(at, timestamp_delta);
  at = put_varint(at, offset_delta);
  at = put_field(at, key);
  at = put_field(at, value);
  put_varint(at, header_count);
  max_timestamp_ = std::max(max_timestamp_, timestamp);
  next_offset_ = offset + 1;
  ++count_;
}

Bytes RecordBatchBuilder::build(Compressor& compressor) {
  if (options_.codec != Codec::kNone) {
    Bytes compressed(kBatchHeaderBytes);
    compressor.compress(options_.codec, options_.level, ByteView(buffer_).subspan(kBatchHeaderBytes),
                        compressed);
    buffer_.swap(compressed);
  }
  if (options_.timestamp_type == TimestampType::kLogAppendTime) max_timestamp_ = options_.append_timestamp;
  Offset last = last_offset_.value_or(next_offset_ - 1);
  write_header(buffer_, options_, {last, base_timestamp_.value_or(kNoTimestamp), max_timestamp_, count_});
  next_offset_ = last + 1;
  Bytes batch = std::move(buffer_);
  reset();
  return batch;
}

Bytes RecordBatchBuilder::build() {
  Compressor compressor;
  return build(compressor);
}

Bytes make_empty_batch(const BatchOptions& options, Offset last_offset, std::int64_t timestamp) {
  BatchOptions empty = options;
  empty.codec = Codec::kNone;
  Bytes batch(kBatchHeaderBytes);
  write_header(batch, empty, {last_offset, timestamp, timestamp, 0});
  return batch;
}

}  // namespace barnabas::protocol

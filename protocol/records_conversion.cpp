#include "protocol/records_conversion.hpp"

#include <algorithm>

#include "protocol/legacy_message_set.hpp"
#include "protocol/record_batch_builder.hpp"

namespace barnabas::protocol {
namespace {

void append_bytes(Bytes& to, ByteView from) {
  to.insert(to.end(), from.begin(), from.end());
}

/// Offsets that a log can hold, so that differences cannot overflow.
bool is_log_offset(Offset offset) {
  return offset >= Offset(0) && offset < Offset(INT64_MAX);
}

/// A converted batch is built whole in memory: the limit of a record is one of the batch here.
RecordLimits batch_limits(RecordLimits limits) {
  limits.max_batch_bytes = std::min(limits.max_batch_bytes, limits.max_record_bytes);
  return limits;
}

/// Copies every record that `cursor` gives from `first` on.
template <class Cursor>
Result<void> copy_records(Cursor cursor, LegacySetBuilder& builder, Offset first) {
  RecordView record;
  std::optional<Offset> last;
  while (TRY(cursor.next(record))) {
    if (record.offset < first) continue;
    if (!is_log_offset(record.offset) || (last && record.offset <= *last))
      return fail(ErrorCode::kInvalidRecord, "Offsets of a batch do not grow");
    last = record.offset;
    builder.append(record.offset, record.timestamp, record.key, record.value);
  }
  return {};
}

Result<void> batch_down(const RecordBatchView& batch, std::int8_t to_magic, Offset first_offset,
                        ConversionTools& tools, Bytes& converted) {
  LegacySetOptions options{.magic = to_magic,
                           .codec = batch.codec(),
                           .timestamp_type = batch.timestamp_type(),
                           .append_timestamp = batch.max_timestamp()};
  LegacySetBuilder builder(options);
  // A compressed set is one message to the client, which passes over what it did not ask for.
  Offset first = batch.codec() == Codec::kNone ? first_offset : Offset(INT64_MIN);
  TRY(copy_records(RecordCursor(batch, tools.scratch, batch_limits(tools.limits)), builder, first));
  append_bytes(converted, builder.build(tools.compressor));
  return {};
}

Result<void> message_down(const LegacyMessageView& message, Offset first_offset, ConversionTools& tools,
                          Bytes& converted) {
  LegacySetBuilder builder({.magic = 0, .codec = message.codec()});
  Offset first = message.is_compressed() ? Offset(INT64_MIN) : first_offset;
  TRY(copy_records(LegacyCursor(message, tools.scratch, tools.limits), builder, first));
  append_bytes(converted, builder.build(tools.compressor));
  return {};
}

Result<void> message_up(const LegacyMessageView& message, LeaderEpoch leader_epoch, ConversionTools& tools,
                        Bytes& converted) {
  LegacyCursor cursor(message, tools.scratch, tools.limits);
  RecordView record;
  std::optional<RecordBatchBuilder> builder;
  while (TRY(cursor.next(record))) {
    if (!is_log_offset(record.offset) || record.offset > message.offset() ||
        message.offset() - (builder ? builder->base_offset() : record.offset) > INT32_MAX ||
        (builder && record.offset < builder->next_offset())) {
      return fail(ErrorCode::kInvalidRecord, "Offsets of a message set do not grow to that of their wrapper");
    }
    if (!builder) {
      builder.emplace(BatchOptions{.base_offset = record.offset,
                                   .leader_epoch = leader_epoch,
                                   .codec = message.codec(),
                                   .timestamp_type = message.timestamp_type(),
                                   .append_timestamp = message.timestamp()});
    }
    builder->append_copy(record);
  }
  if (builder) append_bytes(converted, builder->build(tools.compressor));
  return {};
}

}  // namespace

Result<Bytes> down_convert(ByteView records, std::int8_t to_magic, Offset first_offset,
                           ConversionTools tools) {
  Bytes converted;
  BatchCursor cursor(records);
  while (auto entry = TRY(cursor.next())) {
    if (!entry->is_legacy()) {
      RecordBatchView batch = entry->batch();
      if (batch.is_control()) continue;
      if (batch.codec() == Codec::kZstd) {
        return fail(ErrorCode::kUnsupportedCompressionType,
                    "Batches compressed with zstd are not converted down");
      }
      TRY(batch_down(batch, to_magic, first_offset, tools, converted));
    } else if (entry->magic() > to_magic) {
      TRY(message_down(LegacyMessageView(entry->bytes()), first_offset, tools, converted));
    } else {
      append_bytes(converted, entry->bytes());
    }
  }
  return converted;
}

Result<Bytes> up_convert(ByteView records, LeaderEpoch leader_epoch, ConversionTools tools) {
  Bytes converted;
  BatchCursor cursor(records);
  while (auto entry = TRY(cursor.next())) {
    if (entry->is_legacy()) {
      TRY(message_up(LegacyMessageView(entry->bytes()), leader_epoch, tools, converted));
    } else {
      append_bytes(converted, entry->bytes());
    }
  }
  return converted;
}

}  // namespace barnabas::protocol

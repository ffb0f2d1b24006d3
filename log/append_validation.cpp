#include "log/append_validation.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/legacy_message_set.hpp"
#include "protocol/record_batch_builder.hpp"
#include "protocol/records.hpp"

namespace barnabas::log {
namespace {

using protocol::Codec;
using protocol::RecordBatchView;

struct Scratch {
  protocol::RecordScratch records;
  protocol::Compressor compressor;
};

Scratch& thread_scratch() {
  thread_local Scratch scratch;
  return scratch;
}

/// Requests below it carry message sets of magic 0 and 1.
constexpr std::int16_t kFirstVersionOfBatches = 3;

std::unexpected<Error> invalid() {
  return fail(ErrorCode::kInvalidRecord);
}

/// The request's one entry. What ProduceRequest itself refuses in Kafka. Bytes behind it that announce an
/// entry and do not have all of it are nobody's: they are left away.
Result<protocol::LogEntry> only_entry(MutableByteView batches) {
  protocol::BatchCursor cursor(batches);
  auto entry = TRY(cursor.next());
  if (!entry || TRY(cursor.next())) return invalid();
  const ByteView rest = ByteView(batches).subspan(cursor.position());
  if (rest.size() >= protocol::kLogOverheadBytes &&
      protocol::load_big_endian<std::int32_t>(rest.data() + protocol::batch_field::kLength) <
          protocol::kMinEntryLength) {
    return fail(ErrorCode::kCorruptMessage);
  }
  return *entry;
}

Result<void> check_header(const RecordBatchView& batch, const AppendContext& context) {
  if (batch.codec() == Codec::kZstd && context.produce_version < 7)
    return fail(ErrorCode::kUnsupportedCompressionType);
  if (batch.base_offset() != Offset(0)) return invalid();
  if (batch.bytes().size() > static_cast<std::size_t>(std::max(context.config.max_message_bytes, 0)))
    return fail(ErrorCode::kMessageTooLarge);
  if (!batch.crc_matches()) return fail(ErrorCode::kCorruptMessage);
  std::int64_t count = batch.count();
  if (batch.last_offset_delta() < 0 || count <= 0 || count != std::int64_t{batch.last_offset_delta()} + 1)
    return invalid();
  if (batch.is_control()) return invalid();
  if (batch.has_producer_id() && batch.base_sequence() < 0) return invalid();
  return {};
}

protocol::RecordRules rules_for(const AppendContext& context) {
  protocol::RecordRules rules;
  const LogConfig& config = context.config;
  rules.require_keys = config.cleanup_compact;
  if (config.message_timestamp_type == TimestampType::kLogAppendTime) return rules;
  rules.min_timestamp = context.now_ms - config.message_timestamp_before_max_ms;
  if (config.message_timestamp_after_max_ms <= INT64_MAX - context.now_ms)
    rules.max_timestamp = context.now_ms + config.message_timestamp_after_max_ms;
  return rules;
}

AppendError timestamp_refusal(std::vector<RecordError> records) {
  return {
      Error{ErrorCode::kInvalidTimestamp, "One or more records have been rejected due to invalid timestamp"},
      std::move(records)};
}

AppendError record_refusal(std::vector<RecordError> records) {
  std::string shown;
  for (std::size_t i = 0; i < std::min<std::size_t>(records.size(), 3); ++i) {
    shown += fmt::format("{}RecordError(batchIndex={}, message='{}')", i == 0 ? "" : ", ",
                         records[i].batch_index, records[i].message);
  }
  return {
      Error{ErrorCode::kInvalidRecord,
            fmt::format("One or more records have been rejected due to {} record errors in total, and only "
                        "showing the first three errors at most: [{}]",
                        records.size(), shown)},
      std::move(records)};
}

AppendError refusal_of(const std::vector<protocol::RecordProblem>& problems,
                       const protocol::RecordRules& rules, const AppendContext& context) {
  std::vector<RecordError> records;
  bool about_time = false;
  for (const protocol::RecordProblem& problem : problems) {
    if (problem.fault == protocol::RecordFault::kNoKey) {
      records.push_back(
          {problem.index, "Compacted topic cannot accept message without key in topic partition " +
                              to_string(context.topic_partition)});
      continue;
    }
    about_time = true;
    records.push_back(
        {problem.index,
         fmt::format("Timestamp {} of message with offset {} is out of range. The timestamp should "
                     "be within [{}, {}]",
                     problem.timestamp, problem.index, rules.min_timestamp, rules.max_timestamp)});
  }
  return about_time ? timestamp_refusal(std::move(records)) : record_refusal(std::move(records));
}

/// A producer may not stamp LogAppendTime itself: every record of the batch is at fault.
AppendError wrong_timestamp_type(std::int32_t count) {
  std::vector<RecordError> records;
  for (std::int32_t i = 0; i < count; ++i) {
    records.push_back(
        {i, fmt::format("Invalid timestamp type in message with offset {}. Producer should not set "
                        "timestamp type to LogAppendTime.",
                        i)});
  }
  return timestamp_refusal(std::move(records));
}

struct Target {
  Codec codec;
  int level;
};

Target target_compression(const LogConfig& config, Codec source) {
  Codec codec = source;
  switch (config.compression) {
    case CompressionSetting::kProducer:
      break;
    case CompressionSetting::kUncompressed:
      codec = Codec::kNone;
      break;
    case CompressionSetting::kGzip:
      codec = Codec::kGzip;
      break;
    case CompressionSetting::kSnappy:
      codec = Codec::kSnappy;
      break;
    case CompressionSetting::kLz4:
      codec = Codec::kLz4;
      break;
    case CompressionSetting::kZstd:
      codec = Codec::kZstd;
      break;
  }
  int level = protocol::kStandardLevel;
  if (codec == Codec::kGzip) level = config.gzip_level;
  if (codec == Codec::kLz4) level = config.lz4_level;
  if (codec == Codec::kZstd) level = config.zstd_level;
  return {codec, level};
}

/// The records of a batch written anew, with offsets one after another whatever they were.
Result<Bytes> recompress(const RecordBatchView& batch, const Target& target) {
  Scratch& scratch = thread_scratch();
  protocol::BatchOptions options = protocol::options_of(batch);
  options.codec = target.codec;
  options.level = target.level;
  protocol::RecordBatchBuilder builder(options);
  protocol::RecordCursor cursor(batch, scratch.records);
  protocol::RecordView record;
  while (TRY(cursor.next(record))) {
    record.offset = builder.next_offset();
    builder.append_copy(record);
  }
  return builder.build(scratch.compressor);
}

/// Whether a request older than batches brings messages.
bool is_message_set(ByteView batches) {
  if (batches.size() < protocol::kEntryPrefixBytes) return true;  // nothing whole
  const std::int8_t magic = protocol::LogEntry(batches).magic();
  return magic == 0 || magic == 1;
}

/// The whole messages of a set. A wrapper of compressed ones stands alone, and all are of one magic:
/// Kafka 3.9.1 refuses the rest, but takes no offence at a message that is cut.
Result<std::vector<protocol::LegacyMessageView>> messages_of(ByteView set, const LogConfig& config) {
  std::vector<protocol::LegacyMessageView> messages;
  protocol::BatchCursor cursor(set);
  while (auto entry = TRY(cursor.next())) {
    if (!entry->is_legacy()) return invalid();
    const protocol::LegacyMessageView message(entry->bytes());
    const bool alone = messages.empty() || !(message.is_compressed() || messages.front().is_compressed());
    if (!alone || (!messages.empty() && message.magic() != messages.front().magic())) return invalid();
    if (entry->bytes().size() > static_cast<std::size_t>(std::max(config.max_message_bytes, 0)))
      return fail(ErrorCode::kMessageTooLarge);
    TRY(message.check_crc());
    if (message.codec() > Codec::kZstd) return fail(ErrorCode::kUnknownServerError);
    messages.push_back(message);
  }
  return messages;
}

/// What a client older than Kafka 0.11 sends, as one batch of magic 2; nothing when no message is whole.
Result<Bytes> convert_message_set(ByteView set, const LogConfig& config) {
  const auto messages = TRY(messages_of(set, config));
  if (messages.empty()) return Bytes{};
  Scratch& scratch = thread_scratch();
  protocol::BatchOptions options;
  options.codec = messages.front().codec();
  protocol::RecordBatchBuilder builder(options);
  for (const protocol::LegacyMessageView& message : messages) {
    protocol::LegacyCursor records(message, scratch.records);
    protocol::RecordView record;
    while (TRY(records.next(record))) {
      protocol::RecordInput input;
      input.timestamp = record.timestamp;
      input.key = record.key;
      input.value = record.value;
      builder.append(input);
    }
  }
  return builder.build(scratch.compressor);
}

}  // namespace

std::expected<ValidatedBatch, AppendError> validate_produce(MutableByteView batches,
                                                            const AppendContext& context) {
  if (context.produce_version < kFirstVersionOfBatches && is_message_set(batches)) {
    Bytes converted = TRY(convert_message_set(batches, context.config));
    if (converted.empty()) return ValidatedBatch{};
    auto validated = validate_produce(converted, context);
    if (validated && validated->converted.empty()) validated->converted = std::move(converted);
    return validated;
  }
  protocol::LogEntry entry = TRY(only_entry(batches));
  if (entry.is_legacy()) return invalid();
  RecordBatchView batch = entry.batch();
  TRY(check_header(batch, context));
  const LogConfig& config = context.config;
  bool stamps = config.message_timestamp_type == TimestampType::kLogAppendTime;
  protocol::RecordRules rules = rules_for(context);
  protocol::RecordsSummary summary = TRY(validate_records(batch, rules, thread_scratch().records));
  if (!summary.problems.empty()) return std::unexpected(refusal_of(summary.problems, rules, context));
  if (!stamps && batch.timestamp_type() == protocol::TimestampType::kLogAppendTime)
    return std::unexpected(wrong_timestamp_type(batch.count()));
  if (summary.count != batch.count()) return invalid();
  if (!summary.deltas_are_consecutive && batch.codec() != Codec::kNone)
    return fail(ErrorCode::kUnknownServerError);

  ValidatedBatch validated{batches.first(batch.bytes().size()), {}};
  Target target = target_compression(config, batch.codec());
  if (target.codec != batch.codec()) {
    validated.converted = TRY(recompress(batch, target));
    validated.bytes = validated.converted;
    if (validated.bytes.size() > static_cast<std::size_t>(config.max_message_bytes))
      return fail(ErrorCode::kMessageTooLarge);
  }
  if (stamps) {
    protocol::set_max_timestamp(validated.bytes, protocol::TimestampType::kLogAppendTime, context.now_ms);
  } else {
    protocol::set_max_timestamp(validated.bytes, protocol::TimestampType::kCreateTime, summary.max_timestamp);
  }
  return validated;
}

}  // namespace barnabas::log

#include "broker/coordinator/runtime.hpp"

#include <utility>

#include "base/check.hpp"
#include "base/logging.hpp"
#include "protocol/control_record.hpp"
#include "protocol/record_batch_builder.hpp"
#include "protocol/records.hpp"

namespace barnabas::broker {
namespace {

constexpr std::string_view kComponent = "org.apache.kafka.coordinator.common.runtime.CoordinatorRuntime";
// In debug builds and under sanitizers (clang builds them, g++ the release).
#if defined(__clang__) || !defined(__OPTIMIZE__)
constexpr bool kChecksInvariants = true;
#else
constexpr bool kChecksInvariants = false;
#endif
// Of a record beside key and value: lengths, deltas, attributes.
constexpr std::size_t kRecordOverheadBytes = 32;

std::size_t batch_bytes(const RecordList& records) {
  return records.size_bytes() + records.size() * kRecordOverheadBytes;
}

}  // namespace

ErrorCode coordinator_error_of_append(ErrorCode error) {
  switch (error) {
    case ErrorCode::kUnknownTopicOrPartition:
    case ErrorCode::kNotEnoughReplicas:
    case ErrorCode::kNotEnoughReplicasAfterAppend:
    case ErrorCode::kRequestTimedOut:
      return ErrorCode::kCoordinatorNotAvailable;
    case ErrorCode::kNotLeaderOrFollower:
    case ErrorCode::kKafkaStorageError:
      return ErrorCode::kNotCoordinator;
    case ErrorCode::kMessageTooLarge:
    case ErrorCode::kRecordListTooLarge:
    case ErrorCode::kInvalidFetchSize:
      return ErrorCode::kUnknownServerError;
    default:
      return error;
  }
}

CoordinatorRuntime::CoordinatorRuntime(CoordinatorShard& shard, ShardLog& log,
                                       CoordinatorRuntimeOptions options)
    : shard_(shard),
      log_(log),
      options_(std::move(options)),
      replayed_to_(log.start_offset()),
      load_end_(log.end_offset()) {}

ErrorCode CoordinatorRuntime::availability() const {
  switch (phase_) {
    case Phase::kLoading:
      return ErrorCode::kCoordinatorLoadInProgress;
    case Phase::kActive:
      return ErrorCode::kNone;
    case Phase::kClosed:
      break;
  }
  return ErrorCode::kNotCoordinator;
}

Result<bool> CoordinatorRuntime::load_some(CoordinatorTime now) {
  CHECK(phase_ == Phase::kLoading);
  if (replayed_to_ < load_end_) {
    Bytes bytes = TRY(log_.read(replayed_to_, static_cast<std::uint64_t>(options_.load_buffer_bytes)));
    if (bytes.empty()) {
      // Nothing is left below the end: compaction may have taken the last batches.
      replayed_to_ = load_end_;
    } else {
      const Offset before = replayed_to_;
      TRY(replay_batches(bytes));
      if (replayed_to_ <= before) return fail(ErrorCode::kCorruptMessage, "the log does not advance");
    }
    if (replayed_to_ < load_end_) return false;
  }
  phase_ = Phase::kActive;
  Step step(now, all_committed());
  shard_.loaded(step);
  finish(step);
  return true;
}

Result<void> CoordinatorRuntime::replay_batches(ByteView bytes) {
  protocol::RecordScratch scratch;
  std::uint64_t replayed = 0;
  protocol::BatchCursor cursor(bytes);
  for (;;) {
    std::optional<protocol::LogEntry> entry = TRY(cursor.next());
    if (!entry) {
      add_to(options_.counters.loaded_records, replayed);
      return {};
    }
    if (entry->is_legacy()) return fail(ErrorCode::kCorruptMessage, "a batch of an old format");
    const protocol::RecordBatchView batch = entry->batch();
    if (batch.last_offset() < replayed_to_) continue;
    protocol::RecordCursor records(batch, scratch);
    protocol::RecordView record;
    while (TRY(records.next(record))) {
      if (record.offset < replayed_to_) continue;
      ++replayed;
      if (batch.is_control()) {
        const protocol::ControlKey key = TRY(protocol::parse_control_key(record));
        if (key.type != protocol::ControlType::kAbort && key.type != protocol::ControlType::kCommit) continue;
        const bool committed = key.type == protocol::ControlType::kCommit;
        if (auto result = shard_.replay_end_of_transaction(batch.producer_id(), committed); !result)
          return result;
        continue;
      }
      if (!record.key) return fail(ErrorCode::kCorruptMessage, "a record without key");
      auto result = batch.is_transactional()
                        ? shard_.replay_transactional(batch.producer_id(), *record.key, record.value)
                        : shard_.replay(*record.key, record.value);
      if (!result) return result;
    }
    replayed_to_ = batch.next_offset();
  }
}

bool CoordinatorRuntime::all_committed() const {
  return waiting_.empty() && log_.high_watermark() >= replayed_to_;
}

void CoordinatorRuntime::run(Kind kind, CoordinatorTime now, Operation operation) {
  CHECK(phase_ == Phase::kActive);
  if (kind == Kind::kExclusive) flush(now);
  Step step(now, all_committed());
  operation(step);
  // A transaction's records are a batch of their own.
  const bool is_transactional = step.transaction || step.end;
  if (is_transactional) flush(now);
  if (kind == Kind::kExclusive || is_transactional || step.records.empty()) return finish(step);
  const std::size_t size = batch_bytes(step.records);
  if (unflushed_bytes_ + size > static_cast<std::size_t>(options_.max_batch_bytes)) flush(now);
  if (unflushed_.empty()) unflushed_since_ms_ = now.mono_ms;
  unflushed_bytes_ += size;
  unflushed_.push_back({std::move(step.records), std::move(step.applied)});
  await_commit(step);
  if (unflushed_bytes_ >= static_cast<std::size_t>(options_.max_batch_bytes) / 2) flush(now);
}

void CoordinatorRuntime::finish(Step& step) {
  await_commit(step);
  if (step.end || !step.records.empty()) add_to(options_.counters.appended_operations);
  if (step.end) {
    applied(step.applied, append_end(*step.end, step.now), step.now);
  } else if (!step.records.empty()) {
    const ErrorCode error = step.may_split
                                ? append_in_parts(step.records, step.now)
                                : append(step.records, 0, step.records.size(), step.now, step.transaction);
    applied(step.applied, error, step.now);
  } else {
    DCHECK(!step.applied, "an operation without records has nothing to wait for");
  }
  if constexpr (kChecksInvariants) shard_.check_invariants();
}

void CoordinatorRuntime::applied(Step::Applied& call, ErrorCode error, CoordinatorTime now) {
  if (!call) return;
  Step next(now, all_committed());
  call(error, next);
  finish(next);
}

void CoordinatorRuntime::await_commit(Step& step) {
  for (PendingReply& reply : step.take_replies()) {
    waiting_.push_back({replayed_to_, step.now.mono_ms + options_.write_timeout_ms, std::move(reply)});
  }
}

void CoordinatorRuntime::flush(CoordinatorTime now) {
  if (unflushed_.empty()) return;
  std::vector<Unflushed> batch = std::exchange(unflushed_, {});
  unflushed_bytes_ = 0;
  add_to(options_.counters.appended_operations, batch.size());
  add_to(options_.counters.linger_milliseconds,
         static_cast<std::uint64_t>(now.mono_ms - unflushed_since_ms_));
  if (batch.size() == 1) {
    const RecordList& records = batch.front().records;
    return applied(batch.front().applied, append(records, 0, records.size(), now), now);
  }
  protocol::BatchOptions options;
  options.base_sequence = options_.base_sequence;
  protocol::RecordBatchBuilder builder(options);
  // An operation whose records cannot be written fails alone.
  std::vector<ErrorCode> errors(batch.size(), ErrorCode::kNone);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const RecordList& records = batch[i].records;
    if (!records.ok()) {
      errors[i] = ErrorCode::kInvalidRequest;
    } else {
      for (std::size_t j = 0; j < records.size(); ++j) {
        const RecordList::Entry& entry = records.entry(j);
        builder.append({.timestamp = now.wall_ms,
                        .key = records.key(entry),
                        .value = entry.tombstone ? std::nullopt : std::optional(records.value(entry)),
                        .headers = {}});
      }
    }
  }
  ErrorCode error = ErrorCode::kNone;
  if (builder.count() > 0) {
    const auto records = static_cast<std::size_t>(builder.count());
    Bytes bytes = builder.build();
    error = append_batch(bytes, records);
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (errors[i] != ErrorCode::kNone) continue;
    errors[i] = error != ErrorCode::kNone ? error : replay(batch[i].records, 0, batch[i].records.size());
  }
  for (std::size_t i = 0; i < batch.size(); ++i) applied(batch[i].applied, errors[i], now);
}

ErrorCode CoordinatorRuntime::append_in_parts(const RecordList& records, CoordinatorTime now) {
  std::size_t first = 0;
  while (first < records.size()) {
    std::size_t count = 0;
    std::size_t bytes = 0;
    while (first + count < records.size() && bytes < static_cast<std::size_t>(options_.max_batch_bytes) / 2) {
      const RecordList::Entry& entry = records.entry(first + count++);
      bytes += entry.end - entry.key_begin + kRecordOverheadBytes;
    }
    const ErrorCode error = append(records, first, count, now);
    if (error != ErrorCode::kNone) return error;
    first += count;
  }
  return ErrorCode::kNone;
}

ErrorCode CoordinatorRuntime::append(const RecordList& records, std::size_t first, std::size_t count,
                                     CoordinatorTime now, const Transaction& transaction) {
  if (!records.ok()) return ErrorCode::kInvalidRequest;
  protocol::BatchOptions options;
  options.base_sequence = options_.base_sequence;
  ShardAppend how;
  if (transaction) {
    options.is_transactional = true;
    options.producer_id = transaction->producer_id;
    options.producer_epoch = transaction->epoch;
    how.guard = transaction->guard;
  }
  protocol::RecordBatchBuilder builder(options);
  for (std::size_t i = first; i < first + count; ++i) {
    const RecordList::Entry& entry = records.entry(i);
    builder.append({.timestamp = now.wall_ms,
                    .key = records.key(entry),
                    .value = entry.tombstone ? std::nullopt : std::optional(records.value(entry)),
                    .headers = {}});
  }
  Bytes batch = builder.build();
  if (batch.size() > static_cast<std::size_t>(options_.max_batch_bytes)) {
    return coordinator_error_of_append(ErrorCode::kMessageTooLarge);
  }
  const ErrorCode error = append_batch(batch, count, how);
  return error != ErrorCode::kNone ? error : replay(records, first, count, transaction);
}

ErrorCode CoordinatorRuntime::append_end(const TransactionEnd& end, CoordinatorTime now) {
  protocol::BatchOptions options;
  options.producer_id = end.producer_id;
  options.producer_epoch = end.epoch;
  const auto type = end.committed ? protocol::ControlType::kCommit : protocol::ControlType::kAbort;
  Bytes batch = protocol::make_end_txn_batch(options, now.wall_ms, type, {end.coordinator_epoch});
  const ErrorCode error =
      append_batch(batch, 1, {.guard = 0, .transaction_version = end.transaction_version});
  if (error != ErrorCode::kNone) return error;
  const Result<void> result = shard_.replay_end_of_transaction(end.producer_id, end.committed);
  CHECK(result.has_value(), "a shard must understand the ends of its transactions");
  return ErrorCode::kNone;
}

ErrorCode CoordinatorRuntime::append_batch(MutableByteView batch, std::size_t records,
                                           const ShardAppend& how) {
  Result<Offset> end = log_.append(batch, how);
  if (!end) {
    add_to(options_.counters.failed_appends);
    log_warn(kComponent, "{}: records could not be appended: error {} {}", options_.name,
             static_cast<int>(end.error().code), end.error().detail);
    return coordinator_error_of_append(end.error().code);
  }
  add_to(options_.counters.appends);
  add_to(options_.counters.appended_records, records);
  replayed_to_ = *end;
  return ErrorCode::kNone;
}

ErrorCode CoordinatorRuntime::replay(const RecordList& records, std::size_t first, std::size_t count,
                                     const Transaction& transaction) {
  for (std::size_t i = first; i < first + count; ++i) {
    const RecordList::Entry& entry = records.entry(i);
    const auto value = entry.tombstone ? std::nullopt : std::optional(records.value(entry));
    const Result<void> result =
        transaction ? shard_.replay_transactional(transaction->producer_id, records.key(entry), value)
                    : shard_.replay(records.key(entry), value);
    CHECK(result.has_value(), "a shard must understand the records that it wrote");
  }
  return ErrorCode::kNone;
}

void CoordinatorRuntime::release() {
  const Offset high_watermark = log_.high_watermark();
  while (!waiting_.empty() && waiting_.front().needs <= high_watermark) {
    PendingReply reply = std::move(waiting_.front().reply);
    waiting_.pop_front();
    reply(ErrorCode::kNone);
  }
}

void CoordinatorRuntime::run_timers(CoordinatorTime now) {
  if (phase_ != Phase::kActive) return;
  release();
  while (!waiting_.empty() && waiting_.front().deadline_ms <= now.mono_ms) {
    PendingReply reply = std::move(waiting_.front().reply);
    waiting_.pop_front();
    reply(coordinator_error_of_append(ErrorCode::kRequestTimedOut));
  }
  while (shard_.next_deadline_ms() <= now.mono_ms) {
    flush(now);
    Step step(now, all_committed());
    const bool fired = shard_.fire_timer(step);
    finish(step);
    if (!fired) return;
  }
}

std::int64_t CoordinatorRuntime::next_deadline_ms() const {
  if (phase_ != Phase::kActive) return kNoDeadline;
  const std::int64_t timers = shard_.next_deadline_ms();
  return waiting_.empty() ? timers : std::min(timers, waiting_.front().deadline_ms);
}

void CoordinatorRuntime::close(ErrorCode error) {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  for (Unflushed& operation : std::exchange(unflushed_, {})) {
    if (!operation.applied) continue;
    Step step({}, true);
    operation.applied(error, step);
  }
  for (Waiting& waiting : std::exchange(waiting_, {})) waiting.reply(error);
  shard_.unloaded(error);
}

}  // namespace barnabas::broker

// The answers' half of Producer: what an answer means for a batch, retries, and what the caller is told.
#include <fmt/format.h>

#include <algorithm>

#include "protocol/error_table.hpp"
#include "protocol/messages/api_end_txn.hpp"
#include "protocol/messages/api_init_producer_id.hpp"
#include "tools/client/producer_state.hpp"
#include "tools/client/tool_log.hpp"

namespace barnabas::tools {
namespace {

using PartitionAnswer = protocol::ProduceResponse::PartitionProduceResponse;

const PartitionAnswer* find_answer(const protocol::ProduceResponse& answer, PartitionIndex partition) {
  for (const auto& topic : answer.responses) {
    for (const PartitionAnswer& of : topic.partition_responses) {
      if (of.index == partition.value()) return &of;
    }
  }
  return nullptr;
}

/// One error of all records, or one for each where the broker tells which were wrong (KIP-467).
std::vector<Error> errors_of(const PartitionAnswer& answer, std::int32_t count) {
  const auto code = static_cast<ErrorCode>(answer.error_code);
  if (answer.record_errors.empty() || count == 1) {
    std::string text = answer.error_message.value_or("");
    if (!answer.record_errors.empty()) {
      text = answer.record_errors.front().batch_index_error_message.value_or(text);
    }
    return {{code, std::move(text)}};
  }
  std::vector<Error> errors(
      static_cast<std::size_t>(count),
      {ErrorCode::kInvalidRecord,
       "Failed to append record because it was part of a batch which had one more more invalid records"});
  for (const auto& wrong : answer.record_errors) {
    if (wrong.batch_index < 0 || wrong.batch_index >= count) continue;
    errors[static_cast<std::size_t>(wrong.batch_index)] = {
        code, wrong.batch_index_error_message.value_or(answer.error_message.value_or(""))};
  }
  return errors;
}

bool is_lost_sequence(ErrorCode code) {
  return code == ErrorCode::kOutOfOrderSequenceNumber || code == ErrorCode::kUnknownProducerId ||
         code == ErrorCode::kInvalidProducerEpoch;
}

}  // namespace

void Producer::take_answer(Partition& partition, BatchPtr batch, const protocol::ProduceResponse& answer) {
  const PartitionAnswer* found = find_answer(answer, partition.id.partition);
  if (found == nullptr) {
    return retry_or_fail(partition, std::move(batch),
                         {ErrorCode::kUnknownServerError, "The answer says nothing of the partition"});
  }
  const auto code = static_cast<ErrorCode>(found->error_code);
  // A duplicate has been written by an earlier try whose answer was lost.
  if (code == ErrorCode::kNone || code == ErrorCode::kDuplicateSequenceNumber) {
    return deliver(partition, *batch, Offset(found->base_offset), {});
  }
  if (code == ErrorCode::kMessageTooLarge && batch->count() > 1) return split(partition, std::move(batch));
  const bool may_renumber = config_.idempotence && config_.transactional_id.empty();
  if (may_renumber && is_lost_sequence(code)) {
    // Either a batch before this one failed and will be sent again, or the broker forgot this producer: then
    // everything that is not written yet is numbered anew, for another producer id.
    if (!partition.draining && batch->producer_id == producer_id_) producer_id_ = kNoProducerId;
    return retry_or_fail(partition, std::move(batch),
                         {ErrorCode::kNetworkException, found->error_message.value_or("")});
  }
  if (protocol::error_info(code).retriable) {
    return retry_or_fail(partition, std::move(batch), errors_of(*found, 1).front());
  }
  if (protocol::error_info(code).invalid_metadata) partition.topic.refresh_at = {};
  deliver(partition, *batch, kNoOffset, errors_of(*found, batch->count()));
}

/// Puts a batch that was not written back into its place in the queue.
void Producer::retry_or_fail(Partition& partition, BatchPtr batch, const Error& error) {
  const Deadline now = std::chrono::steady_clock::now();
  const bool in_time = now < batch->created + config_.delivery_timeout;
  if (batch->attempts++ >= config_.retries || !in_time) {
    // The sequence numbers of a batch that is given up would leave a gap that the broker never accepts.
    if (config_.idempotence && config_.transactional_id.empty()) producer_id_ = kNoProducerId;
    return deliver(partition, *batch, kNoOffset, {error});
  }
  if (protocol::error_info(error.code).invalid_metadata || error.code == ErrorCode::kNetworkException) {
    partition.topic.refresh_at = {};
  }
  partition.draining = true;
  partition.not_before = now + config_.client.retry_backoff;
  put_back(partition, std::move(batch));
}

void Producer::put_back(Partition& partition, BatchPtr batch) {
  const auto place = [](const BatchPtr& of) { return std::pair(of->serial, of->first_record); };
  const auto after = std::ranges::find_if(partition.closed,
                                          [&](const BatchPtr& other) { return place(other) > place(batch); });
  partition.closed.insert(after, std::move(batch));
}

/// The broker takes no batch so large: two of half the records each take its place.
void Producer::split(Partition& partition, BatchPtr batch) {
  protocol::RecordScratch scratch;
  protocol::RecordCursor cursor(protocol::RecordBatchView(batch->bytes), scratch);
  protocol::RecordView record;
  std::vector<BatchPtr> halves;
  const std::size_t half = (batch->tags.size() + 1) / 2;
  for (std::size_t i = 0; cursor.next(record).value_or(false); ++i) {
    if (i == 0 || i == half) {
      protocol::BatchOptions options = protocol::options_of(protocol::RecordBatchView(batch->bytes));
      options.base_offset = record.offset;
      options.level = config_.level;
      halves.push_back(std::make_unique<Batch>(options));
      halves.back()->created = batch->created;
      halves.back()->serial = batch->serial;
      halves.back()->first_record = batch->first_record + i;
    }
    halves.back()->builder.append_copy(record);
    halves.back()->tags.push_back(batch->tags[i]);
  }
  // Later batches have later numbers, which would leave a gap: all are numbered anew.
  producer_id_ = kNoProducerId;
  partition.draining = true;
  buffered_bytes_ -= batch->reserved_bytes;
  undelivered_ += halves.size() - 1;
  for (BatchPtr& part : halves) {
    part->bytes = part->builder.build(compressor_);
    protocol::set_base_offset(part->bytes, Offset(0));
    part->reserved_bytes = part->bytes.size();
    buffered_bytes_ += part->reserved_bytes;
    put_back(partition, std::move(part));
  }
}

void Producer::deliver(Partition& partition, Batch& batch, Offset base_offset,
                       const std::vector<Error>& errors) {
  buffered_bytes_ -= batch.reserved_bytes;
  --undelivered_;
  on_delivery_({partition.id, base_offset, batch.tags, errors, batch.bytes});
}

Result<void> Producer::init_transactions() {
  return cluster_.retrying<void>([this] { return ask_producer_id(); });
}

Result<void> Producer::end_transaction(bool commit) {
  flush();
  in_transaction_ = false;
  return cluster_.retrying<void>([this, commit] { return ask_end_of_transaction(commit); });
}

Result<void> Producer::ask_producer_id() {
  protocol::InitProducerIdRequest request;
  const bool is_transactional = !config_.transactional_id.empty();
  request.transactional_id.reset();
  request.transaction_timeout_ms = INT32_MAX;
  if (is_transactional) {
    request.transactional_id = config_.transactional_id;
    request.transaction_timeout_ms = static_cast<std::int32_t>(config_.transaction_timeout.count());
  }
  Connection* connection =
      TRY(is_transactional ? cluster_.coordinator(CoordinatorType::kTransaction, config_.transactional_id)
                           : cluster_.any());
  // The last version is of two-phase commits, which nothing here asks for.
  constexpr std::int16_t kMostVersion = 5;
  const auto answer =
      TRY(cluster_.call<protocol::InitProducerIdResponse>(*connection, request, kMostVersion));
  if (answer->error_code != 0) return fail(static_cast<ErrorCode>(answer->error_code));
  producer_id_ = ProducerId(answer->producer_id);
  producer_epoch_ = ProducerEpoch(answer->producer_epoch);
  return {};
}

Result<void> Producer::ask_end_of_transaction(bool commit) {
  protocol::EndTxnRequest request;
  request.transactional_id = config_.transactional_id;
  request.producer_id = producer_id_.value();
  request.producer_epoch = producer_epoch_.value();
  request.committed = commit;
  Connection* connection = TRY(cluster_.coordinator(CoordinatorType::kTransaction, config_.transactional_id));
  const auto answer = TRY(cluster_.call<protocol::EndTxnResponse>(*connection, request));
  if (answer->error_code != 0) return fail(static_cast<ErrorCode>(answer->error_code));
  if (answer->producer_epoch < 0) return {};
  // The broker raises the epoch with each transaction (KIP-890); sequence numbers start again with it.
  producer_id_ = ProducerId(answer->producer_id);
  producer_epoch_ = ProducerEpoch(answer->producer_epoch);
  for (Partition* partition : partitions_) partition->sequences_of = kNoProducerId;
  return {};
}

}  // namespace barnabas::tools

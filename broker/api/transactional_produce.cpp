#include "broker/api/transactional_produce.hpp"

#include <fmt/format.h>

#include "broker/replica/replica_manager.hpp"
#include "protocol/error_table.hpp"
#include "protocol/record_batch.hpp"

namespace barnabas::broker {
namespace {

constexpr std::int16_t kFirstVersionOfAbortable = 11;
constexpr std::int16_t kFirstVersionThatAdds = 12;

TransactionQuestion::Kind kind_of(std::int16_t version) {
  if (version >= kFirstVersionThatAdds) return TransactionQuestion::Kind::kAdd;
  return version >= kFirstVersionOfAbortable ? TransactionQuestion::Kind::kVerifyAbortable
                                             : TransactionQuestion::Kind::kVerify;
}

log::VerificationGuard begin_verification(Partition& partition, const protocol::RecordBatchHeader& batch,
                                          bool adds) {
  return partition.with_log([&](log::PartitionLog& log) {
    return log.begin_verification({batch.producer_id(), batch.producer_epoch(), batch.base_sequence(), adds});
  });
}

}  // namespace

bool is_transactional(ByteView records) {
  return records.size() >= protocol::kBatchHeaderBytes && !protocol::LogEntry(records).is_legacy() &&
         protocol::RecordBatchHeader(records.data()).is_transactional();
}

ProduceQuestion find_question(Services& services, const RequestContext& context,
                              const protocol::ProduceRequest& request, const TopicNamed& topic_named) {
  ProduceQuestion found;
  found.question.kind = kind_of(context.api_version);
  found.question.transactional_id = *request.transactional_id;
  const bool adds = found.question.kind == TransactionQuestion::Kind::kAdd;
  ProducerIdentity& producer = found.question.producer;
  for (const auto& topic : request.topic_data) {
    const std::string_view name = topic_named(topic);
    if (name.empty()) continue;
    for (const auto& data : topic.partition_data) {
      if (!data.records || !is_transactional(data.records->bytes)) continue;
      const protocol::RecordBatchHeader batch(data.records->bytes.data());
      if (!batch.has_producer_id()) continue;  // the log refuses it
      if (producer.id != kNoProducerId && producer.id != batch.producer_id()) {
        found.refused = ErrorCode::kInvalidProducerIdMapping;
        return found;
      }
      producer = {batch.producer_id(), batch.producer_epoch()};
      const auto partition = services.replicas.find(name, PartitionIndex(data.index));
      if (!partition || !partition->is_leader()) continue;
      const log::VerificationGuard guard = begin_verification(*partition, batch, adds);
      if (!guard.is_needed()) continue;
      found.question.partitions.push_back({std::string(name), PartitionIndex(data.index)});
      found.batches.push_back(&data);
      found.verified[&data].guard = guard;
    }
  }
  return found;
}

void renew_guards(Services& services, const std::vector<TopicPartition>& partitions, ProduceQuestion& asked) {
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    const auto partition = services.replicas.find(partitions[i].topic, partitions[i].partition);
    if (!partition) continue;  // the append says so
    const protocol::RecordBatchHeader batch(asked.batches[i]->records->bytes.data());
    // Only who adds partitions waits.
    asked.verified.at(asked.batches[i]).guard = begin_verification(*partition, batch, true);
  }
}

RefusedBatch refused_batch(ErrorCode error, std::int16_t produce_version) {
  switch (error) {
    case ErrorCode::kConcurrentTransactions:
      if (kind_of(produce_version) == TransactionQuestion::Kind::kAdd) return {error, {}};
      break;
    case ErrorCode::kUnknownServerError:  // of the coordinator: to the client it would be the session's end
    case ErrorCode::kNetworkException:
    case ErrorCode::kRequestTimedOut:
    case ErrorCode::kCoordinatorLoadInProgress:
    case ErrorCode::kCoordinatorNotAvailable:
    case ErrorCode::kNotCoordinator:
      break;
    case ErrorCode::kInvalidTxnState:
      return {error, "Partition was not added to the transaction"};
    default:
      return {error, {}};
  }
  // It makes clients try again without asking for new metadata.
  return {
      ErrorCode::kNotEnoughReplicas,
      fmt::format("Unable to verify the partition has been added to the transaction. Underlying error: {}",
                  protocol::error_name(error))};
}

}  // namespace barnabas::broker

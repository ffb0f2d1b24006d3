#include "broker/coordinator/transaction_records.hpp"

#include <algorithm>

#include "protocol/messages/coord_transaction_transaction_log.hpp"
#include "protocol/reader.hpp"
#include "protocol/writer.hpp"

namespace barnabas::broker {
namespace {

constexpr std::int16_t kKeyVersion = 0;
constexpr std::int16_t kLastValueVersion = 1;

void write_key(protocol::Writer& writer, const std::string& transactional_id) {
  writer.int16(kKeyVersion);
  writer.string(transactional_id, false);
}

protocol::TransactionLogValue value_of(const Transaction& transaction, std::int16_t version) {
  protocol::TransactionLogValue value;
  value.producer_id = transaction.producer_id.value();
  if (version >= 1) {
    value.previous_producer_id = transaction.previous_producer_id.value();
    value.next_producer_id = transaction.next_producer_id.value();
    value.client_transaction_version = transaction.client_version;
  }
  value.producer_epoch = transaction.epoch.value();
  value.transaction_timeout_ms = transaction.timeout_ms;
  value.transaction_status = static_cast<std::int8_t>(transaction.state);
  if (transaction.state == TransactionState::kEmpty) {
    value.transaction_partitions.reset();
  } else {
    auto& topics = value.transaction_partitions.emplace();
    for (const TopicPartition& tp : transaction.partitions) {  // sorted by topic
      if (topics.empty() || topics.back().topic != tp.topic) topics.push_back({tp.topic, {}});
      topics.back().partition_ids.push_back(tp.partition.value());
    }
  }
  value.transaction_last_update_timestamp_ms = transaction.last_update_ms;
  value.transaction_start_timestamp_ms = transaction.start_ms;
  return value;
}

}  // namespace

void add_transaction(RecordList& records, const std::string& transactional_id, const Transaction& transaction,
                     std::int16_t transaction_version) {
  const std::int16_t version = std::min(transaction_version, kLastValueVersion);
  records.add([&](protocol::Writer& writer) { write_key(writer, transactional_id); },
              [&](protocol::Writer& writer) {
                writer.int16(version);
                value_of(transaction, version).write(writer, version);
              });
}

void add_transaction_tombstone(RecordList& records, const std::string& transactional_id) {
  records.add_tombstone([&](protocol::Writer& writer) { write_key(writer, transactional_id); });
}

Result<std::optional<std::string>> parse_transaction_key(ByteView bytes) {
  protocol::Reader reader(bytes);
  const std::int16_t version = reader.int16();
  if (reader.ok() && version != kKeyVersion) return std::nullopt;
  std::string transactional_id = reader.string(false);
  if (!reader.ok()) return fail(ErrorCode::kCorruptMessage, "the key of a transaction is cut short");
  return transactional_id;
}

Result<Transaction> parse_transaction(ByteView bytes) {
  protocol::Reader reader(bytes);
  const std::int16_t version = reader.int16();
  if (version < 0 || version > kLastValueVersion)
    return fail(ErrorCode::kCorruptMessage, "a transaction of a version that is not known");
  protocol::TransactionLogValue value;
  value.read(reader, version);
  if (!reader.ok()) return fail(ErrorCode::kCorruptMessage, "a transaction does not parse");
  if (value.transaction_status < 0 ||
      value.transaction_status > static_cast<std::int8_t>(TransactionState::kCompleteAbort))
    return fail(ErrorCode::kCorruptMessage, "a transaction in a state that is never written");
  Transaction transaction;
  transaction.producer_id = ProducerId(value.producer_id);
  transaction.previous_producer_id = ProducerId(value.previous_producer_id);
  transaction.next_producer_id = ProducerId(value.next_producer_id);
  transaction.epoch = ProducerEpoch(value.producer_epoch);
  transaction.timeout_ms = value.transaction_timeout_ms;
  transaction.state = static_cast<TransactionState>(value.transaction_status);
  if (value.transaction_partitions) {
    for (const auto& topic : *value.transaction_partitions) {
      for (const std::int32_t index : topic.partition_ids)
        transaction.partitions.insert({topic.topic, PartitionIndex(index)});
    }
  }
  transaction.last_update_ms = value.transaction_last_update_timestamp_ms;
  transaction.start_ms = value.transaction_start_timestamp_ms;
  transaction.client_version = value.client_transaction_version;
  return transaction;
}

}  // namespace barnabas::broker

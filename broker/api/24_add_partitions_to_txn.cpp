// AddPartitionsToTxn 0-5: partitions that a transaction will write to.
//
//   v0-3 one transaction of a client   v1 same   v2 PRODUCER_FENCED   v3 flexible   v4 several transactions,
//   of brokers, which may only ask whether the partitions are part of them (KIP-890)   v5
//   TRANSACTION_ABORTABLE
//
// A partition that is unknown or may not be written to fails the others with OPERATION_NOT_ATTEMPTED. From v4
// on a partition becomes part of the transaction as it does for clients of transaction.version 2.
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/transaction_errors.hpp"
#include "broker/drivers/internal_topics.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/drivers/transaction_driver.hpp"
#include "protocol/messages/api_add_partitions_to_txn.hpp"

namespace barnabas::broker {

using protocol::AddPartitionsToTxnRequest;
using protocol::AddPartitionsToTxnResponse;
using AskedTransaction = AddPartitionsToTxnRequest::AddPartitionsToTxnTransaction;
using TopicResults = std::vector<AddPartitionsToTxnResponse::AddPartitionsToTxnTopicResult>;

namespace {

constexpr std::int16_t kFirstVersionOfFenced = 2;
constexpr std::int16_t kFirstVersionOfBrokers = 4;

/// One result a partition, as `error_of(topic, index)` says.
template <class ErrorOf>
TopicResults results(const AskedTransaction& transaction, ErrorOf&& error_of) {
  TopicResults results;
  for (const auto& topic : transaction.topics) {
    auto& result = results.emplace_back();
    result.name = topic.name;
    for (const std::int32_t index : topic.partitions)
      result.results_by_partition.push_back({index, static_cast<std::int16_t>(error_of(topic.name, index))});
  }
  return results;
}

/// Collects the transactions' results, which come from several threads, and sends them when all are there.
class Gathering {
 public:
  Gathering(Reply<AddPartitionsToTxnResponse> reply, std::vector<AskedTransaction> asked,
            std::int16_t version)
      : asked_(std::move(asked)), version_(version), reply_(std::move(reply)), missing_(asked_.size()) {
    if (version_ >= kFirstVersionOfBrokers) response_.results_by_transaction.resize(missing_);
  }

  [[nodiscard]] const std::vector<AskedTransaction>& asked() const { return asked_; }
  [[nodiscard]] std::int16_t version() const { return version_; }

  void put(std::size_t at, TopicResults results) {
    std::lock_guard lock(mutex_);
    if (version_ < kFirstVersionOfBrokers) {
      response_.results_by_topic_v3_and_below = std::move(results);
    } else {
      response_.results_by_transaction[at] = {asked_[at].transactional_id, std::move(results)};
    }
    if (--missing_ == 0) reply_.send(response_);
  }
  void put_error(std::size_t at, std::int16_t error) {
    const auto code = static_cast<ErrorCode>(error_in_version(error, version_ >= kFirstVersionOfFenced));
    put(at, results(asked_[at], [code](const std::string&, std::int32_t) { return code; }));
  }

 private:
  const std::vector<AskedTransaction> asked_;
  const std::int16_t version_;
  std::mutex mutex_;
  Reply<AddPartitionsToTxnResponse> reply_;  // guarded by mutex_, as all below
  std::size_t missing_;
  AddPartitionsToTxnResponse response_;
};

/// What is wrong with each partition; OPERATION_NOT_ATTEMPTED where only others are. Nothing when all are
/// well.
std::optional<TopicResults> find_fault(const Services& services, const RequestContext& context,
                                       const AskedTransaction& transaction) {
  const kraft::MetadataImagePtr image = services.metadata.image();
  bool is_faulty = false;
  TopicResults told = results(transaction, [&](const std::string& topic, std::int32_t index) {
    ErrorCode error = ErrorCode::kOperationNotAttempted;
    if (context.api_version < kFirstVersionOfBrokers &&
        (is_internal_topic(topic) ||
         !allowed(services, context, Operation::kWrite, ResourceKind::kTopic, topic))) {
      error = ErrorCode::kTopicAuthorizationFailed;
    } else if (image->partition(topic, PartitionIndex(index)) == nullptr) {
      error = ErrorCode::kUnknownTopicOrPartition;
    }
    is_faulty |= error != ErrorCode::kOperationNotAttempted;
    return error;
  });
  if (!is_faulty) return std::nullopt;
  return told;
}

void verify(Services& services, const std::shared_ptr<Gathering>& gathering, std::size_t at,
            std::set<TopicPartition> partitions) {
  const AskedTransaction& asked = gathering->asked()[at];
  services.transactions.run(
      asked.transactional_id, [gathering, at, &asked, partitions = std::move(partitions)](
                                  ErrorCode refused, TransactionShard* shard, Step* step) {
        if (refused != ErrorCode::kNone) return gathering->put_error(at, static_cast<std::int16_t>(refused));
        shard->verify_partitions(
            asked.transactional_id, {ProducerId(asked.producer_id), ProducerEpoch(asked.producer_epoch)},
            partitions,
            [gathering, at, &asked](const VerifyAnswer& verified) {
              if (verified.error_code != 0) return gathering->put_error(at, verified.error_code);
              gathering->put(at, results(asked, [&](const std::string& topic, std::int32_t index) {
                               return verified.missing.contains({topic, PartitionIndex(index)})
                                          ? ErrorCode::kTransactionAbortable
                                          : ErrorCode::kNone;
                             }));
            },
            *step);
      });
}

void add(Services& services, const std::shared_ptr<Gathering>& gathering, std::size_t at,
         std::set<TopicPartition> partitions) {
  const AskedTransaction& asked = gathering->asked()[at];
  const std::int16_t client_version =
      gathering->version() >= kFirstVersionOfBrokers ? kFirstTransactionVersionWithEpochBump : 0;
  services.transactions.run(
      asked.transactional_id, [gathering, at, &asked, client_version, partitions = std::move(partitions)](
                                  ErrorCode refused, TransactionShard* shard, Step* step) {
        if (refused != ErrorCode::kNone) return gathering->put_error(at, static_cast<std::int16_t>(refused));
        shard->add_partitions(
            asked.transactional_id, {ProducerId(asked.producer_id), ProducerEpoch(asked.producer_epoch)},
            partitions, client_version,
            [gathering, at](const TransactionAnswer& added) { gathering->put_error(at, added.error_code); },
            *step);
      });
}

void handle_transaction(Services& services, const RequestContext& context,
                        const std::shared_ptr<Gathering>& gathering, std::size_t at) {
  const AskedTransaction& asked = gathering->asked()[at];
  if (context.api_version < kFirstVersionOfBrokers &&
      !allowed(services, context, Operation::kWrite, ResourceKind::kTransactionalId, asked.transactional_id))
    return gathering->put_error(at,
                                static_cast<std::int16_t>(ErrorCode::kTransactionalIdAuthorizationFailed));
  if (auto fault = find_fault(services, context, asked)) return gathering->put(at, std::move(*fault));
  if (asked.transactional_id.empty())
    return gathering->put_error(at, static_cast<std::int16_t>(ErrorCode::kInvalidRequest));
  std::set<TopicPartition> partitions;
  for (const auto& topic : asked.topics) {
    for (const std::int32_t index : topic.partitions) partitions.insert({topic.name, PartitionIndex(index)});
  }
  asked.verify_only ? verify(services, gathering, at, std::move(partitions))
                    : add(services, gathering, at, std::move(partitions));
}

void handle_add_partitions_to_txn(Services& services, const RequestContext& context,
                                  AddPartitionsToTxnRequest& request,
                                  Reply<AddPartitionsToTxnResponse> reply) {
  if (context.api_version < kFirstVersionOfBrokers) {
    request.transactions = {{std::move(request.v3_and_below_transactional_id),
                             request.v3_and_below_producer_id, request.v3_and_below_producer_epoch, false,
                             std::move(request.v3_and_below_topics)}};
  } else if (!allowed_on_cluster(services, context, Operation::kClusterAction)) {
    AddPartitionsToTxnResponse response;
    response.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
    return reply.send(response);
  }
  if (request.transactions.empty()) return reply.send({});
  const std::size_t count = request.transactions.size();
  auto gathering =
      std::make_shared<Gathering>(std::move(reply), std::move(request.transactions), context.api_version);
  for (std::size_t at = 0; at < count; ++at) handle_transaction(services, context, gathering, at);
}

}  // namespace

bool serve_add_partitions_to_txn(Services& services, const RequestContext& context, protocol::Reader& reader,
                                 ResponseSink sink) {
  return decode_and_handle<AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
                           handle_add_partitions_to_txn>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

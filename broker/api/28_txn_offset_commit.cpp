// TxnOffsetCommit 0-5: offsets of a group that count when a transaction is committed.
//
//   v1 same   v2 leader epochs   v3 flexible, members (KIP-447)   v4 TRANSACTION_ABORTABLE   v5 the group's
//   partition becomes part of the transaction by itself (KIP-890)
//
// The transaction's coordinator is asked first whether the group's partition is part of the transaction.
// Topics that the client may not read, or that are not there, are answered one by one.
#include <algorithm>
#include <memory>
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/coordinator/group_shard.hpp"
#include "broker/drivers/group_driver.hpp"
#include "broker/drivers/internal_topics.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/drivers/transaction_driver.hpp"
#include "broker/replica/replica_manager.hpp"
#include "protocol/messages/api_txn_offset_commit.hpp"

namespace barnabas::broker {

using protocol::TxnOffsetCommitRequest;
using protocol::TxnOffsetCommitResponse;

namespace {

constexpr std::int16_t kFirstVersionOfLoading = 2;
constexpr std::int16_t kFirstVersionOfAbortable = 4;
constexpr std::int16_t kFirstVersionThatAdds = 5;

TransactionQuestion::Kind kind_of(std::int16_t version) {
  if (version >= kFirstVersionThatAdds) return TransactionQuestion::Kind::kAdd;
  return version >= kFirstVersionOfAbortable ? TransactionQuestion::Kind::kVerifyAbortable
                                             : TransactionQuestion::Kind::kVerify;
}

void put(TxnOffsetCommitResponse& response, const std::string& name, std::int32_t index, ErrorCode error) {
  auto found =
      std::ranges::find(response.topics, name, &TxnOffsetCommitResponse::TxnOffsetCommitResponseTopic::name);
  if (found == response.topics.end()) {
    response.topics.push_back({name, {}});
    found = response.topics.end() - 1;
  }
  found->partitions.push_back({index, static_cast<std::int16_t>(error)});
}

/// A commit from its arrival to its answer; kept by whoever works on it.
struct PendingCommit {
  Services& services;
  std::int16_t version;
  TxnOffsetCommitRequest request;
  TxnOffsetCommitResponse response;  // what was refused so far
  Reply<TxnOffsetCommitResponse> reply;
  log::VerificationGuard guard = {};  // where the coordinator is asked

  void answer(const TxnOffsetCommitResponse& rest) {
    for (const auto& topic : rest.topics) {
      for (const auto& partition : topic.partitions)
        put(response, topic.name, partition.partition_index, in_version(partition.error_code));
    }
    reply.send(response);
  }
  void refuse(ErrorCode error) {
    for (const auto& topic : request.topics) {
      for (const auto& partition : topic.partitions)
        put(response, topic.name, partition.partition_index, in_version(static_cast<std::int16_t>(error)));
    }
    reply.send(response);
  }

 private:
  /// Old clients stumble over COORDINATOR_LOAD_IN_PROGRESS (KAFKA-7296).
  [[nodiscard]] ErrorCode in_version(std::int16_t code) const {
    const auto error = static_cast<ErrorCode>(code);
    const bool is_unknown =
        version < kFirstVersionOfLoading && error == ErrorCode::kCoordinatorLoadInProgress;
    return is_unknown ? ErrorCode::kCoordinatorNotAvailable : error;
  }
};

/// Moves what cannot be committed from the request to the response.
void sort_out(const RequestContext& context, PendingCommit& pending) {
  const kraft::MetadataImagePtr image = pending.services.metadata.image();
  std::erase_if(pending.request.topics, [&](auto& topic) {
    const bool may_read =
        allowed(pending.services, context, Operation::kRead, ResourceKind::kTopic, topic.name);
    std::erase_if(topic.partitions, [&](const auto& partition) {
      ErrorCode error = ErrorCode::kNone;
      if (!may_read) {
        error = ErrorCode::kTopicAuthorizationFailed;
      } else if (!image->partition(topic.name, PartitionIndex(partition.partition_index))) {
        error = ErrorCode::kUnknownTopicOrPartition;
      }
      if (error != ErrorCode::kNone) put(pending.response, topic.name, partition.partition_index, error);
      return error != ErrorCode::kNone;
    });
    return topic.partitions.empty();
  });
}

void commit(const std::shared_ptr<PendingCommit>& pending) {
  pending->services.groups.run(
      pending->request.group_id, GroupDriver::Kind::kCommuting,
      [pending](ErrorCode refused, GroupShard* shard, Step* step) {
        if (refused != ErrorCode::kNone) return pending->refuse(refused);
        shard->commit_in_transaction(
            pending->request, pending->guard.id,
            [pending](const TxnOffsetCommitResponse& committed) { pending->answer(committed); }, *step);
      });
}

/// Asks the transaction's coordinator where the log wants it.
void verify(const RequestContext& context, const std::shared_ptr<PendingCommit>& pending) {
  Services& services = pending->services;
  const TxnOffsetCommitRequest& request = pending->request;
  const auto index = services.groups.partition_of(request.group_id);
  const PartitionIndex partition_index(index ? static_cast<std::int32_t>(*index) : -1);
  const auto partition = services.replicas.find(kGroupTopic, partition_index);
  if (!partition || !partition->is_leader()) return pending->refuse(ErrorCode::kNotCoordinator);
  TransactionQuestion question;
  question.kind = kind_of(pending->version);
  const bool adds = question.kind == TransactionQuestion::Kind::kAdd;
  question.transactional_id = request.transactional_id;
  question.producer = {ProducerId(request.producer_id), ProducerEpoch(request.producer_epoch)};
  question.partitions = {{std::string(kGroupTopic), partition_index}};
  const auto begin = [adds, producer = question.producer](Partition& of) {
    return of.with_log([&](log::PartitionLog& log) {
      return log.begin_verification({producer.id, producer.epoch, -1, adds});
    });
  };
  pending->guard = begin(*partition);
  if (!pending->guard.is_needed()) return commit(pending);
  question.renew_guards = [pending, partition, begin](const std::vector<TopicPartition>&) {
    pending->guard = begin(*partition);
  };
  services.transactions.gate().ask(std::move(question), *context.reactor,
                                   [pending](const std::vector<ErrorCode>& errors) {
                                     ErrorCode error = errors.front();
                                     if (error == ErrorCode::kNone) return commit(pending);
                                     // Older clients retry this one without looking for a new coordinator.
                                     if (error == ErrorCode::kNetworkException)
                                       error = ErrorCode::kCoordinatorLoadInProgress;
                                     pending->refuse(error);
                                   });
}

void handle_txn_offset_commit(Services& services, const RequestContext& context,
                              TxnOffsetCommitRequest& request, Reply<TxnOffsetCommitResponse> reply) {
  const bool may_write =
      allowed(services, context, Operation::kWrite, ResourceKind::kTransactionalId, request.transactional_id);
  const bool may_read = allowed(services, context, Operation::kRead, ResourceKind::kGroup, request.group_id);
  auto pending = std::make_shared<PendingCommit>(services, context.api_version, std::move(request),
                                                 TxnOffsetCommitResponse{}, std::move(reply));
  if (!may_write) return pending->refuse(ErrorCode::kTransactionalIdAuthorizationFailed);
  if (!may_read) return pending->refuse(ErrorCode::kGroupAuthorizationFailed);
  sort_out(context, *pending);
  if (pending->request.topics.empty()) return pending->reply.send(pending->response);
  verify(context, pending);
}

}  // namespace

bool serve_txn_offset_commit(Services& services, const RequestContext& context, protocol::Reader& reader,
                             ResponseSink sink) {
  return decode_and_handle<TxnOffsetCommitRequest, TxnOffsetCommitResponse, handle_txn_offset_commit>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

#include "broker/drivers/transaction_gate.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "broker/config/broker_config.hpp"
#include "broker/coordinator/coordinator_partition.hpp"
#include "broker/drivers/internal_topics.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/drivers/transaction_driver.hpp"

namespace barnabas::broker {

struct TransactionGate::Asked {
  TransactionQuestion question;
  Reactor& reactor;
  Verdict verdict;
  std::chrono::nanoseconds give_up{};  // no further try from then on
};

namespace {

using Kind = TransactionQuestion::Kind;

/// In the words of who appends: producers do not expect to hear PRODUCER_FENCED there, and those before
/// version 11 of Produce know nothing of TRANSACTION_ABORTABLE.
ErrorCode error_of_append(ErrorCode error, Kind kind) {
  if (error == ErrorCode::kProducerFenced) return ErrorCode::kInvalidProducerEpoch;
  if (error == ErrorCode::kTransactionAbortable && kind == Kind::kVerify) return ErrorCode::kInvalidTxnState;
  return error;
}

protocol::AddPartitionsToTxnRequest request_of(const TransactionQuestion& question) {
  protocol::AddPartitionsToTxnRequest request;
  auto& transaction = request.transactions.emplace_back();
  transaction.transactional_id = question.transactional_id;
  transaction.producer_id = question.producer.id.value();
  transaction.producer_epoch = question.producer.epoch.value();
  transaction.verify_only = question.kind != Kind::kAdd;
  std::map<std::string, std::vector<std::int32_t>> by_topic;
  for (const TopicPartition& tp : question.partitions) by_topic[tp.topic].push_back(tp.partition.value());
  for (auto& [topic, partitions] : by_topic) transaction.topics.push_back({topic, std::move(partitions)});
  return request;
}

std::vector<ErrorCode> errors_of(const protocol::AddPartitionsToTxnResponse& response,
                                 const std::vector<TopicPartition>& partitions) {
  if (response.error_code != 0) {
    // That this broker may not ask is not the client's affair.
    const auto error = static_cast<ErrorCode>(response.error_code);
    const bool may_not_ask = error == ErrorCode::kClusterAuthorizationFailed;
    return std::vector(partitions.size(), may_not_ask ? ErrorCode::kInvalidTxnState : error);
  }
  std::map<TopicPartition, ErrorCode> told;
  for (const auto& result : response.results_by_transaction) {
    for (const auto& topic : result.topic_results) {
      for (const auto& partition : topic.results_by_partition)
        told[{topic.name, PartitionIndex(partition.partition_index)}] =
            static_cast<ErrorCode>(partition.partition_error_code);
    }
  }
  std::vector<ErrorCode> errors;
  for (const TopicPartition& tp : partitions) {
    const auto found = told.find(tp);
    errors.push_back(found == told.end() ? ErrorCode::kUnknownServerError : found->second);
  }
  return errors;
}

}  // namespace

void TransactionGate::ask(TransactionQuestion question, Reactor& reactor, Verdict verdict) {
  std::chrono::milliseconds patience{0};
  if (question.kind == Kind::kAdd)
    patience = std::chrono::milliseconds(
        integer_config(dependencies_.config, "add.partitions.to.txn.retry.backoff.max.ms", 100));
  const auto give_up = dependencies_.clock.monotonic() + patience;
  try_once(std::make_shared<Asked>(std::move(question), reactor, std::move(verdict), give_up));
}

void TransactionGate::try_once(const std::shared_ptr<Asked>& asked) {
  const kraft::MetadataImagePtr image = dependencies_.metadata.image();
  const kraft::TopicImage* topic = image->topic(kTransactionTopic);
  BrokerId coordinator = kNoBroker;
  if (topic != nullptr) {
    const auto count = static_cast<std::int32_t>(topic->partitions.size());
    const std::int32_t index = coordinator_partition(asked->question.transactional_id, count);
    coordinator = topic->partitions[static_cast<std::size_t>(index)].leader;
  }
  if (coordinator == dependencies_.self) return ask_here(asked);
  if (coordinator == kNoBroker || dependencies_.peers == nullptr) {
    return settle(asked, Errors(asked->question.partitions.size(), ErrorCode::kCoordinatorNotAvailable));
  }
  ask_there(coordinator, asked);
}

void TransactionGate::ask_here(const std::shared_ptr<Asked>& asked) {
  dependencies_.coordinator.run(
      asked->question.transactional_id,
      [this, asked](ErrorCode refused, TransactionShard* shard, Step* step) {
        const TransactionQuestion& question = asked->question;
        const auto same_for_all = [this, asked](ErrorCode error) {
          settle(asked, Errors(asked->question.partitions.size(), error));
        };
        if (refused != ErrorCode::kNone) return same_for_all(refused);
        const std::set<TopicPartition> partitions(question.partitions.begin(), question.partitions.end());
        if (question.kind == Kind::kAdd) {
          return shard->add_partitions(
              question.transactional_id, question.producer, partitions, kFirstTransactionVersionWithEpochBump,
              [same_for_all](const TransactionAnswer& added) {
                same_for_all(static_cast<ErrorCode>(added.error_code));
              },
              *step);
        }
        shard->verify_partitions(
            question.transactional_id, question.producer, partitions,
            [this, asked, same_for_all](const VerifyAnswer& verified) {
              if (verified.error_code != 0) return same_for_all(static_cast<ErrorCode>(verified.error_code));
              Errors errors;
              for (const TopicPartition& tp : asked->question.partitions) {
                const bool is_missing = verified.missing.contains(tp);
                errors.push_back(is_missing ? ErrorCode::kTransactionAbortable : ErrorCode::kNone);
              }
              settle(asked, std::move(errors));
            },
            *step);
      });
}

void TransactionGate::ask_there(BrokerId coordinator, const std::shared_ptr<Asked>& asked) {
  dependencies_.peers->add_partitions(
      coordinator, request_of(asked->question),
      [this, asked](Result<protocol::AddPartitionsToTxnResponse> response) {
        const std::vector<TopicPartition>& partitions = asked->question.partitions;
        settle(asked, response ? errors_of(*response, partitions)
                               : Errors(partitions.size(), ErrorCode::kNetworkException));
      });
}

/// From any thread.
void TransactionGate::settle(const std::shared_ptr<Asked>& asked, Errors errors) {
  asked->reactor.post([this, asked, errors = std::move(errors)]() mutable {
    const auto now = dependencies_.clock.monotonic();
    if (now >= asked->give_up ||
        std::ranges::find(errors, ErrorCode::kConcurrentTransactions) == errors.end())
      return answer(asked, std::move(errors));
    const std::chrono::milliseconds backoff(
        integer_config(dependencies_.config, "add.partitions.to.txn.retry.backoff.ms", 20));
    asked->reactor.schedule_at(now + backoff, [this, asked] {
      if (asked->question.renew_guards) asked->question.renew_guards(asked->question.partitions);
      try_once(asked);
    });
  });
}

void TransactionGate::answer(const std::shared_ptr<Asked>& asked, Errors errors) {
  for (ErrorCode& error : errors) error = error_of_append(error, asked->question.kind);
  asked->verdict(errors);
}

}  // namespace barnabas::broker

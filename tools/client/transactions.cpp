#include "tools/client/transactions.hpp"

#include <fmt/format.h>

#include <functional>

#include "protocol/error_table.hpp"
#include "protocol/messages/api_describe_producers.hpp"
#include "protocol/messages/api_describe_transactions.hpp"
#include "protocol/messages/api_init_producer_id.hpp"
#include "protocol/messages/api_list_transactions.hpp"
#include "protocol/messages/api_write_txn_markers.hpp"

namespace barnabas::tools {
namespace {

using protocol::DescribeProducersRequest;
using protocol::DescribeProducersResponse;
using protocol::DescribeTransactionsResponse;
using protocol::WriteTxnMarkersResponse;

constexpr std::int16_t kFirstListWithPattern = 2;
constexpr std::int16_t kLastInitWithoutTwoPhases = 5;

/// The error with a sentence of the client's; a retry may mend it or not as its code says.
Result<void> refusal_in_words(std::int16_t code, const std::function<std::string(ErrorCode)>& words) {
  if (code == 0) return {};
  const auto error = static_cast<ErrorCode>(code);
  return fail(error, words(error));
}

Result<void> check_described(const std::string& id, const DescribeTransactionsResponse& answer) {
  const std::int16_t code = answer.transaction_states.empty()
                                ? static_cast<std::int16_t>(ErrorCode::kUnknownServerError)
                                : answer.transaction_states.front().error_code;
  return refusal_in_words(code, [&](ErrorCode error) {
    std::string_view why = "failed due to unexpected error";
    if (error == ErrorCode::kTransactionalIdNotFound) why = "failed because the ID could not be found";
    if (error == ErrorCode::kTransactionalIdAuthorizationFailed) why = "failed due to authorization failure";
    return fmt::format("DescribeTransactions request for transactionalId `{}` {}", id, why);
  });
}

/// Who leads each partition. An error where one has no leader, which is worth another try.
Result<std::map<BrokerId, std::set<TopicPartition>>> group_by_leader(
    Admin& admin, const std::set<TopicPartition>& partitions) {
  std::set<std::string> topics;
  for (const auto& partition : partitions) topics.insert(partition.topic);
  const auto metadata = TRY(admin.cluster().metadata(std::vector<std::string>(topics.begin(), topics.end())));
  std::map<TopicPartition, BrokerId> leaders;
  for (const auto& topic : metadata->topics) {
    TRY(refusal(topic.error_code));
    for (const auto& partition : topic.partitions)
      leaders[{topic.name.value_or(""), PartitionIndex(partition.partition_index)}] =
          BrokerId(partition.leader_id);
  }
  std::map<BrokerId, std::set<TopicPartition>> by_leader;
  for (const auto& partition : partitions) {
    const auto found = leaders.find(partition);
    if (found == leaders.end()) TRY(refusal(static_cast<std::int16_t>(ErrorCode::kUnknownTopicOrPartition)));
    if (found->second == kNoBroker) TRY(refusal(static_cast<std::int16_t>(ErrorCode::kLeaderNotAvailable)));
    by_leader[found->second].insert(partition);
  }
  return by_leader;
}

Result<void> ask_producers(Admin& admin, BrokerId broker, const std::set<TopicPartition>& partitions,
                           ProducersOfPartitions& found) {
  DescribeProducersRequest request;
  for (const auto& partition : partitions) {
    if (request.topics.empty() || request.topics.back().name != partition.topic)
      request.topics.push_back({.name = partition.topic, .partition_indexes = {}});
    request.topics.back().partition_indexes.push_back(partition.partition.value());
    found[partition];
  }
  Connection* connection = TRY(admin.cluster().node(broker));
  const auto answer = TRY(admin.cluster().call<DescribeProducersResponse>(*connection, request));
  for (const auto& topic : answer->topics) {
    for (const auto& partition : topic.partitions) {
      TRY(refusal(partition.error_code, partition.error_message));
      auto& producers = found[{topic.name, PartitionIndex(partition.partition_index)}];
      for (const auto& producer : partition.active_producers) {
        std::optional<std::int64_t> open_since;
        if (producer.current_txn_start_offset >= 0) open_since = producer.current_txn_start_offset;
        producers.push_back({.id = producer.producer_id,
                             .epoch = producer.producer_epoch,
                             .last_sequence = producer.last_sequence,
                             .last_timestamp_ms = producer.last_timestamp,
                             .coordinator_epoch = producer.coordinator_epoch,
                             .open_since = open_since});
      }
    }
  }
  return {};
}

/// A broker that was named is not looked for elsewhere.
Error of_named_broker(Error error, const std::set<TopicPartition>& partitions, BrokerId broker) {
  if (error.code != ErrorCode::kNotLeaderOrFollower) return error;
  // With a code that no retry mends.
  return {ErrorCode::kUnknownServerError,
          fmt::format("Failed to describe active producers for partition {} on brokerId {}",
                      to_string(*partitions.begin()), broker.value())};
}

/// Whoever could not be found was waited for in vain.
Error unanswered(Error error, std::string_view call) {
  if (error.code != ErrorCode::kRequestTimedOut) return error;
  return {error.code, fmt::format("Timed out waiting for a node assignment. Call: {}", call)};
}

/// A broker's refusal, whatever it was; what nobody answered stays as it is.
Error of_listing(const Error& error, BrokerId broker) {
  if (error.code == ErrorCode::kRequestTimedOut || error.code == ErrorCode::kUnsupportedVersion) return error;
  return {error.code,
          fmt::format("ListTransactions request sent to broker {} failed with an unexpected exception",
                      broker.value())};
}

Result<void> check_aborted(const OpenTransaction& transaction, const WriteTxnMarkersResponse& answer) {
  std::int16_t code = static_cast<std::int16_t>(ErrorCode::kUnknownServerError);
  for (const auto& marker : answer.markers)
    for (const auto& topic : marker.topics)
      for (const auto& partition : topic.partitions) code = partition.error_code;
  return refusal_in_words(code, [&](ErrorCode error) {
    std::string why = fmt::format("failed due to unexpected error: {}", protocol::error_message(error));
    if (error == ErrorCode::kClusterAuthorizationFailed) why = "failed due to cluster authorization error";
    if (error == ErrorCode::kInvalidProducerEpoch) why = "failed due an invalid producer epoch";
    if (error == ErrorCode::kTransactionCoordinatorFenced)
      why = fmt::format(
          "failed since the provided coordinator epoch {} has been fenced by the active coordinator",
          transaction.coordinator_epoch);
    return fmt::format("WriteTxnMarkers request with {} {}", to_string(transaction), why);
  });
}

}  // namespace

Result<std::vector<TransactionListing>> list_transactions(Admin& admin, const TransactionFilter& filter) {
  protocol::ListTransactionsRequest request;
  request.producer_id_filters = filter.producer_ids;
  request.duration_filter = filter.longer_than_ms;
  request.transactional_id_pattern = filter.pattern;
  std::vector<TransactionListing> listed;
  for (const Node& node : TRY(admin.nodes("listTransactions"))) {
    const auto asked =
        admin.call<protocol::ListTransactionsResponse>(Target::broker(node.id), request, "listTransactions");
    if (!asked) return std::unexpected(of_listing(asked.error(), node.id));
    const auto& answer = *asked;
    if (filter.pattern && answer.version < kFirstListWithPattern)
      return fail(ErrorCode::kUnsupportedVersion,
                  "Transactional ID pattern filter can be set only when using API version 2 or higher. If "
                  "client is connected to an older broker, do not specify the pattern filter.");
    for (const auto& transaction : answer->transaction_states)
      listed.push_back({.coordinator = node.id,
                        .id = transaction.transactional_id,
                        .producer_id = transaction.producer_id,
                        .state = transaction.transaction_state});
  }
  return listed;
}

Result<TransactionDescription> describe_transaction(Admin& admin, const std::string& id) {
  protocol::DescribeTransactionsRequest request;
  request.transactional_ids = {id};
  const auto answer = TRY(admin.call<DescribeTransactionsResponse>(
      Target::transaction(id), request, "describeTransactions",
      [&](const DescribeTransactionsResponse& told) { return check_described(id, told); }));
  const auto& state = answer->transaction_states.front();
  TransactionDescription described;
  described.producer_id = state.producer_id;
  described.producer_epoch = state.producer_epoch;
  described.state = state.transaction_state;
  described.timeout_ms = state.transaction_timeout_ms;
  if (state.transaction_start_time_ms >= 0) described.start_ms = state.transaction_start_time_ms;
  for (const auto& topic : state.topics)
    for (const std::int32_t partition : topic.partitions)
      described.partitions.insert({topic.topic, PartitionIndex(partition)});
  Connection* coordinator = TRY(admin.cluster().coordinator(CoordinatorType::kTransaction, id));
  for (const Node& node : TRY(admin.nodes("describeTransactions")))
    if (node.address == coordinator->address()) described.coordinator = node.id;
  return described;
}

Result<ProducersOfPartitions> describe_producers(Admin& admin, const std::set<TopicPartition>& partitions,
                                                 std::optional<BrokerId> broker) {
  using Found = ProducersOfPartitions;
  auto described = admin.cluster().retrying<Found>([&]() -> Result<Found> {
    Found found;
    if (broker) {
      auto asked = ask_producers(admin, *broker, partitions, found);
      if (!asked) return std::unexpected(of_named_broker(std::move(asked).error(), partitions, *broker));
      return found;
    }
    for (const auto& [leader, led] : TRY(group_by_leader(admin, partitions))) {
      auto asked = ask_producers(admin, leader, led, found);
      if (!asked) return std::unexpected(std::move(asked).error());
    }
    return found;
  });
  if (described) return described;
  return std::unexpected(
      unanswered(std::move(described).error(),
                 broker ? "describeProducers(api=DESCRIBE_PRODUCERS)" : "describeProducers(api=METADATA)"));
}

std::string to_string(const OpenTransaction& transaction) {
  return fmt::format(
      "AbortTransactionSpec(topicPartition={}, producerId={}, producerEpoch={}, coordinatorEpoch={})",
      to_string(transaction.partition), transaction.producer_id, transaction.producer_epoch,
      transaction.coordinator_epoch);
}

Result<void> abort_transaction(Admin& admin, const OpenTransaction& transaction) {
  protocol::WriteTxnMarkersRequest request;
  auto& marker = request.markers.emplace_back();
  marker.producer_id = transaction.producer_id;
  marker.producer_epoch = transaction.producer_epoch;
  marker.coordinator_epoch = transaction.coordinator_epoch;
  marker.topics.push_back({transaction.partition.topic, {transaction.partition.partition.value()}});
  using Done = Answer<WriteTxnMarkersResponse>;
  const auto aborted = admin.cluster().retrying<Done>([&]() -> Result<Done> {
    const auto leaders = TRY(group_by_leader(admin, {transaction.partition}));
    Connection* connection = TRY(admin.cluster().node(leaders.begin()->first));
    Done answer = TRY(admin.cluster().call<WriteTxnMarkersResponse>(*connection, request));
    TRY(check_aborted(transaction, answer.body));
    return answer;
  });
  if (aborted) return {};
  return std::unexpected(unanswered(aborted.error(), "abortTransaction(api=METADATA)"));
}

Result<void> force_terminate_transaction(Admin& admin, const std::string& id) {
  protocol::InitProducerIdRequest request;
  request.transactional_id = id;
  request.transaction_timeout_ms =
      static_cast<std::int32_t>(admin.cluster().config().request_timeout.count());
  (void)TRY(admin.call<protocol::InitProducerIdResponse>(Target::transaction(id), request, "fenceProducer",
                                                         {}, kLastInitWithoutTwoPhases));
  return {};
}

}  // namespace barnabas::tools

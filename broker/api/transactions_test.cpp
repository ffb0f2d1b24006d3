// Transactions as clients and brokers ask for them, at every version: from FindCoordinator to the aborted
// list of a read_committed fetch.
#include <catch2/catch.hpp>

#include "broker/api/transaction_fixture.hpp"
#include "broker/coordinator/coordinator_partition.hpp"
#include "protocol/messages/api_list_transactions.hpp"
#include "protocol/messages/api_offset_commit.hpp"

namespace barnabas::broker::testing {
namespace {

using namespace protocol;  // NOLINT: the messages

TEST_CASE_METHOD(TransactionNode, "transactional producers get ids and epochs, at every version") {
  std::int16_t epoch = 0;
  for (std::int16_t version = 0; version <= 5; ++version) {
    const auto made = init("tx", version);
    CHECK(made.error_code == 0);
    CHECK(made.producer_epoch == epoch++);
  }
  InitProducerIdRequest request;
  request.transaction_timeout_ms = 1000;
  request.transactional_id = "";
  CHECK(ask<InitProducerIdResponse>(request, 5).error_code ==
        static_cast<std::int16_t>(ErrorCode::kInvalidRequest));
  request.transactional_id = "tx";
  request.transaction_timeout_ms = 900001;
  const auto refused = ask<InitProducerIdResponse>(request, 5);
  CHECK(refused.error_code == static_cast<std::int16_t>(ErrorCode::kInvalidTransactionTimeout));
  CHECK(refused.producer_id == -1);
  CHECK(refused.producer_epoch == -1);
  // A producer that was fenced is told so in the words of its version.
  request.transaction_timeout_ms = 1000;
  request.producer_id = 77;
  request.producer_epoch = 0;
  CHECK(ask<InitProducerIdResponse>(request, 3).error_code ==
        static_cast<std::int16_t>(ErrorCode::kInvalidProducerEpoch));
  CHECK(ask<InitProducerIdResponse>(request, 4).error_code ==
        static_cast<std::int16_t>(ErrorCode::kProducerFenced));
}

TEST_CASE_METHOD(TransactionNode, "a transaction of each version of its requests is committed or aborted") {
  std::size_t aborted = 0;
  for (std::int16_t version = 0; version <= 5; ++version) {
    for (const bool commit : {true, false}) {
      INFO("version " << version << (commit ? " commit" : " abort"));
      Producer producer = begin("tx" + std::to_string(version));
      const std::int16_t produce_version = version == 5 ? 12 : 9;
      if (version < 4) CHECK(add(producer, "t", 0, version) == ErrorCode::kNone);
      if (version == 4) CHECK(add(producer, "t", 0, 3) == ErrorCode::kNone);
      const Offset start = find("t", 0).with_log([](log::PartitionLog& log) { return log.log_end_offset(); });
      CHECK(produce(producer, produce_version) == ErrorCode::kNone);
      CHECK(produce(producer, produce_version) == ErrorCode::kNone);
      CHECK(state(producer.id) == "Ongoing");
      // Nothing of it can be read as committed.
      const auto open = fetch(true);
      CHECK(open.last_stable_offset == start.value());
      CHECK(open.high_watermark == start.value() + 2);
      const std::int16_t before = producer.epoch;
      CHECK(end(producer, commit, version) == ErrorCode::kNone);
      CHECK(producer.epoch == before + (version == 5 ? 1 : 0));
      CHECK(state(producer.id) == (commit ? "CompleteCommit" : "CompleteAbort"));
      const auto read = fetch(true);
      CHECK(read.last_stable_offset == start.value() + 3);  // with the marker
      aborted += commit ? 0 : 1;
      CHECK(read.aborted_transactions->size() == aborted);
      CHECK_FALSE(fetch(false).aborted_transactions);
    }
  }
}

TEST_CASE_METHOD(TransactionNode, "a batch whose partition is not part of the transaction is refused") {
  Producer producer = begin();
  CHECK(produce(producer, 9) == ErrorCode::kInvalidTxnState);
  CHECK(produce(producer, 10) == ErrorCode::kInvalidTxnState);
  CHECK(produce(producer, 11) == ErrorCode::kTransactionAbortable);
  CHECK(add(producer, "t", 1) == ErrorCode::kNone);
  CHECK(produce(producer, 11) == ErrorCode::kTransactionAbortable);  // another partition
  CHECK(produce(producer, 11, 1) == ErrorCode::kNone);
  producer.sequence = 0;
  CHECK(produce(producer, 12) == ErrorCode::kNone);  // makes it so
  Producer unknown = producer;
  unknown.id = "nobody";
  unknown.producer_id = 4711;
  CHECK(produce(unknown, 11) == ErrorCode::kInvalidProducerIdMapping);
}

TEST_CASE_METHOD(TransactionNode, "late messages of an aborted transaction open no other") {
  Producer producer = begin();
  Producer late = producer;
  CHECK(produce(producer, 12) == ErrorCode::kNone);
  CHECK(end(producer, false, 5) == ErrorCode::kNone);
  const Offset end_offset =
      find("t", 0).with_log([](log::PartitionLog& log) { return log.log_end_offset(); });
  late.sequence = 1;
  CHECK(produce(late, 12) == ErrorCode::kInvalidProducerEpoch);
  CHECK(produce(late, 9) == ErrorCode::kInvalidProducerEpoch);
  CHECK(add(late) == ErrorCode::kProducerFenced);
  CHECK(commit_offset(late, 5, 5) == ErrorCode::kInvalidProducerEpoch);
  // Where the epoch stays, before transaction.version 2, the coordinator's word stands between.
  Producer old = begin("old");
  CHECK(add(old) == ErrorCode::kNone);
  CHECK(produce(old, 9) == ErrorCode::kNone);
  CHECK(end(old, false, 4) == ErrorCode::kNone);
  CHECK(produce(old, 9) == ErrorCode::kInvalidTxnState);
  CHECK(fetch(true).last_stable_offset == end_offset.value() + 2);
}

TEST_CASE_METHOD(TransactionNode, "a batch that is asked about when its transaction ends comes too late") {
  Producer producer = begin("slow");
  CHECK(add(producer) == ErrorCode::kNone);
  const Bytes batch = batch_of(producer);
  const Call waiting = start(produce_request(producer, batch, 9), 9);
  CHECK(waiting->answers == 0);  // the coordinator is being asked
  CHECK(connection->holds_requests);
  CHECK(write_marker(producer, 9, 1) == ErrorCode::kNone);
  REQUIRE(wait(waiting));
  const auto told = decode<ProduceResponse>(waiting, 9);
  const auto error = static_cast<ErrorCode>(told.responses.at(0).partition_responses.at(0).error_code);
  // Either it was first, and the marker ended it, or it is refused; an open transaction must not stay.
  CHECK((error == ErrorCode::kNone || error == ErrorCode::kInvalidTxnState));
  const auto read = fetch(true);
  CHECK(read.last_stable_offset == read.high_watermark);
}

TEST_CASE_METHOD(TransactionNode, "an offset that is asked about when its transaction ends comes too late") {
  Producer producer = begin("slow");
  CHECK(add_offsets(producer) == ErrorCode::kNone);
  const Call waiting = start(offset_commit(producer, 5), 3);
  CHECK(waiting->answers == 0);  // the coordinator is being asked
  CHECK(write_marker(producer, 9, 1, "__consumer_offsets", coordinator_partition("g", 2)) ==
        ErrorCode::kNone);
  REQUIRE(wait(waiting));
  const auto told = decode<TxnOffsetCommitResponse>(waiting, 3);
  const auto error = static_cast<ErrorCode>(told.topics.at(0).partitions.at(0).error_code);
  // Either it was first, and the marker ended it, or it is refused; it must not stay pending.
  CHECK((error == ErrorCode::kNone || error == ErrorCode::kInvalidTxnState));
  CHECK(committed(true).error_code == 0);
}

TEST_CASE_METHOD(TransactionNode, "a zombie is fenced by the next producer of its id") {
  Producer zombie = begin();
  CHECK(produce(zombie, 12) == ErrorCode::kNone);
  Producer next = begin();  // ends the zombie's transaction
  CHECK(next.epoch == zombie.epoch + 2);
  CHECK(produce(zombie, 12) == ErrorCode::kInvalidProducerEpoch);
  for (std::int16_t version = 0; version <= 4; ++version) {
    const auto fenced = version < 2 ? ErrorCode::kInvalidProducerEpoch : ErrorCode::kProducerFenced;
    CHECK(static_cast<ErrorCode>(end_once(zombie, true, version).error_code) == fenced);
    CHECK(add_offsets(zombie, version) == fenced);
    if (version < 4) CHECK(add(zombie, "t", 1, version) == fenced);
  }
  CHECK(produce(next, 12) == ErrorCode::kNone);
  CHECK(end(next, true, 5) == ErrorCode::kNone);
  CHECK(fetch(true).aborted_transactions->size() == 1);
}

TEST_CASE_METHOD(TransactionNode,
                 "what is wrong with one partition keeps the others out of the transaction") {
  const Producer producer = begin();
  AddPartitionsToTxnRequest request;
  request.v3_and_below_transactional_id = producer.id;
  request.v3_and_below_producer_id = producer.producer_id;
  request.v3_and_below_producer_epoch = producer.epoch;
  request.v3_and_below_topics = {{"t", {0, 9}}, {"nope", {0}}, {"__consumer_offsets", {0}}};
  const auto response = ask<AddPartitionsToTxnResponse>(request, 3);
  std::vector<std::int16_t> codes;
  for (const auto& topic : response.results_by_topic_v3_and_below) {
    for (const auto& partition : topic.results_by_partition) codes.push_back(partition.partition_error_code);
  }
  CHECK(codes == std::vector<std::int16_t>{55, 3, 3, 29});
  CHECK(state(producer.id) == "Empty");
}

TEST_CASE_METHOD(TransactionNode, "brokers add partitions or only ask, for several transactions at once") {
  const Producer first = begin("one");
  const Producer second = begin("two");
  CHECK(add(first) == ErrorCode::kNone);
  for (std::int16_t version = 4; version <= 5; ++version) {
    AddPartitionsToTxnRequest request;
    request.transactions = {{first.id, first.producer_id, first.epoch, true, {{"t", {0, 1}}}},
                            {second.id, second.producer_id, second.epoch, false, {{"t", {1}}}},
                            {"nobody", 1, 1, true, {{"t", {1}}}}};
    const auto response = ask<AddPartitionsToTxnResponse>(request, version);
    REQUIRE(response.results_by_transaction.size() == 3);
    const auto codes = [&](std::size_t at) {
      std::vector<std::int16_t> told;
      for (const auto& result : response.results_by_transaction[at].topic_results.at(0).results_by_partition)
        told.push_back(result.partition_error_code);
      return told;
    };
    CHECK(response.results_by_transaction[0].transactional_id == "one");
    CHECK(codes(0) == std::vector<std::int16_t>{0, 120});
    CHECK(codes(1) == std::vector<std::int16_t>{0});
    CHECK(codes(2) == std::vector<std::int16_t>{49});
    CHECK(state("two") == "Ongoing");
    authorizer.refused = {{Operation::kClusterAction, ResourceKind::kCluster, std::string(kClusterResource)}};
    CHECK(ask<AddPartitionsToTxnResponse>(request, version).error_code == 31);
    authorizer.refused.clear();
  }
}

TEST_CASE_METHOD(TransactionNode, "offsets of a transaction count when it is committed, at every version") {
  std::int64_t expected = -1;
  for (std::int16_t version = 0; version <= 5; ++version) {
    for (const bool commit : {true, false}) {
      INFO("version " << version << (commit ? " commit" : " abort"));
      Producer producer = begin("tx" + std::to_string(version));
      const std::int64_t offset = 10 * version + (commit ? 1 : 2);
      if (version == 3) CHECK(commit_offset(producer, offset, version) == ErrorCode::kInvalidTxnState);
      if (version == 4) CHECK(commit_offset(producer, offset, version) == ErrorCode::kTransactionAbortable);
      if (version < 5) CHECK(add_offsets(producer, std::min<std::int16_t>(version, 4)) == ErrorCode::kNone);
      CHECK(commit_offset(producer, offset, version) == ErrorCode::kNone);
      CHECK(committed(true).error_code == static_cast<std::int16_t>(ErrorCode::kUnstableOffsetCommit));
      CHECK(committed(true).committed_offset == -1);
      CHECK(committed(false).committed_offset == expected);
      CHECK(end(producer, commit, version) == ErrorCode::kNone);
      CHECK(state(producer.id) == (commit ? "CompleteCommit" : "CompleteAbort"));
      if (commit) expected = offset;
      CHECK(committed(true).error_code == 0);
      CHECK(committed(true).committed_offset == expected);
    }
  }
}

TEST_CASE_METHOD(TransactionNode, "offsets of topics that are not there, or of a generation, are refused") {
  const Producer producer = begin();
  TxnOffsetCommitRequest request;
  request.transactional_id = producer.id;
  request.group_id = "g";
  request.producer_id = producer.producer_id;
  request.producer_epoch = producer.epoch;
  request.topics.resize(2);
  request.topics[0].name = "t";
  request.topics[0].partitions.resize(2);
  request.topics[0].partitions[1].partition_index = 9;
  request.topics[1].name = "nope";
  request.topics[1].partitions.resize(1);
  auto response = ask<TxnOffsetCommitResponse>(request, 5);
  std::map<std::string, std::map<std::int32_t, std::int16_t>> codes;
  for (const auto& topic : response.topics) {
    for (const auto& partition : topic.partitions)
      codes[topic.name][partition.partition_index] = partition.error_code;
  }
  CHECK(codes["t"][0] == 0);
  CHECK(codes["t"][9] == 3);
  CHECK(codes["nope"][0] == 3);
  request.topics.resize(1);
  request.topics[0].partitions.resize(1);
  request.member_id = "somebody";
  request.generation_id = 3;
  response = ask<TxnOffsetCommitResponse>(request, 5);
  CHECK(response.topics.at(0).partitions.at(0).error_code ==
        static_cast<std::int16_t>(ErrorCode::kUnknownMemberId));
  request.group_id = "another";
  response = ask<TxnOffsetCommitResponse>(request, 5);
  CHECK(response.topics.at(0).partitions.at(0).error_code ==
        static_cast<std::int16_t>(ErrorCode::kIllegalGeneration));
}

TEST_CASE_METHOD(TransactionNode, "markers are written for who may, and judged by their epochs") {
  for (std::int16_t version = 0; version <= 2; ++version) {
    Producer producer = begin("tx" + std::to_string(version));
    CHECK(produce(producer, 12) == ErrorCode::kNone);
    CHECK(write_marker(producer, 7, version) == ErrorCode::kNone);
    CHECK(fetch(true).last_stable_offset == fetch(true).high_watermark);
    CHECK(write_marker(producer, 6, version) == ErrorCode::kTransactionCoordinatorFenced);
    Producer older = producer;
    older.epoch = -2;
    CHECK(write_marker(older, 8, version) == ErrorCode::kInvalidProducerEpoch);
    older.epoch = -1;
    CHECK(write_marker(older, 8, version) == ErrorCode::kUnknownServerError);
    CHECK(write_marker(producer, 8, version, "nope") == ErrorCode::kUnknownTopicOrPartition);
  }
  authorizer.refused = {{Operation::kClusterAction, ResourceKind::kCluster, std::string(kClusterResource)},
                        {Operation::kAlter, ResourceKind::kCluster, std::string(kClusterResource)}};
  CHECK(write_marker(begin("other"), 1, 1) == ErrorCode::kClusterAuthorizationFailed);
  CHECK(ask<WriteTxnMarkersResponse>(WriteTxnMarkersRequest{}, 1).markers.empty());
}

TEST_CASE_METHOD(TransactionNode,
                 "a marker that can be no record fails its request, but not what stands before it") {
  const auto ask_for = [&](std::int64_t producer, std::int16_t epoch, const std::string& topic,
                           std::int8_t version) {
    WriteTxnMarkersRequest request;
    for (const std::int64_t other : {producer, std::int64_t{500}}) {
      auto& marker = request.markers.emplace_back();
      marker.producer_id = other;
      marker.producer_epoch = other == producer ? epoch : std::int16_t{0};
      marker.transaction_version = other == producer ? version : std::int8_t{0};
      marker.topics = {{other == producer ? topic : "t", {0}}};
    }
    std::ranges::reverse(request.markers);
    request.markers.push_back(request.markers.front());
    request.markers.back().producer_id = 600;
    std::map<std::int64_t, std::int16_t> errors;
    for (const auto& marker : ask<WriteTxnMarkersResponse>(request, 2).markers)
      errors[marker.producer_id] = marker.topics.at(0).partitions.at(0).error_code;
    return errors;
  };
  using Errors = std::map<std::int64_t, std::int16_t>;
  (void)add_offsets(begin("so that there is __consumer_offsets"));
  const std::int64_t before = fetch(false).high_watermark;
  CHECK(ask_for(7, -1, "t", 0) == Errors{{7, -1}, {500, -1}, {600, -1}});
  CHECK(ask_for(-1, 0, "t", 0) == Errors{{-1, -1}, {500, -1}, {600, -1}});
  CHECK(fetch(false).high_watermark == before + 2);
  CHECK(ask_for(7, -1, "__consumer_offsets", 0) == Errors{{7, -1}, {500, 0}, {600, 0}});
  CHECK(ask_for(7, -1, "nope", 0) == Errors{{7, 3}, {500, 0}, {600, 0}});
  CHECK(ask_for(7, 0, "t", -1) == Errors{{7, -1}, {500, 0}, {600, 0}});
  CHECK(ask_for(7, -2, "t", 0) == Errors{{7, 47}, {500, 0}, {600, 0}});
}

TEST_CASE_METHOD(TransactionNode, "transactions are listed and described to who may know") {
  Producer open = begin("open");
  CHECK(produce(open, 12) == ErrorCode::kNone);
  (void)begin("idle");
  using Request = ListTransactionsRequest;
  using Filter = std::function<void(Request&)>;
  const Filter all = [](Request&) {};
  const auto ask_list = [&](const Filter& filter, std::int16_t version = 2) {
    Request request;
    filter(request);
    return ask<ListTransactionsResponse>(request, version);
  };
  const auto listed = [&](const Filter& filter, std::int16_t version = 2) {
    const auto response = ask_list(filter, version);
    std::set<std::string> ids;
    for (const auto& transaction : response.transaction_states) ids.insert(transaction.transactional_id);
    return ids;
  };
  using Ids = std::set<std::string>;
  for (std::int16_t version = 0; version <= 2; ++version) CHECK(listed(all, version) == Ids{"open", "idle"});
  CHECK(listed([](Request& of) { of.state_filters = {"Ongoing"}; }) == Ids{"open"});
  CHECK(listed([&](Request& of) { of.producer_id_filters = {open.producer_id}; }) == Ids{"open"});
  CHECK(listed([](Request& of) { of.transactional_id_pattern = "o.*"; }) == Ids{"open"});
  CHECK(listed([](Request& of) { of.transactional_id_pattern = "pe"; }).empty());  // the whole id
  CHECK(ask_list([](Request& of) { of.transactional_id_pattern = "(["; }).error_code ==
        static_cast<std::int16_t>(ErrorCode::kInvalidRegularExpression));
  CHECK(ask_list([](Request& of) { of.state_filters = {"Bogus", "Empty"}; }, 1).unknown_state_filters ==
        std::vector<std::string>{"Bogus"});
  authorizer.refused = {{Operation::kDescribe, ResourceKind::kTransactionalId, "open"}};
  CHECK(listed(all) == Ids{"idle"});
  DescribeTransactionsRequest describe;
  describe.transactional_ids = {"open", "idle", "nobody", ""};
  const auto described = ask<DescribeTransactionsResponse>(describe, 0).transaction_states;
  REQUIRE(described.size() == 4);
  CHECK(described[0].error_code == static_cast<std::int16_t>(ErrorCode::kTransactionalIdAuthorizationFailed));
  CHECK(described[0].transactional_id == "open");
  CHECK(described[1].error_code == 0);
  CHECK(described[1].transaction_state == "Empty");
  CHECK(described[1].transaction_start_time_ms == -1);
  CHECK(described[2].error_code == static_cast<std::int16_t>(ErrorCode::kTransactionalIdNotFound));
  CHECK(described[2].transactional_id == "nobody");
  CHECK(described[3].error_code == static_cast<std::int16_t>(ErrorCode::kInvalidRequest));
  // Topics of a transaction are named to who may know of them.
  describe.transactional_ids = {"open"};
  authorizer.refused.clear();
  const auto topics_of_open = [&] {
    return ask<DescribeTransactionsResponse>(describe, 0).transaction_states.at(0).topics;
  };
  REQUIRE(topics_of_open().size() == 1);
  authorizer.refused = {{Operation::kDescribe, ResourceKind::kTopic, topics_of_open().at(0).topic}};
  CHECK(topics_of_open().empty());
}

TEST_CASE_METHOD(TransactionNode, "who may not write with a transactional id is told so everywhere") {
  Producer producer = begin();
  authorizer.refused = {{Operation::kWrite, ResourceKind::kTransactionalId, "tx"}};
  CHECK(init("tx").error_code == static_cast<std::int16_t>(ErrorCode::kTransactionalIdAuthorizationFailed));
  CHECK(add(producer) == ErrorCode::kTransactionalIdAuthorizationFailed);
  CHECK(add_offsets(producer) == ErrorCode::kTransactionalIdAuthorizationFailed);
  CHECK(commit_offset(producer, 1, 5) == ErrorCode::kTransactionalIdAuthorizationFailed);
  CHECK(static_cast<ErrorCode>(end_once(producer, true, 5).error_code) ==
        ErrorCode::kTransactionalIdAuthorizationFailed);
  CHECK(produce(producer, 12) == ErrorCode::kTransactionalIdAuthorizationFailed);
  authorizer.refused = {{Operation::kRead, ResourceKind::kGroup, "g"}};
  CHECK(add_offsets(producer) == ErrorCode::kGroupAuthorizationFailed);
  CHECK(commit_offset(producer, 1, 5) == ErrorCode::kGroupAuthorizationFailed);
}

TEST_CASE_METHOD(TransactionNode,
                 "the next transaction may begin while the markers of the last are written") {
  Producer producer = begin();
  for (int i = 0; i < 3; ++i) {
    CHECK(produce(producer, 12) == ErrorCode::kNone);
    const auto ended = end_once(producer, true, 5);
    CHECK(ended.error_code == 0);
    producer.epoch = ended.producer_epoch;
    producer.sequence = 0;
    // At once: the produce waits until the markers are written.
  }
  settle();
  CHECK(fetch(true).last_stable_offset == 6);
}

}  // namespace
}  // namespace barnabas::broker::testing

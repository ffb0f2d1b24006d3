// A shard of transactional ids over its log: what is written, what is answered when, and which markers go out
// - also across a move of the coordinator, failed appends and lost markers.
#include "broker/coordinator/transaction_shard.hpp"

#include <catch2/catch.hpp>

#include "broker/coordinator/transaction_shard_fixture.hpp"

namespace barnabas::broker {
namespace {

using namespace testing;
using Coordinator = TransactionCoordinator;
using enum TransactionState;

TEST_CASE("a transaction runs from its producer's id to its last marker") {
  for (const bool commit : {true, false}) {
    Coordinator at;
    const ProducerIdentity producer = at.begin();
    const auto ended = at.end(producer, commit);
    CHECK(ended.error() == ErrorCode::kNone);
    CHECK(ended->producer.epoch == ProducerEpoch(1));
    REQUIRE(at.markers.sent.size() == 1);
    const TransactionMarkers& sent = at.markers.sent.front();
    CHECK(sent.committed == commit);
    CHECK(sent.coordinator_epoch == 4);
    CHECK(sent.producer.epoch == ProducerEpoch(1));
    CHECK(sent.transaction_version == 2);
    CHECK(sent.partitions == std::vector{kFirst, kSecond});
    CHECK(at.state() == (commit ? kPrepareCommit : kPrepareAbort));
    at.write_markers();
    CHECK(at.state() == (commit ? kCompleteCommit : kCompleteAbort));
    CHECK(at.log->batch_count() == 4);  // Empty, Ongoing, Prepare, Complete
  }
}

TEST_CASE("markers go out when the decision is committed, and not before") {
  Coordinator at;
  const ProducerIdentity producer = at.begin();
  at.log->commits_at_once = false;
  const auto ended = at.end(producer, true);
  CHECK(ended.count() == 0);
  CHECK(at.markers.sent.empty());
  at.advance(20000);  // longer than anybody waits: who asked is told so
  CHECK(ended.error() == ErrorCode::kCoordinatorNotAvailable);
  CHECK(at.markers.sent.empty());
  at.log->committed = at.log->end_offset();
  at.advance(10000);
  CHECK(at.markers.sent.size() == 1);
}

TEST_CASE("markers that fail are sent again, those that are written are not") {
  Coordinator at;
  const ProducerIdentity producer = at.begin();
  at.end(producer, true);
  at.run([&](Step& step) {
    at.shard.markers_written("t", sent_of(at.markers.sent.back()),
                             {{kFirst, ErrorCode::kNone}, {kSecond, ErrorCode::kNotLeaderOrFollower}}, step);
  });
  CHECK(at.state() == kPrepareCommit);
  CHECK(at.markers.sent.size() == 1);
  at.advance(1000);
  REQUIRE(at.markers.sent.size() == 2);
  CHECK(at.markers.sent.back().partitions == std::vector{kSecond});
  at.write_markers(ErrorCode::kUnknownTopicOrPartition);
  at.advance(1000);
  REQUIRE(at.markers.sent.size() == 3);
  at.write_markers();
  CHECK(at.state() == kCompleteCommit);
}

TEST_CASE("a broker that does not answer holds up the markers of its own partitions only") {
  Coordinator at;
  at.end(at.begin(), true);
  const auto told = [&](const TopicPartition& tp, ErrorCode error) {
    at.run([&](Step& step) {
      at.shard.markers_written("t", sent_of(at.markers.sent.front()), {{tp, error}}, step);
    });
  };
  told(kFirst, ErrorCode::kNotLeaderOrFollower);
  at.advance(1000);
  REQUIRE(at.markers.sent.size() == 2);  // of the other nothing was heard: it is not asked again
  CHECK(at.markers.sent.back().partitions == std::vector{kFirst});
  told(kFirst, ErrorCode::kNone);
  at.advance(60000);
  CHECK(at.markers.sent.size() == 2);
  CHECK(at.state() == kPrepareCommit);
  told(kSecond, ErrorCode::kNetworkException);
  at.advance(1000);
  REQUIRE(at.markers.sent.size() == 3);
  CHECK(at.markers.sent.back().partitions == std::vector{kSecond});
  told(kSecond, ErrorCode::kNone);
  CHECK(at.state() == kCompleteCommit);
}

TEST_CASE("a timeout comes too late for a transaction that is being committed") {
  Coordinator at;
  const ProducerIdentity producer = at.begin({kFirst});
  at.advance(59999);
  CHECK(at.end(producer, true).error() == ErrorCode::kNone);
  at.advance(600000);  // the marker cannot be written all the while
  CHECK(at.state() == kPrepareCommit);
  for (const TransactionMarkers& sent : at.markers.sent) CHECK(sent.committed);
  at.write_markers();
  CHECK(at.state() == kCompleteCommit);
}

TEST_CASE("a commit comes too late for a transaction that timed out, at every version") {
  for (const std::int16_t version : {0, 2}) {
    Coordinator at;
    const ProducerIdentity producer = at.begin({kFirst}, version);
    at.advance(80000);
    REQUIRE(at.state() == kPrepareAbort);
    const auto early = version == 0 ? ErrorCode::kProducerFenced : ErrorCode::kConcurrentTransactions;
    CHECK(at.end(producer, true, version).error() == early);
    at.write_markers();
    REQUIRE(at.state() == kCompleteAbort);
    // At version 2 it is taken for the repeat of an EndTxn, which did not ask for what happened.
    const auto late = version == 0 ? ErrorCode::kProducerFenced : ErrorCode::kInvalidTxnState;
    CHECK(at.end(producer, true, version).error() == late);
    CHECK(at.state() == kCompleteAbort);
  }
}

TEST_CASE("a coordinator that another one has taken over from stops sending markers") {
  for (const ErrorCode error : {ErrorCode::kTransactionCoordinatorFenced, ErrorCode::kInvalidProducerEpoch}) {
    Coordinator at;
    at.end(at.begin(), true);
    at.write_markers(error);
    at.advance(600000);
    CHECK(at.markers.sent.size() == 1);
    CHECK(at.state() == kPrepareCommit);
  }
}

TEST_CASE("results of a transaction that is over mean nothing to the next one") {
  Coordinator at;
  ProducerIdentity producer = at.begin({kFirst});
  producer = at.end(producer, true)->producer;
  at.write_markers();
  at.add(producer, {kFirst, kSecond});
  at.end(producer, false);
  CHECK(at.state() == kPrepareAbort);
  at.write_markers(ErrorCode::kNone, 0);  // the first transaction's, once more
  at.run([&](Step& step) {
    at.shard.markers_written("t", sent_of(at.markers.sent.back()), {{kSecond, ErrorCode::kNone}}, step);
  });
  CHECK(at.state() == kPrepareAbort);  // of the other partition nothing was heard in this transaction
  at.write_markers();
  CHECK(at.state() == kCompleteAbort);
}

TEST_CASE("a record that cannot be written changes nothing, and an end that failed may be repeated") {
  Coordinator at;
  const ProducerIdentity producer = at.begin();
  at.log->fail_after(0);
  CHECK(at.end(producer, true).error() == ErrorCode::kCoordinatorNotAvailable);
  CHECK(at.state() == kOngoing);
  CHECK(at.markers.sent.empty());
  CHECK(at.end(producer, true).error() == ErrorCode::kNone);
  at.log->fail_after(0);
  at.write_markers();
  CHECK(at.state() == kPrepareCommit);  // its completion failed
  at.advance(1000);
  CHECK(at.state() == kCompleteCommit);
  CHECK(at.markers.sent.size() == 1);  // the markers are there
}

TEST_CASE("a move of the coordinator in the middle of markers: the next one sends them all again") {
  Coordinator before;
  before.end(before.begin(), true);
  Coordinator after(before.log, 5);
  REQUIRE(after.markers.sent.size() == 1);
  CHECK(after.markers.sent.front().coordinator_epoch == 5);
  CHECK(after.markers.sent.front().committed);
  CHECK(after.markers.sent.front().partitions == std::vector{kFirst, kSecond});
  CHECK(after.init().error() == ErrorCode::kConcurrentTransactions);
  after.write_markers();
  CHECK(after.state() == kCompleteCommit);
}

TEST_CASE("a coordinator that gets its partition back is not stopped by what its former life is told") {
  Coordinator before;
  before.end(before.begin(), true);
  const MarkersSent stale = sent_of(before.markers.sent.back());
  // Another one led in between, wrote a marker, and lost the partition again before it was done.
  Coordinator after(before.log, 6);
  after.run([&](Step& step) {
    after.shard.markers_written("t", stale, {{kFirst, ErrorCode::kTransactionCoordinatorFenced}}, step);
  });
  after.write_markers(ErrorCode::kNotLeaderOrFollower);
  after.advance(1000);
  REQUIRE(after.markers.sent.size() == 2);
  after.write_markers();
  CHECK(after.state() == kCompleteCommit);
}

TEST_CASE("an AddPartitionsToTxn that is repeated across a move is part of the transaction once") {
  Coordinator before;
  const ProducerIdentity producer = before.begin({kFirst});
  Coordinator after(before.log, 5);
  const std::size_t batches = after.log->batch_count();
  CHECK(after.add(producer, {kFirst}).error() == ErrorCode::kNone);
  CHECK(after.log->batch_count() == batches);
  CHECK(after.end(producer, true).error() == ErrorCode::kNone);
  CHECK(after.markers.sent.back().partitions == std::vector{kFirst});
  // And one that comes so late that the transaction is over opens no other.
  after.write_markers();
  CHECK(after.add(producer, {kFirst}).error() == ErrorCode::kProducerFenced);
  CHECK(after.state() == kCompleteCommit);
}

TEST_CASE("an EndTxn that is repeated across a move is answered as the first") {
  Coordinator before;
  const ProducerIdentity producer = before.begin({kFirst});
  before.end(producer, true);
  before.write_markers();
  Coordinator after(before.log, 5);
  const auto repeated = after.end(producer, true);
  CHECK(repeated.error() == ErrorCode::kNone);
  CHECK(repeated->producer.epoch == ProducerEpoch(1));
  CHECK(after.end(producer, false).error() == ErrorCode::kInvalidTxnState);
}

TEST_CASE("a zombie that is fenced while markers are written changes nothing") {
  Coordinator at;
  const ProducerIdentity zombie = at.begin();
  CHECK(at.init().error() == ErrorCode::kConcurrentTransactions);  // aborts the zombie's transaction
  REQUIRE(at.markers.sent.size() == 1);
  CHECK_FALSE(at.markers.sent.front().committed);
  CHECK(at.markers.sent.front().producer.epoch == ProducerEpoch(1));
  const std::size_t batches = at.log->batch_count();
  CHECK(at.add(zombie, {{"c", PartitionIndex(0)}}).error() == ErrorCode::kConcurrentTransactions);
  CHECK(at.end(zombie, true).error() == ErrorCode::kConcurrentTransactions);
  CHECK(at.end(zombie, true, 0).error() == ErrorCode::kProducerFenced);
  CHECK(at.init().error() == ErrorCode::kConcurrentTransactions);
  CHECK(at.log->batch_count() == batches);
  at.write_markers();
  CHECK(at.state() == kCompleteAbort);
  CHECK(at.end(zombie, true).error() == ErrorCode::kInvalidTxnState);  // taken for a repeat of the abort
  CHECK(at.add(zombie, {kFirst}).error() == ErrorCode::kProducerFenced);
  const auto made = at.init();
  CHECK(made.error() == ErrorCode::kNone);
  CHECK(made->producer.epoch == ProducerEpoch(2));
  CHECK(at.end(zombie, true).error() == ErrorCode::kProducerFenced);
}

TEST_CASE("epochs that run out lead to a new producer id, whose markers are still the old one's") {
  Transaction current;
  current.producer_id = current.previous_producer_id = ProducerId(7);
  current.epoch = ProducerEpoch(INT16_MAX - 1);
  current.timeout_ms = 60000;
  current.state = kOngoing;
  current.partitions = {kFirst};
  current.start_ms = current.last_update_ms = 1700000000000;
  current.client_version = 2;
  Coordinator at(log_with(current));
  const auto ended = at.end({ProducerId(7), ProducerEpoch(INT16_MAX - 1)}, true);
  CHECK(ended.error() == ErrorCode::kNone);
  CHECK(ended->producer.id == ProducerId(100));
  CHECK(ended->producer.epoch == ProducerEpoch(0));
  CHECK(at.markers.sent.back().producer.id == ProducerId(7));
  CHECK(at.markers.sent.back().producer.epoch == ProducerEpoch(INT16_MAX));
  Coordinator after(at.log, 5);  // a move in between
  CHECK(after.markers.sent.back().producer.id == ProducerId(7));
  after.write_markers();
  CHECK(after.shard.find("t")->producer_id == ProducerId(100));
  CHECK(after.end({ProducerId(7), ProducerEpoch(INT16_MAX - 1)}, true)->producer.id == ProducerId(100));
  CHECK(after.add(ended->producer, {kFirst}).error() == ErrorCode::kNone);
}

TEST_CASE("a transaction that is open for too long is aborted, and its producer fenced") {
  for (const std::int16_t level : {0, 1, 2}) {
    Coordinator at;
    at.level = level;
    const ProducerIdentity producer = at.begin({kFirst}, level == 2 ? 2 : 0);
    at.advance(59000);
    CHECK(at.state() == kOngoing);
    at.advance(21000);
    REQUIRE(at.markers.sent.size() == 1);
    CHECK_FALSE(at.markers.sent.front().committed);
    CHECK(at.markers.sent.front().producer.epoch == ProducerEpoch(1));
    CHECK(at.markers.sent.front().transaction_version == (level == 2 ? 2 : 0));
    at.write_markers();
    CHECK(at.state() == kCompleteAbort);
    CHECK(at.add(producer, {kFirst}).error() == ErrorCode::kProducerFenced);
    // From transaction.version 2 on it may go on, until another producer comes.
    for (int i = 0; i < 2; ++i) {
      const auto anew = at.init(producer);
      CHECK(anew.error() == (level == 2 ? ErrorCode::kNone : ErrorCode::kProducerFenced));
      if (level == 2) CHECK(anew->producer.epoch == ProducerEpoch(1));
    }
    CHECK(at.init()->producer.epoch == ProducerEpoch(2));
    CHECK(at.init(producer).error() == ErrorCode::kProducerFenced);
  }
}

TEST_CASE("at transaction.version 0 requests of version 2 are refused and change nothing") {
  Coordinator at;
  at.level = 0;
  const ProducerIdentity producer = at.init()->producer;
  const Offset end = at.log->end_offset();
  CHECK(at.add(producer, {kFirst}, 2).error() == ErrorCode::kUnsupportedVersion);
  CHECK(at.end(producer, false, 2).error() == ErrorCode::kUnsupportedVersion);
  CHECK(at.log->end_offset() == end);
  CHECK(at.state() == kEmpty);
  CHECK(at.add(producer, {kFirst}, 0).error() == ErrorCode::kNone);
  CHECK(at.end(producer, true, 2).error() == ErrorCode::kUnsupportedVersion);
  CHECK(at.state() == kOngoing);
  CHECK(at.end(producer, true, 0).error() == ErrorCode::kNone);
  at.write_markers();
  CHECK(at.state() == kCompleteCommit);
  // What is refused for another reason is so first.
  CHECK(at.add({producer.id, ProducerEpoch(7)}, {kFirst}, 2).error() == ErrorCode::kProducerFenced);
}

TEST_CASE("timeouts beyond what the broker allows are refused") {
  Coordinator at;
  CHECK(at.init({}, 900001).error() == ErrorCode::kInvalidTransactionTimeout);
  CHECK(at.init({}, 0).error() == ErrorCode::kInvalidTransactionTimeout);
  CHECK(at.init({}, -1).error() == ErrorCode::kInvalidTransactionTimeout);
  CHECK(at.init({}, 900000).error() == ErrorCode::kNone);
}

TEST_CASE("an id that is not used is forgotten, unless its transaction is open") {
  Coordinator at;
  at.end(at.begin({kFirst}), true);
  at.write_markers(ErrorCode::kNotLeaderOrFollower);
  at.advance(std::int64_t{8} * 86400 * 1000);
  REQUIRE(at.shard.find("t") != nullptr);  // its markers are not written yet
  at.write_markers();
  at.advance(std::int64_t{6} * 86400 * 1000);
  CHECK(at.shard.find("t") != nullptr);
  at.advance(std::int64_t{2} * 86400 * 1000);
  CHECK(at.shard.find("t") == nullptr);
  CHECK(Coordinator(at.log, 5).shard.find("t") == nullptr);
}

TEST_CASE("an abort of nothing completes by itself") {
  Coordinator at;
  const auto made = at.init();
  const auto ended = at.end(made->producer, false);
  CHECK(ended.error() == ErrorCode::kNone);
  CHECK(ended->producer.epoch == ProducerEpoch(1));
  CHECK(at.state() == kCompleteAbort);
  CHECK(at.markers.sent.empty());
}

TEST_CASE("partitions are vouched for one by one") {
  Coordinator at;
  const ProducerIdentity producer = at.begin({kFirst});
  Caught<VerifyAnswer> caught;
  at.run([&](Step& step) {
    at.shard.verify_partitions("t", producer, {kFirst, kSecond}, caught.answer(), step);
  });
  CHECK(caught->error_code == 0);
  CHECK(caught->missing == std::set<TopicPartition>{kSecond});
}

TEST_CASE("transactions are listed by state, producer id and duration, and described") {
  Coordinator at;
  at.begin();
  at.advance(5000);
  using Request = protocol::ListTransactionsRequest;
  const auto listed = [&](const std::function<void(Request&)>& filter) {
    Request request;
    filter(request);
    Caught<protocol::ListTransactionsResponse> caught;
    at.run([&](Step& step) { at.shard.list(request, caught.answer(), step); });
    return caught->transaction_states.size();
  };
  CHECK(listed([](Request&) {}) == 1);
  CHECK(listed([](Request& of) { of.state_filters = {"Ongoing", "Nonsense"}; }) == 1);
  CHECK(listed([](Request& of) { of.state_filters = {"Empty"}; }) == 0);
  CHECK(listed([](Request& of) { of.state_filters = {"Nonsense"}; }) == 0);
  CHECK(listed([](Request& of) { of.producer_id_filters = {100}; }) == 1);
  CHECK(listed([](Request& of) { of.producer_id_filters = {1, 2}; }) == 0);
  CHECK(listed([](Request& of) { of.duration_filter = 4999; }) == 1);
  CHECK(listed([](Request& of) { of.duration_filter = 5000; }) == 0);
  Caught<TransactionShard::Described> caught;
  at.run([&](Step& step) { at.shard.describe("t", caught.answer(), step); });
  CHECK(caught->transaction_state == "Ongoing");
  CHECK(caught->producer_id == 100);
  CHECK(caught->topics.size() == 2);
  Caught<TransactionShard::Described> unknown;
  at.run([&](Step& step) { at.shard.describe("nobody", unknown.answer(), step); });
  CHECK(unknown.error() == ErrorCode::kTransactionalIdNotFound);
}

TEST_CASE("records are read back as they were written, in either version") {
  Transaction made;
  made.producer_id = ProducerId(7);
  made.previous_producer_id = ProducerId(6);
  made.next_producer_id = ProducerId(8);
  made.epoch = ProducerEpoch(3);
  made.timeout_ms = 1234;
  made.state = kPrepareAbort;
  made.partitions = {kFirst, {"a", PartitionIndex(9)}, kSecond};
  made.start_ms = 5;
  made.last_update_ms = 6;
  made.client_version = 2;
  RecordList records;
  add_transaction(records, "some id", made, 2);
  add_transaction_tombstone(records, "some id");
  CHECK(parse_transaction_key(records.key(records.entry(0))).value() == "some id");
  const Transaction read = parse_transaction(records.value(records.entry(0))).value();
  CHECK(read == made);
  CHECK(records.entry(1).tombstone);
  // Before transaction.version 1 the record has no tagged fields.
  RecordList plain;
  add_transaction(plain, "some id", made, 0);
  REQUIRE(plain.ok());
  Transaction less = made;
  less.previous_producer_id = less.next_producer_id = kNoProducerId;
  less.client_version = 0;
  CHECK(parse_transaction(plain.value(plain.entry(0))).value() == less);
  const Bytes future = {0, 9, 0, 0};
  CHECK(parse_transaction_key(future).value() == std::nullopt);
  for (const Bytes& broken : {Bytes{0}, Bytes{0, 0, 0, 9}, Bytes{}})
    CHECK(parse_transaction_key(broken).error().code == ErrorCode::kCorruptMessage);
  CHECK(parse_transaction(Bytes{0, 1, 2}).error().code == ErrorCode::kCorruptMessage);
}

}  // namespace
}  // namespace barnabas::broker

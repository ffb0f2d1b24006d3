// Transactions whose partitions, or whose coordinator, are on another broker: what is asked of it, and what
// becomes of its answers.
#include <catch2/catch.hpp>

#include "broker/api/transaction_fixture.hpp"
#include "protocol/messages/api_find_coordinator.hpp"

namespace barnabas::broker::testing {
namespace {

using Errors = std::vector<ErrorCode>;
const TopicPartition kHere{"t", PartitionIndex(0)};
const TopicPartition kThere{"t", PartitionIndex(1)};

/// A node that believes that another one leads some partitions, and its own coordinator over that image.
struct TwoBrokers : ApiFixture {
  TwoBrokers()
      : ApiFixture({.properties = {{"transaction.state.log.replication.factor", "1"},
                                   {"transaction.state.log.min.isr", "1"},
                                   {"transaction.state.log.num.partitions", "1"}}}) {
    (void)create_topic("t", 2);
    protocol::FindCoordinatorRequest request;
    request.key_type = 1;
    request.coordinator_keys = {"tx"};
    for (int i = 0; i < 100; ++i) {
      if (ask<protocol::FindCoordinatorResponse>(request, 6).coordinators.at(0).error_code == 0) break;
      run(10);
    }
    coordinator = std::make_unique<TransactionDriver>(TransactionDriverDependencies{
        clock, *config, cache, *replicas, *groups, *producer_ids, metrics, &peers, BrokerId(1), {&reactor}});
    coordinator->on_image(cache.image());
    run(10);
  }
  ~TwoBrokers() { crash(); }

  void run(int ms) { world.run_until(clock.monotonic() + std::chrono::milliseconds(ms)); }

  /// From now on the image says so; the partition itself stays where it is.
  void lead_elsewhere(const std::string& topic, std::size_t partition) {
    cache.publish(led_by(*cache.image(), topic, partition, kOther), 1);
  }
  TransactionAnswer init(const std::string& tx = "tx") {
    std::optional<TransactionAnswer> told;
    coordinator->init_producer(tx, {60000, {}, {}, 0},
                               [&](const TransactionAnswer& answer) { told = answer; });
    run(10);
    return told.value();
  }
  void add(const ProducerIdentity& producer, const std::set<TopicPartition>& partitions,
           const std::string& tx = "tx") {
    coordinator->run(tx, [&](ErrorCode refused, TransactionShard* shard, Step* step) {
      REQUIRE(refused == ErrorCode::kNone);
      shard->add_partitions(tx, producer, partitions, 2, [](const TransactionAnswer&) {}, *step);
    });
    run(10);
  }
  TransactionState state(const std::string& tx = "tx") {
    std::optional<TransactionState> told;
    coordinator->run(tx, [&](ErrorCode, TransactionShard* shard, Step*) { told = shard->find(tx)->state; });
    run(1);
    return told.value();
  }
  std::vector<ErrorCode> ask_gate(TransactionQuestion::Kind kind, const std::function<void()>& answer) {
    std::vector<ErrorCode> told;
    TransactionQuestion question{kind, "tx", {ProducerId(5), ProducerEpoch(1)}, {kHere, kThere}};
    question.renew_guards = [&](const std::vector<TopicPartition>& partitions) {
      CHECK(partitions == std::vector{kHere, kThere});
      ++renewals;
    };
    coordinator->gate().ask(std::move(question), reactor,
                            [&](const std::vector<ErrorCode>& errors) { told = errors; });
    run(1);
    answer();
    run(1);
    return told;
  }

  KeptPeers peers;
  int renewals = 0;
  std::unique_ptr<TransactionDriver> coordinator;
};

TEST_CASE_METHOD(TwoBrokers,
                 "markers go to the broker that leads the partition, until they are written there") {
  const TransactionAnswer made = init();
  REQUIRE(made.error_code == 0);
  add(made.producer, {kHere, kThere});
  lead_elsewhere("t", 1);  // after the controller's last record, which brings an image of its own
  std::optional<TransactionAnswer> ended;
  coordinator->end_transaction("tx", {made.producer, true, 2, {}},
                               [&](const TransactionAnswer& answer) { ended = answer; });
  run(10);
  CHECK(ended->error_code == 0);
  REQUIRE(peers.markers.size() == 1);
  const auto& marker = peers.markers[0].first.markers.at(0);
  CHECK(marker.producer_id == made.producer.id.value());
  CHECK(marker.producer_epoch == made.producer.epoch.value() + 1);
  CHECK(marker.transaction_result);
  CHECK(marker.transaction_version == 2);
  REQUIRE(marker.topics.size() == 1);
  CHECK(marker.topics[0].partition_indexes == std::vector<std::int32_t>{1});
  // The one that is led here is there.
  CHECK(find("t", 0).with_log([](log::PartitionLog& log) { return log.log_end_offset(); }) == Offset(1));
  peers.answer_markers(ErrorCode::kNotLeaderOrFollower);
  run(50);
  CHECK(peers.markers.size() == 1);
  run(100);
  REQUIRE(peers.markers.size() == 2);
  CHECK(peers.markers[1].first.markers.at(0).topics.at(0).partition_indexes == std::vector<std::int32_t>{1});
  std::exchange(peers.markers[1].second, nullptr)(fail(ErrorCode::kNetworkException));
  run(150);
  REQUIRE(peers.markers.size() == 3);
  CHECK(state() == TransactionState::kPrepareCommit);
  peers.answer_markers(ErrorCode::kNone);
  run(10);
  CHECK(state() == TransactionState::kCompleteCommit);
  CHECK(find("t", 0).with_log([](log::PartitionLog& log) { return log.log_end_offset(); }) == Offset(1));
}

TEST_CASE_METHOD(TwoBrokers, "markers for a broker that has not answered yet wait, and go in one request") {
  std::vector<std::pair<std::string, ProducerIdentity>> open;
  for (int i = 0; i < 20; ++i) {
    const std::string tx = "tx" + std::to_string(i);
    open.emplace_back(tx, init(tx).producer);
    add(open.back().second, {kThere}, tx);
  }
  lead_elsewhere("t", 1);
  for (const auto& [tx, producer] : open) {
    coordinator->end_transaction(tx, {producer, true, 2, {}}, [](const TransactionAnswer&) {});
    run(1);
  }
  REQUIRE(peers.markers.size() == 1);
  CHECK(peers.markers[0].first.markers.size() == 1);
  peers.answer_markers(ErrorCode::kNone);
  run(1);
  CHECK(state("tx0") == TransactionState::kCompleteCommit);
  REQUIRE(peers.markers.size() == 2);
  std::set<std::int64_t> producers;
  for (const auto& marker : peers.markers[1].first.markers) producers.insert(marker.producer_id);
  CHECK(producers.size() == 19);
  // What fails together is tried again together.
  std::exchange(peers.markers[1].second, nullptr)(fail(ErrorCode::kNetworkException));
  run(150);
  CHECK(peers.markers.size() <= 4);
  for (int i = 0; i < 3; ++i) {
    if (peers.markers.back().second) peers.answer_markers(ErrorCode::kNone);
    run(5);
  }
  for (const auto& [tx, producer] : open) CHECK(state(tx) == TransactionState::kCompleteCommit);
  CHECK(peers.markers.size() <= 4);
}

TEST_CASE_METHOD(TwoBrokers, "a partition that is deleted meanwhile has nothing to end") {
  const TransactionAnswer made = init();
  add(made.producer, {{"gone", PartitionIndex(0)}});
  coordinator->end_transaction("tx", {made.producer, false, 2, {}}, [](const TransactionAnswer&) {});
  run(10);
  CHECK(state() == TransactionState::kCompleteAbort);
}

TEST_CASE_METHOD(TwoBrokers,
                 "a coordinator on another broker is asked, and its answer told in the append's words") {
  using Kind = TransactionQuestion::Kind;
  lead_elsewhere("__transaction_state", 0);
  CHECK(ask_gate(Kind::kVerify, [&] {
          peers.answer_addition({ErrorCode::kNone, ErrorCode::kTransactionAbortable});
        }) == Errors{ErrorCode::kNone, ErrorCode::kInvalidTxnState});
  const auto& asked = peers.additions.back().first.transactions.at(0);
  CHECK(asked.verify_only);
  CHECK(asked.producer_id == 5);
  CHECK(asked.producer_epoch == 1);
  CHECK(asked.topics.at(0).partitions == std::vector<std::int32_t>{0, 1});
  CHECK(ask_gate(Kind::kVerifyAbortable, [&] {
          peers.answer_addition({ErrorCode::kTransactionAbortable, ErrorCode::kProducerFenced});
        }) == Errors{ErrorCode::kTransactionAbortable, ErrorCode::kInvalidProducerEpoch});
  CHECK(ask_gate(Kind::kAdd, [&] {
          CHECK_FALSE(peers.additions.back().first.transactions.at(0).verify_only);
          peers.answer_addition({ErrorCode::kNone, ErrorCode::kNone});
        }) == Errors{ErrorCode::kNone, ErrorCode::kNone});
  CHECK(ask_gate(Kind::kVerify, [&] {
          std::exchange(peers.additions.back().second, nullptr)(fail(ErrorCode::kRequestTimedOut));
        }) == Errors{ErrorCode::kNetworkException, ErrorCode::kNetworkException});
}

TEST_CASE_METHOD(TwoBrokers, "to add partitions is tried again while the last transaction is being ended") {
  using Kind = TransactionQuestion::Kind;
  lead_elsewhere("__transaction_state", 0);
  const Errors busy(2, ErrorCode::kConcurrentTransactions);
  CHECK(ask_gate(Kind::kVerify, [&] { peers.answer_addition(busy); }) == busy);  // not asked again
  CHECK(peers.additions.size() == 1);
  CHECK(ask_gate(Kind::kAdd, [&] {
          peers.answer_addition(busy);
          run(30);
          REQUIRE(peers.additions.size() == 3);
          CHECK(renewals == 1);  // the marker that it waited for has made the guards void
          peers.answer_addition({ErrorCode::kNone, ErrorCode::kNone});
        }) == Errors(2, ErrorCode::kNone));
  // Not for ever.
  CHECK(ask_gate(Kind::kAdd, [&] {
          for (int i = 0; i < 10; ++i) {
            if (peers.additions.back().second) peers.answer_addition(busy);
            run(30);
          }
        }) == busy);
}

}  // namespace
}  // namespace barnabas::broker::testing

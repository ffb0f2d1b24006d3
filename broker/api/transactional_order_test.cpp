// Offsets and batches of transactions, and the markers that end them: each counts in the order of the log,
// and what was asked about before a marker is not written behind it.
#include <catch2/catch.hpp>

#include "broker/api/transaction_fixture.hpp"
#include "broker/coordinator/coordinator_partition.hpp"
#include "protocol/messages/api_offset_commit.hpp"

namespace barnabas::broker::testing {
namespace {

using namespace protocol;  // NOLINT: the messages

constexpr auto kUnstable = static_cast<std::int16_t>(ErrorCode::kUnstableOffsetCommit);

struct Ordered : TransactionNode {
  void commit_plainly(std::int64_t offset) {
    OffsetCommitRequest request;
    request.group_id = "g";
    request.topics.emplace_back().name = "t";
    request.topics.back().partitions.emplace_back().committed_offset = offset;
    CHECK(ask<OffsetCommitResponse>(request, 8).topics.at(0).partitions.at(0).error_code == 0);
  }
};

TEST_CASE_METHOD(Ordered, "an offset of a transaction is ordered by its marker") {
  for (const std::int16_t version : {3, 4, 5}) {
    CAPTURE(version);
    Producer producer = begin("tx" + std::to_string(version));
    const auto commit_in_transaction = [&](std::int64_t offset) {
      if (version < 5) CHECK(add_offsets(producer) == ErrorCode::kNone);
      CHECK(commit_offset(producer, offset, version) == ErrorCode::kNone);
      CHECK(committed(true).error_code == kUnstable);
    };
    commit_plainly(10);
    commit_in_transaction(20);
    CHECK(committed(false).committed_offset == 10);
    CHECK(end(producer, true, version) == ErrorCode::kNone);
    CHECK(committed(true).committed_offset == 20);
    // The marker of another transaction says nothing of this one's.
    commit_in_transaction(30);
    Producer other = begin("other" + std::to_string(version));
    CHECK(produce(other, 12) == ErrorCode::kNone);
    CHECK(end(other, true, 5) == ErrorCode::kNone);
    CHECK(committed(true).error_code == kUnstable);
    // What is committed plainly in between is later.
    commit_plainly(40);
    CHECK(committed(true).error_code == kUnstable);
    CHECK(end(producer, true, version) == ErrorCode::kNone);
    CHECK(committed(true).error_code == 0);
    CHECK(committed(true).committed_offset == 40);
    commit_in_transaction(50);
    CHECK(end(producer, false, version) == ErrorCode::kNone);
    CHECK(committed(true).error_code == 0);
    CHECK(committed(true).committed_offset == 40);
  }
}

TEST_CASE_METHOD(Ordered, "an offset that comes behind the marker of its transaction is refused") {
  Producer producer = begin();
  const Producer late = producer;
  CHECK(commit_offset(producer, 7, 5) == ErrorCode::kNone);
  CHECK(end(producer, false, 5) == ErrorCode::kNone);
  CHECK(commit_offset(late, 7, 5) == ErrorCode::kInvalidProducerEpoch);
  Producer old = begin("old");
  CHECK(add_offsets(old) == ErrorCode::kNone);
  CHECK(commit_offset(old, 8, 3) == ErrorCode::kNone);
  CHECK(end(old, true, 4) == ErrorCode::kNone);
  CHECK(commit_offset(old, 9, 3) == ErrorCode::kInvalidTxnState);
  CHECK(commit_offset(old, 9, 4) == ErrorCode::kTransactionAbortable);
  CHECK(committed(true).error_code == 0);
  CHECK(committed(true).committed_offset == 8);
}

/// Whom a node asks elsewhere outlives it.
struct Elsewhere {
  KeptPeers peers;
};

/// The coordinator of transactions is another broker, whose answers take as long as a test likes.
struct SlowCoordinator : Elsewhere, TransactionNode {
  SlowCoordinator() : TransactionNode({{"transaction.state.log.num.partitions", "1"}}, &peers) {
    cache.publish(led_by(*cache.image(), "__transaction_state", 0, kOther), 1);
  }
  ~SlowCoordinator() {
    crash();
    peers.additions.clear();
  }
  /// The coordinator said yes, but the marker was quicker than its answer.
  void end_before_the_answer(const Producer& producer, const std::string& topic, std::int32_t partition) {
    REQUIRE(!peers.additions.empty());
    REQUIRE(peers.additions.back().second);
    CHECK(write_marker(producer, 1, 1, topic, partition) == ErrorCode::kNone);
    peers.answer_addition({ErrorCode::kNone});
  }
};

TEST_CASE_METHOD(SlowCoordinator,
                 "a batch whose transaction ended while its coordinator was asked is refused") {
  std::int64_t last = 1000;
  for (const std::int16_t version : {9, 11, 12}) {
    CAPTURE(version);
    const Producer producer{"tx", ++last, 0, 0};
    const Bytes batch = batch_of(producer);
    const Call call = start(produce_request(producer, batch, version), version);
    settle();
    end_before_the_answer(producer, "t", 0);
    REQUIRE(wait(call));
    const auto told = decode<ProduceResponse>(call, version);
    CHECK(told.responses.at(0).partition_responses.at(0).error_code ==
          static_cast<std::int16_t>(ErrorCode::kInvalidTxnState));
    const auto read = fetch(true);
    CHECK(read.last_stable_offset == read.high_watermark);
  }
}

TEST_CASE_METHOD(SlowCoordinator,
                 "an offset whose transaction ended while its coordinator was asked is refused") {
  std::int64_t last = 1000;
  for (const std::int16_t version : {3, 4, 5}) {
    CAPTURE(version);
    const Producer producer{"tx", ++last, 0, 0};
    const Call call = start(offset_commit(producer, 5), version);
    settle();
    end_before_the_answer(producer, "__consumer_offsets", coordinator_partition("g", 2));
    REQUIRE(wait(call));
    const auto told = decode<TxnOffsetCommitResponse>(call, version);
    CHECK(told.topics.at(0).partitions.at(0).error_code ==
          static_cast<std::int16_t>(ErrorCode::kInvalidTxnState));
    CHECK(committed(true).error_code == 0);
    CHECK(committed(true).committed_offset == -1);
  }
}

}  // namespace
}  // namespace barnabas::broker::testing

// The rules of a transactional id, one by one: who may do what in which state, and what becomes of it.
#include "broker/coordinator/transaction_state.hpp"

#include <catch2/catch.hpp>

namespace barnabas::broker {
namespace {

using Kind = TransactionDecision::Kind;
using enum TransactionState;

constexpr std::int64_t kNow = 1700000000000;
const TopicPartition kFirst{"a", PartitionIndex(0)};
const TopicPartition kSecond{"b", PartitionIndex(3)};

ProducerIdentity producer(std::int64_t id, std::int16_t epoch) {
  return {ProducerId(id), ProducerEpoch(epoch)};
}

Transaction transaction(TransactionState state, std::int16_t epoch = 5, std::int16_t client_version = 0) {
  Transaction made;
  made.producer_id = made.previous_producer_id = ProducerId(7);
  made.epoch = ProducerEpoch(epoch);
  made.timeout_ms = 60000;
  made.state = state;
  made.client_version = client_version;
  made.last_update_ms = kNow - 1000;
  if (made.is_ending() || state == kOngoing) made.partitions = {kFirst};
  if (state != kEmpty) made.start_ms = kNow - 2000;
  check_invariants(made);
  return made;
}

TransactionDecision init(const Transaction* current, std::optional<ProducerIdentity> expected = {},
                         std::optional<ProducerId> new_id = {}, std::int16_t server_version = 2) {
  return decide_init(current, {30000, expected, new_id, server_version}, kNow);
}
TransactionDecision add(const Transaction& current, const ProducerIdentity& who,
                        const std::set<TopicPartition>& partitions = {kSecond}, std::int16_t version = 0) {
  return decide_add(&current, who, partitions, version, kNow);
}
TransactionDecision end(const Transaction& current, const ProducerIdentity& who, bool commit,
                        std::int16_t version, std::optional<ProducerId> new_id = {}) {
  return decide_end(&current, {who, commit, version, new_id}, kNow);
}
bool refuses(const TransactionDecision& decision, ErrorCode error) {
  return decision.kind == Kind::kRefuse && decision.error == error;
}
bool writes(const TransactionDecision& decision, TransactionState state) {
  if (decision.kind != Kind::kWrite || decision.next.state != state) return false;
  check_invariants(decision.next);
  return true;
}

constexpr TransactionState kIdle[] = {kEmpty, kCompleteCommit, kCompleteAbort};
constexpr TransactionState kEnding[] = {kPrepareCommit, kPrepareAbort};

TEST_CASE("names of states are Kafka's, both ways") {
  for (int i = 0; i <= 7; ++i) {
    const auto state = static_cast<TransactionState>(i);
    CHECK(transaction_state_of(to_string(state)) == state);
  }
  CHECK(to_string(kPrepareEpochFence) == "PrepareEpochFence");
  CHECK_FALSE(transaction_state_of("empty"));
}

TEST_CASE("the first producer of a transactional id gets a new producer id with epoch 0") {
  CHECK(init(nullptr).kind == Kind::kNeedsProducerId);
  const auto made = init(nullptr, {}, ProducerId(9));
  REQUIRE(writes(made, kEmpty));
  CHECK(made.next.producer_id == ProducerId(9));
  CHECK(made.next.epoch == ProducerEpoch(0));
  CHECK(made.next.timeout_ms == 30000);
  CHECK(made.next.start_ms == -1);
}

TEST_CASE("each further producer gets an epoch above that of the one before") {
  for (const TransactionState state : kIdle) {
    const Transaction current = transaction(state);
    const auto made = init(&current);
    REQUIRE(writes(made, kEmpty));
    CHECK(made.next.epoch == ProducerEpoch(6));
    CHECK(made.next.producer_id == ProducerId(7));
    CHECK(made.next.last_epoch == kNoProducerEpoch);
    CHECK(made.next.start_ms == -1);
  }
}

TEST_CASE("a producer that goes on after an error bumps its epoch, and may repeat the request") {
  Transaction current = transaction(kCompleteAbort);
  const auto bumped = init(&current, producer(7, 5));
  REQUIRE(writes(bumped, kEmpty));
  CHECK(bumped.next.epoch == ProducerEpoch(6));
  CHECK(bumped.next.last_epoch == ProducerEpoch(5));
  const auto repeated = init(&bumped.next, producer(7, 5));
  REQUIRE(writes(repeated, kEmpty));
  CHECK(repeated.next.epoch == ProducerEpoch(6));
  // Another producer in between, and the repeat is one of a zombie.
  const auto other = init(&bumped.next);
  CHECK(refuses(init(&other.next, producer(7, 5)), ErrorCode::kProducerFenced));
  CHECK(refuses(init(&other.next, producer(7, 6)), ErrorCode::kProducerFenced));
  CHECK(refuses(init(&current, producer(8, 5)), ErrorCode::kProducerFenced));
  CHECK(refuses(init(&current, producer(7, 4)), ErrorCode::kProducerFenced));
}

TEST_CASE("initializing ends the open transaction of the producer before, fenced by an epoch nobody has") {
  for (const std::int16_t version : {0, 1, 2}) {
    const Transaction current = transaction(kOngoing);
    const auto fenced = init(&current, {}, {}, version);
    REQUIRE(fenced.kind == Kind::kFence);
    CHECK(fenced.error == ErrorCode::kConcurrentTransactions);
    CHECK(fenced.next.state == kPrepareAbort);
    CHECK(fenced.next.epoch == ProducerEpoch(6));
    CHECK(fenced.next.last_epoch == (version == 2 ? ProducerEpoch(5) : kNoProducerEpoch));
    CHECK(fenced.next.partitions == current.partitions);
    CHECK(fenced.next.client_version == (version == 2 ? 2 : 0));
    check_invariants(fenced.next);
    // Another producer does not get the epoch that fenced.
    const Transaction done = complete(fenced.next, kNow);
    CHECK(init(&done).next.epoch == ProducerEpoch(7));
  }
}

TEST_CASE("the producer whose transaction was aborted may go on, until another one is initialized") {
  for (const std::int16_t version : {0, 1, 2}) {
    const Transaction done = complete(abort_and_fence(transaction(kOngoing), version, kNow), kNow);
    CHECK(refuses(init(&done, producer(7, 4)), ErrorCode::kProducerFenced));
    const auto goes_on = init(&done, producer(7, 5));
    if (version < 2) {
      CHECK(refuses(goes_on, ErrorCode::kProducerFenced));
      continue;
    }
    REQUIRE(writes(goes_on, kEmpty));
    CHECK(goes_on.next.epoch == ProducerEpoch(6));
    CHECK(init(&goes_on.next, producer(7, 5)).next.epoch == ProducerEpoch(6));  // a repeat
    const auto other = init(&done);
    CHECK(other.next.epoch == ProducerEpoch(7));
    CHECK(refuses(init(&other.next, producer(7, 5)), ErrorCode::kProducerFenced));
    CHECK(refuses(init(&other.next, producer(7, 6)), ErrorCode::kProducerFenced));
  }
}

TEST_CASE("while markers are written nobody gets on, and is told to try again") {
  for (const TransactionState state : kEnding) {
    for (const std::int16_t version : {0, 2}) {
      const Transaction current = transaction(state, 5, version);
      CHECK(refuses(init(&current), ErrorCode::kConcurrentTransactions));
      CHECK(refuses(init(&current, producer(1, 1)), ErrorCode::kConcurrentTransactions));
      CHECK(refuses(add(current, producer(7, 5)), ErrorCode::kConcurrentTransactions));
      CHECK(refuses(add(current, producer(7, 4)), ErrorCode::kConcurrentTransactions));
      CHECK(refuses(end(current, producer(7, 5), true, 2), ErrorCode::kConcurrentTransactions));
      CHECK(refuses(end(current, producer(7, 5), true, 0), ErrorCode::kConcurrentTransactions));
      CHECK(refuses(end(current, producer(7, 4), true, 0), ErrorCode::kProducerFenced));
      CHECK(check_open(&current, producer(7, 5)) == ErrorCode::kConcurrentTransactions);
      CHECK(check_open(&current, producer(7, 4)) == ErrorCode::kProducerFenced);
    }
  }
}

TEST_CASE("a used up epoch means a new producer id") {
  const Transaction current = transaction(kCompleteCommit, INT16_MAX - 1);
  CHECK(init(&current).kind == Kind::kNeedsProducerId);
  const auto rotated = init(&current, {}, ProducerId(70));
  REQUIRE(writes(rotated, kEmpty));
  CHECK(rotated.next.producer_id == ProducerId(70));
  CHECK(rotated.next.previous_producer_id == ProducerId(7));
  CHECK(rotated.next.epoch == ProducerEpoch(0));
  // A producer that says who it is may repeat that, too.
  const auto own = init(&current, producer(7, INT16_MAX - 1), ProducerId(70));
  REQUIRE(writes(own, kEmpty));
  const auto repeated = init(&own.next, producer(7, INT16_MAX - 1));
  REQUIRE(writes(repeated, kEmpty));
  CHECK(repeated.next.producer_id == ProducerId(70));
  CHECK(repeated.next.epoch == ProducerEpoch(0));
  CHECK(refuses(init(&rotated.next, producer(7, INT16_MAX - 1)), ErrorCode::kProducerFenced));
}

TEST_CASE("fencing the last epoch does not overflow") {
  const Transaction current = transaction(kOngoing, INT16_MAX - 1, 2);
  const auto fenced = init(&current);
  REQUIRE(fenced.kind == Kind::kFence);
  CHECK(fenced.next.epoch == kLastProducerEpoch);
  const Transaction done = complete(fenced.next, kNow);
  CHECK(done.epoch == kLastProducerEpoch);
  CHECK(init(&done).kind == Kind::kNeedsProducerId);
  CHECK(init(&done, {}, ProducerId(8)).next.producer_id == ProducerId(8));
  // Whose transaction it was goes on with another id, too: the last epoch is nobody's.
  CHECK(init(&done, producer(7, INT16_MAX - 1)).kind == Kind::kNeedsProducerId);
  const auto goes_on = init(&done, producer(7, INT16_MAX - 1), ProducerId(8));
  REQUIRE(writes(goes_on, kEmpty));
  CHECK(goes_on.next.producer_id == ProducerId(8));
  CHECK(goes_on.next.epoch == ProducerEpoch(0));
  CHECK(init(&goes_on.next, producer(7, INT16_MAX - 1)).next.epoch == ProducerEpoch(0));  // a repeat
}

TEST_CASE("the epoch that fences is nobody's, not even of who guesses it") {
  Transaction current = transaction(kCompleteAbort, INT16_MAX, 2);
  const auto guess = producer(7, INT16_MAX);
  CHECK(refuses(add(current, guess, {kFirst}, 2), ErrorCode::kProducerFenced));
  CHECK(refuses(end(current, guess, false, 2), ErrorCode::kProducerFenced));
  CHECK(refuses(end(current, guess, true, 2), ErrorCode::kProducerFenced));
  CHECK(refuses(end(current, guess, false, 2, ProducerId(70)), ErrorCode::kProducerFenced));
  // A log that has such a transaction all the same is loaded, and the transaction can be ended.
  current = transaction(kOngoing, INT16_MAX, 2);
  const auto fenced = init(&current);
  REQUIRE(fenced.kind == Kind::kFence);
  CHECK(fenced.next.epoch == kLastProducerEpoch);
}

TEST_CASE("partitions open a transaction and join it") {
  for (const TransactionState state : kIdle) {
    const Transaction current = transaction(state);
    const auto opened = add(current, producer(7, 5), {kSecond}, 2);
    REQUIRE(writes(opened, kOngoing));
    CHECK(opened.next.start_ms == kNow);
    CHECK(opened.next.client_version == 2);
    CHECK(opened.next.partitions == std::set<TopicPartition>{kSecond});
  }
  const Transaction current = transaction(kOngoing);
  const auto joined = add(current, producer(7, 5));
  REQUIRE(writes(joined, kOngoing));
  CHECK(joined.next.start_ms == current.start_ms);
  CHECK(joined.next.partitions == std::set<TopicPartition>{kFirst, kSecond});
  CHECK(refuses(add(current, producer(7, 5), {kFirst}), ErrorCode::kNone));  // nothing new
  CHECK(refuses(add(current, producer(8, 5)), ErrorCode::kInvalidProducerIdMapping));
  CHECK(refuses(add(current, producer(7, 4)), ErrorCode::kProducerFenced));
  CHECK(refuses(add(current, producer(7, 6)), ErrorCode::kProducerFenced));
  CHECK(
      refuses(decide_add(nullptr, producer(7, 5), {kFirst}, 0, kNow), ErrorCode::kInvalidProducerIdMapping));
}

TEST_CASE("only the producer of an open transaction is vouched for") {
  const Transaction current = transaction(kOngoing);
  CHECK(check_open(&current, producer(7, 5)) == ErrorCode::kNone);
  CHECK(check_open(&current, producer(8, 5)) == ErrorCode::kInvalidProducerIdMapping);
  CHECK(check_open(&current, producer(7, 4)) == ErrorCode::kProducerFenced);
  CHECK(check_open(nullptr, producer(7, 5)) == ErrorCode::kInvalidProducerIdMapping);
}

TEST_CASE("before transaction.version 2 an ended transaction leaves the epoch alone") {
  const Transaction current = transaction(kOngoing);
  for (const bool commit : {true, false}) {
    const auto ended = end(current, producer(7, 5), commit, 0);
    REQUIRE(writes(ended, commit ? kPrepareCommit : kPrepareAbort));
    CHECK(ended.next.epoch == ProducerEpoch(5));
    CHECK(ended.next.partitions == current.partitions);
    const Transaction done = complete(ended.next, kNow + 5);
    CHECK(done.state == (commit ? kCompleteCommit : kCompleteAbort));
    CHECK(done.partitions.empty());
    CHECK(done.epoch == ProducerEpoch(5));
    CHECK(done.last_update_ms == kNow + 5);
    CHECK(refuses(end(done, producer(7, 5), commit, 0), ErrorCode::kNone));  // a repeat
    CHECK(refuses(end(done, producer(7, 5), !commit, 0), ErrorCode::kInvalidTxnState));
    check_invariants(done);
  }
  const Transaction empty = transaction(kEmpty);
  CHECK(refuses(end(empty, producer(7, 5), true, 0), ErrorCode::kInvalidTxnState));
  CHECK(refuses(end(empty, producer(7, 5), false, 0), ErrorCode::kInvalidTxnState));
  CHECK(refuses(end(current, producer(7, 6), true, 0), ErrorCode::kProducerFenced));
  CHECK(refuses(end(current, producer(9, 5), true, 0), ErrorCode::kInvalidProducerIdMapping));
}

TEST_CASE("transaction.version 2 bumps the epoch with each end, and knows a repeat by it") {
  const Transaction current = transaction(kOngoing, 5, 2);
  for (const bool commit : {true, false}) {
    const auto ended = end(current, producer(7, 5), commit, 2);
    REQUIRE(writes(ended, commit ? kPrepareCommit : kPrepareAbort));
    CHECK(ended.next.epoch == ProducerEpoch(6));
    CHECK(identity_after_end(ended.next).epoch == ProducerEpoch(6));
    const Transaction done = complete(ended.next, kNow);
    CHECK(done.epoch == ProducerEpoch(6));
    CHECK(refuses(end(done, producer(7, 5), commit, 2), ErrorCode::kNone));
    CHECK(refuses(end(done, producer(7, 5), !commit, 2), ErrorCode::kInvalidTxnState));
    CHECK(refuses(end(done, producer(7, 4), commit, 2), ErrorCode::kProducerFenced));
    CHECK(refuses(end(done, producer(7, 7), commit, 2), ErrorCode::kProducerFenced));
    // With the new epoch it is about the next transaction, of which there is none yet.
    CHECK(refuses(end(done, producer(7, 6), true, 2), ErrorCode::kInvalidTxnState));
    CHECK(writes(end(done, producer(7, 6), false, 2), kPrepareAbort));
    // A late message of the old epoch opens no new transaction.
    CHECK(refuses(add(done, producer(7, 5), {kFirst}, 2), ErrorCode::kProducerFenced));
    // Who begins anew instead has the epoch of the end, whose answer may have been lost.
    const auto anew = init(&done, producer(7, 5));
    REQUIRE(writes(anew, kEmpty));
    CHECK(anew.next.epoch == ProducerEpoch(6));
    CHECK(refuses(init(&done, producer(7, 4)), ErrorCode::kProducerFenced));
  }
}

TEST_CASE("an abort of nothing is a transaction without partitions, from transaction.version 2 on") {
  for (const TransactionState state : kIdle) {
    const Transaction current = transaction(state);
    const auto ended = end(current, producer(7, 5), false, 2);
    REQUIRE(writes(ended, kPrepareAbort));
    CHECK(ended.next.partitions.empty());
    CHECK(ended.next.start_ms == kNow);
    CHECK(ended.next.epoch == ProducerEpoch(6));
    CHECK(refuses(end(current, producer(7, 5), true, 2), ErrorCode::kInvalidTxnState));
  }
}

TEST_CASE("an end that uses up the epoch goes on with a new producer id once it is complete") {
  const Transaction current = transaction(kOngoing, INT16_MAX - 1, 2);
  CHECK(end(current, producer(7, INT16_MAX - 1), true, 2).kind == Kind::kNeedsProducerId);
  const auto ended = end(current, producer(7, INT16_MAX - 1), true, 2, ProducerId(70));
  REQUIRE(writes(ended, kPrepareCommit));
  CHECK(ended.next.producer_id == ProducerId(7));  // the markers' still
  CHECK(ended.next.epoch == kLastProducerEpoch);
  CHECK(ended.next.next_producer_id == ProducerId(70));
  CHECK(identity_after_end(ended.next).id == ProducerId(70));
  CHECK(identity_after_end(ended.next).epoch == ProducerEpoch(0));
  // The producer has its new id before the transaction is complete, and must not be told that it is unknown.
  CHECK(refuses(add(ended.next, producer(70, 0), {kFirst}, 2), ErrorCode::kConcurrentTransactions));
  const Transaction done = complete(ended.next, kNow);
  CHECK(done.producer_id == ProducerId(70));
  CHECK(done.previous_producer_id == ProducerId(7));
  CHECK(done.next_producer_id == kNoProducerId);
  CHECK(done.epoch == ProducerEpoch(0));
  CHECK(refuses(end(done, producer(7, INT16_MAX - 1), true, 2), ErrorCode::kNone));
  CHECK(refuses(end(done, producer(7, INT16_MAX - 1), false, 2), ErrorCode::kInvalidTxnState));
  CHECK(refuses(end(done, producer(7, 3), true, 2), ErrorCode::kInvalidProducerIdMapping));
  CHECK(writes(add(done, producer(70, 0), {kFirst}, 2), kOngoing));
  // An id that was asked for in vain is not taken.
  CHECK(end(transaction(kOngoing, 5, 2), producer(7, 5), true, 2, ProducerId(70)).next.next_producer_id ==
        kNoProducerId);
}

}  // namespace
}  // namespace barnabas::broker

// What idempotent producers and readers of committed records rely on, frame by frame: an answer that would be
// merely odd elsewhere costs them records, or gives them some twice.
//
// The other two such things: transactional_order_test.cpp (an offset is ordered by its transaction's marker),
// moved_coordinator_test.cpp (who is no coordinator any more says so).
#include <catch2/catch.hpp>

#include "broker/api/transaction_fixture.hpp"
#include "broker/drivers/log_maintenance.hpp"
#include "protocol/control_record.hpp"
#include "protocol/messages/api_describe_producers.hpp"
#include "protocol/messages/api_list_offsets.hpp"
#include "protocol/record_batch.hpp"

namespace barnabas::broker::testing {
namespace {

using namespace protocol;  // NOLINT: the messages

struct Told {
  ErrorCode error = ErrorCode::kNone;
  std::int64_t base_offset = -1;
  bool operator==(const Told&) const = default;
};

ProduceRequest request_of(const Bytes& batch, std::int16_t version, const Uuid& topic_id) {
  ProduceRequest request;
  request.acks = -1;
  request.timeout_ms = 1000;
  auto& topic = request.topic_data.emplace_back();
  if (version >= 13) topic.topic_id = topic_id;
  if (version < 13) topic.name = "t";
  topic.partition_data.push_back({0, Records{batch}});
  return request;
}

/// A node with one partition, and what is produced to it.
struct Produced : ApiFixture {
  explicit Produced(ConfigMap properties = {}, ConfigMap configs = {})
      : ApiFixture({.properties = std::move(properties)}), topic_id(create_topic("t", 1, configs)) {}

  [[nodiscard]] Bytes batch_of(std::int64_t producer, std::int32_t sequence,
                               bool transactional = false) const {
    BatchOptions how;
    how.producer_id = ProducerId(producer);
    how.producer_epoch = ProducerEpoch(0);
    how.base_sequence = sequence;
    how.is_transactional = transactional;
    return make_batch(1, "v", how);
  }
  Told produce(std::int64_t producer, std::int32_t sequence, std::int16_t version = 9) {
    const Bytes batch = batch_of(producer, sequence);
    const auto response = ask<ProduceResponse>(request_of(batch, version, topic_id), version);
    const auto& told = response.responses.at(0).partition_responses.at(0);
    return {static_cast<ErrorCode>(told.error_code), told.base_offset};
  }

  Uuid topic_id;
};

TEST_CASE("a repeat of any of the last five batches is answered with its original offset") {
  for (std::int16_t version = 3; version <= 13; ++version) {
    CAPTURE(version);
    Produced node;
    for (std::int32_t sequence = 0; sequence < 7; ++sequence)
      CHECK(node.produce(5, sequence, version) == Told{ErrorCode::kNone, sequence});
    // In any order, and as often as it likes; another producer's batches are in between.
    CHECK(node.produce(6, 0, version) == Told{ErrorCode::kNone, 7});
    for (const std::int32_t sequence : {6, 2, 4, 3, 5, 2, 6})
      CHECK(node.produce(5, sequence, version) == Told{ErrorCode::kNone, sequence});
    CHECK(node.produce(5, 1, version).error == ErrorCode::kOutOfOrderSequenceNumber);
    CHECK(node.produce(5, 7, version) == Told{ErrorCode::kNone, 8});
  }
}

TEST_CASE("after a producer's state expired any first sequence is accepted") {
  Produced node(ConfigMap{{"producer.id.expiration.ms", "5000"}});
  LogMaintenance maintenance(node.clock, *node.config, *node.replicas);
  CHECK(node.produce(5, 0) == Told{ErrorCode::kNone, 0});
  CHECK(node.produce(5, 7).error == ErrorCode::kOutOfOrderSequenceNumber);
  node.world.run_until(node.clock.monotonic() + std::chrono::milliseconds(5000));
  maintenance.expire_producers();
  CHECK(node.produce(5, 7) == Told{ErrorCode::kNone, 1});
  // From there on its batches are in sequence again, and known again.
  CHECK(node.produce(5, 7) == Told{ErrorCode::kNone, 1});
  CHECK(node.produce(5, 9).error == ErrorCode::kOutOfOrderSequenceNumber);
  CHECK(node.produce(5, 8) == Told{ErrorCode::kNone, 2});
}

// The Java client takes UNKNOWN_SERVER_ERROR for the end of its session: it goes on with another producer id,
// and what it repeats is there twice.
TEST_CASE("a produce whose file calls fail is never answered with UNKNOWN_SERVER_ERROR") {
  bool struck = true;
  int refused = 0;
  for (std::uint64_t n = 1; struck; ++n) {
    CAPTURE(n);
    Produced node({}, {{"flush.messages", "1"}});
    CHECK(node.produce(5, 0) == Told{ErrorCode::kNone, 0});
    node.files.fail_nth_call(n);
    const Told told = node.produce(5, 1);
    struck = node.files.fault_struck();
    if (told.error != ErrorCode::kNone) ++refused;
    CHECK((told == Told{ErrorCode::kNone, 1} || told.error == ErrorCode::kKafkaStorageError));
  }
  CHECK(refused > 0);
}

/// Whom a node asks elsewhere outlives it.
struct Elsewhere {
  KeptPeers peers;
};

/// The coordinator of transactions is another broker.
struct CoordinatorElsewhere : Elsewhere, TransactionNode {
  CoordinatorElsewhere() : TransactionNode({{"transaction.state.log.num.partitions", "1"}}, &peers) {
    cache.publish(led_by(*cache.image(), "__transaction_state", 0, kOther), 1);
  }
  ~CoordinatorElsewhere() {
    crash();
    peers.additions.clear();
  }
  /// What a batch that opens a transaction is told when `answer` answers the coordinator's question.
  Told produce_with(std::int16_t version, const std::function<void(KeptPeers&)>& answer) {
    Producer producer{"tx", ++last_producer, 0, 0};
    const Bytes batch = batch_of(producer);
    const Call call = start(produce_request(producer, batch, version), version);
    for (int i = 0; i < 200 && call->answers == 0; ++i) {
      if (!peers.additions.empty() && peers.additions.back().second) answer(peers);
      settle();
    }
    const auto response = decode<ProduceResponse>(call, version);
    const auto& told = response.responses.at(0).partition_responses.at(0);
    return {static_cast<ErrorCode>(told.error_code), told.base_offset};
  }

  std::int64_t last_producer = 1000;
};

TEST_CASE_METHOD(CoordinatorElsewhere,
                 "whatever a coordinator says, a produce is not answered with UNKNOWN_SERVER_ERROR") {
  std::int64_t written = 0;
  for (const std::int16_t version : {9, 11, 12}) {
    for (std::int16_t code = -1; code <= 133; ++code) {
      CAPTURE(version, code);
      const auto error = static_cast<ErrorCode>(code);
      const Told told = produce_with(version, [&](KeptPeers& asked) { asked.answer_addition({error}); });
      CHECK(told.error != ErrorCode::kUnknownServerError);
      CHECK((told.error == ErrorCode::kNone) == (code == 0));
      if (code == 0) CHECK(told.base_offset == written++);
    }
    // Nor when it leaves the partition out, refuses all of them, or does not answer.
    const auto answer_with = [&](AddPartitionsToTxnResponse response) {
      return produce_with(version, [&](KeptPeers& asked) {
        std::exchange(asked.additions.back().second, nullptr)(response);
      });
    };
    CHECK(answer_with({}).error == ErrorCode::kNotEnoughReplicas);
    AddPartitionsToTxnResponse refusal;
    refusal.error_code = static_cast<std::int16_t>(ErrorCode::kUnknownServerError);
    CHECK(answer_with(refusal).error == ErrorCode::kNotEnoughReplicas);
    const Told silent = produce_with(version, [](KeptPeers& asked) {
      std::exchange(asked.additions.back().second, nullptr)(fail(ErrorCode::kRequestTimedOut));
    });
    CHECK(silent.error == ErrorCode::kNotEnoughReplicas);
  }
}

/// A follower of broker 2 that becomes the leader.
struct NewLeader : Produced {
  NewLeader() {
    metadata = *cache.image()->partition("t", PartitionIndex(0));
    metadata.replicas = metadata.isr = {BrokerId(1), kOther};
    metadata.leader = kOther;
    metadata.leader_epoch = LeaderEpoch(5);
    metadata.partition_epoch += 1;
    CHECK(find("t", 0).become_follower(metadata));
  }
  /// As the leader has it at the end of the log.
  void replicate(Bytes batch) {
    RecordBatchView view(batch);
    set_base_offset(batch, end);
    set_leader_epoch(batch, LeaderEpoch(5));
    // What is committed it learns with the next fetch.
    demand(find("t", 0).append_as_follower({LeaderEpoch(5), end, batch, high_watermark, Offset(0)}));
    high_watermark = end;
    end = view.next_offset();
  }
  void abort(std::int64_t producer) {
    BatchOptions how;
    how.producer_id = ProducerId(producer);
    how.producer_epoch = ProducerEpoch(0);
    replicate(make_end_txn_batch(how, clock.wall_ms(), ControlType::kAbort, {3}));
  }
  void lead() {
    metadata.leader = BrokerId(1);
    metadata.isr = {BrokerId(1)};
    metadata.leader_epoch = LeaderEpoch(6);
    metadata.partition_epoch += 1;
    find("t", 0).become_leader(metadata);
  }
  FetchResponse::PartitionData fetch(std::int16_t version) {
    FetchRequest request;
    request.max_bytes = 1 << 20;
    request.isolation_level = 1;
    auto& topic = request.topics.emplace_back();
    if (version < 13) topic.topic = "t";
    if (version >= 13) topic.topic_id = topic_id;
    topic.partitions.emplace_back().partition_max_bytes = 1 << 20;
    return ask<FetchResponse>(request, version).responses.at(0).partitions.at(0);
  }

  kraft::PartitionRegistration metadata;
  Offset end{0};
  Offset high_watermark{0};
};

TEST_CASE_METHOD(
    NewLeader,
    "producers, last stable offset and aborted transactions are complete on a new leader before it "
    "serves") {
  for (std::int32_t sequence = 0; sequence < 6; ++sequence) replicate(batch_of(7, sequence));  // 0 to 5
  replicate(batch_of(8, 0, true));                                                             // 6
  abort(8);                                                                                    // 7
  replicate(batch_of(9, 0, true));                                                             // 8
  replicate(make_batch());                                                                     // 9
  CHECK(produce(7, 6).error == ErrorCode::kNotLeaderOrFollower);
  lead();
  for (const std::int16_t version : {4, 11, 12, 13, 18}) {
    CAPTURE(version);
    const auto read = fetch(version);
    CHECK(read.error_code == 0);
    CHECK(read.high_watermark == 10);
    CHECK(read.last_stable_offset == 8);
    REQUIRE(read.aborted_transactions.has_value());
    REQUIRE(read.aborted_transactions->size() == 1);
    CHECK(read.aborted_transactions->front().producer_id == 8);
    CHECK(read.aborted_transactions->front().first_offset == 6);
  }
  ListOffsetsRequest list;
  list.replica_id = -1;
  list.isolation_level = 1;
  auto& topic = list.topics.emplace_back();
  topic.name = "t";
  topic.partitions.emplace_back().timestamp = -1;
  CHECK(ask<ListOffsetsResponse>(list, 7).topics.at(0).partitions.at(0).offset == 8);
  DescribeProducersRequest describe;
  describe.topics = {{"t", {0}}};
  const auto producers = ask<DescribeProducersResponse>(describe, 0).topics.at(0).partitions.at(0);
  REQUIRE(producers.active_producers.size() == 3);
  CHECK(producers.active_producers[1].coordinator_epoch == 3);
  CHECK(producers.active_producers[2].current_txn_start_offset == 8);
  for (const std::int32_t sequence : {1, 2, 3, 4, 5})
    CHECK(produce(7, sequence) == Told{ErrorCode::kNone, sequence});
  CHECK(produce(7, 0).error == ErrorCode::kOutOfOrderSequenceNumber);
  CHECK(produce(7, 6) == Told{ErrorCode::kNone, 10});
}

}  // namespace
}  // namespace barnabas::broker::testing

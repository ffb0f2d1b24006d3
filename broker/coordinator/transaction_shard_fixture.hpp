// A transaction coordinator's shard in a test: over a log in memory, with a clock of its own, and markers
// that go nowhere until the test says what became of them. Single-threaded.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "broker/coordinator/shard_fixture.hpp"
#include "broker/coordinator/transaction_records.hpp"
#include "broker/coordinator/transaction_shard.hpp"
#include "protocol/record_batch_builder.hpp"

namespace barnabas::broker::testing {

inline const TopicPartition kFirst{"a", PartitionIndex(0)};
inline const TopicPartition kSecond{"b", PartitionIndex(3)};

struct KeptMarkers final : MarkerSender {
  void send(TransactionMarkers markers) override { sent.push_back(std::move(markers)); }
  std::vector<TransactionMarkers> sent;
};

inline MarkersSent sent_of(const TransactionMarkers& markers) {
  return {markers.producer, markers.coordinator_epoch};
}

/// A coordinator; several may be made over one log, one after another.
struct TransactionCoordinator {
  explicit TransactionCoordinator(std::shared_ptr<MemoryShardLog> over = nullptr, std::int32_t epoch = 4)
      : log(over ? std::move(over) : std::make_shared<MemoryShardLog>()),
        shard(options(epoch), markers),
        runtime(shard, *log, {.name = "__transaction_state-0", .base_sequence = -1}) {
    while (!runtime.load_some(now).value()) {
    }
    runtime.run_timers(now);
    shard.check_invariants();
  }

  TransactionShardOptions options(std::int32_t epoch) {
    TransactionShardOptions made;
    made.coordinator_epoch = epoch;
    made.transaction_version = [this] { return level; };
    return made;
  }

  void run(CoordinatorRuntime::Operation operation) {
    runtime.run(CoordinatorRuntime::Kind::kExclusive, now, std::move(operation));
    runtime.run_timers(now);
    shard.check_invariants();
  }
  void advance(std::int64_t ms) { pass_time(shard, runtime, now, ms); }

  Caught<TransactionAnswer> init(std::optional<ProducerIdentity> expected = {},
                                 std::int32_t timeout_ms = 60000) {
    Caught<TransactionAnswer> caught;
    InitProducerInput input{timeout_ms, expected, {}, 0};
    Answer<TransactionAnswer> answer = caught.answer();
    bool done = false;
    run([&](Step& step) { done = shard.init_producer("t", input, answer, step); });
    if (done) return caught;
    input.new_id = ProducerId(next_id++);
    run([&](Step& step) { done = shard.init_producer("t", input, answer, step); });
    CHECK(done);
    return caught;
  }
  Caught<TransactionAnswer> add(const ProducerIdentity& who, const std::set<TopicPartition>& partitions,
                                std::int16_t version = 2) {
    Caught<TransactionAnswer> caught;
    run([&](Step& step) { shard.add_partitions("t", who, partitions, version, caught.answer(), step); });
    return caught;
  }
  Caught<TransactionAnswer> end(const ProducerIdentity& who, bool commit, std::int16_t version = 2) {
    Caught<TransactionAnswer> caught;
    EndInput input{who, commit, version, {}};
    Answer<TransactionAnswer> answer = caught.answer();
    bool done = false;
    run([&](Step& step) { done = shard.end_transaction("t", input, answer, step); });
    if (done) return caught;
    input.new_id = ProducerId(next_id++);
    run([&](Step& step) { done = shard.end_transaction("t", input, answer, step); });
    CHECK(done);
    return caught;
  }
  /// Answers the last markers that went out.
  void write_markers(ErrorCode error = ErrorCode::kNone, std::size_t at = SIZE_MAX) {
    const TransactionMarkers sent = at == SIZE_MAX ? markers.sent.back() : markers.sent.at(at);
    std::vector<MarkerResult> results;
    for (const TopicPartition& tp : sent.partitions) results.push_back({tp, error});
    run([&](Step& step) { shard.markers_written("t", sent_of(sent), results, step); });
  }
  /// A transaction that has begun, of a new producer.
  ProducerIdentity begin(const std::set<TopicPartition>& partitions = {kFirst, kSecond},
                         std::int16_t version = 2) {
    const auto made = init();
    REQUIRE(made.error() == ErrorCode::kNone);
    REQUIRE(add(made->producer, partitions, version).error() == ErrorCode::kNone);
    return made->producer;
  }
  TransactionState state() { return shard.find("t")->state; }

  CoordinatorTime now{.wall_ms = 1700000000000, .mono_ms = 1000};
  std::int16_t level = 2;
  std::int64_t next_id = 100;
  KeptMarkers markers;
  std::shared_ptr<MemoryShardLog> log;
  TransactionShard shard;
  CoordinatorRuntime runtime;
};

/// Puts a transaction in a log, as another coordinator left it.
inline std::shared_ptr<MemoryShardLog> log_with(const Transaction& transaction) {
  auto log = std::make_shared<MemoryShardLog>();
  RecordList records;
  add_transaction(records, "t", transaction, 2);
  protocol::RecordBatchBuilder builder({});
  builder.append(
      {.timestamp = 1, .key = records.key(records.entry(0)), .value = records.value(records.entry(0))});
  Bytes batch = builder.build();
  REQUIRE(log->append(batch, {}).has_value());
  return log;
}

}  // namespace barnabas::broker::testing

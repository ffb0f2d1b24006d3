#include "broker/drivers/log_flusher.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>

#include "broker/api/api_fixture.hpp"
#include "protocol/messages/api_produce.hpp"

namespace barnabas::broker::testing {
namespace {

using protocol::ProduceRequest;
using protocol::ProduceResponse;

struct Flushed {
  ApiFixture node;

  explicit Flushed(const std::string& flush_messages) {
    (void)node.create_topic("t", 1, {{"flush.messages", flush_messages}});
  }
  std::int16_t produce(std::int16_t acks = -1) {
    const Bytes batch = node.make_batch(1);
    ProduceRequest asked;
    asked.acks = acks;
    asked.topic_data.emplace_back().name = "t";
    asked.topic_data.back().partition_data.push_back({0, protocol::Records{batch}});
    return node.ask<ProduceResponse>(asked, 9).responses.at(0).partition_responses.at(0).error_code;
  }
  std::pair<std::int64_t, std::int64_t> durable_and_visible() {
    return node.find("t", 0).with_log([](log::PartitionLog& log) {
      return std::pair(log.recovery_point().value(), log.high_watermark().value());
    });
  }
};

TEST_CASE("with flush.messages=1 a batch is on disk before it is acknowledged") {
  Flushed at("1");
  for (std::int64_t n = 1; n <= 3; ++n) {
    CHECK(at.produce(n % 2 == 0 ? -1 : 1) == 0);
    CHECK(at.durable_and_visible() == std::pair(n, n));
  }
}

TEST_CASE("flush.messages counts what is not yet on disk") {
  Flushed at("3");
  CHECK(at.produce() == 0);
  CHECK(at.produce() == 0);
  CHECK(at.durable_and_visible() == std::pair<std::int64_t, std::int64_t>(0, 2));
  CHECK(at.produce() == 0);
  CHECK(at.durable_and_visible() == std::pair<std::int64_t, std::int64_t>(3, 3));
}

TEST_CASE("what cannot be synced is neither acknowledged nor shown, now or later") {
  bool failed_once = false;
  for (std::uint64_t n = 1;; ++n) {
    Flushed at("1");
    REQUIRE(at.produce() == 0);
    at.node.files.fail_nth_call(n);
    const std::int16_t told = at.produce();
    if (!at.node.files.fault_struck()) break;
    failed_once = true;
    CHECK(told == static_cast<std::int16_t>(ErrorCode::kKafkaStorageError));
    CHECK(at.durable_and_visible() == std::pair<std::int64_t, std::int64_t>(1, 1));
    CHECK(at.produce() == static_cast<std::int16_t>(ErrorCode::kKafkaStorageError));
  }
  CHECK(failed_once);
}

TEST_CASE("requests of many threads share syncs") {
  constexpr int kCallers = 4;
  constexpr int kEach = 250;
  Flushed at("1");
  MetricsRegistry metrics;
  LogFlusher flusher(metrics, 2);
  const auto partition = at.node.replicas->find("t", PartitionIndex(0));
  REQUIRE(partition != nullptr);
  std::atomic<int> done = 0;
  std::atomic<int> early = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&] {
      for (int n = 0; n < kEach; ++n) {
        Bytes batch = at.node.make_batch(1);
        log::AppendOptions options;
        options.syncs_later = true;
        const auto appended = partition->append(batch, options);
        const Offset end = appended.value().last_offset + 1;
        flusher.flush(partition, [&, end](const Result<void>& synced) {
          const Offset durable =
              partition->with_log([](log::PartitionLog& log) { return log.recovery_point(); });
          if (!synced || durable < end) ++early;
          ++done;
        });
      }
    });
  }
  for (auto& caller : callers) caller.join();
  flusher.stop();
  CHECK(done == kCallers * kEach);
  CHECK(early == 0);
  CHECK(metrics.counter("barnabas_log_flusher_requests_total").value() == kCallers * kEach);
  CHECK(metrics.counter("barnabas_log_flusher_rounds_total").value() <= kCallers * kEach);
  CHECK(at.durable_and_visible() ==
        std::pair<std::int64_t, std::int64_t>(kCallers * kEach, kCallers * kEach));

  bool refused = false;
  flusher.flush(partition, [&](const Result<void>& synced) { refused = !synced; });
  CHECK(refused);
}

}  // namespace
}  // namespace barnabas::broker::testing

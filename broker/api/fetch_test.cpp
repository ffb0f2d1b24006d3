#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"
#include "protocol/messages/api_fetch.hpp"
#include "protocol/messages/api_list_offsets.hpp"
#include "protocol/messages/api_offset_for_leader_epoch.hpp"

namespace barnabas::broker::testing {
namespace {

using namespace std::chrono_literals;
using protocol::FetchRequest;
using protocol::FetchResponse;
using protocol::ListOffsetsRequest;
using protocol::ListOffsetsResponse;

constexpr std::int16_t code(ErrorCode error) {
  return static_cast<std::int16_t>(error);
}

struct Fetching {
  ApiFixture node;
  Uuid id = node.create_topic("t", 2);

  FetchRequest request(std::int16_t version, std::int64_t offset = 0, std::int32_t max_wait_ms = 0) {
    FetchRequest asked;
    asked.max_wait_ms = max_wait_ms;
    asked.min_bytes = 1;
    asked.max_bytes = 1 << 20;
    asked.session_epoch = -1;
    auto& topic = asked.topics.emplace_back();
    if (version < 13) topic.topic = "t";
    if (version >= 13) topic.topic_id = id;
    auto& partition = topic.partitions.emplace_back();
    partition.fetch_offset = offset;
    partition.partition_max_bytes = 1 << 20;
    return asked;
  }
  auto only(const FetchRequest& asked, std::int16_t version) {
    const auto response = node.ask<FetchResponse>(asked, version);
    REQUIRE(response.error_code == 0);
    REQUIRE(response.responses.size() == 1);
    REQUIRE(response.responses[0].partitions.size() == 1);
    return response.responses[0].partitions[0];
  }
  std::chrono::nanoseconds time_of(const FetchRequest& asked, std::int16_t version) {
    const auto before = node.clock.monotonic();
    (void)node.ask<FetchResponse>(asked, version);
    return node.clock.monotonic() - before;
  }
};

TEST_CASE("records are fetched at every version") {
  Fetching at;
  (void)at.node.append("t", 0, 3);
  const Bytes expected = at.node.make_batch(3);
  for (std::int16_t version = 4; version <= 18; ++version) {
    INFO("version " << version);
    for (const std::int8_t isolation : {0, 1}) {
      auto asked = at.request(version);
      asked.isolation_level = isolation;
      const auto answer = at.only(asked, version);
      CHECK(answer.error_code == 0);
      CHECK(answer.high_watermark == 3);
      CHECK(answer.last_stable_offset == 3);
      CHECK(answer.log_start_offset == (version >= 5 ? 0 : -1));
      CHECK(answer.aborted_transactions.has_value() == (isolation == 1));
      CHECK(answer.preferred_read_replica == -1);
      REQUIRE(answer.records);
      CHECK(answer.records->bytes.size() == expected.size());
    }
  }
}

/// Takes what partition `index` holds out of memory.
void evict(ApiFixture& node, int index) {
  node.find("t", index).with_log([&](log::PartitionLog& log) {
    demand(node.files.open(log.directory() + "/00000000000000000000.log", OpenMode::kReadOnly))
        ->drop_from_cache(0, 1);
  });
}

TEST_CASE("what is not in memory is loaded before a fetch is answered with it") {
  Fetching at;
  (void)at.node.append("t", 0, 3);
  Counter& loads = at.node.metrics.counter("barnabas_log_cold_reads_total");
  const auto before = at.only(at.request(12), 12);
  CHECK(loads.value() == 0);
  evict(at.node, 0);
  for (int i = 0; i < 2; ++i) {
    const auto answer = at.only(at.request(12), 12);
    REQUIRE(answer.records);
    CHECK(as_text(answer.records->bytes) == as_text(before.records->bytes));
    CHECK(loads.value() == 1);
  }
  CHECK(at.node.metrics.counter("barnabas_log_cold_read_bytes_total").value() ==
        before.records->bytes.size());
}

TEST_CASE("a fetch that has something to answer with does not wait for the disk") {
  Fetching at;
  (void)at.node.append("t", 0, 3);
  (void)at.node.append("t", 1, 1);
  evict(at.node, 0);
  auto asked = at.request(12);
  asked.topics[0].partitions.push_back(asked.topics[0].partitions[0]);
  asked.topics[0].partitions[1].partition = 1;
  const auto sizes = [&] {
    const auto response = at.node.ask<FetchResponse>(asked, 12);
    const auto& partitions = response.responses.at(0).partitions;
    return std::pair(partitions.at(0).records->bytes.empty(), partitions.at(1).records->bytes.empty());
  };
  CHECK(sizes() == std::pair(true, false));
  CHECK(sizes() == std::pair(false, false));  // it was loaded meanwhile
}

TEST_CASE("offsets outside the log, unknown names, ids and epochs have Kafka's errors") {
  Fetching at;
  (void)at.node.append("t", 0, 3);
  for (std::int16_t version = 0; version <= 18; ++version) {
    INFO("version " << version);
    for (const std::int64_t offset : {std::int64_t{4}, std::int64_t{-1}, INT64_MAX, INT64_MIN}) {
      const auto answer = at.only(at.request(version, offset, 5000), version);
      CHECK(answer.error_code == code(ErrorCode::kOffsetOutOfRange));
      CHECK(answer.high_watermark == -1);
      CHECK(answer.last_stable_offset == -1);
      CHECK(answer.log_start_offset == -1);
      if (version >= 4) CHECK_FALSE(answer.aborted_transactions);
      CHECK(answer.records->bytes.empty());
    }
    auto unknown = at.request(version, 0, 5000);
    unknown.topics[0].topic = version < 13 ? "nope" : "";
    unknown.topics[0].topic_id = version < 13 ? Uuid{} : Uuid::of_low(4711);
    auto answer = at.only(unknown, version);
    CHECK(answer.error_code ==
          code(version < 13 ? ErrorCode::kUnknownTopicOrPartition : ErrorCode::kUnknownTopicId));
    CHECK(answer.aborted_transactions == std::vector<FetchResponse::AbortedTransaction>{});
    CHECK(at.time_of(unknown, version) < 1s);
    for (const std::int32_t index : {44, -1, INT32_MAX}) {
      auto asked = at.request(version, 0, 5000);
      asked.topics[0].partitions[0].partition = index;
      CHECK(at.only(asked, version).error_code == code(ErrorCode::kUnknownTopicOrPartition));
    }
    if (version < 9) continue;
    auto ahead = at.request(version);
    ahead.topics[0].partitions[0].current_leader_epoch = 1;
    CHECK(at.only(ahead, version).error_code == code(ErrorCode::kUnknownLeaderEpoch));
    ahead.topics[0].partitions[0].current_leader_epoch = 0;
    CHECK(at.only(ahead, version).error_code == 0);
  }
}

TEST_CASE("a fetch at the end waits for its time and answers with nothing") {
  Fetching at;
  (void)at.node.append("t", 0);
  for (std::int16_t version = 0; version <= 18; ++version) {
    CHECK(at.time_of(at.request(version, 1, 500), version) == 500ms);
    CHECK(at.time_of(at.request(version, 1, 0), version) == 0ms);
    CHECK(at.time_of(at.request(version, 1, -5), version) == 0ms);
  }
}

TEST_CASE("an append wakes the fetches that wait, as soon as there is enough") {
  Fetching at;
  auto asked = at.request(12, 0, 10'000);
  asked.min_bytes = 150;
  const Call call = at.node.start(asked, 12);
  CHECK_FALSE(at.node.wait(call, 100ms));
  (void)at.node.append("t", 1);
  (void)at.node.append("t", 0);  // some 75 bytes
  CHECK_FALSE(at.node.wait(call, 100ms));
  (void)at.node.append("t", 0);
  (void)at.node.append("t", 0);
  CHECK(at.node.wait(call, 100ms));
  const auto response = at.node.decode<FetchResponse>(call, 12);
  CHECK(response.responses[0].partitions[0].high_watermark == 3);
  at.node.world.run_until_idle();
  CHECK(call->answers == 1);
}

TEST_CASE("min.bytes beyond what an answer may hold does not hold it back") {
  Fetching at;
  (void)at.node.append("t", 0);
  auto asked = at.request(12, 0, 5000);
  asked.min_bytes = 1 << 30;
  asked.max_bytes = 10;
  CHECK(at.time_of(asked, 12) == 0ms);
}

TEST_CASE("a topic that is deleted answers the fetches that wait on it") {
  Fetching at;
  const Call call = at.node.start(at.request(12, 0, 60'000), 12);
  CHECK_FALSE(at.node.wait(call, 100ms));
  at.node.find("t", 0).resign();
  CHECK(at.node.wait(call, 100ms));
  const auto response = at.node.decode<FetchResponse>(call, 12);
  CHECK(response.responses[0].partitions[0].error_code == code(ErrorCode::kNotLeaderOrFollower));
}

TEST_CASE("an unknown topic beside a known one neither hastens the answer nor comes first") {
  Fetching at;
  auto asked = at.request(12, 0, 1500);
  asked.topics.insert(asked.topics.begin(), asked.topics[0])->topic = "nope";
  CHECK(at.time_of(asked, 12) == 1500ms);
  const auto response = at.node.ask<FetchResponse>(asked, 12);
  REQUIRE(response.responses.size() == 2);
  CHECK(response.responses[0].topic == "t");
  CHECK(response.responses[1].topic == "nope");
  // An error of a partition that is here does hasten it.
  asked.topics[0] = asked.topics[1];
  asked.topics[0].partitions[0].partition = 1;
  asked.topics[0].partitions[0].fetch_offset = 99;
  CHECK(at.time_of(asked, 12) == 0ms);
}

TEST_CASE("the first batch is returned whole whatever the limits, the others only where they fit") {
  Fetching at;
  (void)at.node.append("t", 0, 1, std::string(1000, 'x'));
  (void)at.node.append("t", 0, 1, std::string(1000, 'y'));
  (void)at.node.append("t", 1, 1, std::string(1000, 'z'));
  for (const std::int32_t limit : {0, 1, -1, 1100}) {
    for (std::int16_t version = 4; version <= 18; ++version) {
      INFO("limit " << limit << " version " << version);
      auto asked = at.request(version);
      asked.max_bytes = limit;
      asked.topics[0].partitions.push_back(asked.topics[0].partitions[0]);
      asked.topics[0].partitions[1].partition = 1;
      const auto response = at.node.ask<FetchResponse>(asked, version);
      const auto& partitions = response.responses.at(0).partitions;
      REQUIRE(partitions.size() == 2);
      CHECK(partitions[0].records->bytes.size() > 1000);
      CHECK(partitions[0].records->bytes.size() < 1200);
      CHECK(partitions[1].records->bytes.size() <= 100);
      asked.max_bytes = 1 << 20;
      asked.topics[0].partitions[0].partition_max_bytes = limit;
      const auto narrow = at.node.ask<FetchResponse>(asked, version);
      CHECK(narrow.responses.at(0).partitions.at(0).records->bytes.size() < 1200);
      CHECK(narrow.responses[0].partitions.at(1).records->bytes.size() > 1000);
    }
  }
}

TEST_CASE("a session names only what changed, at every version that has sessions") {
  for (std::int16_t version = 7; version <= 18; ++version) {
    INFO("version " << version);
    Fetching at;
    auto asked = at.request(version);
    asked.session_epoch = 0;
    asked.topics[0].partitions.push_back(asked.topics[0].partitions[0]);
    asked.topics[0].partitions[1].partition = 1;
    const auto first = at.node.ask<FetchResponse>(asked, version);
    REQUIRE(first.session_id != 0);
    CHECK(first.responses.at(0).partitions.size() == 2);
    FetchRequest next;
    next.max_wait_ms = 0;
    next.min_bytes = 1;
    next.max_bytes = 1 << 20;
    next.session_id = first.session_id;
    next.session_epoch = 1;
    CHECK(at.node.ask<FetchResponse>(next, version).responses.empty());
    (void)at.node.append("t", 1);
    next.session_epoch = 2;
    const auto changed = at.node.ask<FetchResponse>(next, version);
    REQUIRE(changed.responses.size() == 1);
    CHECK(changed.responses[0].partitions.at(0).partition_index == 1);
    CHECK(changed.session_id == first.session_id);
    next.session_epoch = 7;
    auto refused = at.node.ask<FetchResponse>(next, version);
    CHECK(refused.error_code == code(ErrorCode::kInvalidFetchSessionEpoch));
    CHECK(refused.responses.empty());
    next.session_id = 12345;
    refused = at.node.ask<FetchResponse>(next, version);
    CHECK(refused.error_code == code(ErrorCode::kFetchSessionIdNotFound));
    CHECK(refused.session_id == 0);
    next.session_id = first.session_id;
    next.session_epoch = -1;
    CHECK(at.node.ask<FetchResponse>(next, version).session_id == 0);
    CHECK(at.node.fetch_sessions->size() == 0);
  }
}

TEST_CASE("offsets are listed by timestamp at every version") {
  Fetching at;
  (void)at.node.append("t", 0, 2);
  at.node.world.run_until(at.node.clock.monotonic() + 10s);
  (void)at.node.append("t", 0, 2);
  const std::int64_t now = at.node.clock.wall_ms();
  const auto list = [&](std::int16_t version, std::int64_t timestamp, std::int32_t partition = 0,
                        std::int32_t epoch = -1) {
    ListOffsetsRequest request;
    request.replica_id = -1;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    auto& asked = topic.partitions.emplace_back();
    asked.partition_index = partition;
    asked.timestamp = timestamp;
    asked.current_leader_epoch = epoch;
    return at.node.ask<ListOffsetsResponse>(request, version).topics.at(0).partitions.at(0);
  };
  for (std::int16_t version = 1; version <= 11; ++version) {
    INFO("version " << version);
    const std::int32_t epoch = version >= 4 ? 0 : -1;
    CHECK(list(version, -1) == ListOffsetsResponse::ListOffsetsPartitionResponse{0, 0, {}, -1, 4, epoch});
    CHECK(list(version, -2) == ListOffsetsResponse::ListOffsetsPartitionResponse{0, 0, {}, -1, 0, epoch});
    CHECK(list(version, 0).offset == 0);
    CHECK(list(version, now).offset == 2);
    CHECK(list(version, now).timestamp == now);
    CHECK(list(version, now - 5000).offset == 2);
    CHECK(list(version, now + 1).offset == -1);
    CHECK(list(version, now + 1).error_code == 0);
    // Special timestamps in the versions that have them.
    const std::vector<std::pair<std::int64_t, std::int16_t>> special = {{-3, 7}, {-4, 8}, {-5, 9}, {-6, 11}};
    for (const auto& [timestamp, since] : special) {
      INFO("timestamp " << timestamp);
      CHECK(list(version, timestamp).error_code ==
            (version < since ? code(ErrorCode::kUnsupportedVersion) : 0));
    }
    CHECK(list(version, -7).error_code == code(ErrorCode::kUnsupportedVersion));
    if (version >= 7) CHECK(list(version, -3).offset == 2);
    if (version >= 8) CHECK(list(version, -4).offset == 0);
    if (version >= 9) CHECK(list(version, -5).offset == -1);
    if (version >= 11) CHECK(list(version, -6).offset == -1);
    CHECK(list(version, -1, 77).error_code == code(ErrorCode::kUnknownTopicOrPartition));
    CHECK(list(version, -1, 77).offset == -1);
    if (version >= 4) CHECK(list(version, -1, 0, 5).error_code == code(ErrorCode::kUnknownLeaderEpoch));
  }
}

TEST_CASE("the end of a leader epoch is told at every version") {
  Fetching at;
  (void)at.node.append("t", 0, 3);
  for (std::int16_t version = 0; version <= 4; ++version) {
    protocol::OffsetForLeaderEpochRequest request;
    const auto ask = [&](const char* topic, std::int32_t current, std::int32_t epoch) {
      request.topics.clear();
      auto& asked = request.topics.emplace_back();
      asked.topic = topic;
      asked.partitions.push_back({0, current, epoch});
      return at.node.ask<protocol::OffsetForLeaderEpochResponse>(request, version)
          .topics.at(0)
          .partitions.at(0);
    };
    CHECK(ask("t", -1, 0).end_offset == 3);
    CHECK(ask("t", -1, 0).leader_epoch == (version >= 1 ? 0 : -1));
    CHECK(ask("t", -1, 5).end_offset == -1);
    CHECK(ask("t", -1, 5).leader_epoch == -1);
    if (version >= 2) CHECK(ask("t", 5, 0).error_code == code(ErrorCode::kUnknownLeaderEpoch));
    CHECK(ask("nope", -1, 0).error_code == code(ErrorCode::kUnknownTopicOrPartition));
  }
}

}  // namespace
}  // namespace barnabas::broker::testing

// The versions that Apache Kafka 4 has dropped; compat-tests/old_versions_answers.py compares them
// with 3.9.1's answers.
#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"
#include "protocol/legacy_message_set.hpp"
#include "protocol/messages/api_fetch.hpp"
#include "protocol/messages/api_list_offsets.hpp"
#include "protocol/messages/api_offset_commit.hpp"
#include "protocol/messages/api_offset_fetch.hpp"
#include "protocol/messages/api_produce.hpp"

namespace barnabas::broker::testing {
namespace {

constexpr std::int16_t code(ErrorCode error) {
  return static_cast<std::int16_t>(error);
}

struct OldClient {
  ApiFixture node;
  Uuid id = node.create_topic("t");

  protocol::ProduceResponse::PartitionProduceResponse produce(ByteView set, std::int16_t version) {
    protocol::ProduceRequest request;
    request.acks = -1;
    request.timeout_ms = 1000;
    auto& topic = request.topic_data.emplace_back();
    topic.name = "t";
    topic.partition_data.emplace_back().records = protocol::Records{set};
    const auto response = node.ask<protocol::ProduceResponse>(request, version);
    REQUIRE(response.responses.size() == 1);
    return response.responses[0].partition_responses.at(0);
  }
  protocol::FetchResponse::PartitionData fetch(std::int64_t offset, std::int16_t version,
                                               std::int32_t limit = 1 << 20) {
    protocol::FetchRequest request;
    auto& topic = request.topics.emplace_back();
    topic.topic = "t";
    auto& partition = topic.partitions.emplace_back();
    partition.fetch_offset = offset;
    partition.partition_max_bytes = limit;
    call = node.start(request, version);
    REQUIRE(node.wait(call));
    return node.decode<protocol::FetchResponse>(call, version).responses.at(0).partitions.at(0);
  }
  /// The magic and offset of each message that a fetch gave.
  static std::vector<std::pair<int, std::int64_t>> messages(
      const protocol::FetchResponse::PartitionData& data) {
    std::vector<std::pair<int, std::int64_t>> found;
    protocol::BatchCursor cursor(data.records ? data.records->bytes : ByteView());
    while (auto entry = cursor.next().value()) {
      REQUIRE(entry->is_legacy());
      REQUIRE(protocol::LegacyMessageView(entry->bytes()).check_crc());
      found.emplace_back(entry->magic(), protocol::LegacyMessageView(entry->bytes()).offset().value());
    }
    return found;
  }

  Call call;  // keeps the bytes that `records` of the last fetch views
};

Bytes message_set(std::int8_t magic, int count) {
  protocol::LegacySetBuilder builder({.magic = magic});
  for (int i = 0; i < count; ++i) builder.append(Offset(i), 1000 + i, as_bytes("k"), as_bytes("value"));
  protocol::Compressor compressor;
  return builder.build(compressor);
}

TEST_CASE("message sets are produced and fetched at the versions that know them") {
  for (std::int16_t produced = 0; produced <= 2; ++produced) {
    for (const std::int8_t magic : {std::int8_t{0}, std::int8_t{1}}) {
      OldClient client;
      INFO("produced at version " << produced << " with magic " << int{magic});
      const auto answer = client.produce(message_set(magic, 3), produced);
      CHECK(answer.error_code == 0);
      CHECK(answer.base_offset == 0);
      for (std::int16_t fetched = 0; fetched <= 3; ++fetched) {
        const int expected = fetched < 2 ? 0 : 1;
        CHECK(OldClient::messages(client.fetch(1, fetched)) ==
              std::vector<std::pair<int, std::int64_t>>{{expected, 1}, {expected, 2}});
      }
    }
  }
}

TEST_CASE("a request of message sets without a whole message appends nothing and is no error") {
  OldClient client;
  const Bytes set = message_set(1, 1);
  for (const std::size_t size : {std::size_t{0}, std::size_t{11}, set.size() - 1}) {
    const auto answer = client.produce(ByteView(set).first(size), 2);
    CHECK(answer.error_code == 0);
    CHECK(answer.base_offset == -1);
  }
  CHECK(client.fetch(0, 3).high_watermark == 0);
  CHECK(client.produce(set, 3).error_code == code(ErrorCode::kInvalidRecord));
}

TEST_CASE("before version 3 a fetch's limit holds for its first batch too") {
  OldClient client;
  (void)client.node.append("t", 0, 3);
  for (std::int16_t version = 0; version <= 3; ++version) {
    CHECK(OldClient::messages(client.fetch(0, version, 20)).size() == (version < 3 ? 0 : 3));
  }
}

TEST_CASE("zstd cannot be read by fetches of message sets") {
  OldClient client;
  Bytes batch = client.node.make_batch(3, "value", {.codec = protocol::Codec::kZstd});
  log::AppendOptions options;
  options.produce_version = 7;
  REQUIRE(client.node.find("t", 0).append(batch, options).has_value());
  for (std::int16_t version = 0; version <= 3; ++version) {
    const auto data = client.fetch(0, version);
    CHECK(data.error_code == code(ErrorCode::kUnsupportedCompressionType));
    CHECK(data.high_watermark == -1);
  }
}

TEST_CASE("the first version of ListOffsets tells where segments begin") {
  OldClient client;
  for (int i = 0; i < 3; ++i) {
    (void)client.node.append("t", 0, 10);
    client.node.find("t", 0).with_log([](log::PartitionLog& log) { REQUIRE(log.roll().has_value()); });
    client.node.clock.advance_to(client.node.clock.monotonic() + std::chrono::seconds(10));
  }
  const std::int64_t now = client.node.clock.wall_ms();
  const auto offsets = [&](std::int64_t timestamp_ms, std::int32_t count) {
    protocol::ListOffsetsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    auto& partition = topic.partitions.emplace_back();
    partition.timestamp = timestamp_ms;
    partition.max_num_offsets = count;
    const auto response = client.node.ask<protocol::ListOffsetsResponse>(request, 0);
    const auto& answer = response.topics.at(0).partitions.at(0);
    CHECK(answer.error_code == (count < 0 ? -1 : 0));
    return answer.old_style_offsets;
  };
  using Offsets = std::vector<std::int64_t>;
  CHECK(offsets(-1, 1) == Offsets{30});
  CHECK(offsets(-1, 10) == Offsets{30, 20, 10, 0});
  CHECK(offsets(-2, 10) == Offsets{0});
  CHECK(offsets(now, 2) == Offsets{30, 20});
  CHECK(offsets(now - 15'000, 10) == Offsets{10, 0});
  CHECK(offsets(now - 60'000, 10).empty());
  CHECK(offsets(-1, -1).empty());
}

TEST_CASE("offsets of a group in ZooKeeper are not to be had") {
  OldClient client;
  protocol::OffsetCommitRequest commit;
  commit.group_id = "g";
  for (const char* name : {"t", "nowhere"}) {
    auto& topic = commit.topics.emplace_back();
    topic.name = name;
    topic.partitions.emplace_back();
  }
  const auto committed = client.node.ask<protocol::OffsetCommitResponse>(commit, 0);
  REQUIRE(committed.topics.size() == 2);
  for (const auto& topic : committed.topics) {
    CHECK(topic.partitions.at(0).error_code == (topic.name == "t"
                                                    ? code(ErrorCode::kUnsupportedVersion)
                                                    : code(ErrorCode::kUnknownTopicOrPartition)));
  }
  protocol::OffsetFetchRequest fetch;
  fetch.group_id = "g";
  fetch.topics.emplace().push_back({"t", {0}});
  const auto fetched = client.node.ask<protocol::OffsetFetchResponse>(fetch, 0);
  REQUIRE(fetched.topics.size() == 1);
  CHECK(fetched.topics[0].partitions.at(0).error_code == code(ErrorCode::kUnsupportedVersion));
  CHECK(fetched.topics[0].partitions.at(0).committed_offset == -1);
}

}  // namespace
}  // namespace barnabas::broker::testing

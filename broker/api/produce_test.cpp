#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"
#include "protocol/messages/api_produce.hpp"
#include "protocol/record_batch.hpp"

namespace barnabas::broker::testing {
namespace {

using protocol::ProduceRequest;
using protocol::ProduceResponse;
using PartitionAnswer = ProduceResponse::PartitionProduceResponse;

constexpr std::int16_t kLowest = 3;
constexpr std::int16_t kNewest = 13;

struct Produced {
  ApiFixture node;
  Uuid topic_id = node.create_topic("t", 2);

  ProduceRequest request(std::int16_t version, ByteView records, std::int32_t partition = 0) {
    ProduceRequest asked;
    asked.acks = -1;
    asked.timeout_ms = 1000;
    auto& topic = asked.topic_data.emplace_back();
    if (version >= 13) topic.topic_id = topic_id;
    if (version < 13) topic.name = "t";
    topic.partition_data.push_back({partition, protocol::Records{records}});
    return asked;
  }
  PartitionAnswer produce(std::int16_t version, const Bytes& records, std::int32_t partition = 0) {
    const auto response = node.ask<ProduceResponse>(request(version, records, partition), version);
    REQUIRE(response.responses.size() == 1);
    REQUIRE(response.responses[0].partition_responses.size() == 1);
    return response.responses[0].partition_responses[0];
  }
};

TEST_CASE("a batch is appended at every version") {
  Produced at;
  std::int64_t expected = 0;
  for (std::int16_t version = kLowest; version <= kNewest; ++version) {
    INFO("version " << version);
    const auto answer = at.produce(version, at.node.make_batch(3));
    CHECK(answer.error_code == 0);
    CHECK(answer.base_offset == expected);
    CHECK(answer.log_append_time_ms == -1);
    CHECK(answer.log_start_offset == (version >= 5 ? 0 : -1));
    CHECK(answer.record_errors.empty());
    CHECK_FALSE(answer.error_message);
    expected += 3;
  }
}

}  // namespace
}  // namespace barnabas::broker::testing

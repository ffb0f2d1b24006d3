// Refusals whose form differs from what their error code alone would say. Measured on Kafka 4.3.1.
#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"
#include "protocol/error_table.hpp"
#include "protocol/messages/api_describe_configs.hpp"
#include "protocol/messages/api_join_group.hpp"
#include "protocol/messages/api_list_offsets.hpp"
#include "protocol/messages/api_offset_delete.hpp"

namespace barnabas::broker::testing {
namespace {

std::int16_t code(ErrorCode error) {
  return static_cast<std::int16_t>(error);
}

TEST_CASE("a refused JoinGroup names no protocol: null where there is one, else empty") {
  ApiFixture node;
  for (std::int16_t version = 0; version <= 9; ++version) {
    INFO("version " << version);
    protocol::JoinGroupRequest request;
    request.group_id = "g";
    request.session_timeout_ms = 1;
    request.protocol_type = "consumer";
    const auto response = node.ask<protocol::JoinGroupResponse>(request, version);
    CHECK(response.error_code == code(ErrorCode::kInvalidSessionTimeout));
    CHECK(response.protocol_name == (version >= 7 ? std::nullopt : std::optional<std::string>("")));
  }
}

TEST_CASE("ListOffsets answers a partition that is named several times once") {
  ApiFixture node;
  node.create_topic("t", 2);
  protocol::ListOffsetsRequest request;
  request.replica_id = -1;
  auto& topic = request.topics.emplace_back();
  topic.name = "t";
  for (const std::int32_t index : {0, 1, 0, 0}) {
    auto& partition = topic.partitions.emplace_back();
    partition.partition_index = index;
    partition.timestamp = -1;
  }
  const auto response = node.ask<protocol::ListOffsetsResponse>(request, 7);
  REQUIRE(response.topics.size() == 1);
  REQUIRE(response.topics[0].partitions.size() == 2);
  for (const auto& answer : response.topics[0].partitions) {
    CHECK(answer.error_code == (answer.partition_index == 0 ? code(ErrorCode::kInvalidRequest) : 0));
  }
}

TEST_CASE("a resource of an unknown type spoils the whole DescribeConfigs, in the error's own words") {
  ApiFixture node;
  node.create_topic("t");
  protocol::DescribeConfigsRequest request;
  request.resources.push_back({2, "t", {}});
  request.resources.push_back({9, "x", {}});
  const auto response = node.ask<protocol::DescribeConfigsResponse>(request, 4);
  REQUIRE(response.results.size() == 2);
  for (const auto& result : response.results) {
    CHECK(result.error_code == code(ErrorCode::kInvalidRequest));
    CHECK(result.error_message == protocol::error_message(ErrorCode::kInvalidRequest));
    CHECK(result.configs.empty());
  }
}

TEST_CASE("OffsetDelete of no group is refused before its topics are looked at") {
  ApiFixture node;
  protocol::OffsetDeleteRequest request;
  request.topics.push_back({"nowhere", {{0}}});
  const auto response = node.ask<protocol::OffsetDeleteResponse>(request, 0);
  CHECK(response.error_code == code(ErrorCode::kInvalidGroupId));
  CHECK(response.topics.empty());
}

}  // namespace
}  // namespace barnabas::broker::testing

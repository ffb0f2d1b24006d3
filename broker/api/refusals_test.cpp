// Refusals whose form differs from what their error code alone would say. Measured on Kafka 4.3.1.
#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"
#include "protocol/error_table.hpp"
#include "protocol/messages/api_create_acls.hpp"
#include "protocol/messages/api_delete_acls.hpp"
#include "protocol/messages/api_describe_acls.hpp"
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

protocol::DescribeAclsRequest any_acl() {
  protocol::DescribeAclsRequest request;
  request.resource_type_filter = 1;
  request.operation = request.permission_type = 1;
  return request;
}

TEST_CASE("without an authorizer the APIs of ACLs say so, once for each entry") {
  ApiFixture node;
  for (std::int16_t version = 0; version <= 3; ++version) {
    INFO("version " << version);
    const auto described = node.ask<protocol::DescribeAclsResponse>(any_acl(), version);
    CHECK(described.error_code == code(ErrorCode::kSecurityDisabled));
    CHECK(described.error_message == "No Authorizer is configured on the broker");
    protocol::CreateAclsRequest create;
    create.creations.assign(2, {2, "t", 3, "User:a", "*", 3, 3});
    const auto created = node.ask<protocol::CreateAclsResponse>(create, version);
    REQUIRE(created.results.size() == 2);
    for (const auto& result : created.results) CHECK(result.error_code == code(ErrorCode::kSecurityDisabled));
    protocol::DeleteAclsRequest remove;
    remove.filters.assign(2, {1, {}, 3, {}, {}, 1, 1});
    const auto removed = node.ask<protocol::DeleteAclsResponse>(remove, version);
    REQUIRE(removed.filter_results.size() == 2);
    for (const auto& result : removed.filter_results) {
      CHECK(result.error_code == code(ErrorCode::kSecurityDisabled));
      CHECK(result.error_message == "No Authorizer is configured.");
    }
  }
}

TEST_CASE("an ACL of an unknown kind closes the connection") {
  ApiFixture node;
  for (auto field :
       {&protocol::DescribeAclsRequest::resource_type_filter,
        &protocol::DescribeAclsRequest::pattern_type_filter, &protocol::DescribeAclsRequest::operation,
        &protocol::DescribeAclsRequest::permission_type}) {
    auto request = any_acl();
    request.*field = 0;
    CHECK(node.start(request, 3)->response.kind == EncodedResponse::Kind::kClose);
  }
  protocol::CreateAclsRequest create;
  create.creations = {{2, "t", 3, "User:a", "*", 3, 3}, {0, "t", 3, "User:a", "*", 3, 3}};
  CHECK(node.start(create, 3)->response.kind == EncodedResponse::Kind::kClose);
  protocol::DeleteAclsRequest remove;
  remove.filters = {{1, {}, 1, {}, {}, 1, 1}, {1, {}, 1, {}, {}, 0, 1}};
  CHECK(node.start(remove, 3)->response.kind == EncodedResponse::Kind::kClose);
}

}  // namespace
}  // namespace barnabas::broker::testing

// The APIs of ACLs with an authorizer, and denials that take more than one question. Measured on Kafka 4.3.1.
#include <catch2/catch.hpp>
#include <map>

#include "broker/api/api_fixture.hpp"
#include "protocol/messages/api_create_acls.hpp"
#include "protocol/messages/api_delete_acls.hpp"
#include "protocol/messages/api_delete_topics.hpp"
#include "protocol/messages/api_describe_acls.hpp"
#include "protocol/messages/api_describe_cluster.hpp"
#include "protocol/messages/api_describe_topic_partitions.hpp"
#include "protocol/messages/api_init_producer_id.hpp"
#include "protocol/messages/api_join_group.hpp"
#include "protocol/messages/api_metadata.hpp"
#include "protocol/messages/api_offset_for_leader_epoch.hpp"

namespace barnabas::broker::testing {
namespace {

using protocol::CreateAclsRequest;
using protocol::CreateAclsResponse;
using protocol::DeleteAclsRequest;
using protocol::DeleteAclsResponse;
using protocol::DescribeAclsRequest;
using protocol::DescribeAclsResponse;
using Creation = CreateAclsRequest::AclCreation;

ErrorCode error_of(std::int16_t code) {
  return static_cast<ErrorCode>(code);
}

struct Secured : ApiFixture {
  Secured() { authorizer.has_acls = true; }

  std::vector<CreateAclsResponse::AclCreationResult> create(std::vector<Creation> creations) {
    CreateAclsRequest request;
    request.creations = std::move(creations);
    return ask<CreateAclsResponse>(request).results;
  }
  /// "TOPIC t" and the like of all that match, with the number of their entries.
  std::map<std::string, std::size_t> describe(std::int8_t type, std::optional<std::string> name,
                                              std::int8_t pattern) {
    DescribeAclsRequest request;
    request.resource_type_filter = type;
    request.resource_name_filter = std::move(name);
    request.pattern_type_filter = pattern;
    request.principal_filter = request.host_filter = std::nullopt;
    request.operation = request.permission_type = 1;
    const auto response = ask<DescribeAclsResponse>(request);
    CHECK(response.error_code == 0);
    CHECK(response.error_message == "");
    std::map<std::string, std::size_t> found;
    for (const auto& resource : response.resources)
      found[std::to_string(resource.pattern_type) + resource.resource_name] = resource.acls.size();
    return found;
  }
};

TEST_CASE("ACLs are created once, described by filters, and deleted") {
  Secured node;
  const std::vector<Creation> acls = {{2, "t", 3, "User:a", "*", 3, 3}, {2, "t", 3, "User:a", "*", 3, 3},
                                      {2, "t", 3, "User:b", "", 4, 2},  {2, "t", 4, "User:a", "h", 2, 3},
                                      {2, "*", 3, "User:a", "*", 3, 3}, {3, "g", 3, "User:a", "*", 3, 3}};
  for (int round = 0; round < 2; ++round)
    for (const auto& result : node.create(acls)) {
      CHECK(result.error_code == 0);
      CHECK(result.error_message == "");
    }
  CHECK(node.cache.image()->acls->size() == 5);
  using Found = std::map<std::string, std::size_t>;
  CHECK(node.describe(1, {}, 1) == Found{{"3t", 2}, {"4t", 1}, {"3*", 1}, {"3g", 1}});
  CHECK(node.describe(2, "t", 3) == Found{{"3t", 2}});
  CHECK(node.describe(2, "tt", 2) == Found{{"4t", 1}, {"3*", 1}});
  CHECK(node.describe(2, "t", 2) == Found{{"3t", 2}, {"4t", 1}, {"3*", 1}});
  CHECK(node.describe(9, {}, 1).empty());
  DeleteAclsRequest remove;
  remove.filters = {{2, "t", 3, {}, {}, 1, 1}, {2, "t", 1, "User:a", {}, 1, 1}, {9, {}, 1, {}, {}, 1, 1}};
  const auto removed = node.ask<DeleteAclsResponse>(remove).filter_results;
  REQUIRE(removed.size() == 3);
  CHECK(removed[0].matching_acls.size() == 2);
  CHECK(removed[1].matching_acls.size() == 2);
  CHECK(removed[1].error_message == std::nullopt);
  CHECK(error_of(removed[2].error_code) == ErrorCode::kInvalidRequest);
  CHECK(removed[2].error_message == "Unknown patternFilter.");
  CHECK(node.describe(1, {}, 1) == Found{{"3*", 1}, {"3g", 1}});
}

TEST_CASE("an ACL that makes no sense is refused, the others are created") {
  Secured node;
  const std::vector<std::pair<Creation, std::string>> refused = {
      {{2, "", 3, "x", "*", 3, 3}, "Invalid empty resource name"},
      {{4, "", 3, "x", "*", 3, 3}, "The only valid name for the CLUSTER resource is kafka-cluster"},
      {{2, "t", 3, "x", "*", 3, 3},
       "Could not parse principal from `x` (no colon is present separating the principal type from the "
       "principal name)"},
      {{9, "t", 3, "User:a", "*", 3, 3}, "Invalid resourceType UNKNOWN"},
      {{2, "t", 3, "User:a", "*", 99, 3}, "Invalid operation UNKNOWN"}};
  std::vector<Creation> asked = {{2, "good", 3, "User:a", "*", 3, 3}};
  for (const auto& [creation, message] : refused) asked.push_back(creation);
  const auto results = node.create(asked);
  CHECK(results.at(0).error_code == 0);
  for (std::size_t i = 0; i < refused.size(); ++i) {
    CHECK(error_of(results.at(i + 1).error_code) == ErrorCode::kInvalidRequest);
    CHECK(results.at(i + 1).error_message == refused[i].second);
  }
  CHECK(node.cache.image()->acls->size() == 1);
}

TEST_CASE("an ACL in the terms of a filter fails them all, and so do too many") {
  Secured node;
  for (const Creation& wrong :
       {Creation{1, "t", 3, "User:a", "*", 3, 3}, Creation{2, "t", 2, "User:a", "*", 3, 3},
        Creation{2, "t", 3, "User:a", "*", 1, 3}, Creation{2, "t", 3, "User:a", "*", 3, 1}})
    for (const auto& result : node.create({wrong, {2, "good", 3, "User:a", "*", 3, 3}})) {
      CHECK(error_of(result.error_code) == ErrorCode::kUnknownServerError);
      CHECK(result.error_message == std::nullopt);
    }
  std::vector<Creation> many;
  for (int i = 0; i <= 10000; ++i) many.push_back({2, std::to_string(i), 3, "User:a", "*", 3, 3});
  CHECK(error_of(node.create(many).at(0).error_code) == ErrorCode::kPolicyViolation);
  CHECK(node.cache.image()->acls->empty());
}

TEST_CASE("whoever may not alter or describe the cluster has nothing to do with ACLs") {
  Secured node;
  node.authorizer.refused = {{Operation::kAlter, ResourceKind::kCluster, "kafka-cluster"},
                             {Operation::kDescribe, ResourceKind::kCluster, "kafka-cluster"}};
  constexpr auto kRefused = ErrorCode::kClusterAuthorizationFailed;
  CHECK(error_of(node.create({{2, "t", 3, "User:a", "*", 3, 3}}).at(0).error_code) == kRefused);
  DeleteAclsRequest remove;
  remove.filters = {{2, "t", 3, {}, {}, 1, 1}};
  CHECK(error_of(node.ask<DeleteAclsResponse>(remove).filter_results.at(0).error_code) == kRefused);
  DescribeAclsRequest describe;
  describe.resource_type_filter = describe.pattern_type_filter = 1;
  describe.operation = describe.permission_type = 1;
  CHECK(error_of(node.ask<DescribeAclsResponse>(describe).error_code) == kRefused);
}

TEST_CASE(
    "a topic is deleted by who may delete it or the cluster's topics, and hidden from who may not see it") {
  Secured node;
  const Uuid id = node.create_topic("t");
  const auto rule = [](Operation operation) {
    return RefusingAuthorizer::Rule{operation, ResourceKind::kTopic, "t"};
  };
  const RefusingAuthorizer::Rule cluster{Operation::kDelete, ResourceKind::kCluster, "kafka-cluster"};
  const auto remove = [&](std::optional<std::string> name, Uuid by_id) {
    protocol::DeleteTopicsRequest request;
    request.topics.push_back({std::move(name), by_id});
    return node.ask<protocol::DeleteTopicsResponse>(request, 6).responses.at(0);
  };
  constexpr auto kRefused = ErrorCode::kTopicAuthorizationFailed;
  node.authorizer.refused = {cluster, rule(Operation::kDelete)};
  CHECK(error_of(remove("t", {}).error_code) == kRefused);
  CHECK(remove({}, id).name == "t");
  node.authorizer.refused = {cluster, rule(Operation::kDelete), rule(Operation::kDescribe)};
  CHECK(error_of(remove({}, id).error_code) == kRefused);
  CHECK(remove({}, id).name == std::nullopt);
  node.authorizer.refused = {cluster, rule(Operation::kDescribe)};
  CHECK(error_of(remove("t", {}).error_code) == kRefused);
  CHECK(remove({}, id).error_code == 0);
}

TEST_CASE("a topic is created for who may create it") {
  Secured node;
  node.authorizer.refused = {{Operation::kCreate, ResourceKind::kCluster, "kafka-cluster"},
                             {Operation::kCreate, ResourceKind::kTopic, "no"}};
  protocol::MetadataRequest request;
  request.topics.emplace();
  for (const char* name : {"no", "yes"}) request.topics->push_back({{}, name});
  request.allow_auto_topic_creation = true;
  const auto response = node.ask<protocol::MetadataResponse>(request, 12);
  for (const auto& topic : response.topics)
    CHECK(error_of(topic.error_code) ==
          (topic.name == "no" ? ErrorCode::kTopicAuthorizationFailed : ErrorCode::kUnknownTopicOrPartition));
}

TEST_CASE("who may write to some topic may do so idempotently") {
  Secured node;
  protocol::InitProducerIdRequest request;
  request.transactional_id = std::nullopt;
  request.producer_id = request.producer_epoch = -1;
  const RefusingAuthorizer::Rule idempotent{Operation::kIdempotentWrite, ResourceKind::kCluster,
                                            "kafka-cluster"};
  const RefusingAuthorizer::Rule any_topic{Operation::kWrite, ResourceKind::kTopic,
                                           std::string(RefusingAuthorizer::kSomeName)};
  const auto ask = [&] { return node.ask<protocol::InitProducerIdResponse>(request, 4).error_code; };
  node.authorizer.refused = {idempotent, any_topic};
  CHECK(error_of(ask()) == ErrorCode::kClusterAuthorizationFailed);
  node.authorizer.refused = {idempotent};
  CHECK(ask() == 0);
  node.authorizer.refused = {any_topic};
  CHECK(ask() == 0);
}

TEST_CASE("a member that may not join its group is told nothing of itself") {
  Secured node;
  node.authorizer.refused = {{Operation::kRead, ResourceKind::kGroup, "g"}};
  protocol::JoinGroupRequest request;
  request.group_id = "g";
  request.session_timeout_ms = 10000;
  request.member_id = "m";
  request.protocol_type = "consumer";
  auto response = node.ask<protocol::JoinGroupResponse>(request, 9);
  CHECK(error_of(response.error_code) == ErrorCode::kGroupAuthorizationFailed);
  CHECK(response.member_id.empty());
  request.group_id = "";
  response = node.ask<protocol::JoinGroupResponse>(request, 9);
  CHECK(error_of(response.error_code) == ErrorCode::kInvalidGroupId);
  CHECK(response.member_id == "m");
}

TEST_CASE("brokers read epochs of every topic, consumers of those that they may describe") {
  Secured node;
  node.create_topic("t");
  protocol::OffsetForLeaderEpochRequest request;
  request.replica_id = -1;
  request.topics.push_back({"t", {{0, -1, 0}}});
  const auto ask = [&] {
    return node.ask<protocol::OffsetForLeaderEpochResponse>(request, 3)
        .topics.at(0)
        .partitions.at(0)
        .error_code;
  };
  const RefusingAuthorizer::Rule describe{Operation::kDescribe, ResourceKind::kTopic, "t"};
  node.authorizer.refused = {describe};
  CHECK(ask() == 0);
  node.authorizer.refused = {describe, {Operation::kClusterAction, ResourceKind::kCluster, "kafka-cluster"}};
  CHECK(error_of(ask()) == ErrorCode::kTopicAuthorizationFailed);
}

TEST_CASE("topics that may not be described are answered last, as if they were no internal ones") {
  Secured node;
  node.create_topic("t");
  node.authorizer.refused = {{Operation::kDescribe, ResourceKind::kTopic, "__consumer_offsets"}};
  protocol::DescribeTopicPartitionsRequest request;
  request.response_partition_limit = 10;
  request.topics = {{"__consumer_offsets"}, {"t"}};
  const auto topics = node.ask<protocol::DescribeTopicPartitionsResponse>(request, 0).topics;
  REQUIRE(topics.size() == 2);
  CHECK(topics[0].name == "t");
  CHECK(error_of(topics[1].error_code) == ErrorCode::kTopicAuthorizationFailed);
  CHECK_FALSE(topics[1].is_internal);
}

TEST_CASE("controllers are described to who may alter the cluster") {
  Secured node;
  node.connection->controller_listener = true;
  node.authorizer.refused = {{Operation::kAlter, ResourceKind::kCluster, "kafka-cluster"}};
  protocol::DescribeClusterRequest request;
  request.endpoint_type = 2;
  CHECK(error_of(node.ask<protocol::DescribeClusterResponse>(request, 1).error_code) ==
        ErrorCode::kClusterAuthorizationFailed);
  node.authorizer.refused.clear();
  CHECK(node.ask<protocol::DescribeClusterResponse>(request, 1).error_code == 0);
}

}  // namespace
}  // namespace barnabas::broker::testing

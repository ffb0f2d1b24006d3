// Groups of the consumer protocol as clients ask for them: who may, and where the protocol may be used.
#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"
#include "protocol/messages/api_consumer_group_describe.hpp"
#include "protocol/messages/api_consumer_group_heartbeat.hpp"
#include "protocol/messages/api_find_coordinator.hpp"
#include "protocol/messages/api_incremental_alter_configs.hpp"

namespace barnabas::broker::testing {
namespace {

using protocol::ConsumerGroupDescribeRequest;
using protocol::ConsumerGroupDescribeResponse;
using protocol::ConsumerGroupHeartbeatRequest;
using protocol::ConsumerGroupHeartbeatResponse;

struct Coordinator : ApiFixture {
  explicit Coordinator(ConfigMap properties = {})
      : ApiFixture({.properties = with_few_partitions(std::move(properties))}) {
    protocol::FindCoordinatorRequest request;
    request.key = "g";
    for (int i = 0; i < 100; ++i) {
      if (ask<protocol::FindCoordinatorResponse>(request, 2).error_code == 0) return;
      world.run_until(clock.monotonic() + std::chrono::milliseconds(100));
    }
    demand(false, "there is a coordinator");
  }
  static ConfigMap with_few_partitions(ConfigMap properties) {
    properties["offsets.topic.num.partitions"] = "2";
    properties["offsets.topic.replication.factor"] = "1";
    return properties;
  }

  ConsumerGroupHeartbeatResponse beat(const std::string& topic, const std::string& pattern = {},
                                      std::int32_t epoch = 0, const std::string& group = "g") {
    ConsumerGroupHeartbeatRequest request;
    request.group_id = group;
    request.member_id = "m";
    request.member_epoch = epoch;
    if (epoch == 0) {
      request.rebalance_timeout_ms = 60000;
      request.topic_partitions.emplace();
      if (!topic.empty()) request.subscribed_topic_names = {topic};
      if (!pattern.empty()) request.subscribed_topic_regex = pattern;
    }
    return ask<ConsumerGroupHeartbeatResponse>(request);
  }
  ConsumerGroupDescribeResponse::DescribedGroup describe(const std::string& group = "g",
                                                         bool operations = false) {
    ConsumerGroupDescribeRequest request;
    request.group_ids = {group};
    request.include_authorized_operations = operations;
    return ask<ConsumerGroupDescribeResponse>(request).groups.at(0);
  }
};

ErrorCode error_of(std::int16_t code) {
  return static_cast<ErrorCode>(code);
}

TEST_CASE("A member joins over the wire and is described with its client and its address") {
  Coordinator node;
  const Uuid topic = node.create_topic("t", 2);
  const auto joined = node.beat("t");
  CHECK(joined.error_code == 0);
  CHECK(joined.member_epoch == 2);
  REQUIRE(joined.assignment);
  CHECK(joined.assignment->topic_partitions.at(0).topic_id == topic);
  const auto described = node.describe("g", true);
  CHECK(described.error_code == 0);
  CHECK(described.authorized_operations != INT32_MIN);
  CHECK(described.members.at(0).client_id == "test");
  CHECK(described.members.at(0).client_host == "/client");
  CHECK(node.describe().authorized_operations == INT32_MIN);
  CHECK(error_of(node.describe("").error_code) == ErrorCode::kInvalidGroupId);
}

TEST_CASE("A member needs the right to read its group and to know its topics") {
  Coordinator node;
  node.create_topic("t");
  node.create_topic("hidden");
  node.authorizer.refused = {{Operation::kRead, ResourceKind::kGroup, "g"}};
  CHECK(error_of(node.beat("t").error_code) == ErrorCode::kGroupAuthorizationFailed);
  node.authorizer.refused = {{Operation::kDescribe, ResourceKind::kTopic, "t"}};
  CHECK(error_of(node.beat("t").error_code) == ErrorCode::kTopicAuthorizationFailed);
  node.authorizer.refused.clear();
  CHECK(node.beat("t").error_code == 0);
  node.authorizer.refused = {{Operation::kDescribe, ResourceKind::kGroup, "g"}};
  CHECK(error_of(node.describe().error_code) == ErrorCode::kGroupAuthorizationFailed);
  node.authorizer.refused = {{Operation::kDescribe, ResourceKind::kTopic, "t"}};
  const auto hidden = node.describe();
  CHECK(error_of(hidden.error_code) == ErrorCode::kTopicAuthorizationFailed);
  CHECK(hidden.error_message ==
        "The group has described topic(s) that the client is not authorized to describe.");
  CHECK(hidden.members.empty());
}

TEST_CASE("A pattern matches no topic that the client may not know") {
  Coordinator node;
  node.create_topic("t-shown");
  node.create_topic("t-hidden");
  node.authorizer.refused = {{Operation::kDescribe, ResourceKind::kTopic, "t-hidden"}};
  CHECK(node.beat("", "t-.*").member_epoch == 1);
  const auto next = node.beat("", "", 1);
  REQUIRE(next.assignment);
  CHECK(next.assignment->topic_partitions.size() == 1);
}

TEST_CASE("A topic that comes and one that grows are assigned with the next heartbeat") {
  Coordinator node(
      {{"group.consumer.assignment.interval.ms", "0"}, {"group.consumer.min.assignment.interval.ms", "0"}});
  CHECK(node.beat("t").member_epoch == 2);
  CHECK(node.beat("", "", 2).member_epoch == 2);
  node.create_topic("t", 3);
  const auto next = node.beat("", "", 2);
  CHECK(next.member_epoch == 3);
  REQUIRE(next.assignment);
  CHECK(next.assignment->topic_partitions.at(0).partitions.size() == 3);
}

TEST_CASE("A group has the heartbeat interval of its own configuration") {
  Coordinator node;
  node.create_topic("t");
  CHECK(node.beat("t").heartbeat_interval_ms == 5000);
  protocol::IncrementalAlterConfigsRequest request;
  auto& resource = request.resources.emplace_back();
  resource.resource_type = 32;
  resource.resource_name = "g";
  resource.configs.push_back({"consumer.heartbeat.interval.ms", 0, "6000"});
  CHECK(node.ask<protocol::IncrementalAlterConfigsResponse>(request).responses.at(0).error_code == 0);
  CHECK(node.beat("t").heartbeat_interval_ms == 6000);
  CHECK(node.beat("t", "", 0, "other").heartbeat_interval_ms == 5000);
}

TEST_CASE("Where the protocol is not to be used, its requests are of an unsupported version") {
  Coordinator node(ConfigMap{{"group.coordinator.rebalance.protocols", "classic"}});
  CHECK(error_of(node.beat("t").error_code) == ErrorCode::kUnsupportedVersion);
  CHECK(error_of(node.describe().error_code) == ErrorCode::kUnsupportedVersion);
}

TEST_CASE("Before a node knows the cluster's metadata the protocol is not refused, as it may be served") {
  Coordinator node;
  node.groups->on_image(kraft::MetadataImage::empty(), nullptr);
  CHECK(error_of(node.beat("t").error_code) == ErrorCode::kCoordinatorNotAvailable);
  CHECK(error_of(node.describe().error_code) == ErrorCode::kCoordinatorNotAvailable);
}

}  // namespace
}  // namespace barnabas::broker::testing

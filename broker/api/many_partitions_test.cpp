// Topics of more partitions than are opened at once: which serve when, and what clients are told meanwhile.
#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"
#include "protocol/messages/api_delete_topics.hpp"
#include "protocol/messages/api_list_offsets.hpp"
#include "protocol/messages/api_metadata.hpp"

namespace barnabas::broker::testing {
namespace {

constexpr std::size_t kAtOnce = 2;
const ConfigMap kTwoDirectories = {{"log.dirs", "/a,/b"}};

struct ManyPartitions : ApiFixture {
  explicit ManyPartitions(ConfigMap properties = {})
      : ApiFixture(ApiFixtureOptions{.properties = std::move(properties), .opened_at_once = kAtOnce}) {}

  [[nodiscard]] int serving(const std::string& topic) const {
    int count = 0;
    for (const auto& partition : replicas->all())
      count += partition->topic_partition().topic == topic &&
                       partition->check_leader(kNoLeaderEpoch) == ErrorCode::kNone
                   ? 1
                   : 0;
    return count;
  }
  ErrorCode list_offsets(const std::string& name, std::int32_t index) {
    protocol::ListOffsetsRequest request;
    request.replica_id = -1;
    auto& topic = request.topics.emplace_back();
    topic.name = name;
    auto& partition = topic.partitions.emplace_back();
    partition.partition_index = index;
    partition.timestamp = -1;
    const auto answer = ask<protocol::ListOffsetsResponse>(request);
    return static_cast<ErrorCode>(answer.topics.at(0).partitions.at(0).error_code);
  }
};

TEST_CASE("a topic of many partitions is told of before all of them serve, which the others do in lots") {
  ManyPartitions node;
  node.create_topic("t", 5);
  CHECK(node.serving("t") == 2);
  protocol::MetadataRequest request;
  request.topics.emplace().emplace_back().name = "t";
  const auto told = node.ask<protocol::MetadataResponse>(request, 9);
  REQUIRE(told.topics.at(0).partitions.size() == 5);
  for (const auto& partition : told.topics[0].partitions) {
    CHECK(partition.error_code == 0);
    CHECK(partition.leader_id == 1);
  }
  CHECK(node.list_offsets("t", 1) == ErrorCode::kNone);
  CHECK(node.list_offsets("t", 4) == ErrorCode::kNotLeaderOrFollower);
  CHECK(node.replicas->open_more());
  CHECK(node.serving("t") == 4);
  CHECK(node.replicas->open_more());
  CHECK(node.serving("t") == 5);
  CHECK(node.list_offsets("t", 4) == ErrorCode::kNone);
  CHECK_FALSE(node.replicas->open_more());
}

TEST_CASE("a topic of few partitions serves when it is told of, whatever is left of others") {
  ManyPartitions node;
  node.create_topic("t", 5);
  node.create_topic("small", 2);
  CHECK(node.serving("small") == 2);
  CHECK(node.serving("t") == 2);
}

TEST_CASE("of a topic that is deleted nothing is opened any more") {
  ManyPartitions node;
  node.create_topic("t", 5);
  protocol::DeleteTopicsRequest request;
  request.timeout_ms = 10000;
  request.topics.emplace_back().name = "t";
  CHECK(node.ask<protocol::DeleteTopicsResponse>(request).responses.at(0).error_code == 0);
  node.create_topic("t", 1);  // another one of its name
  while (node.replicas->open_more()) continue;
  CHECK(node.serving("t") == 1);
  CHECK(node.logs->all().size() == 1);
}

TEST_CASE("where a directory has failed all of a topic is opened at once") {
  ManyPartitions node(kTwoDirectories);
  demand(node.logs->prefer_directory({"first", PartitionIndex(0)}, "/b"));
  node.create_topic("first");
  node.files.break_path("/b");
  Bytes batch = node.make_batch();
  demand(!node.find("first", 0).append(batch, {}).has_value(), "the disk is dead");
  node.create_topic("t", 5);
  CHECK(node.serving("t") == 5);
  CHECK_FALSE(node.replicas->open_more());
}

TEST_CASE("who reports where replicas are is told of those that were left as they open") {
  ManyPartitions node(kTwoDirectories);
  std::vector<PartitionIndex> placed;
  node.replicas->on_placed([&](std::vector<ReplicaPlace> places) {
    for (const ReplicaPlace& place : places) placed.push_back(place.partition);
  });
  node.create_topic("t", 3);
  CHECK(placed == std::vector{PartitionIndex(0), PartitionIndex(1)});
  CHECK(node.replicas->open_more());
  CHECK(placed == std::vector{PartitionIndex(0), PartitionIndex(1), PartitionIndex(2)});
  node.replicas->on_placed(nullptr);
}

}  // namespace
}  // namespace barnabas::broker::testing

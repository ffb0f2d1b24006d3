#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"
#include "protocol/messages/api_fetch.hpp"
#include "protocol/messages/api_list_offsets.hpp"

namespace barnabas::broker::testing {
namespace {

using namespace std::chrono_literals;
using protocol::FetchRequest;
using protocol::FetchResponse;

constexpr std::int16_t code(ErrorCode error) {
  return static_cast<std::int16_t>(error);
}

/// Broker 1 leads t-0, which broker 2 follows; broker 3 has no replica.
struct Followed {
  explicit Followed(std::vector<BrokerId> isr = {BrokerId(1), BrokerId(2)}, ConfigMap properties = {})
      : node({.properties = std::move(properties)}) {
    metadata.replicas = {BrokerId(1), BrokerId(2)};
    metadata.isr = std::move(isr);
    metadata.leader = BrokerId(1);
    metadata.leader_epoch = LeaderEpoch(5);
    metadata.partition_epoch = 9;
    partition().become_leader(metadata);
  }
  Partition& partition() { return node.find("t", 0); }
  FetchRequest request(std::int16_t version, std::int64_t offset, std::int32_t broker = 2) {
    FetchRequest asked;
    if (version < 15) asked.replica_id = broker;
    if (version >= 15) asked.replica_state.replica_id = broker;
    asked.min_bytes = 1;
    asked.max_bytes = 1 << 20;
    asked.session_epoch = -1;
    auto& topic = asked.topics.emplace_back();
    if (version < 13) topic.topic = "t";
    if (version >= 13) topic.topic_id = id;
    auto& from = topic.partitions.emplace_back();
    from.fetch_offset = offset;
    from.partition_max_bytes = 1 << 20;
    if (version >= 9) from.current_leader_epoch = 5;
    return asked;
  }
  auto only(const FetchRequest& asked, std::int16_t version) {
    const auto response = node.ask<FetchResponse>(asked, version);
    REQUIRE(response.error_code == 0);
    REQUIRE(response.responses.size() == 1);
    return response.responses[0].partitions.at(0);
  }

  ApiFixture node;
  Uuid id = node.create_topic("t", 1);
  kraft::PartitionRegistration metadata;
};

TEST_CASE("a follower reads up to the log end at every version, and its fetch moves the high watermark") {
  for (std::int16_t version = 4; version <= 18; ++version) {
    INFO("version " << version);
    Followed at;
    (void)at.node.append("t", 0, 3);
    const auto first = at.only(at.request(version, 0), version);
    CHECK(first.error_code == 0);
    CHECK(first.high_watermark == 0);
    CHECK(first.records->bytes.size() > 60);
    const auto second = at.only(at.request(version, 3), version);
    CHECK(second.error_code == 0);
    CHECK(second.records->bytes.empty());
    CHECK(at.partition().with_log([](log::PartitionLog& log) { return log.high_watermark(); }) == Offset(3));
    CHECK(at.only(at.request(version, 3), version).high_watermark == 3);
  }
}

TEST_CASE("consumers see nothing that the followers do not have, and are woken by their fetches") {
  Followed at;
  (void)at.node.append("t", 0, 3);
  auto asked = at.request(12, 0, -1);
  asked.max_wait_ms = 10000;
  const Call call = at.node.start(asked, 12);
  CHECK_FALSE(at.node.wait(call, 100ms));
  (void)at.only(at.request(12, 3), 12);
  REQUIRE(at.node.wait(call, 10ms));
  const auto response = at.node.decode<FetchResponse>(call, 12);
  CHECK(response.responses.at(0).partitions.at(0).high_watermark == 3);
}

TEST_CASE("a follower at the end waits for an append, not for the high watermark") {
  Followed at;
  auto asked = at.request(17, 0);
  asked.max_wait_ms = 10000;
  const Call call = at.node.start(asked, 17);
  CHECK_FALSE(at.node.wait(call, 100ms));
  (void)at.node.append("t", 0, 1);
  CHECK(at.node.wait(call, 10ms));
}

TEST_CASE("a follower that goes on in another leader epoch is told the high watermark again") {
  Followed at;
  (void)at.node.append("t", 0, 3);
  auto asked = at.request(17, 3);
  asked.session_epoch = 0;
  (void)at.node.ask<FetchResponse>(asked, 17);
  const auto begun = at.node.ask<FetchResponse>(asked, 17);
  REQUIRE(begun.responses.at(0).partitions.at(0).high_watermark == 3);
  // It has become the follower of the next leader epoch by the time of the answer, which is void to it.
  at.metadata.leader_epoch = LeaderEpoch(6);
  at.metadata.partition_epoch = 10;
  at.partition().become_leader(at.metadata);
  asked.session_id = begun.session_id;
  asked.session_epoch = 1;
  asked.topics[0].partitions[0].current_leader_epoch = 6;
  const auto answer = at.node.ask<FetchResponse>(asked, 17);
  REQUIRE(answer.responses.size() == 1);
  CHECK(answer.responses[0].partitions.at(0).high_watermark == 3);
  asked.session_epoch = 2;
  CHECK(at.node.ask<FetchResponse>(asked, 17).responses.empty());
}

TEST_CASE("who waits for a partition is told of what an image brings about once it is published") {
  Followed at;
  (void)at.node.append("t", 0, 3);
  std::vector<std::string> order;
  at.partition().when_committed(Offset(3), [&](ErrorCode outcome) {
    CHECK(outcome == ErrorCode::kNone);
    order.emplace_back("acknowledged");
  });
  at.metadata.isr = {BrokerId(1)};
  ++at.metadata.partition_epoch;
  const kraft::MetadataChanges nothing_else;
  at.node.replicas->apply(at.node.cache.image(), &nothing_else, [&] {
    at.partition().become_leader(at.metadata);
    order.emplace_back("published");
  });
  CHECK(order == std::vector<std::string>{"published", "acknowledged"});
}

TEST_CASE("brokers without a replica, and epochs that do not fit, are refused as Kafka refuses them") {
  Followed at;
  (void)at.node.append("t", 0, 3);
  for (std::int16_t version = 4; version <= 18; ++version) {
    INFO("version " << version);
    const bool has_epochs = version >= 9;
    CHECK(at.only(at.request(version, 0, 3), version).error_code ==
          code(has_epochs ? ErrorCode::kUnknownLeaderEpoch : ErrorCode::kNotLeaderOrFollower));
    if (!has_epochs) continue;
    auto asked = at.request(version, 0);
    asked.topics[0].partitions[0].current_leader_epoch = 4;
    CHECK(at.only(asked, version).error_code == code(ErrorCode::kFencedLeaderEpoch));
    asked.topics[0].partitions[0].current_leader_epoch = 6;
    CHECK(at.only(asked, version).error_code == code(ErrorCode::kUnknownLeaderEpoch));
    asked = at.request(version, 99);
    CHECK(at.only(asked, version).error_code == code(ErrorCode::kOffsetOutOfRange));
  }
  at.node.cache.publish(at.node.cache.image(), 1);
  at.node.authorizer.refused.push_back(
      {Operation::kClusterAction, ResourceKind::kCluster, std::string(kClusterResource)});
  CHECK(at.only(at.request(17, 0), 17).error_code == code(ErrorCode::kTopicAuthorizationFailed));
}

TEST_CASE("a follower whose log parts from the leader's is told where, and is not counted as having it") {
  for (std::int16_t version = 12; version <= 18; ++version) {
    INFO("version " << version);
    Followed at;
    (void)at.node.append("t", 0, 3);
    auto asked = at.request(version, 3);
    asked.topics[0].partitions[0].last_fetched_epoch = 4;
    const auto earlier = at.only(asked, version);
    CHECK(earlier.diverging_epoch.epoch == 4);
    CHECK(earlier.diverging_epoch.end_offset == 0);
    asked = at.request(version, 7);
    asked.topics[0].partitions[0].last_fetched_epoch = 5;
    const auto diverging = at.only(asked, version);
    CHECK(diverging.error_code == 0);
    CHECK(diverging.diverging_epoch.epoch == 5);
    CHECK(diverging.diverging_epoch.end_offset == 3);
    CHECK(at.partition().with_log([](log::PartitionLog& log) { return log.high_watermark(); }) == Offset(0));
  }
}

TEST_CASE("consumers of a rack are sent to its replica, at the versions that know racks") {
  Followed at({BrokerId(1), BrokerId(2)},
              {{"replica.selector.class", "org.apache.kafka.common.replica.RackAwareReplicaSelector"}});
  (void)at.node.append("t", 0, 3);
  (void)at.only(at.request(12, 3), 12);
  auto image = std::make_shared<kraft::MetadataImage>(*at.node.cache.image());
  auto cluster = std::make_shared<kraft::ClusterImage>(*image->cluster);
  kraft::BrokerRegistration& other = cluster->brokers[BrokerId(2)];
  other.id = BrokerId(2);
  other.fenced = false;
  other.rack = "there";
  other.endpoints = {{"PLAINTEXT", {"elsewhere", 9092}, 0}};
  image->cluster = cluster;
  at.node.cache.publish(image, 1);
  for (std::int16_t version = 4; version <= 18; ++version) {
    INFO("version " << version);
    auto asked = at.request(version, 0, -1);
    asked.max_wait_ms = 10000;
    if (version >= 11) asked.rack_id = "there";
    const auto answer = at.only(asked, version);
    CHECK(answer.preferred_read_replica == (version >= 11 ? 2 : -1));
    CHECK(answer.records->bytes.empty() == (version >= 11));
    CHECK(answer.high_watermark == 3);
    if (version >= 11) asked.rack_id = "nowhere";
    CHECK(at.only(asked, version).preferred_read_replica == -1);
  }
}

TEST_CASE("consumers read from a follower up to its high watermark, from version 11 on") {
  Followed at;
  (void)at.node.append("t", 0, 3);
  (void)at.only(at.request(12, 2), 12);
  kraft::PartitionRegistration other = at.metadata;
  other.leader = BrokerId(2);
  other.leader_epoch = LeaderEpoch(6);
  other.partition_epoch = 10;
  CHECK(at.partition().become_follower(other));
  for (std::int16_t version = 4; version <= 18; ++version) {
    INFO("version " << version);
    auto asked = at.request(version, 0, -1);
    if (version >= 9) asked.topics[0].partitions[0].current_leader_epoch = 6;
    const auto answer = at.only(asked, version);
    CHECK(answer.error_code == (version >= 11 ? 0 : code(ErrorCode::kNotLeaderOrFollower)));
    if (version >= 11) CHECK(answer.high_watermark == 2);
    auto follower = at.request(version, 0);
    if (version >= 9) follower.topics[0].partitions[0].current_leader_epoch = 6;
    CHECK(at.only(follower, version).error_code == code(ErrorCode::kNotLeaderOrFollower));
  }
}

TEST_CASE("a new leader does not tell its end before it knows what was committed") {
  Followed at;
  (void)at.node.append("t", 0, 3);
  kraft::PartitionRegistration again = at.metadata;
  again.leader_epoch = LeaderEpoch(6);
  again.partition_epoch = 10;
  at.partition().become_leader(again);
  protocol::ListOffsetsRequest request;
  request.replica_id = -1;
  auto& topic = request.topics.emplace_back();
  topic.name = "t";
  topic.partitions.emplace_back().timestamp = -1;
  for (std::int16_t version = 1; version <= 11; ++version) {
    const auto answer =
        at.node.ask<protocol::ListOffsetsResponse>(request, version).topics.at(0).partitions.at(0);
    CHECK(answer.error_code ==
          code(version >= 5 ? ErrorCode::kOffsetNotAvailable : ErrorCode::kLeaderNotAvailable));
  }
}

}  // namespace
}  // namespace barnabas::broker::testing

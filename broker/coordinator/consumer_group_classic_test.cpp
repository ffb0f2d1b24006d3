// Groups with members of both protocols, and groups that go from one to the other while they are in use.
#include <catch2/catch.hpp>

#include "broker/coordinator/consumer_group_fixture.hpp"
#include "broker/coordinator/consumer_protocol.hpp"
#include "protocol/messages/data_consumer_protocol_subscription.hpp"

namespace barnabas::broker::testing {
namespace {

JoinInput classic_join(const std::string& member = {}) {
  JoinInput input;
  input.member = member;
  input.protocols = {{"range", subscription({"t"})}};
  return input;
}

/// A member that rebalances cooperatively, and says what it has.
JoinInput owning(const std::string& member, std::vector<std::int32_t> partitions) {
  protocol::ConsumerProtocolSubscription message;
  message.topics = {"t"};
  message.user_data.reset();
  message.owned_partitions.push_back({"t", std::move(partitions)});
  protocol::Writer writer;
  writer.int16(1);
  message.write(writer, 1);
  JoinInput input;
  input.member = member;
  input.protocols = {{"range", writer.take()}};
  return input;
}

GroupShardOptions with_policy(MigrationPolicy policy) {
  GroupShardOptions options = ShardFixture::options();
  options.consumer.migration = policy;
  return options;
}

ErrorCode sync_error(const Caught<protocol::SyncGroupResponse>& caught) {
  return caught.came() ? caught.error() : ErrorCode::kNetworkException;
}

/// A classic group of one member that has both partitions of t.
struct ClassicScene {
  explicit ClassicScene(MigrationPolicy policy = MigrationPolicy::kBidirectional)
      : fixture(with_policy(policy)) {
    topic = fixture.surroundings->put_topic("t", 2);
    const auto joined = fixture.join_with_new_id(classic_join());
    fixture.settle();
    member = joined->member_id;
    generation = joined->generation_id;
    REQUIRE(sync_error(fixture.sync(member, generation, {{member, write_assignment({{"t", {0, 1}}}, 0)}})) ==
            ErrorCode::kNone);
  }
  ShardFixture fixture;
  TopicId topic;
  std::string member;
  std::int32_t generation = 0;
};

TEST_CASE("A classic group goes over with its members, its assignments and its epoch") {
  ClassicScene scene;
  ShardFixture& fixture = scene.fixture;
  const BeatAnswer joined = beat(fixture, joining("m"));
  REQUIRE(joined.error() == ErrorCode::kNone);
  CHECK(joined->member_epoch == scene.generation + 1);
  CHECK(assigned_in(joined).empty());
  CHECK(fixture.shard.classic().find("g") == nullptr);
  const ConsumerGroup& group = *fixture.shard.consumer().find("g");
  const ConsumerMember& old = *group.find(scene.member);
  CHECK(old.classic.has_value());
  CHECK(old.epoch == scene.generation);
  CHECK(old.assigned.at(scene.topic).size() == 2);
  // It hears that it is to rejoin, lets go of one partition, and the new member gets it.
  CHECK(fixture.heartbeat(scene.member, scene.generation) == ErrorCode::kRebalanceInProgress);
  const auto revoking = fixture.join(owning(scene.member, {0, 1}));
  CHECK(revoking->generation_id == scene.generation);
  const auto less = fixture.sync(scene.member, scene.generation);
  REQUIRE(sync_error(less) == ErrorCode::kNone);
  const auto kept = parse_assignment(less->assignment)->partitions.at("t");
  REQUIRE(kept.size() == 1);
  CHECK(fixture.heartbeat(scene.member, scene.generation) == ErrorCode::kRebalanceInProgress);
  const auto rejoined = fixture.join(owning(scene.member, {*kept.begin()}));
  CHECK(rejoined->generation_id == scene.generation + 1);
  CHECK(sync_error(fixture.sync(scene.member, rejoined->generation_id)) == ErrorCode::kNone);
  CHECK(fixture.heartbeat(scene.member, rejoined->generation_id) == ErrorCode::kNone);
  BeatInput plain;
  plain.epoch = joined->member_epoch;
  CHECK(assigned_in(beat(fixture, plain)).at(scene.topic).size() == 1);
}

TEST_CASE("A group does not go over when that is not allowed, or when it is none of consumers") {
  ClassicScene scene(MigrationPolicy::kDowngrade);
  const BeatAnswer refused = beat(scene.fixture, joining("m"));
  CHECK(refused.error() == ErrorCode::kGroupIdNotFound);
  CHECK(refused->error_message ==
        "Cannot upgrade classic group g to consumer group because online upgrade is disabled.");
  CHECK(scene.fixture.heartbeat(scene.member, scene.generation) == ErrorCode::kNone);

  ShardFixture connect;
  JoinInput input = classic_join();
  input.type = "connect";
  connect.join_with_new_id(input);
  connect.settle();
  CHECK(
      beat(connect, joining("m"))->error_message ==
      "Cannot upgrade classic group g to consumer group because the group does not use the consumer embedded "
      "protocol.");
}

TEST_CASE("A group that goes over amid a rebalance sends those who wait into the next") {
  ClassicScene scene;
  const auto waiting = scene.fixture.join_with_new_id(classic_join());
  REQUIRE(!waiting.came());
  CHECK(beat(scene.fixture, joining("m")).error() == ErrorCode::kNone);
  REQUIRE(waiting.came());
  CHECK(waiting.error() == ErrorCode::kRebalanceInProgress);
}

TEST_CASE("A classic member joins a consumer group, and the group is classic again when it is alone there") {
  ShardFixture fixture;
  fixture.surroundings->put_topic("t", 2);
  Consumer consumer(fixture, joining("m"));
  consumer.join();
  const auto asked = fixture.join(classic_join());
  CHECK(asked.error() == ErrorCode::kMemberIdRequired);
  const auto joined = fixture.join(classic_join(asked->member_id));
  CHECK(joined.error() == ErrorCode::kNone);
  CHECK(joined->generation_id == 3);
  CHECK(joined->protocol_type == "consumer");
  CHECK(joined->protocol_name == "range");
  CHECK(joined->leader.empty());
  CHECK(sync_error(fixture.sync(joined->member_id, 3)) == ErrorCode::kNone);
  consumer.leave();
  CHECK(fixture.shard.consumer().find("g") == nullptr);
  const ClassicGroup* group = fixture.shard.classic().find("g");
  REQUIRE(group != nullptr);
  CHECK(group->is_in(ClassicState::kPreparingRebalance));
  CHECK(group->generation() == 3);
  CHECK(fixture.heartbeat(joined->member_id, 3) == ErrorCode::kRebalanceInProgress);
  const auto again = fixture.join(classic_join(joined->member_id));
  REQUIRE(again.came());
  CHECK(again->generation_id == 4);
  CHECK(again->leader == joined->member_id);
  // What the log says is the same.
  ShardFixture loaded(ShardFixture::options(), fixture.log, fixture.surroundings);
  CHECK(loaded.shard.consumer().find("g") == nullptr);
  CHECK(loaded.shard.classic().find("g")->members().size() == 1);
}

TEST_CASE("A group with classic members stays a consumer group when it may not go back") {
  ShardFixture fixture(with_policy(MigrationPolicy::kUpgrade));
  fixture.surroundings->put_topic("t", 2);
  Consumer consumer(fixture, joining("m"));
  consumer.join();
  const auto joined = fixture.join_with_new_id(classic_join());
  consumer.leave();
  REQUIRE(fixture.shard.consumer().find("g") != nullptr);
  CHECK(fixture.shard.consumer().find("g")->members().size() == 1);
}

TEST_CASE("Classic members are not let into a consumer group when migration is disabled") {
  ShardFixture fixture(with_policy(MigrationPolicy::kDisabled));
  fixture.surroundings->put_topic("t", 2);
  Consumer consumer(fixture, joining("m"));
  consumer.join();
  CHECK(fixture.join(classic_join()).error() == ErrorCode::kInconsistentGroupProtocol);
}

TEST_CASE("A classic member that does not ask for its assignment, or does not rejoin, is removed") {
  ShardFixture fixture;
  fixture.surroundings->put_topic("t", 2);
  fixture.surroundings->fixed.session_timeout_ms = 1000000;
  Consumer consumer(fixture, joining("m"));
  consumer.join();
  JoinInput input = classic_join();
  input.session_ms = 500000;
  input.rebalance_ms = 20000;
  const auto first = fixture.join_with_new_id(input);
  fixture.advance(19999);
  CHECK(fixture.shard.consumer().find("g")->find(first->member_id) != nullptr);
  fixture.advance(1);
  CHECK(fixture.shard.consumer().find("g")->find(first->member_id) == nullptr);

  const auto second = fixture.join_with_new_id(input);
  CHECK(sync_error(fixture.sync(second->member_id, second->generation_id)) == ErrorCode::kNone);
  fixture.surroundings->put_topic("u", 1);
  consumer.beat_once();
  consumer.beat_once();
  consumer.subscribe({"t", "u"});
  CHECK(fixture.heartbeat(second->member_id, second->generation_id) == ErrorCode::kRebalanceInProgress);
  fixture.advance(20000);
  CHECK(fixture.shard.consumer().find("g")->find(second->member_id) == nullptr);
}

TEST_CASE("Requests of the classic protocol by members of the consumer protocol are refused") {
  ShardFixture fixture;
  fixture.surroundings->put_topic("t", 2);
  Consumer consumer(fixture, joining("m"));
  consumer.join();
  CHECK(fixture.heartbeat("m", 2) == ErrorCode::kUnknownMemberId);
  CHECK(sync_error(fixture.sync("m", 2)) == ErrorCode::kUnknownMemberId);
  const auto left = fixture.leave({{"x", {}}, {"m", {}}});
  CHECK(left->members.at(0).error_code == static_cast<std::int16_t>(ErrorCode::kUnknownMemberId));
  CHECK(left->members.at(1).error_code == 0);
  CHECK(fixture.shard.consumer().find("g")->is_empty());
}

TEST_CASE("A group without members is what the next one to join makes it") {
  ShardFixture fixture;
  fixture.surroundings->put_topic("t", 2);
  CHECK(ShardFixture::error_of(fixture.commit("g", "t", 0, 5)) == ErrorCode::kNone);
  Consumer consumer(fixture, joining("m"));
  consumer.join();
  CHECK(fixture.shard.classic().find("g") == nullptr);
  CHECK(fixture.committed("g", "t", 0) == 5);
  consumer.leave();
  fixture.join_with_new_id(classic_join());
  CHECK(fixture.shard.consumer().find("g") == nullptr);
  CHECK(fixture.shard.classic().find("g") != nullptr);
  CHECK(fixture.committed("g", "t", 0) == 5);
}

TEST_CASE("A static member that changes its protocol takes its place and the group with it") {
  ShardFixture fixture;
  const TopicId topic = fixture.surroundings->put_topic("t", 2);
  BeatInput input = joining("a");
  input.instance = "i";
  Consumer consumer(fixture, input);
  consumer.join();
  JoinInput classic = classic_join();
  classic.instance = "i";
  const auto joined = fixture.join(classic);
  CHECK(joined.error() == ErrorCode::kNone);
  CHECK(fixture.shard.consumer().find("g") == nullptr);
  const ClassicGroup* group = fixture.shard.classic().find("g");
  REQUIRE(group != nullptr);
  REQUIRE(group->members().size() == 1);
  CHECK(group->is_in(ClassicState::kStable));
  const auto assigned = parse_assignment(view_of(group->members().begin()->second.assignment));
  CHECK(assigned->partitions.at("t") == std::set<std::int32_t>{0, 1});
  input.member = "b";
  Consumer back(fixture, input);
  CHECK(back.join().error() == ErrorCode::kNone);
  CHECK(back.owned() == Assignment{{topic, {0, 1}}});
}

}  // namespace
}  // namespace barnabas::broker::testing

// Groups of the consumer protocol (KIP-848): joins, epochs, fences, offsets.
#include <catch2/catch.hpp>

#include "broker/coordinator/consumer_group_fixture.hpp"

namespace barnabas::broker::testing {
namespace {

GroupShardOptions with_consumers(ConsumerGroupOptions consumer) {
  GroupShardOptions options = ShardFixture::options();
  options.consumer = std::move(consumer);
  return options;
}

std::string message(const BeatAnswer& answer) {
  return answer->error_message.value_or("");
}

TEST_CASE(
    "The first member gets every partition, at epoch 2: epoch 1 is that of a group without assignment") {
  ShardFixture fixture;
  const TopicId topic = fixture.surroundings->put_topic("t", 2);
  const BeatAnswer answer = beat(fixture, joining("m"));
  CHECK(answer.error() == ErrorCode::kNone);
  CHECK(answer->member_id == "m");
  CHECK(answer->member_epoch == 2);
  CHECK(answer->heartbeat_interval_ms == 5000);
  CHECK(assigned_in(answer) == Assignment{{topic, {0, 1}}});
  const ConsumerGroup& group = *fixture.shard.consumer().find("g");
  CHECK(group.epoch() == 2);
  CHECK(group.assignment_epoch() == 2);
  CHECK(group.metadata_hash() != 0);
  CHECK(group.state() == ConsumerGroupState::kStable);
}

TEST_CASE("A heartbeat with nothing new writes nothing and is told no assignment") {
  ShardFixture fixture;
  fixture.surroundings->put_topic("t", 2);
  Consumer consumer(fixture, joining("m"));
  consumer.join();
  const std::size_t batches = fixture.log->batch_count();
  const BeatAnswer answer = consumer.beat_once();
  CHECK(answer->member_epoch == 2);
  CHECK(!answer->assignment);
  CHECK(fixture.log->batch_count() == batches);
}

TEST_CASE("A second member takes over its half when the first has let go of it") {
  ShardFixture fixture;
  const TopicId topic = fixture.surroundings->put_topic("t", 4);
  Consumer first(fixture, joining("a"));
  Consumer second(fixture, joining("b"));
  first.join();
  CHECK(second.join()->member_epoch == 3);
  CHECK(second.owned().empty());
  CHECK(fixture.shard.consumer().find("g")->state() == ConsumerGroupState::kReconciling);
  CHECK(first.beat_once()->member_epoch == 2);  // told what to let go of, and still at its epoch
  CHECK(first.owned() == Assignment{{topic, {0, 1}}});
  CHECK(second.beat_once()->member_epoch == 3);
  CHECK(second.owned().empty());
  CHECK(first.beat_once()->member_epoch == 3);  // it reported that it has
  second.beat_once();
  CHECK(second.owned() == Assignment{{topic, {2, 3}}});
  CHECK(fixture.shard.consumer().find("g")->state() == ConsumerGroupState::kStable);
}

TEST_CASE("Requests that make no sense are told what is wrong with them") {
  ShardFixture fixture;
  const auto refused = [&](BeatInput input) {
    const BeatAnswer answer = beat(fixture, input);
    CHECK(!answer->member_id);
    return std::pair(answer.error(), message(answer));
  };
  using Refusal = std::pair<ErrorCode, std::string>;
  const auto invalid = [](std::string text) { return Refusal(ErrorCode::kInvalidRequest, std::move(text)); };
  BeatInput input = joining(" ");
  CHECK(refused(input) == invalid("MemberId can't be empty."));
  input = joining("m");
  input.group = "";
  CHECK(refused(input) == invalid("GroupId can't be empty."));
  input = joining("m");
  input.instance = "";
  CHECK(refused(input) == invalid("InstanceId can't be empty."));
  input = joining("m");
  input.rack = " ";
  CHECK(refused(input) == invalid("RackId can't be empty."));
  input = joining("m");
  input.rebalance_ms = -1;
  CHECK(refused(input) == invalid("RebalanceTimeoutMs must be provided in first request."));
  input = joining("m");
  input.owned.reset();
  CHECK(refused(input) == invalid("TopicPartitions must be empty when (re-)joining."));
  input = joining("m");
  input.topics.reset();
  CHECK(refused(input) ==
        invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."));
  input = joining("m");
  input.epoch = -2;
  CHECK(refused(input) == invalid("InstanceId can't be null."));
  input.epoch = -3;
  CHECK(refused(input) == invalid("MemberEpoch is invalid."));
  input = joining("m");
  input.assignor = "nope";
  CHECK(refused(input) ==
        Refusal(ErrorCode::kUnsupportedAssignor,
                "ServerAssignor nope is not supported. Supported assignors: uniform, range."));
  input = joining("m");
  input.topics.reset();
  input.pattern = "(";
  CHECK(refused(input) ==
        Refusal(ErrorCode::kInvalidRegularExpression,
                "SubscribedTopicRegex `(` is not a valid regular expression: missing closing )."));
  CHECK(fixture.shard.consumer().find("g") == nullptr);
  CHECK(fixture.log->batch_count() == 0);
}

TEST_CASE("A member that is not known, or comes with another epoch, is told to begin anew") {
  ShardFixture fixture;
  fixture.surroundings->put_topic("t", 1);
  BeatInput input;
  input.epoch = 5;
  CHECK(beat(fixture, input).error() == ErrorCode::kGroupIdNotFound);
  Consumer consumer(fixture, joining("m"));
  consumer.join();
  input.member = "zz";
  CHECK(message(beat(fixture, input)) == "Member zz is not a member of group g.");
  CHECK(beat(fixture, input).error() == ErrorCode::kUnknownMemberId);
  input.member = "m";
  CHECK(beat(fixture, input).error() == ErrorCode::kFencedMemberEpoch);
  CHECK(
      message(beat(fixture, input)) ==
      "The consumer group member has a greater member epoch (5) than the one known by the group coordinator "
      "(2). The member must abandon all its partitions and rejoin.");
  input.epoch = 1;
  CHECK(beat(fixture, input).error() == ErrorCode::kFencedMemberEpoch);
}

TEST_CASE(
    "A member that missed an answer may come with its epoch before, and with no more than it should have") {
  ShardFixture fixture;
  const TopicId topic = fixture.surroundings->put_topic("t", 2);
  Consumer consumer(fixture, joining("m"));
  consumer.join();
  fixture.surroundings->put_topic("u", 1);
  BeatInput input;
  input.epoch = 2;
  input.topics = {"t", "u"};
  input.owned = Assignment{{topic, {0, 1}}};
  CHECK(beat(fixture, input)->member_epoch == 3);
  input.topics.reset();
  CHECK(beat(fixture, input)->member_epoch == 3);
  input.owned.reset();
  CHECK(beat(fixture, input).error() == ErrorCode::kFencedMemberEpoch);
  input.owned = Assignment{{topic, {0, 1, 7}}};
  CHECK(beat(fixture, input).error() == ErrorCode::kFencedMemberEpoch);
}

TEST_CASE("A member that leaves is gone at once, and what it had goes to the others") {
  ShardFixture fixture;
  const TopicId topic = fixture.surroundings->put_topic("t", 2);
  Consumer first(fixture, joining("a"));
  Consumer second(fixture, joining("b"));
  first.join();
  second.join();
  first.beat_once();
  first.beat_once();
  second.beat_once();
  const BeatAnswer left = first.leave();
  CHECK(left->member_epoch == -1);
  CHECK(left->member_id == "a");
  CHECK(left->heartbeat_interval_ms == 0);
  second.beat_once();
  CHECK(second.owned() == Assignment{{topic, {0, 1}}});
  CHECK(second.leave().error() == ErrorCode::kNone);
  CHECK(fixture.shard.consumer().find("g")->state() == ConsumerGroupState::kEmpty);
  CHECK(second.leave().error() == ErrorCode::kUnknownMemberId);
}

TEST_CASE("Who is not heard of for its session's time is removed") {
  ShardFixture fixture;
  fixture.surroundings->put_topic("t", 1);
  Consumer consumer(fixture, joining("m"));
  consumer.join();
  fixture.advance(44000);
  CHECK(consumer.beat_once().error() == ErrorCode::kNone);
  fixture.advance(44999);
  CHECK(!fixture.shard.consumer().find("g")->is_empty());
  fixture.advance(1);
  CHECK(fixture.shard.consumer().find("g")->is_empty());
  CHECK(consumer.beat_once().error() == ErrorCode::kUnknownMemberId);
}

TEST_CASE("Who does not let go of its partitions within its rebalance timeout is removed") {
  ShardFixture fixture;
  const TopicId topic = fixture.surroundings->put_topic("t", 2);
  fixture.surroundings->fixed.session_timeout_ms = 1000000;
  Consumer first(fixture, joining("a"));
  Consumer second(fixture, joining("b"));
  first.join();
  second.join();
  first.beat_once();
  fixture.advance(59999);
  CHECK(fixture.shard.consumer().find("g")->find("a") != nullptr);
  fixture.advance(1);
  CHECK(fixture.shard.consumer().find("g")->find("a") == nullptr);
  second.beat_once();
  CHECK(second.owned() == Assignment{{topic, {0, 1}}});
}

TEST_CASE("A member whose removal the log refuses is tried again") {
  ShardFixture fixture;
  fixture.surroundings->put_topic("t", 1);
  Consumer consumer(fixture, joining("m"));
  consumer.join();
  fixture.log->fail_after(0);
  fixture.advance(45000);
  CHECK(!fixture.shard.consumer().find("g")->is_empty());
  fixture.advance(500);
  CHECK(fixture.shard.consumer().find("g")->is_empty());
}

TEST_CASE("A join that the log refuses has not happened") {
  ShardFixture fixture;
  fixture.surroundings->put_topic("t", 1);
  fixture.log->fail_after(0);
  CHECK(beat(fixture, joining("m")).error() == ErrorCode::kCoordinatorNotAvailable);
  CHECK(fixture.shard.consumer().find("g") == nullptr);
  CHECK(beat(fixture, joining("m"))->member_epoch == 2);
}

TEST_CASE("A group has no more members than it may have") {
  ConsumerGroupOptions options;
  options.max_size = 1;
  ShardFixture fixture(with_consumers(options));
  fixture.surroundings->put_topic("t", 1);
  Consumer consumer(fixture, joining("a"));
  consumer.join();
  const BeatAnswer answer = beat(fixture, joining("b"));
  CHECK(answer.error() == ErrorCode::kGroupMaxSizeReached);
  CHECK(message(answer) == "The consumer group has reached its maximum capacity of 1 members.");
  CHECK(consumer.join().error() == ErrorCode::kNone);
}

TEST_CASE("A static member that goes away for a while finds its partitions again, under another member id") {
  ShardFixture fixture;
  const TopicId topic = fixture.surroundings->put_topic("t", 4);
  BeatInput input = joining("a");
  input.instance = "i";
  Consumer stays(fixture, joining("z"));
  Consumer first(fixture, input);
  first.join();
  stays.join();
  first.beat_once();
  first.beat_once();
  stays.beat_once();
  const Assignment had = first.owned();
  input.member = "b";
  Consumer second(fixture, input);
  const BeatAnswer too_early = second.join();
  CHECK(too_early.error() == ErrorCode::kUnreleasedInstanceId);
  CHECK(message(too_early) ==
        "Static member b with instance id i cannot join the group because the instance id is owned by a "
        "member.");
  CHECK(first.leave(kStaticLeaveEpoch)->member_epoch == -2);
  const std::int32_t epoch = fixture.shard.consumer().find("g")->epoch();
  CHECK(second.join()->member_epoch == epoch);
  CHECK(second.owned() == had);
  CHECK(fixture.shard.consumer().find("g")->epoch() == epoch);
  CHECK(fixture.shard.consumer().find("g")->find("a") == nullptr);
  const BeatAnswer fenced = first.beat_once();
  CHECK(fenced.error() == ErrorCode::kFencedInstanceId);
  CHECK(message(fenced) == "Static member a with instance id i was fenced by member b.");
  CHECK(had == Assignment{{topic, {0, 1}}});
}

TEST_CASE("A static member that does not come back within its session loses its place") {
  ShardFixture fixture;
  fixture.surroundings->put_topic("t", 1);
  BeatInput input = joining("a");
  input.instance = "i";
  Consumer consumer(fixture, input);
  consumer.join();
  consumer.leave(kStaticLeaveEpoch);
  fixture.advance(45000);
  CHECK(fixture.shard.consumer().find("g")->is_empty());
  CHECK(message(consumer.beat_once()) == "Instance id i is unknown.");
}

TEST_CASE("Offsets are committed and fetched by members at their epoch") {
  ShardFixture fixture;
  const TopicId topic = fixture.surroundings->put_topic("topic", 2);
  Consumer consumer(fixture, joining("m", {"topic"}));
  consumer.join();
  const auto commit = [&](const std::string& member, std::int32_t epoch, std::int16_t version = 9,
                          std::int32_t partition = 0) {
    Caught<protocol::OffsetCommitResponse> caught;
    protocol::OffsetCommitRequest request;
    request.group_id = "g";
    request.member_id = member;
    request.generation_id_or_member_epoch = epoch;
    auto& to = request.topics.emplace_back();
    to.name = "topic";
    to.topic_id = topic.value();
    to.partitions.emplace_back().partition_index = partition;
    fixture.commuting(
        [&](Step& step) { fixture.shard.commit_offsets(request, version, caught.answer(), step); });
    return ShardFixture::error_of(caught);
  };
  CHECK(commit("m", 2) == ErrorCode::kNone);
  CHECK(commit("m", 3) == ErrorCode::kStaleMemberEpoch);
  CHECK(commit("m", 1) == ErrorCode::kStaleMemberEpoch);
  CHECK(commit("x", 2) == ErrorCode::kUnknownMemberId);
  CHECK(commit("", -1) == ErrorCode::kUnknownMemberId);
  CHECK(commit("m", 2, 8) == ErrorCode::kUnsupportedVersion);
  // A later epoch makes no difference to what it has had all along.
  fixture.surroundings->put_topic("u", 1);
  consumer.subscribe({"topic", "u"});
  REQUIRE(consumer.epoch() == 3);
  CHECK(commit("m", 2) == ErrorCode::kNone);
  CHECK(commit("m", 2, 9, 7) == ErrorCode::kStaleMemberEpoch);

  const auto fetch = [&](std::optional<std::string> member, std::int32_t epoch) {
    Caught<GroupShard::FetchedGroup> caught;
    protocol::OffsetFetchRequest::OffsetFetchRequestGroup request;
    request.group_id = "g";
    request.member_id = std::move(member);
    request.member_epoch = epoch;
    fixture.commuting(
        [&](Step& step) { fixture.shard.fetch_offsets(request, false, caught.answer(), step); });
    return caught.error();
  };
  CHECK(fetch("m", 3) == ErrorCode::kNone);
  CHECK(fetch(std::nullopt, -1) == ErrorCode::kNone);
  CHECK(fetch("m", 2) == ErrorCode::kStaleMemberEpoch);
  CHECK(fetch("x", 3) == ErrorCode::kUnknownMemberId);
  consumer.leave();
  CHECK(commit("", -1) == ErrorCode::kNone);  // an administrator, of a group without members
}

TEST_CASE("A consumer group is listed, described and removed as one") {
  ShardFixture fixture;
  const TopicId topic = fixture.surroundings->put_topic("t", 1);
  Consumer consumer(fixture, joining("m"));
  consumer.join();
  const auto list = [&](std::vector<std::string> types, std::vector<std::string> states) {
    Caught<protocol::ListGroupsResponse> caught;
    protocol::ListGroupsRequest request;
    request.types_filter = std::move(types);
    request.states_filter = std::move(states);
    fixture.exclusive([&](Step& step) { fixture.shard.list(request, caught.answer(), step); });
    return caught->groups.size();
  };
  CHECK(list({}, {}) == 1);
  CHECK(list({"Consumer"}, {"stable"}) == 1);
  CHECK(list({"classic"}, {}) == 0);
  CHECK(list({}, {"empty"}) == 0);
  CHECK(fixture.describe("g").error_message == "Group g is not a classic group.");

  const auto described = fixture.shard.consumer().describe("g");
  CHECK(described.group_state == "Stable");
  CHECK(described.group_epoch == 2);
  CHECK(described.assignment_epoch == 2);
  CHECK(described.assignor_name == "uniform");
  REQUIRE(described.members.size() == 1);
  CHECK(described.members[0].member_type == 1);
  CHECK(described.members[0].subscribed_topic_regex == "");
  REQUIRE(described.members[0].assignment.topic_partitions.size() == 1);
  CHECK(described.members[0].assignment.topic_partitions[0].topic_id == topic.value());
  CHECK(described.members[0].assignment.topic_partitions[0].topic_name == "t");
  CHECK(fixture.shard.consumer().describe("x").error_message == "Group x not found.");

  CHECK(fixture.remove("g") == ErrorCode::kNonEmptyGroup);
  consumer.leave();
  CHECK(fixture.remove("g") == ErrorCode::kNone);
  CHECK(fixture.shard.consumer().find("g") == nullptr);
  CHECK(fixture.remove("g") == ErrorCode::kGroupIdNotFound);
}

TEST_CASE("Offsets of topics that nobody subscribes to expire, and an empty group goes with its last one") {
  ShardFixture fixture;
  fixture.surroundings->put_topic("t", 1);
  fixture.surroundings->fixed.session_timeout_ms = 2000000000;
  Consumer consumer(fixture, joining("m"));
  consumer.join();
  CHECK(ShardFixture::error_of(fixture.commit("g", "t", 0, 5, "m", 2)) == ErrorCode::kNone);
  CHECK(ShardFixture::error_of(fixture.commit("g", "other", 0, 6, "m", 2)) == ErrorCode::kNone);
  fixture.advance(ShardFixture::options().offsets_retention_ms + 700000);
  CHECK(fixture.committed("g", "t", 0) == 5);
  CHECK(fixture.committed("g", "other", 0) == -1);
  consumer.leave();
  fixture.advance(700000);
  CHECK(fixture.shard.consumer().find("g") == nullptr);
}

}  // namespace
}  // namespace barnabas::broker::testing

#include <catch2/catch.hpp>

#include "broker/coordinator/shard_fixture.hpp"

namespace barnabas::broker::testing {
namespace {

/// A stable group of members with these protocols; their ids in the order of joining.
std::vector<std::string> make_stable(ShardFixture& fixture, int size, JoinInput input = {}) {
  std::vector<Caught<protocol::JoinGroupResponse>> joins;
  std::vector<std::string> ids;
  for (int i = 0; i < size; ++i) {
    JoinInput mine = input;
    mine.member = fixture.join(mine)->member_id;
    ids.push_back(mine.member);
  }
  // With ids handed out but not used, nobody completes the join phase too soon.
  for (const std::string& id : ids) {
    JoinInput mine = input;
    mine.member = id;
    joins.push_back(fixture.join(mine));
  }
  fixture.settle();
  for (auto& join : joins) REQUIRE(join.came());
  const std::int32_t generation = joins.front()->generation_id;
  std::vector<Caught<protocol::SyncGroupResponse>> syncs;
  for (const std::string& id : ids) {
    std::vector<std::pair<std::string, Bytes>> assignments;
    if (joins.front()->leader == id) {
      for (const std::string& other : ids) assignments.emplace_back(other, Bytes(other.begin(), other.end()));
    }
    syncs.push_back(fixture.sync(id, generation, assignments, input.group));
  }
  for (auto& sync : syncs) REQUIRE(sync.error() == ErrorCode::kNone);
  return ids;
}

TEST_CASE("A member joins, syncs, heartbeats and leaves as the probes of Kafka 4.3.1 show it") {
  ShardFixture fixture;
  JoinInput input;
  auto first = fixture.join(input);
  REQUIRE(first.error() == ErrorCode::kMemberIdRequired);
  CHECK(first->generation_id == -1);
  CHECK(!first->protocol_type.has_value());
  CHECK(first->leader.empty());
  CHECK(first->member_id.starts_with("client-"));
  CHECK(first->member_id.size() == std::string("client-").size() + 36);

  input.member = first->member_id;
  auto joined = fixture.join(input);
  fixture.settle();
  REQUIRE(joined.came());
  CHECK(joined.error() == ErrorCode::kNone);
  CHECK(joined->generation_id == 1);
  CHECK(joined->protocol_type == "consumer");
  CHECK(joined->protocol_name == "range");
  CHECK(joined->leader == input.member);
  CHECK_FALSE(joined->skip_assignment);
  REQUIRE(joined->members.size() == 1);
  CHECK(joined->members[0].member_id == input.member);
  CHECK(to_bytes(joined->members[0].metadata) == input.protocols[0].second);

  auto synced = fixture.sync(input.member, 1, {{input.member, {1, 2, 3}}});
  REQUIRE(synced.error() == ErrorCode::kNone);
  CHECK(synced->protocol_type == "consumer");
  CHECK(to_bytes(synced->assignment) == Bytes{1, 2, 3});

  CHECK(fixture.heartbeat(input.member, 1) == ErrorCode::kNone);
  CHECK(fixture.heartbeat(input.member, 9) == ErrorCode::kIllegalGeneration);
  CHECK(fixture.heartbeat("zz", 1) == ErrorCode::kUnknownMemberId);
  CHECK(fixture.heartbeat(input.member, 1, "unknown") == ErrorCode::kUnknownMemberId);

  auto left = fixture.leave({{input.member, {}}, {"zz", {}}});
  CHECK(left.error() == ErrorCode::kNone);
  REQUIRE(left->members.size() == 2);
  CHECK(left->members[0].error_code == 0);
  CHECK(left->members[1].error_code == 25);
  CHECK(fixture.describe("g").group_state == "Empty");
  CHECK(fixture.describe("g").protocol_type == "consumer");
}

TEST_CASE("An old client joins without an id at once") {
  ShardFixture fixture;
  auto joined = fixture.join({.version = 3});
  fixture.settle();
  REQUIRE(joined.came());
  CHECK(joined.error() == ErrorCode::kNone);
  CHECK(joined->generation_id == 1);
  CHECK(joined->leader == joined->member_id);
}

TEST_CASE("A join with an id that nobody gave out is refused and makes no group") {
  ShardFixture fixture;
  auto joined = fixture.join({.member = "abc"});
  CHECK(joined.error() == ErrorCode::kUnknownMemberId);
  CHECK(joined->member_id == "abc");
  CHECK(fixture.describe("g").error_code == 69);
}

TEST_CASE("A join without protocols, or with none in common, is inconsistent") {
  ShardFixture fixture;
  JoinInput none;
  none.protocols.clear();
  CHECK(fixture.join(none).error() == ErrorCode::kInconsistentGroupProtocol);
  make_stable(fixture, 1);
  CHECK(fixture.join({.protocols = {{"sticky", {}}}}).error() == ErrorCode::kInconsistentGroupProtocol);
  CHECK(fixture.join({.type = "connect"}).error() == ErrorCode::kInconsistentGroupProtocol);
}

TEST_CASE("The first rebalance waits for more members, and longer while they keep coming") {
  GroupShardOptions options;
  options.classic.initial_rebalance_delay_ms = 3000;
  ShardFixture fixture(options);
  auto one = fixture.join_with_new_id();
  fixture.advance(2000);
  auto two = fixture.join_with_new_id();
  fixture.advance(2000);  // 4 s: the second member extended the delay to 6 s
  CHECK_FALSE(one.came());
  fixture.advance(2000);
  REQUIRE(one.came());
  REQUIRE(two.came());
  CHECK(one->generation_id == 1);
  CHECK(two->leader == one->leader);
  const auto& leader = one->leader == one->member_id ? one : two;
  const auto& follower = one->leader == one->member_id ? two : one;
  CHECK(leader->members.size() == 2);
  CHECK(follower->members.empty());
}

TEST_CASE("The initial delay never goes beyond the rebalance timeout") {
  GroupShardOptions options;
  options.classic.initial_rebalance_delay_ms = 3000;
  ShardFixture fixture(options);
  auto first = fixture.join_with_new_id({.rebalance_ms = 5000});
  for (int i = 0; i < 4; ++i) {
    fixture.advance(1000);
    (void)fixture.join_with_new_id({.rebalance_ms = 5000});
  }
  CHECK_FALSE(first.came());
  fixture.advance(1000);
  CHECK(first.came());
}

TEST_CASE("The assignment of the leader reaches everybody, and only then") {
  ShardFixture fixture;
  auto ids = make_stable(fixture, 3);
  // Once more, looking closely.
  std::vector<Caught<protocol::JoinGroupResponse>> joins;
  for (const std::string& id : ids)
    joins.push_back(fixture.join({.member = id, .protocols = {{"range", {9}}}}));
  REQUIRE(joins.back().came());
  const std::string leader = joins.back()->leader;
  CHECK(joins.back()->generation_id == 2);
  std::vector<Caught<protocol::SyncGroupResponse>> followers;
  for (const std::string& id : ids) {
    if (id != leader) followers.push_back(fixture.sync(id, 2));
  }
  for (auto& follower : followers) CHECK_FALSE(follower.came());
  CHECK(fixture.describe("g").group_state == "CompletingRebalance");
  CHECK(fixture.describe("g").protocol_data.empty());
  auto own = fixture.sync(leader, 2, {{ids[0], {10}}, {ids[1], {11}}});  // the third is left out
  REQUIRE(own.came());
  std::size_t empty = own->assignment.empty() ? 1 : 0;
  for (auto& follower : followers) {
    REQUIRE(follower.error() == ErrorCode::kNone);
    if (follower->assignment.empty()) ++empty;
  }
  CHECK(empty == 1);
  CHECK(fixture.describe("g").group_state == "Stable");
  CHECK(fixture.describe("g").protocol_data == "range");
}

TEST_CASE("A member that does not come back to a rebalance is dropped when the time is up") {
  ShardFixture fixture;
  auto ids = make_stable(fixture, 2, {.session_ms = 300000, .rebalance_ms = 20000});
  auto newcomer = fixture.join_with_new_id({.session_ms = 300000, .rebalance_ms = 20000});
  CHECK(fixture.heartbeat(ids[0], 1) == ErrorCode::kRebalanceInProgress);
  auto back = fixture.join({.member = ids[0], .session_ms = 300000, .rebalance_ms = 20000});
  CHECK_FALSE(back.came());
  fixture.advance(19999);
  CHECK_FALSE(back.came());
  fixture.advance(1);
  REQUIRE(back.came());
  REQUIRE(newcomer.came());
  CHECK(back->generation_id == 2);
  CHECK(fixture.shard.classic().find("g")->members().size() == 2);
  CHECK(fixture.heartbeat(ids[1], 1) == ErrorCode::kUnknownMemberId);
}

TEST_CASE("A silent member is dropped after its session timeout and the others rebalance") {
  ShardFixture fixture;
  auto ids = make_stable(fixture, 2, {.session_ms = 10000});
  fixture.advance(6000);
  CHECK(fixture.heartbeat(ids[0], 1) == ErrorCode::kNone);
  fixture.advance(6000);
  CHECK(fixture.heartbeat(ids[0], 1) == ErrorCode::kRebalanceInProgress);
  auto back = fixture.join({.member = ids[0]});
  REQUIRE(back.came());
  CHECK(back->generation_id == 2);
  CHECK(back->members.size() == 1);
  fixture.advance(10001);
  CHECK(fixture.describe("g").group_state == "Empty");
}

TEST_CASE("A member that joined and never syncs is dropped after the rebalance timeout") {
  ShardFixture fixture;
  auto one = fixture.join_with_new_id({.session_ms = 300000, .rebalance_ms = 5000});
  fixture.settle();
  REQUIRE(one.came());
  fixture.advance(5000);
  CHECK(fixture.describe("g").group_state == "Empty");
  CHECK(fixture.sync(one->member_id, 1).error() == ErrorCode::kUnknownMemberId);
}

TEST_CASE("Who was given an id and does not come back holds up the group until its session timeout") {
  ShardFixture fixture;
  auto ids = make_stable(fixture, 1, {.session_ms = 300000, .rebalance_ms = 200000});
  auto pending = fixture.join({.session_ms = 6000});
  REQUIRE(pending.error() == ErrorCode::kMemberIdRequired);
  auto back = fixture.join({.member = ids[0], .session_ms = 300000, .rebalance_ms = 200000});
  CHECK_FALSE(back.came());
  fixture.advance(6000);
  REQUIRE(back.came());
  CHECK(back->generation_id == 2);
  CHECK(fixture.join({.member = pending->member_id}).error() == ErrorCode::kUnknownMemberId);
}

TEST_CASE("A follower that joins a stable group again gets what it has; a leader makes a rebalance") {
  ShardFixture fixture;
  auto ids = make_stable(fixture, 2);
  const std::string leader = fixture.shard.classic().find("g")->leader();
  const std::string follower = ids[0] == leader ? ids[1] : ids[0];
  auto again = fixture.join({.member = follower});
  REQUIRE(again.came());
  CHECK(again->generation_id == 1);
  CHECK(again->leader == leader);
  CHECK(again->members.empty());
  auto led = fixture.join({.member = leader});
  CHECK_FALSE(led.came());
  CHECK(fixture.describe("g").group_state == "PreparingRebalance");
  CHECK(fixture.sync(follower, 1).error() == ErrorCode::kRebalanceInProgress);
  auto came = fixture.join({.member = follower});
  REQUIRE(led.came());
  CHECK(led->generation_id == 2);
  CHECK(came.came());
}

TEST_CASE("A member that lost the answer to its join gets it again") {
  ShardFixture fixture;
  auto one = fixture.join_with_new_id();
  fixture.settle();
  auto again = fixture.join({.member = one->member_id});
  REQUIRE(again.came());
  CHECK(again->generation_id == 1);
  CHECK(again->members.size() == 1);
}

TEST_CASE("A join during the sync phase sends everybody who waits back to join") {
  ShardFixture fixture;
  auto ids = make_stable(fixture, 2);
  auto a = fixture.join({.member = ids[0], .protocols = {{"range", {9}}}});
  auto b = fixture.join({.member = ids[1], .protocols = {{"range", {9}}}});
  REQUIRE(b.came());
  const std::string follower = b->leader == ids[0] ? ids[1] : ids[0];
  auto waiting = fixture.sync(follower, 2);
  CHECK_FALSE(waiting.came());
  auto third = fixture.join_with_new_id();
  CHECK(waiting.error() == ErrorCode::kRebalanceInProgress);
  CHECK(fixture.commit("g", "t", 0, 5, follower, 2).came());
}

TEST_CASE("The protocol with most votes among those that all support is chosen") {
  ShardFixture fixture;
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(fixture.join({})->member_id);
  auto a = fixture.join({.member = ids[0], .protocols = {{"range", {}}, {"roundrobin", {}}}});
  auto b = fixture.join({.member = ids[1], .protocols = {{"roundrobin", {}}, {"range", {}}}});
  auto c = fixture.join({.member = ids[2], .protocols = {{"sticky", {}}, {"roundrobin", {}}, {"range", {}}}});
  fixture.settle();
  REQUIRE(a.came());
  CHECK(a->protocol_name == "roundrobin");
}

TEST_CASE("A group is full at group.max.size") {
  GroupShardOptions options = ShardFixture::options();
  options.classic.max_size = 2;
  ShardFixture fixture(options);
  make_stable(fixture, 2);
  auto third = fixture.join({});
  CHECK(third.error() == ErrorCode::kGroupMaxSizeReached);
  CHECK(third->member_id.empty());
}

TEST_CASE("Syncs are checked: generation, protocol, member") {
  ShardFixture fixture;
  auto ids = make_stable(fixture, 1);
  CHECK(fixture.sync(ids[0], 2).error() == ErrorCode::kIllegalGeneration);
  CHECK(fixture.sync("zz", 1).error() == ErrorCode::kUnknownMemberId);
  CHECK(fixture.sync(ids[0], 1, {}, "unknown").error() == ErrorCode::kUnknownMemberId);
  Caught<protocol::SyncGroupResponse> caught;
  protocol::SyncGroupRequest request;
  request.group_id = "g";
  request.member_id = ids[0];
  request.generation_id = 1;
  request.protocol_name = "sticky";
  fixture.exclusive([&](Step& step) { fixture.shard.sync(request, caught.answer(), step); });
  CHECK(caught.error() == ErrorCode::kInconsistentGroupProtocol);
  CHECK(to_bytes(fixture.sync(ids[0], 1)->assignment) == Bytes(ids[0].begin(), ids[0].end()));
}

TEST_CASE("A refused leader's assignment goes to everybody as an error, and the group rebalances") {
  ShardFixture fixture;
  auto ids = make_stable(fixture, 2);
  auto a = fixture.join({.member = ids[0], .protocols = {{"range", {9}}}});
  auto b = fixture.join({.member = ids[1], .protocols = {{"range", {9}}}});
  const std::string leader = b->leader;
  auto waiting = fixture.sync(leader == ids[0] ? ids[1] : ids[0], 2);
  fixture.log->fail_after(0);
  auto own = fixture.sync(leader, 2, {{leader, {1}}});
  CHECK(own.error() == ErrorCode::kCoordinatorNotAvailable);
  CHECK(waiting.error() == ErrorCode::kCoordinatorNotAvailable);
  CHECK(fixture.describe("g").group_state == "PreparingRebalance");
  auto again = fixture.join({.member = ids[0]});
  auto too = fixture.join({.member = ids[1]});
  REQUIRE(again.came());
  CHECK(again->generation_id == 3);
}

TEST_CASE("Members leave a group that is not there each with an error of their own") {
  ShardFixture fixture;
  auto left = fixture.leave({{"m", {}}, {"", "instance"}}, "nowhere");
  CHECK(left.error() == ErrorCode::kNone);
  REQUIRE(left->members.size() == 2);
  for (const auto& member : left->members) CHECK(member.error_code == 25);
}

TEST_CASE("A refused first record leaves no group behind") {
  ShardFixture fixture;
  fixture.log->fail_after(0);
  CHECK(fixture.join({}).error() == ErrorCode::kCoordinatorNotAvailable);
  CHECK(fixture.shard.classic().find("g") == nullptr);
  CHECK(fixture.join({}).error() == ErrorCode::kMemberIdRequired);
}

// Static members (KIP-345).

struct StaticGroup {
  ShardFixture fixture;
  std::string a, b, leader;
  StaticGroup() {
    auto one = fixture.join({.instance = "i1"});
    auto two = fixture.join({.instance = "i2"});
    fixture.settle();
    REQUIRE(one.came());
    REQUIRE(two.came());
    a = one->member_id;
    b = two->member_id;
    leader = one->leader;
    const std::int32_t generation = one->generation_id;
    auto f = fixture.sync(leader == a ? b : a, generation, {}, "g", leader == a ? "i2" : "i1");
    auto l = fixture.sync(leader, generation, {{a, {1}}, {b, {2}}}, "g", leader == a ? "i1" : "i2");
    REQUIRE(l.error() == ErrorCode::kNone);
    REQUIRE(f.error() == ErrorCode::kNone);
  }
};

TEST_CASE("A static member that starts again keeps its place without a rebalance") {
  StaticGroup group;
  ShardFixture& fixture = group.fixture;
  const bool a_leads = group.leader == group.a;
  const std::string follower_instance = a_leads ? "i2" : "i1";
  const std::string old_id = a_leads ? group.b : group.a;
  auto joined = fixture.join({.instance = follower_instance});
  REQUIRE(joined.came());
  CHECK(joined.error() == ErrorCode::kNone);
  CHECK(joined->generation_id == 1);
  CHECK(joined->member_id != old_id);
  CHECK(joined->member_id.starts_with(follower_instance + "-"));
  CHECK(fixture.describe("g").group_state == "Stable");
  CHECK(to_bytes(fixture.sync(joined->member_id, 1, {}, "g", follower_instance)->assignment) ==
        Bytes{static_cast<std::uint8_t>(a_leads ? 2 : 1)});
  // The old process is fenced wherever it shows up.
  CHECK(fixture.heartbeat(old_id, 1, "g", follower_instance) == ErrorCode::kFencedInstanceId);
  CHECK(fixture.sync(old_id, 1, {}, "g", follower_instance).error() == ErrorCode::kFencedInstanceId);
  CHECK(fixture.join({.member = old_id, .instance = follower_instance}).error() ==
        ErrorCode::kFencedInstanceId);
  CHECK(fixture.leave({{old_id, follower_instance}})->members[0].error_code == 82);
}

TEST_CASE("A static leader that starts again is told to skip the assignment, or that another leads") {
  StaticGroup group;
  const std::string instance = group.leader == group.a ? "i1" : "i2";
  auto joined = group.fixture.join({.instance = instance, .version = 9});
  REQUIRE(joined.came());
  CHECK(joined->skip_assignment);
  CHECK(joined->leader == joined->member_id);
  CHECK(joined->members.size() == 2);
  auto older = group.fixture.join({.instance = instance, .version = 8});
  REQUIRE(older.came());
  CHECK_FALSE(older->skip_assignment);
  CHECK(older->leader == joined->member_id);
  CHECK(older->members.empty());
  CHECK(group.fixture.shard.classic().find("g")->leader() == older->member_id);
}

TEST_CASE("A static member's return that the log refuses leaves the old one in place") {
  StaticGroup group;
  group.fixture.log->fail_after(0);
  auto joined = group.fixture.join({.instance = "i2"});
  CHECK(joined.error() == ErrorCode::kCoordinatorNotAvailable);
  CHECK(group.fixture.heartbeat(group.b, 1, "g", "i2") == ErrorCode::kNone);
}

TEST_CASE("A static member that rejoins while the group rebalances fences the one that waits") {
  StaticGroup group;
  auto waiting = group.fixture.join({.member = group.a, .instance = "i1", .protocols = {{"range", {9}}}});
  CHECK_FALSE(waiting.came());
  auto again = group.fixture.join({.instance = "i1", .protocols = {{"range", {9}}}});
  CHECK(waiting.error() == ErrorCode::kFencedInstanceId);
  CHECK_FALSE(again.came());
  auto other = group.fixture.join({.member = group.b, .instance = "i2"});
  CHECK(again.came());
  CHECK(other.came());
}

TEST_CASE("Static members that miss a rebalance stay until their session ends") {
  StaticGroup group;
  auto waiting = group.fixture.join(
      {.member = group.a, .instance = "i1", .protocols = {{"range", {9}}}, .rebalance_ms = 5000});
  CHECK_FALSE(waiting.came());
  for (int i = 0; i < 11; ++i) {
    group.fixture.advance(5500);
    (void)group.fixture.heartbeat(group.b, 1, "g", "i2");
  }
  REQUIRE(waiting.came());
  CHECK(waiting->generation_id == 2);
  CHECK(group.fixture.shard.classic().find("g")->members().size() == 2);
}

TEST_CASE("An administrator removes a static member by its instance") {
  StaticGroup group;
  auto left = group.fixture.leave({{"", "i1"}, {"", "nobody"}, {"", {}}});
  CHECK(left->members[0].error_code == 0);
  CHECK(left->members[0].member_id.empty());
  CHECK(left->members[1].error_code == 25);
  CHECK(left->members[2].error_code == 25);
  CHECK(group.fixture.shard.classic().find("g")->members().size() == 1);
}

TEST_CASE("A shard that is taken away answers everybody who waits") {
  ShardFixture fixture;
  auto ids = make_stable(fixture, 2);
  auto waiting = fixture.join({.member = ids[0], .protocols = {{"range", {9}}}});
  CHECK_FALSE(waiting.came());
  fixture.runtime.close(ErrorCode::kNotCoordinator);
  CHECK(waiting.error() == ErrorCode::kNotCoordinator);
}

}  // namespace
}  // namespace barnabas::broker::testing

// How a member gets from what it has to what it should have, step by step (KIP-848).
#include "broker/coordinator/consumer_group_member.hpp"

#include <catch2/catch.hpp>

namespace barnabas::broker {
namespace {

const TopicId kTopic(Uuid::of_low(1001));
const TopicId kOther(Uuid::of_low(1002));

/// A member and what the group says to it.
struct Scene {
  ConsumerMember member;
  Assignment target;
  std::int32_t epoch = 1;
  std::set<TopicId> subscribed = {kTopic, kOther};
  std::set<std::pair<TopicId, std::int32_t>> owned_by_others;
  bool subscription_changed = false;

  Result<ConsumerMember> step(const ReportedPartitions& reported) {
    ReconciliationTarget to;
    to.epoch = epoch;
    to.partitions = &target;
    to.subscription_changed = subscription_changed;
    to.subscribes = [&](TopicId topic) { return subscribed.contains(topic); };
    to.is_owned = [&](TopicId topic, std::int32_t partition) {
      return owned_by_others.contains({topic, partition}) || member.epoch_of(topic, partition);
    };
    return reconcile(member, to, reported);
  }
  void go(const ReportedPartitions& reported) { member = step(reported).value(); }
};

Scene stable_at_one() {
  Scene scene;
  scene.member.id = "m";
  scene.target = {{kTopic, {0, 1, 2}}};
  scene.go(Assignment{});
  return scene;
}

TEST_CASE("A new member gets what is free, at the epoch of the assignment") {
  const Scene scene = stable_at_one();
  CHECK(scene.member.state == MemberState::kStable);
  CHECK(scene.member.epoch == 1);
  CHECK(scene.member.previous_epoch == 0);
  CHECK(scene.member.assigned == OwnedPartitions{{kTopic, {{0, 1}, {1, 1}, {2, 1}}}});
}

TEST_CASE("A member keeps its epoch until it has let go of what it must, and says so") {
  Scene scene = stable_at_one();
  scene.epoch = 2;
  scene.target = {{kTopic, {0, 1}}, {kOther, {5}}};
  scene.go(std::nullopt);
  CHECK(scene.member.state == MemberState::kUnrevokedPartitions);
  CHECK(scene.member.epoch == 1);
  CHECK(scene.member.assigned == OwnedPartitions{{kTopic, {{0, 1}, {1, 1}}}});
  CHECK(scene.member.revoking == OwnedPartitions{{kTopic, {{2, 1}}}});
  scene.go(std::nullopt);                     // it says nothing of what it has
  scene.go(Assignment{{kTopic, {0, 1, 2}}});  // it still has it
  CHECK(scene.member.state == MemberState::kUnrevokedPartitions);
  scene.go(Assignment{{kTopic, {0, 1}}});
  CHECK(scene.member.state == MemberState::kStable);
  CHECK(scene.member.epoch == 2);
  CHECK(scene.member.previous_epoch == 1);
  CHECK(scene.member.revoking.empty());
  // What it has had for longer keeps the epoch since which it has it.
  CHECK(scene.member.assigned == OwnedPartitions{{kTopic, {{0, 1}, {1, 1}}}, {kOther, {{5, 2}}}});
}

TEST_CASE("What others still have is waited for, and nothing else") {
  Scene scene;
  scene.member.id = "m";
  scene.target = {{kTopic, {0, 1}}};
  scene.owned_by_others = {{kTopic, 1}};
  scene.go(Assignment{});
  CHECK(scene.member.state == MemberState::kUnreleasedPartitions);
  CHECK(scene.member.epoch == 1);
  CHECK(scene.member.assigned == OwnedPartitions{{kTopic, {{0, 1}}}});
  scene.owned_by_others.clear();
  scene.go(Assignment{{kTopic, {0}}});
  CHECK(scene.member.state == MemberState::kStable);
  CHECK(scene.member.assigned == OwnedPartitions{{kTopic, {{0, 1}, {1, 1}}}});
}

TEST_CASE("A member may get back at once what it was about to let go of") {
  Scene scene = stable_at_one();
  scene.epoch = 2;
  scene.target = {{kTopic, {0}}};
  scene.go(std::nullopt);
  REQUIRE(scene.member.revoking.contains(kTopic));
  scene.epoch = 3;
  scene.target = {{kTopic, {0, 1, 2}}};
  scene.go(Assignment{{kTopic, {0}}});
  CHECK(scene.member.state == MemberState::kStable);
  CHECK(scene.member.assigned == OwnedPartitions{{kTopic, {{0, 1}, {1, 3}, {2, 3}}}});
}

TEST_CASE("A topic that is not subscribed to any more goes at once, without a new assignment") {
  Scene scene = stable_at_one();
  scene.subscribed = {kOther};
  scene.go(std::nullopt);
  CHECK(scene.member.state == MemberState::kStable);  // nobody said that the subscription has changed
  scene.subscription_changed = true;
  scene.go(std::nullopt);
  CHECK(scene.member.state == MemberState::kUnrevokedPartitions);
  CHECK(scene.member.assigned.empty());
  CHECK(scene.member.revoking == OwnedPartitions{{kTopic, {{0, 1}, {1, 1}, {2, 1}}}});
}

TEST_CASE("What has been let go of already is not asked for again") {
  Scene scene = stable_at_one();
  scene.subscribed = {kOther};
  scene.subscription_changed = true;
  scene.go(Assignment{});
  CHECK(scene.member.state == MemberState::kStable);
  CHECK(scene.member.assigned.empty());
  CHECK(scene.member.revoking.empty());
}

TEST_CASE("The target of a topic that is not subscribed to is nothing") {
  Scene scene = stable_at_one();
  scene.epoch = 2;
  scene.target = {{kTopic, {0, 1, 2}}, {kOther, {0}}};
  scene.subscribed = {kTopic};
  scene.go(Assignment{{kTopic, {0, 1, 2}}});
  CHECK(scene.member.state == MemberState::kStable);
  CHECK(!scene.member.assigned.contains(kOther));
}

TEST_CASE("A state of a newer coordinator is left only by who has nothing") {
  Scene scene = stable_at_one();
  scene.member.state = MemberState::kUnknown;
  CHECK(scene.step(std::nullopt).error().code == ErrorCode::kFencedMemberEpoch);
  CHECK(scene.step(Assignment{{kTopic, {0}}}).error().code == ErrorCode::kFencedMemberEpoch);
  CHECK(scene.step(Assignment{}).has_value());
}

TEST_CASE("Who reports only what it has been given may have missed an answer") {
  const Scene scene = stable_at_one();
  CHECK(!is_subset(std::nullopt, scene.member.assigned));
  CHECK(is_subset(Assignment{}, scene.member.assigned));
  CHECK(is_subset(Assignment{{kTopic, {2}}}, scene.member.assigned));
  CHECK(!is_subset(Assignment{{kTopic, {3}}}, scene.member.assigned));
  CHECK(!is_subset(Assignment{{kOther, {0}}}, scene.member.assigned));
}

}  // namespace
}  // namespace barnabas::broker

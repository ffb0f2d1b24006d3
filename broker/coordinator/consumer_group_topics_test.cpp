// What groups of the consumer protocol (KIP-848) are assigned when topics, patterns and clocks change.
#include <catch2/catch.hpp>

#include "broker/coordinator/consumer_group_fixture.hpp"

namespace barnabas::broker::testing {

TEST_CASE("A topic that appears, grows or goes is assigned with the next heartbeat") {
  ShardFixture fixture;
  Consumer consumer(fixture, joining("m"));
  const auto changed = [&](bool created) {
    fixture.exclusive([&](Step&) { fixture.shard.consumer().on_topics_changed({"t"}, created); });
  };
  CHECK(consumer.join()->member_epoch == 2);
  CHECK(consumer.owned().empty());
  consumer.beat_once();
  const TopicId topic = fixture.surroundings->put_topic("t", 1);
  CHECK(consumer.beat_once()->member_epoch == 2);  // nobody has told the group yet
  changed(true);
  CHECK(consumer.beat_once()->member_epoch == 3);
  CHECK(consumer.owned() == Assignment{{topic, {0}}});
  fixture.surroundings->put_topic("t", 3);
  changed(false);
  CHECK(consumer.beat_once()->member_epoch == 4);
  CHECK(consumer.owned() == Assignment{{topic, {0, 1, 2}}});
  fixture.surroundings->remove_topic("t");
  changed(false);
  consumer.beat_once();
  CHECK(consumer.owned().empty());
}

TEST_CASE("Assignments are not made more often than the interval allows, and none is forgotten") {
  ShardFixture fixture;
  fixture.surroundings->fixed.assignment_interval_ms = 1000;
  const TopicId topic = fixture.surroundings->put_topic("t", 2);
  Consumer first(fixture, joining("a"));
  Consumer second(fixture, joining("b"));
  CHECK(first.join()->member_epoch == 2);
  CHECK(second.join()->member_epoch == 2);
  CHECK(fixture.shard.consumer().find("g")->epoch() == 3);
  CHECK(fixture.shard.consumer().find("g")->state() == ConsumerGroupState::kAssigning);
  fixture.advance(999);
  CHECK(second.beat_once()->member_epoch == 2);
  fixture.advance(1);
  CHECK(second.beat_once()->member_epoch == 3);
  first.beat_once();
  first.beat_once();
  second.beat_once();
  CHECK(first.owned() == Assignment{{topic, {0}}});
  CHECK(second.owned() == Assignment{{topic, {1}}});
}

TEST_CASE("An assignment that was made by a clock that was ahead does not hold up the next one") {
  ShardFixture fixture;
  fixture.surroundings->fixed.assignment_interval_ms = 1000;
  fixture.surroundings->put_topic("t", 2);
  fixture.now.wall_ms += 3'600'000;
  Consumer first(fixture, joining("a"));
  CHECK(first.join()->member_epoch == 2);
  fixture.now.wall_ms -= 3'600'000;
  Consumer second(fixture, joining("b"));
  CHECK(second.join()->member_epoch == 3);
}

TEST_CASE("A pattern is resolved behind the first heartbeat and assigned with the next") {
  ShardFixture fixture;
  const TopicId one = fixture.surroundings->put_topic("regx1", 1);
  const TopicId two = fixture.surroundings->put_topic("regx2", 1);
  fixture.surroundings->put_topic("another", 1);
  fixture.surroundings->put_topic("regx-hidden", 1);
  BeatInput input = joining("m");
  input.topics.reset();
  input.pattern = "regx.*";
  const BeatAnswer joined = beat(fixture, input, {"regx-hidden"});
  CHECK(joined->member_epoch == 1);
  CHECK(joined->assignment);
  CHECK(assigned_in(joined).empty());
  BeatInput plain;
  plain.epoch = 1;
  const BeatAnswer next = beat(fixture, plain);
  CHECK(next->member_epoch == 2);
  CHECK(assigned_in(next) == Assignment{{one, {0}}, {two, {0}}});
}

TEST_CASE("New topics that a pattern matches are found, ten seconds after it was looked at last") {
  ShardFixture fixture;
  const TopicId one = fixture.surroundings->put_topic("r1", 1);
  BeatInput input = joining("m");
  input.topics.reset();
  input.pattern = "r.*";
  beat(fixture, input);
  BeatInput plain;
  plain.epoch = 1;
  CHECK(beat(fixture, plain)->member_epoch == 2);
  const TopicId two = fixture.surroundings->put_topic("r2", 1);
  fixture.exclusive([&](Step&) { fixture.shard.consumer().on_topics_changed({"r2"}, true); });
  plain.epoch = 2;
  beat(fixture, plain);
  CHECK(fixture.shard.consumer().find("g")->resolved("r.*")->topics.size() == 1);
  fixture.advance(10001);
  beat(fixture, plain);  // looks
  CHECK(assigned_in(beat(fixture, plain)) == Assignment{{one, {0}}, {two, {0}}});
}

TEST_CASE("The last one that leaves a pattern takes it along, and names and patterns go together") {
  ShardFixture fixture;
  const TopicId one = fixture.surroundings->put_topic("r1", 1);
  const TopicId named = fixture.surroundings->put_topic("t", 1);
  BeatInput input = joining("m");
  input.pattern = "r.*";
  beat(fixture, input);
  BeatInput plain;
  plain.epoch = 2;
  CHECK(assigned_in(beat(fixture, plain)) == Assignment{{one, {0}}, {named, {0}}});
  plain.epoch = 3;
  plain.pattern = "";
  plain.owned = Assignment{{one, {0}}, {named, {0}}};
  CHECK(assigned_in(beat(fixture, plain)) == Assignment{{named, {0}}});
  CHECK(fixture.shard.consumer().find("g")->resolved().empty());
  CHECK(!fixture.shard.consumer().find("g")->is_subscribed_to("r1"));
}

}  // namespace barnabas::broker::testing

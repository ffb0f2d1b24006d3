// Groups of the consumer protocol after random histories: what was rebuilt from the log equals what lives, no
// partition has two owners, and groups settle when they are let.
#include <catch2/catch.hpp>

#include "broker/coordinator/compacted_log_testing.hpp"
#include "broker/coordinator/consumer_group_fixture.hpp"

namespace barnabas::broker::testing {
namespace {

std::string text_of(const OwnedPartitions& owned) {
  std::string text;
  for (const auto& [topic, partitions] : owned) {
    for (const auto& [partition, epoch] : partitions)
      text += " " + topic.value().to_string() + "-" + std::to_string(partition) + "@" + std::to_string(epoch);
  }
  return text;
}

/// Everything that a restart must keep.
std::string persistent_state(const GroupShard& shard) {
  std::string text;
  for (const auto& [id, group] : shard.consumer().groups()) {
    text += id + " " + std::to_string(group.epoch()) + " " + std::to_string(group.metadata_hash()) + " " +
            std::to_string(group.assignment_epoch()) + " " + std::to_string(group.assignment_timestamp_ms()) +
            "\n";
    for (const auto& [member_id, member] : group.members()) {
      text += " " + member_id + " " + member.instance_id.value_or("-") + " " + std::to_string(member.epoch) +
              " " + std::to_string(member.previous_epoch) + " " +
              std::to_string(static_cast<int>(member.state)) + " " + member.pattern.value_or("null") +
              " has" + text_of(member.assigned) + " revokes" + text_of(member.revoking) + " target";
      for (const auto& [topic, partitions] : group.target_of(std::string_view(member_id))) {
        for (const std::int32_t partition : partitions)
          text += " " + topic.value().to_string() + "-" + std::to_string(partition);
      }
      for (const std::string& topic : member.topics) text += " " + topic;
      text += "\n";
    }
    for (const auto& [pattern, resolved] : group.resolved()) {
      text += " " + pattern + "@" + std::to_string(resolved.version);
      for (const std::string& topic : resolved.topics) text += " " + topic;
      text += "\n";
    }
  }
  for (const auto& [id, group] : shard.classic().groups()) text += "classic " + id + "\n";
  return text;
}

/// A partition belongs to one member until that has let go of it.
std::string owned_twice(const GroupShard& shard) {
  for (const auto& [id, group] : shard.consumer().groups()) {
    std::set<std::pair<TopicId, std::int32_t>> owned;
    for (const auto& [member_id, member] : group.members()) {
      for (const OwnedPartitions* partitions : {&member.assigned, &member.revoking}) {
        for (const auto& [topic, indexes] : *partitions) {
          for (const auto& [partition, epoch] : indexes) {
            if (!owned.emplace(topic, partition).second) return member_id + " has what another has";
          }
        }
      }
    }
  }
  return "";
}

struct Scene {
  explicit Scene(std::uint64_t seed) : random(seed), most_consumers(1 + seed % 8) {
    for (const char* topic : {"t1", "t2", "x1"}) fixture.surroundings->put_topic(topic, 1 + random.below(6));
  }

  BeatInput random_subscription() {
    BeatInput input;
    input.group = "g" + std::to_string(random.below(2));
    input.member = "m" + std::to_string(next_member++);
    if (random.below(4) == 0) input.instance = "i" + std::to_string(next_member);
    if (random.below(3) == 0) {
      input.pattern = random.below(2) == 0 ? "t.*" : "x.*";
      if (random.below(2) == 0) input.topics.emplace();
    } else {
      input.topics =
          random.below(2) == 0 ? std::vector<std::string>{"t1"} : std::vector<std::string>{"t1", "t2"};
    }
    if (random.below(3) == 0) input.assignor = "range";
    return input;
  }

  void step() {
    const std::uint64_t choice = random.below(20);
    if (consumers.empty() || (choice < 3 && consumers.size() < most_consumers)) {
      consumers.emplace_back(fixture, random_subscription());
      consumers.back().join();
      return;
    }
    const auto at = random.below(consumers.size());
    Consumer& consumer = consumers[at];
    if (choice == 3) {
      consumer.leave();
      consumers.erase(consumers.begin() + static_cast<std::ptrdiff_t>(at));
    } else if (choice == 4) {
      grow_a_topic();
    } else if (choice == 5) {
      fixture.advance(static_cast<std::int64_t>(random.below(12000)));
    } else if (choice == 6) {
      fixture.log->fail_after(0);
      consumer.beat_once();
    } else if (choice == 7) {
      visit_as_classic_member();
    } else if (consumer.beat_once().error() != ErrorCode::kNone) {
      consumer.join();
    }
  }

  /// A member of the classic protocol looks in. A group without members it makes a classic one; an
  /// administrator may remove the group then.
  void visit_as_classic_member() {
    const std::string group = "g" + std::to_string(random.below(2));
    JoinInput input;
    input.group = group;
    input.protocols = {{"range", subscription({"t1"})}};
    input.member = fixture.join(input)->member_id;
    (void)fixture.join(input);
    if (random.below(2) == 0) fixture.settle();
    (void)fixture.leave({{input.member, {}}}, group);
    if (random.below(2) == 0) (void)fixture.remove(group);
  }

  void grow_a_topic() {
    const std::string topic = random.below(2) == 0 ? "t1" : "t" + std::to_string(3 + random.below(2));
    const kraft::TopicImage* known = fixture.surroundings->image()->topic(topic);
    fixture.surroundings->put_topic(topic, known == nullptr ? 2 : known->partitions.size() + 1);
    fixture.exclusive([&](Step&) { fixture.shard.consumer().on_topics_changed({topic}, known == nullptr); });
  }

  SeededRandom random;
  std::size_t most_consumers;  // with few of them groups become empty, and go
  ShardFixture fixture;
  std::vector<Consumer> consumers;
  int next_member = 0;
};

TEST_CASE("What the log gives back is what lived, and groups settle with every partition owned once") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Scene scene(seed);
    CAPTURE(seed);
    for (int i = 0; i < 150; ++i) {
      scene.step();
      REQUIRE(owned_twice(scene.fixture.shard) == "");
    }
    ShardFixture again(ShardFixture::options(), scene.fixture.log, scene.fixture.surroundings);
    CHECK(persistent_state(again.shard) == persistent_state(scene.fixture.shard));
    for (int round = 0; round < 20; ++round) {
      scene.fixture.advance(3000);
      for (Consumer& consumer : scene.consumers) {
        if (consumer.beat_once().error() != ErrorCode::kNone) consumer.join();
      }
    }
    for (const auto& [id, group] : scene.fixture.shard.consumer().groups()) {
      const bool settled =
          group.state() == ConsumerGroupState::kStable || group.state() == ConsumerGroupState::kEmpty;
      CAPTURE(id, to_string(group.state()));
      CHECK(settled);
      std::size_t owned = 0;
      std::size_t there = 0;
      for (const auto& [member_id, member] : group.members()) {
        for (const auto& [topic, partitions] : member.assigned) owned += partitions.size();
      }
      for (const auto& [topic, count] : group.subscriptions()) {
        const kraft::TopicImage* known = scene.fixture.surroundings->image()->topic(topic);
        there += known == nullptr ? 0 : known->partitions.size();
      }
      CHECK(owned == there);
    }
  }
}

TEST_CASE("What the cleaner leaves of the log of consumer groups gives back what the whole log does") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Scene scene(seed);
    SeededRandom chance(1000 + seed);
    for (int i = 0; i < 150; ++i) {
      scene.step();
      if (i % 15 != 14) continue;
      CAPTURE(seed, i);
      const MemoryShardLog& log = *scene.fixture.log;
      const std::string live = persistent_state(scene.fixture.shard);
      for (const bool keeps_tombstones : {true, false}) {
        const auto end = static_cast<std::uint64_t>(log.end_offset().value());
        const Offset to(static_cast<std::int64_t>(chance.below(end + 1)));
        CAPTURE(to.value(), keeps_tombstones);
        ShardFixture again(ShardFixture::options(), compacted(log, to, keeps_tombstones),
                           scene.fixture.surroundings);
        REQUIRE(persistent_state(again.shard) == live);
      }
    }
  }
}

TEST_CASE("Consumer groups that are gone have left nothing in the log once it is compacted") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Scene scene(seed);
    for (int i = 0; i < 100; ++i) scene.step();
    // Whoever does not leave is removed in time, and so is a group without members by an administrator.
    for (Consumer& consumer : scene.consumers) {
      if (scene.random.below(2) == 0) consumer.leave();
    }
    scene.fixture.advance(600000);
    for (const char* group : {"g0", "g1"}) (void)scene.fixture.remove(group);
    CAPTURE(seed);
    CHECK(persistent_state(scene.fixture.shard) == "");
    const MemoryShardLog& log = *scene.fixture.log;
    CHECK(compacted(log, log.end_offset(), false)->batch_count() == 0);
  }
}

}  // namespace
}  // namespace barnabas::broker::testing

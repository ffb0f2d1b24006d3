// What every assignment has to satisfy, over random groups that change step by step.
#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>

#include "base/random.hpp"
#include "broker/coordinator/assignors/assignor.hpp"

namespace barnabas::broker {
namespace {

TopicId topic(std::uint64_t n) {
  return TopicId(Uuid::of_low(1000 + n));
}

/// A group as a test changes it, with what it was assigned last.
struct Group {
  struct Member {
    std::optional<std::string> instance;
    std::vector<TopicId> topics;
    Assignment current;
  };
  std::map<std::string, Member> members;
  std::unordered_map<TopicId, std::int32_t> partitions;
  bool homogeneous = true;

  void assign_by(AssignorKind kind) {
    AssignorInput input;
    input.homogeneous = homogeneous;
    input.partition_counts = partitions;
    for (const auto& [id, member] : members) {
      input.members.push_back({id, member.instance, member.topics, &member.current});
    }
    const Assignments result = assign(kind, input);
    REQUIRE(result.size() == members.size());
    std::size_t i = 0;
    for (auto& [id, member] : members) member.current = result[i++];
  }

  [[nodiscard]] static std::size_t size(const Assignment& assignment) {
    std::size_t count = 0;
    for (const auto& [id, indexes] : assignment) count += indexes.size();
    return count;
  }
};

/// Nobody has what it does not subscribe to, and every partition that somebody subscribes to has one owner.
std::string incomplete(const Group& group) {
  std::map<std::pair<TopicId, std::int32_t>, int> owners;
  std::set<TopicId> subscribed;
  for (const auto& [id, member] : group.members) {
    subscribed.insert(member.topics.begin(), member.topics.end());
    for (const auto& [name, indexes] : member.current) {
      if (indexes.empty()) return id + " has a topic without partitions";
      if (std::ranges::find(member.topics, name) == member.topics.end()) return id + " has a foreign topic";
      for (const std::int32_t index : indexes) ++owners[{name, index}];
    }
  }
  std::size_t expected = 0;
  for (const TopicId name : subscribed) expected += static_cast<std::size_t>(group.partitions.at(name));
  for (const auto& [partition, count] : owners) {
    if (count != 1) return "a partition has " + std::to_string(count) + " owners";
    if (partition.second < 0 || partition.second >= group.partitions.at(partition.first))
      return "a partition that is not there";
  }
  return owners.size() == expected ? "" : "a partition has no owner";
}

std::size_t spread(const Group& group) {
  std::size_t least = SIZE_MAX;
  std::size_t most = 0;
  for (const auto& [id, member] : group.members) {
    least = std::min(least, Group::size(member.current));
    most = std::max(most, Group::size(member.current));
  }
  return most - least;
}

/// Partitions that somebody has kept.
std::size_t kept(const Group& before, const Group& after) {
  std::size_t count = 0;
  for (const auto& [id, member] : before.members) {
    const auto still = after.members.find(id);
    if (still == after.members.end()) continue;
    for (const auto& [name, indexes] : member.current) {
      const auto now = still->second.current.find(name);
      if (now == still->second.current.end()) continue;
      count += static_cast<std::size_t>(
          std::ranges::count_if(indexes, [&](std::int32_t index) { return now->second.contains(index); }));
    }
  }
  return count;
}

/// What the members could keep at best, if each had `total / members` partitions or one more.
std::size_t could_keep(const Group& before, const Group& after) {
  std::size_t total = 0;
  for (const auto& [name, count] : after.partitions) total += static_cast<std::size_t>(count);
  const std::size_t least = total / after.members.size();
  std::size_t with_one_more = total % after.members.size();
  std::size_t count = 0;
  for (const auto& [id, member] : before.members) {
    if (!after.members.contains(id)) continue;
    const std::size_t has = Group::size(member.current);
    count += std::min(has, least);
    if (has > least && with_one_more > 0) {
      ++count;
      --with_one_more;
    }
  }
  return count;
}

Group random_group(SeededRandom& random, bool homogeneous) {
  Group group;
  group.homogeneous = homogeneous;
  const std::uint64_t topics = 1 + random.below(6);
  for (std::uint64_t n = 0; n < topics; ++n)
    group.partitions[topic(n)] = static_cast<std::int32_t>(1 + random.below(12));
  const std::uint64_t members = 1 + random.below(8);
  for (std::uint64_t n = 0; n < members; ++n) {
    Group::Member& member = group.members["m" + std::to_string(n)];
    if (random.below(4) == 0) member.instance = "i" + std::to_string(members - n);
    for (std::uint64_t name = 0; name < topics; ++name) {
      if (homogeneous || random.below(2) == 0) member.topics.push_back(topic(name));
    }
  }
  return group;
}

/// Somebody comes, somebody goes, or a topic grows.
void change(Group& group, SeededRandom& random, int step) {
  switch (random.below(3)) {
    case 0: {
      Group::Member fresh;
      fresh.topics = group.members.begin()->second.topics;
      group.members["n" + std::to_string(step)] = fresh;
      return;
    }
    case 1:
      if (group.members.size() > 1)
        group.members.erase(std::next(group.members.begin(),
                                      static_cast<std::ptrdiff_t>(random.below(group.members.size()))));
      return;
    default:
      group.partitions.begin()->second += static_cast<std::int32_t>(1 + random.below(3));
  }
}

TEST_CASE("Every partition has one owner who subscribes to it, whatever the group and the assignor") {
  SeededRandom random(11);
  for (int round = 0; round < 400; ++round) {
    for (const AssignorKind kind : {AssignorKind::kUniform, AssignorKind::kRange}) {
      Group group = random_group(random, round % 2 == 0);
      for (int step = 0; step < 6; ++step) {
        group.assign_by(kind);
        CAPTURE(round, step, to_string(kind));
        CHECK(incomplete(group) == "");
        change(group, random, step);
      }
    }
  }
}

TEST_CASE(
    "uniform gives members of one subscription as much as each other, and takes no more than it has to") {
  SeededRandom random(12);
  for (int round = 0; round < 400; ++round) {
    Group group = random_group(random, true);
    group.assign_by(AssignorKind::kUniform);
    for (int step = 0; step < 6; ++step) {
      const Group before = group;
      change(group, random, step);
      group.assign_by(AssignorKind::kUniform);
      CAPTURE(round, step);
      CHECK(spread(group) <= 1);
      CHECK(kept(before, group) == could_keep(before, group));
    }
  }
}

TEST_CASE(
    "uniform leaves no topic unbalanced when subscriptions differ, and nothing moves without a reason") {
  SeededRandom random(13);
  for (int round = 0; round < 400; ++round) {
    Group group = random_group(random, false);
    group.assign_by(AssignorKind::kUniform);
    const Group before = group;
    group.assign_by(AssignorKind::kUniform);
    CAPTURE(round);
    for (const auto& [id, member] : group.members) CHECK(member.current == before.members.at(id).current);
    // Who has a partition of a topic has at most one partition more than anybody who could have it instead.
    for (const auto& [id, member] : group.members) {
      for (const auto& [name, indexes] : member.current) {
        for (const auto& [other_id, other] : group.members) {
          if (std::ranges::find(other.topics, name) == other.topics.end()) continue;
          CHECK(Group::size(member.current) <= Group::size(other.current) + 1);
        }
      }
    }
  }
}

TEST_CASE("range cuts each topic into runs, in the order of instances and then of members") {
  Group group;
  group.partitions = {{topic(1), 7}, {topic(2), 2}};
  group.members["c"].instance = "i1";
  for (const char* id : {"a", "b", "c"}) group.members[id].topics = {topic(1), topic(2)};
  group.assign_by(AssignorKind::kRange);
  CHECK(group.members["c"].current == Assignment{{topic(1), {0, 1, 2}}, {topic(2), {0}}});
  CHECK(group.members["a"].current == Assignment{{topic(1), {3, 4}}, {topic(2), {1}}});
  CHECK(group.members["b"].current == Assignment{{topic(1), {5, 6}}});
}

TEST_CASE("A group without topics is assigned nothing, and one without members is no group") {
  Group group;
  group.members["a"];
  for (const AssignorKind kind : {AssignorKind::kUniform, AssignorKind::kRange}) {
    group.assign_by(kind);
    CHECK(group.members["a"].current.empty());
    CHECK(assign(kind, AssignorInput{}).empty());
  }
}

TEST_CASE("Assignors are found by Kafka's names and by the names of Kafka's classes") {
  CHECK(parse_assignor("uniform") == AssignorKind::kUniform);
  CHECK(parse_assignor("org.apache.kafka.coordinator.group.assignor.RangeAssignor") == AssignorKind::kRange);
  CHECK(parse_assignor("org.apache.kafka.coordinator.group.assignor.range") == std::nullopt);
  CHECK(parse_assignor("sticky") == std::nullopt);
}

}  // namespace
}  // namespace barnabas::broker

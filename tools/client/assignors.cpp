#include "tools/client/assignors.hpp"

#include <algorithm>
#include <set>
#include <tuple>

namespace barnabas::tools {
namespace {

bool subscribes(const GroupSubscriber& member, const std::string& topic) {
  return std::ranges::find(member.topics, topic) != member.topics.end();
}

/// Each topic is cut into as many runs of partitions as it has subscribers.
void assign_range(const std::vector<GroupSubscriber>& members, const PartitionCounts& counts,
                  Assignment& to) {
  for (const auto& [topic, count] : counts) {
    std::vector<const GroupSubscriber*> subscribers;
    for (const GroupSubscriber& member : members) {
      if (subscribes(member, topic)) subscribers.push_back(&member);
    }
    if (subscribers.empty()) continue;
    const auto size = static_cast<std::int32_t>(subscribers.size());
    std::int32_t next = 0;
    for (std::int32_t i = 0; i < size; ++i) {
      const std::int32_t share = count / size + (i < count % size ? 1 : 0);
      for (std::int32_t k = 0; k < share; ++k) {
        to[subscribers[static_cast<std::size_t>(i)]->member_id].push_back({topic, PartitionIndex(next++)});
      }
    }
  }
}

/// All partitions of all topics are dealt out one by one.
void assign_round_robin(const std::vector<GroupSubscriber>& members, const PartitionCounts& counts,
                        Assignment& to) {
  std::size_t turn = 0;
  for (const auto& [topic, count] : counts) {
    if (std::ranges::none_of(members, [&](const auto& member) { return subscribes(member, topic); }))
      continue;
    for (std::int32_t i = 0; i < count; ++i) {
      while (!subscribes(members[turn % members.size()], topic)) ++turn;
      to[members[turn++ % members.size()].member_id].push_back({topic, PartitionIndex(i)});
    }
  }
}

/// Members keep what they have as long as nobody has too much; a partition that changes hands is given to
/// nobody now, its owner gives it up, and the rebalance after that gives it away.
void assign_sticky(const std::vector<GroupSubscriber>& members, const PartitionCounts& counts,
                   Assignment& to) {
  std::set<TopicPartition> free;
  for (const auto& [topic, count] : counts) {
    for (std::int32_t i = 0; i < count; ++i) free.insert({topic, PartitionIndex(i)});
  }
  const std::size_t most = (free.size() + members.size() - 1) / std::max<std::size_t>(members.size(), 1);
  for (const GroupSubscriber& member : members) {
    for (const TopicPartition& partition : member.owned) {
      if (!subscribes(member, partition.topic) || !free.contains(partition)) continue;
      free.erase(partition);
      if (to[member.member_id].size() < most) to[member.member_id].push_back(partition);
    }
  }
  for (const TopicPartition& partition : free) {
    const GroupSubscriber* least = nullptr;
    for (const GroupSubscriber& member : members) {
      if (!subscribes(member, partition.topic)) continue;
      if (least == nullptr || to[member.member_id].size() < to[least->member_id].size()) least = &member;
    }
    if (least != nullptr) to[least->member_id].push_back(partition);
  }
}

}  // namespace

std::string_view protocol_name(AssignmentStrategy strategy) {
  switch (strategy) {
    case AssignmentStrategy::kRange:
      return "range";
    case AssignmentStrategy::kRoundRobin:
      return "roundrobin";
    case AssignmentStrategy::kCooperativeSticky:
      break;
  }
  return "cooperative-sticky";
}

Assignment assign_partitions(AssignmentStrategy strategy, std::vector<GroupSubscriber> members,
                             const PartitionCounts& counts) {
  Assignment to;
  for (const GroupSubscriber& member : members) to[member.member_id];
  // Static members come first, by their names, so that a restart changes nothing.
  std::ranges::sort(members, {}, [](const GroupSubscriber& member) {
    return std::tuple(member.instance_id.empty(), member.instance_id, member.member_id);
  });
  if (strategy == AssignmentStrategy::kRange) {
    assign_range(members, counts, to);
  } else if (strategy == AssignmentStrategy::kRoundRobin) {
    assign_round_robin(members, counts, to);
  } else {
    assign_sticky(members, counts, to);
  }
  return to;
}

}  // namespace barnabas::tools

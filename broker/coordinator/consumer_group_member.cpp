#include "broker/coordinator/consumer_group_member.hpp"

#include <algorithm>
#include <utility>

namespace barnabas::broker {
namespace {

template <class Partitions>
bool contains(const std::map<TopicId, Partitions>& owned, TopicId topic, std::int32_t partition) {
  const auto it = owned.find(topic);
  return it != owned.end() && it->second.contains(partition);
}

/// A member that does not say what it has may have everything.
bool still_has_any(const ReportedPartitions& reported, const OwnedPartitions& of) {
  if (!reported) return true;
  return std::ranges::any_of(*reported, [&](const auto& topic) {
    return std::ranges::any_of(topic.second,
                               [&](std::int32_t partition) { return contains(of, topic.first, partition); });
  });
}

/// The subscription has changed, the target has not: what is not subscribed to any more goes at once.
ConsumerMember drop_unsubscribed(const ConsumerMember& member, const ReconciliationTarget& target,
                                 const ReportedPartitions& reported) {
  ConsumerMember next = member;
  for (auto it = next.assigned.begin(); it != next.assigned.end();) {
    if (target.subscribes(it->first)) {
      ++it;
      continue;
    }
    next.revoking[it->first].insert(it->second.begin(), it->second.end());
    it = next.assigned.erase(it);
  }
  if (next.assigned == member.assigned) return member;
  next.move_to_epoch(member.epoch);
  if (still_has_any(reported, next.revoking)) {
    next.state = MemberState::kUnrevokedPartitions;
  } else {
    next.revoking = member.revoking;
  }
  return next;
}

/// What of the target a member may have, must let go of, and has to wait for.
struct Difference {
  OwnedPartitions kept;
  OwnedPartitions to_revoke;
  OwnedPartitions to_add;
  bool waits = false;
};

Difference compare(const ConsumerMember& member, const ReconciliationTarget& target) {
  Difference result;
  for (const auto& [topic, partitions] : member.assigned) {
    const bool subscribed = target.subscribes(topic);
    for (const auto& [partition, epoch] : partitions) {
      const bool stays = subscribed && contains(*target.partitions, topic, partition);
      (stays ? result.kept : result.to_revoke)[topic].emplace(partition, epoch);
    }
  }
  for (const auto& [topic, partitions] : *target.partitions) {
    if (!target.subscribes(topic)) continue;
    for (const std::int32_t partition : partitions) {
      if (contains(result.kept, topic, partition)) continue;
      // What it is about to let go of is its own all the same: nobody else can have it.
      if (target.is_owned(topic, partition) && !contains(member.revoking, topic, partition)) {
        result.waits = true;
      } else {
        result.to_add[topic].emplace(partition, target.epoch);
      }
    }
  }
  return result;
}

ConsumerMember step_towards(const ConsumerMember& member, const ReconciliationTarget& target,
                            const ReportedPartitions& reported) {
  Difference difference = compare(member, target);
  ConsumerMember next = member;
  next.assigned = std::move(difference.kept);
  if (!difference.to_revoke.empty() && still_has_any(reported, difference.to_revoke)) {
    // Until it has let go of these, its epoch stays.
    next.move_to_epoch(member.epoch);
    next.state = MemberState::kUnrevokedPartitions;
    next.revoking = std::move(difference.to_revoke);
    return next;
  }
  for (const auto& [topic, partitions] : difference.to_add)
    next.assigned[topic].insert(partitions.begin(), partitions.end());
  next.move_to_epoch(target.epoch);
  next.state = difference.waits ? MemberState::kUnreleasedPartitions : MemberState::kStable;
  next.revoking.clear();
  return next;
}

}  // namespace

std::optional<std::int32_t> ConsumerMember::epoch_of(TopicId topic, std::int32_t partition) const {
  for (const OwnedPartitions* owned : {&assigned, &revoking}) {
    if (const auto it = owned->find(topic); it != owned->end()) {
      if (const auto found = it->second.find(partition); found != it->second.end()) return found->second;
    }
  }
  return std::nullopt;
}

Result<ConsumerMember> reconcile(const ConsumerMember& member, const ReconciliationTarget& target,
                                 const ReportedPartitions& reported) {
  switch (member.state) {
    case MemberState::kStable:
      if (member.epoch != target.epoch) return step_towards(member, target, reported);
      return target.subscription_changed ? drop_unsubscribed(member, target, reported) : member;
    case MemberState::kUnrevokedPartitions:
      if (!still_has_any(reported, member.revoking)) return step_towards(member, target, reported);
      return target.subscription_changed ? drop_unsubscribed(member, target, reported) : member;
    case MemberState::kUnreleasedPartitions:
      return step_towards(member, target, reported);
    case MemberState::kUnknown:
      break;
  }
  if (!reported || !reported->empty()) {
    return fail(ErrorCode::kFencedMemberEpoch,
                "The consumer group member is in a unknown state. The member must abandon all its partitions "
                "and rejoin.");
  }
  return step_towards(member, target, reported);
}

bool is_subset(const ReportedPartitions& reported, const OwnedPartitions& owned) {
  if (!reported) return false;
  return std::ranges::all_of(*reported, [&](const auto& topic) {
    return std::ranges::all_of(
        topic.second, [&](std::int32_t partition) { return contains(owned, topic.first, partition); });
  });
}

}  // namespace barnabas::broker

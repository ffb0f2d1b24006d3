// What is around the heartbeat: who may commit and fetch, what is shown, replay, timers.
#include "broker/coordinator/consumer_groups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "base/logging.hpp"
#include "broker/coordinator/consumer_group_records.hpp"
#include "broker/coordinator/group_component.hpp"

namespace barnabas::broker {
namespace {

constexpr std::int64_t kRetryMs = 500;  // of a record that was refused
constexpr std::int16_t kFirstCommitVersionOfConsumers = 9;

using DescribedMember = protocol::ConsumerGroupDescribeResponse::Member;
using DescribedAssignment = protocol::ConsumerGroupDescribeResponse::Assignment;

ErrorCode stale(const ConsumerMember& member) {
  return member.classic ? ErrorCode::kIllegalGeneration : ErrorCode::kStaleMemberEpoch;
}

/// Of topics that are there; others have no name to show.
DescribedAssignment shown(const Assignment& partitions, const kraft::MetadataImage& image) {
  DescribedAssignment assignment;
  for (const auto& [id, indexes] : partitions) {
    if (const kraft::TopicImage* topic = image.topic(id))
      assignment.topic_partitions.push_back({id.value(), topic->name, {indexes.begin(), indexes.end()}});
  }
  return assignment;
}

/// What a member has to let go of is its own until it has.
Assignment all_of(const ConsumerMember& member) {
  Assignment all;
  for (const OwnedPartitions* owned : {&member.assigned, &member.revoking}) {
    for (const auto& [topic, partitions] : *owned) {
      for (const auto& [partition, epoch] : partitions) all[topic].insert(partition);
    }
  }
  return all;
}

}  // namespace

const ConsumerGroup* ConsumerGroups::find(std::string_view group) const {
  const auto it = groups_.find(group);
  return it == groups_.end() ? nullptr : &it->second;
}

ConsumerGroup* ConsumerGroups::find_mutable(std::string_view group) {
  const auto it = groups_.find(group);
  return it == groups_.end() ? nullptr : &it->second;
}

Result<const ConsumerGroup*> ConsumerGroups::existing(std::string_view id) const {
  if (const ConsumerGroup* group = find(id)) return group;
  return fail(ErrorCode::kGroupIdNotFound, classic_.find(id) == nullptr
                                               ? fmt::format("Group {} not found.", id)
                                               : fmt::format("Group {} is not a consumer group.", id));
}

ConsumerGroups::DescribedGroup ConsumerGroups::describe(const std::string& id) const {
  DescribedGroup described;
  described.group_id = id;
  const auto found = existing(id);
  if (!found) {
    described.error_code = static_cast<std::int16_t>(found.error().code);
    described.error_message = found.error().detail;
    return described;
  }
  const ConsumerGroup& group = **found;
  const kraft::MetadataImagePtr image = surroundings_.image();
  described.group_state = to_string(group.state());
  described.group_epoch = group.epoch();
  described.assignment_epoch = group.assignment_epoch();
  described.assignor_name =
      group.preferred_assignor(nullptr, nullptr).value_or(std::string(to_string(options_.assignors[0])));
  for (const auto& [member_id, member] : group.members()) {
    DescribedMember& to = described.members.emplace_back();
    to.member_id = member_id;
    to.instance_id = member.instance_id;
    to.rack_id = member.rack_id;
    to.member_epoch = member.epoch;
    to.client_id = member.client_id;
    to.client_host = member.client_host;
    to.subscribed_topic_names.assign(member.topics.begin(), member.topics.end());
    to.subscribed_topic_regex = member.pattern;
    to.assignment = shown(all_of(member), *image);
    to.target_assignment = shown(group.target_of(std::string_view(member_id)), *image);
    to.member_type = member.classic ? 0 : 1;
  }
  return described;
}

ErrorCode ConsumerGroups::validate_fetch(const ConsumerGroup& group, const std::optional<std::string>& id,
                                         std::int32_t epoch) {
  if (!id && epoch < 0) return ErrorCode::kNone;  // an administrator, or a client that does not say
  const ConsumerMember* member = id ? group.find(*id) : nullptr;
  if (member == nullptr) return ErrorCode::kUnknownMemberId;
  return member->epoch == epoch ? ErrorCode::kNone : stale(*member);
}

ConsumerGroups::CommitVerdict ConsumerGroups::validate_commit(const ConsumerGroup& group,
                                                              const Committer& committer) {
  if (committer.epoch < 0 && group.is_empty()) return {};
  // Transactions of clients before KIP-447 do not say whose they are.
  if (committer.transactional && committer.epoch == -1 && committer.member.empty() && !committer.instance)
    return {};
  const ConsumerMember* member = group.find(committer.member);
  if (member == nullptr) return {ErrorCode::kUnknownMemberId};
  if (!committer.transactional && !member->classic && committer.version < kFirstCommitVersionOfConsumers)
    return {ErrorCode::kUnsupportedVersion};
  if (committer.epoch == member->epoch) return {};
  if (committer.epoch > member->epoch) return {stale(*member)};
  return {ErrorCode::kNone, member};
}

ErrorCode ConsumerGroups::validate_partition(const ConsumerMember& member, std::int32_t epoch, TopicId topic,
                                             std::int32_t partition) {
  const std::optional<std::int32_t> since = member.epoch_of(topic, partition);
  return since && epoch >= *since ? ErrorCode::kNone : stale(member);
}

std::optional<TopicId> ConsumerGroups::topic_id(std::string_view name) const {
  const kraft::MetadataImagePtr image = surroundings_.image();
  const kraft::TopicImage* topic = image->topic(name);
  return topic == nullptr ? std::nullopt : std::optional(topic->id);
}

void ConsumerGroups::on_topics_changed(const std::set<std::string, std::less<>>& names, bool any_created) {
  if (any_created || new_topics_version_ < 0) new_topics_version_ = surroundings_.image()->offset.value();
  for (auto& [id, group] : groups_) {
    if (std::ranges::any_of(names, [&](const std::string& name) { return group.is_subscribed_to(name); }))
      group.request_refresh();
  }
}

void ConsumerGroups::erase(std::string_view group) {
  if (const auto it = groups_.find(group); it != groups_.end()) groups_.erase(it);
}

Result<void> ConsumerGroups::replay(const GroupRecordKey& key, std::optional<ByteView> value) {
  ConsumerGroup* group = find_mutable(key.group);
  if (group == nullptr) {
    if (!value) return {};  // the removal of what compaction has removed
    classic_.erase(key.group);
    group = &groups_.try_emplace(key.group, key.group).first->second;
  }
  switch (static_cast<GroupRecordType>(key.type)) {
    case GroupRecordType::kGroupEpoch: {
      if (!value) {
        erase(key.group);
        return {};
      }
      const GroupEpoch epoch = TRY(parse_group_epoch(*value));
      group->set_epoch(epoch.epoch, epoch.metadata_hash);
      return {};
    }
    case GroupRecordType::kPartitionMetadata:
      group->set_has_partition_metadata(value.has_value());
      return {};
    case GroupRecordType::kAssignmentEpoch: {
      const AssignmentEpoch epoch = value ? TRY(parse_assignment_epoch(*value)) : AssignmentEpoch{-1, 0};
      group->set_assignment_epoch(epoch.epoch, epoch.timestamp_ms);
      return {};
    }
    case GroupRecordType::kTargetAssignment:
      if (value) {
        group->set_target(key.part, TRY(parse_target_assignment(*value)));
      } else {
        group->remove_target(key.part);
      }
      return {};
    case GroupRecordType::kResolvedPattern:
      if (value) {
        group->set_resolved(key.part, TRY(parse_resolved_pattern(*value)));
      } else {
        group->remove_resolved(key.part);
      }
      return {};
    default:
      return replay_member(*group, key, value);
  }
}

Result<void> ConsumerGroups::replay_member(ConsumerGroup& group, const GroupRecordKey& key,
                                           std::optional<ByteView> value) {
  const bool is_subscription = static_cast<GroupRecordType>(key.type) == GroupRecordType::kMemberSubscription;
  const ConsumerMember* known = group.find(key.part);
  if (!value && (known == nullptr || is_subscription)) {
    group.remove(key.part);
    return {};
  }
  ConsumerMember member = known == nullptr ? ConsumerMember{} : *known;
  member.id = key.part;
  if (is_subscription) {
    TRY(apply_member_subscription(*value, member));
  } else if (value) {
    TRY(apply_current_assignment(*value, member));
  } else {
    member.epoch = member.previous_epoch = kLeaveEpoch;
    member.assigned.clear();
    member.revoking.clear();
  }
  group.put(std::move(member));
  return {};
}

void ConsumerGroups::loaded(Step& step) {
  new_topics_version_ = surroundings_.image()->offset.value();
  for (auto& [id, group] : groups_) {
    const ConsumerGroupSettings settings = surroundings_.settings(id);
    for (const auto& [member_id, member] : group.members()) {
      MemberTimers& timers = *group.timers_of(member_id);
      timers_.set(timers.session, step.now.mono_ms + settings.session_timeout_ms, TimerKind::kMemberSession,
                  id, member_id);
      if (member.state != MemberState::kUnrevokedPartitions) continue;
      timers.rebalance_epoch = member.epoch;
      timers_.set(timers.rebalance, step.now.mono_ms + member.rebalance_timeout_ms,
                  TimerKind::kMemberRebalance, id, member_id);
    }
  }
}

bool ConsumerGroups::fire(const TimerQueue::Entry& entry, Step& step) {
  ConsumerGroup* group = find_mutable(entry.group);
  if (group == nullptr) return false;
  MemberTimers* timers = group->timers_of(entry.member);
  if (timers == nullptr) return true;
  const ConsumerMember& member = *group->find(entry.member);
  const auto strikes = [&](Deadline& deadline) { return timers_.strikes(entry, deadline, step.now.mono_ms); };
  switch (entry.kind) {
    case TimerKind::kMemberSession:
      if (strikes(timers->session)) fence_by_timer(*group, member, "its session is over", step);
      return true;
    case TimerKind::kMemberRebalance:
      if (strikes(timers->rebalance) && member.epoch == timers->rebalance_epoch)
        fence_by_timer(*group, member, "it did not let go of its partitions in time", step);
      return true;
    case TimerKind::kMemberJoin:
      if (strikes(timers->join)) fence_by_timer(*group, member, "it did not rejoin in time", step);
      return true;
    case TimerKind::kMemberSync:
      if (strikes(timers->sync)) fence_by_timer(*group, member, "it did not ask for its assignment", step);
      return true;
    default:
      return true;  // of the classic group that was here
  }
}

void ConsumerGroups::fence_by_timer(const ConsumerGroup& group, const ConsumerMember& member,
                                    std::string_view why, Step& step) {
  log_info(kGroupComponent, "Member {} is removed from consumer group {}: {}", member.id, group.id(), why);
  Outcome outcome;
  outcome.member = member.id;
  fence(group, {&member}, outcome, step);
  const std::string id = group.id();
  const std::string member_id = member.id;
  static const HeartbeatContext kNobody;
  finish(id, std::move(outcome), kNobody, step, [this, id, member_id](ErrorCode error, Step& next) {
    ConsumerGroup* still = error == ErrorCode::kNone ? nullptr : find_mutable(id);
    MemberTimers* timers = still == nullptr ? nullptr : still->timers_of(member_id);
    if (timers != nullptr)
      timers_.set(timers->session, next.now.mono_ms + kRetryMs, TimerKind::kMemberSession, id, member_id);
  });
}

void ConsumerGroups::check_invariants() const {
  for (const auto& [id, group] : groups_) {
    CHECK(id == group.id());
    CHECK(classic_.find(id) == nullptr, "a group has one protocol");
    group.check_invariants();
  }
}

}  // namespace barnabas::broker

#include "broker/coordinator/group_shard.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/check.hpp"
#include "base/logging.hpp"
#include "broker/coordinator/consumer_group_records.hpp"
#include "broker/coordinator/consumer_protocol.hpp"
#include "broker/coordinator/group_component.hpp"

namespace barnabas::broker {
namespace {

constexpr std::string_view kClassicType = "classic";
constexpr std::string_view kConsumerType = "consumer";

bool same_without_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool names(const std::vector<std::string>& filter, std::string_view value) {
  return filter.empty() ||
         std::ranges::any_of(filter, [&](const std::string& one) { return same_without_case(one, value); });
}

}  // namespace

const GroupCounters& GroupShard::counters() const {
  static const GroupCounters kNobody;
  return is_loaded_ ? options_.counters : kNobody;
}

Result<void> GroupShard::replay_offset(const OffsetKey& key, std::optional<ByteView> value) {
  if (!value) {
    offsets_.erase(key);
    return {};
  }
  offsets_.put(key, TRY(parse_offset_value(*value)));
  make_group_of_offsets(key.group);
  add_to(counters().commits);
  return {};
}

Result<void> GroupShard::replay(ByteView key, std::optional<ByteView> value) {
  GroupRecordKey parsed = TRY(parse_group_record_key(key));
  switch (static_cast<GroupRecordType>(parsed.type)) {
    case GroupRecordType::kLegacyOffsetCommit:
    case GroupRecordType::kOffsetCommit:
      return replay_offset(parsed.offset, value);
    case GroupRecordType::kGroupMetadata: {
      if (!value) {
        classic_.erase(parsed.group);
        return {};
      }
      consumer_.erase(parsed.group);
      ClassicGroup& group = classic_.find_or_create(parsed.group);
      // One without members, and a static member's new id, are written too.
      if (group.is_in(ClassicState::kCompletingRebalance)) add_to(counters().classic_rebalances);
      group.apply(TRY(parse_group_metadata(*value)));
      return {};
    }
    case GroupRecordType::kGroupEpoch:
    case GroupRecordType::kPartitionMetadata:
    case GroupRecordType::kMemberSubscription:
    case GroupRecordType::kAssignmentEpoch:
    case GroupRecordType::kTargetAssignment:
    case GroupRecordType::kCurrentAssignment:
    case GroupRecordType::kResolvedPattern: {
      const ConsumerGroup* group = consumer_.find(parsed.group);
      const std::int32_t epoch = group == nullptr ? 0 : group->epoch();
      auto replayed = consumer_.replay(parsed, value);
      group = consumer_.find(parsed.group);
      if (group != nullptr && group->epoch() > epoch) add_to(counters().consumer_rebalances);
      if (offsets_.topics_of(parsed.group) != nullptr) make_group_of_offsets(parsed.group);
      return replayed;
    }
  }
  // Share and streams groups: their records stay in the log, their state is not served yet.
  return {};
}

/// Offsets belong to a group: without one of its own they make one.
void GroupShard::make_group_of_offsets(const std::string& group) {
  if (consumer_.find(group) == nullptr) classic_.find_or_create(group);
}

void GroupShard::join(const protocol::JoinGroupRequest& request, const JoinContext& context,
                      JoinAnswer answer, Step& step) {
  const ConsumerGroup* group = consumer_.find(request.group_id);
  if (group != nullptr && !group->is_empty())
    return consumer_.join(request, context, std::move(answer), step);
  // Without members it is whatever the first one to join makes it.
  if (group != nullptr && request.member_id.empty()) add_consumer_group_tombstones(step.records, *group);
  classic_.join(request, context, std::move(answer), step);
}

void GroupShard::sync(const protocol::SyncGroupRequest& request, SyncAnswer answer, Step& step) {
  if (consumer_.find(request.group_id) != nullptr) return consumer_.sync(request, std::move(answer), step);
  classic_.sync(request, std::move(answer), step);
}

void GroupShard::heartbeat(const protocol::HeartbeatRequest& request,
                           Answer<protocol::HeartbeatResponse> answer, Step& step) {
  if (consumer_.find(request.group_id) != nullptr)
    return consumer_.classic_heartbeat(request, std::move(answer), step);
  classic_.heartbeat(request, std::move(answer), step);
}

void GroupShard::leave(const protocol::LeaveGroupRequest& request,
                       Answer<protocol::LeaveGroupResponse> answer, Step& step) {
  if (consumer_.find(request.group_id) != nullptr) return consumer_.leave(request, std::move(answer), step);
  classic_.leave(request, std::move(answer), step);
}

Result<void> GroupShard::replay_transactional(ProducerId producer, ByteView key,
                                              std::optional<ByteView> value) {
  GroupRecordKey parsed = TRY(parse_group_record_key(key));
  const auto type = static_cast<GroupRecordType>(parsed.type);
  if (type != GroupRecordType::kOffsetCommit && type != GroupRecordType::kLegacyOffsetCommit) return {};
  if (!value) {
    offsets_.erase(parsed.offset);  // a deletion waits for nobody's transaction
    return {};
  }
  CommittedOffset committed = TRY(parse_offset_value(*value));
  make_group_of_offsets(parsed.offset.group);
  offsets_.put_pending(producer, parsed.offset, std::move(committed));
  add_to(counters().commits);
  return {};
}

Result<void> GroupShard::replay_end_of_transaction(ProducerId producer, bool committed) {
  for (const std::string& group : offsets_.end_transaction(producer, committed)) make_group_of_offsets(group);
  return {};
}

void GroupShard::loaded(Step& step) {
  is_loaded_ = true;
  classic_.loaded(step);
  consumer_.loaded(step);
  timers_.set(cleanup_, step.now.mono_ms + options_.cleanup_interval_ms, TimerKind::kCleanup, {});
}

void GroupShard::unloaded(ErrorCode error) {
  is_loaded_ = false;
  classic_.unloaded(error);
  consumer_.unloaded();
  offsets_.clear();
  timers_.clear();
  cleanup_ = {};
}

bool GroupShard::fire_timer(Step& step) {
  if (timers_.next_ms() > step.now.mono_ms) return false;
  const TimerQueue::Entry entry = timers_.pop();
  if (entry.kind != TimerKind::kCleanup) {
    if (!consumer_.fire(entry, step)) classic_.fire(entry, step);
    return true;
  }
  if (!timers_.strikes(entry, cleanup_, step.now.mono_ms)) return true;
  timers_.set(cleanup_, step.now.mono_ms + options_.cleanup_interval_ms, TimerKind::kCleanup, {});
  remove_expired(step);
  return true;
}

void GroupShard::check_invariants() const {
  classic_.check_invariants();
  consumer_.check_invariants();
  offsets_.check_invariants();
  for (const auto& [group, topics] : offsets_.groups()) {
    CHECK(classic_.find(group) != nullptr || consumer_.find(group) != nullptr, "offsets belong to a group");
  }
}

void GroupShard::tally(std::span<std::int64_t> counts) const {
  const auto consumers = counts.subspan(std::size(kClassicStates));
  const auto members = consumers.subspan(std::size(kConsumerGroupStates));
  for (const auto& [id, group] : classic_.groups()) {
    ++counts[static_cast<std::size_t>(group.state())];
    members[0] += static_cast<std::int64_t>(group.members().size());
  }
  for (const auto& [id, group] : consumer_.groups()) {
    ++consumers[static_cast<std::size_t>(group.state())];
    members[1] += static_cast<std::int64_t>(group.members().size());
  }
  members[2] = static_cast<std::int64_t>(offsets_.size());
}

void GroupShard::describe(const std::string& group_id, std::int16_t version, Answer<DescribedGroup> answer,
                          Step& step) {
  DescribedGroup described;
  described.group_id = group_id;
  const ClassicGroup* group = classic_.find(group_id);
  if (group == nullptr) {
    described.group_state = "Dead";
    if (version >= 6) {
      described.error_code = static_cast<std::int16_t>(ErrorCode::kGroupIdNotFound);
      const bool is_consumer = consumer_.find(group_id) != nullptr;
      described.error_message =
          "Group " + group_id + (is_consumer ? " is not a classic group." : " not found.");
    }
    return step.reply(answer, std::move(described));
  }
  const bool stable = group->is_in(ClassicState::kStable);
  described.group_state = to_string(group->state());
  described.protocol_type = group->protocol_type().value_or("");
  if (stable) described.protocol_data = group->protocol_name().value_or("");
  std::vector<SharedBytes> keep;
  for (const auto& [id, member] : group->members()) {
    auto& to = described.members.emplace_back();
    to.member_id = id;
    to.group_instance_id = member.instance_id;
    to.client_id = member.client_id;
    to.client_host = member.client_host;
    keep.push_back(member.assignment);  // the last one, while the group rebalances
    to.member_assignment = view_of(keep.back());
    if (!stable) continue;  // until it is, no protocol is agreed on
    keep.push_back(member.metadata_of(described.protocol_data));
    to.member_metadata = view_of(keep.back());
  }
  step.reply(answer, std::move(described), std::move(keep));
}

void GroupShard::list(const protocol::ListGroupsRequest& request, Answer<protocol::ListGroupsResponse> answer,
                      Step& step) {
  protocol::ListGroupsResponse response;
  if (names(request.types_filter, kClassicType)) {
    for (const auto& [id, group] : classic_.groups()) {
      const std::string_view state = to_string(group.state());
      if (!names(request.states_filter, state)) continue;
      auto& listed = response.groups.emplace_back();
      listed.group_id = id;
      listed.protocol_type = group.protocol_type().value_or("");
      listed.group_state = state;
      listed.group_type = kClassicType;
    }
  }
  if (names(request.types_filter, kConsumerType)) {
    for (const auto& [id, group] : consumer_.groups()) {
      const std::string_view state = to_string(group.state());
      if (!names(request.states_filter, state)) continue;
      auto& listed = response.groups.emplace_back();
      listed.group_id = id;
      listed.protocol_type = kConsumerProtocolType;
      listed.group_state = state;
      listed.group_type = kConsumerType;
    }
  }
  step.reply(answer, std::move(response));
}

void GroupShard::remove(const std::string& group_id, Answer<DeletedGroup> answer, Step& step) {
  DeletedGroup deleted;
  deleted.group_id = group_id;
  const ClassicGroup* group = classic_.find(group_id);
  const ConsumerGroup* consumers = consumer_.find(group_id);
  const bool exists = group != nullptr || consumers != nullptr;
  const bool empty =
      consumers != nullptr ? consumers->is_empty() : exists && group->is_in(ClassicState::kEmpty);
  if (!empty) {
    const ErrorCode error = exists ? ErrorCode::kNonEmptyGroup : ErrorCode::kGroupIdNotFound;
    deleted.error_code = static_cast<std::int16_t>(error);
    return step.reply(answer, std::move(deleted));
  }
  // Those of open transactions too: their commit must not bring the group's offsets back.
  for (const OffsetKey& key : offsets_.keys_of(group_id))
    add_offset_tombstone(step.records, key.group, key.topic, key.partition);
  const std::size_t offsets = step.records.size();
  if (consumers != nullptr) {
    add_consumer_group_tombstones(step.records, *consumers);
  } else {
    add_group_tombstone(step.records, group_id);
  }
  step.applied = [this, offsets, answer = std::move(answer), deleted = std::move(deleted)](
                     ErrorCode error, Step& next) mutable {
    if (error == ErrorCode::kNone) add_to(counters().deletions, offsets);
    deleted.error_code = static_cast<std::int16_t>(error);
    next.reply(answer, std::move(deleted));
  };
}

bool GroupShard::expire_offsets(const ClassicGroup& group, Step& step) const {
  const OffsetStore::Topics* topics = offsets_.topics_of(group.id());
  if (topics == nullptr) return !offsets_.has_pending(group.id());
  const bool simple = !group.protocol_type().has_value();
  const bool empty = group.is_in(ClassicState::kEmpty);
  const bool partly =
      group.uses_consumer_protocol() && group.subscriptions_known() && group.is_in(ClassicState::kStable);
  if (!simple && !empty && !partly) return false;
  bool all = true;
  for (const auto& [topic, partitions] : *topics) {
    if (!empty && group.is_subscribed_to(topic)) {
      all = false;
      continue;
    }
    for (const auto& [partition, committed] : partitions) {
      // The clock of an empty group runs from when it became empty, that of any other from the commit
      // (KIP-211).
      const std::int64_t base_ms = !simple && empty && group.state_timestamp_ms() >= 0
                                       ? group.state_timestamp_ms()
                                       : committed.commit_timestamp_ms;
      if (is_expired(committed, base_ms, step) && !offsets_.is_pending(group.id(), topic, partition)) {
        add_offset_tombstone(step.records, group.id(), topic, partition);
      } else {
        all = false;
      }
    }
  }
  return all && !offsets_.has_pending(group.id());
}

bool GroupShard::is_expired(const CommittedOffset& committed, std::int64_t base_ms, const Step& step) const {
  return committed.expire_timestamp_ms >= 0 ? step.now.wall_ms >= committed.expire_timestamp_ms
                                            : step.now.wall_ms - base_ms >= options_.offsets_retention_ms;
}

/// What nobody subscribes to goes when its time is up, members or not.
bool GroupShard::expire_offsets(const ConsumerGroup& group, Step& step) const {
  bool all = !offsets_.has_pending(group.id());
  const OffsetStore::Topics* topics = offsets_.topics_of(group.id());
  if (topics == nullptr) return all;
  for (const auto& [topic, partitions] : *topics) {
    const bool subscribed = group.is_subscribed_to(topic);
    for (const auto& [partition, committed] : partitions) {
      if (!subscribed && is_expired(committed, committed.commit_timestamp_ms, step) &&
          !offsets_.is_pending(group.id(), topic, partition)) {
        add_offset_tombstone(step.records, group.id(), topic, partition);
      } else {
        all = false;
      }
    }
  }
  return all;
}

void GroupShard::remove_expired(Step& step) {
  std::size_t offsets = 0;
  const auto expire = [&](const auto& group) {
    const std::size_t before = step.records.size();
    const bool all = expire_offsets(group, step);
    offsets += step.records.size() - before;
    return all;
  };
  for (const auto& [id, group] : consumer_.groups()) {
    const bool all = expire(group);
    if (!all || !group.is_empty()) continue;
    log_info(kGroupComponent, "Group {} has neither members nor offsets and is removed", id);
    add_consumer_group_tombstones(step.records, group);
  }
  for (const auto& [id, group] : classic_.groups()) {
    const bool all = expire(group);
    if (all && group.is_in(ClassicState::kEmpty) && group.pending_count() == 0) {
      log_info(kGroupComponent, "Group {} has neither members nor offsets and is removed", id);
      add_group_tombstone(step.records, id);
    }
  }
  step.may_split = true;
  if (offsets == 0) return;
  step.applied = [this, offsets](ErrorCode error, Step&) {
    if (error == ErrorCode::kNone) add_to(counters().expirations, offsets);
  };
}

}  // namespace barnabas::broker

// The join phase: who is in, until everybody came back or the time was up.
#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "base/logging.hpp"
#include "broker/coordinator/classic_groups.hpp"
#include "broker/coordinator/group_component.hpp"
#include "broker/coordinator/group_records.hpp"

namespace barnabas::broker {
namespace {

constexpr std::int64_t kRetryMs = 1000;  // of a record that was refused

protocol::JoinGroupResponse join_error(const std::string& member, ErrorCode error) {
  protocol::JoinGroupResponse response;
  response.error_code = static_cast<std::int16_t>(error);
  response.member_id = member;
  return response;
}

protocol::JoinGroupResponse current_generation(const ClassicGroup& group, const std::string& member) {
  protocol::JoinGroupResponse response;
  response.generation_id = group.generation();
  response.protocol_type = group.protocol_type();
  response.protocol_name = group.protocol_name();
  response.leader = group.leader();
  response.member_id = member;
  return response;
}

/// What the leader assigns by.
std::vector<SharedBytes> list_members(const ClassicGroup& group, protocol::JoinGroupResponse& response) {
  std::vector<SharedBytes> keep;
  keep.reserve(group.members().size());
  response.members.reserve(group.members().size());
  for (const auto& [id, member] : group.members()) {
    auto& listed = response.members.emplace_back();
    listed.member_id = id;
    listed.group_instance_id = member.instance_id;
    keep.push_back(member.metadata_of(group.protocol_name().value_or("")));
    listed.metadata = view_of(keep.back());
  }
  return keep;
}

}  // namespace

void ClassicGroups::join(const protocol::JoinGroupRequest& request, const JoinContext& context,
                         JoinAnswer answer, Step& step) {
  if (ClassicGroup* group = find(request.group_id)) {
    return join_group(*group, request, context, std::move(answer), step);
  }
  if (!request.member_id.empty()) {
    return step.reply(answer, join_error(request.member_id, ErrorCode::kUnknownMemberId));
  }
  // The group appears by its record, the join goes on when it is there.
  protocol::GroupMetadataValue value;
  value.protocol.reset();
  value.leader.reset();
  value.current_state_timestamp = step.now.wall_ms;
  add_group_metadata(step.records, request.group_id, value);
  step.applied = [this, &request, &context, answer = std::move(answer)](ErrorCode error, Step& next) mutable {
    if (error != ErrorCode::kNone) return next.reply(answer, join_error(request.member_id, error));
    join_group(*find(request.group_id), request, context, std::move(answer), next);
  };
}

bool ClassicGroups::has_room_for(ClassicGroup& group, std::string_view id) const {
  const auto max_size = static_cast<std::size_t>(options_.max_size);
  const ClassicMember* member = group.find(id);
  switch (group.state()) {
    case ClassicState::kEmpty:
      return true;
    case ClassicState::kPreparingRebalance:
      // Those who do not come back in time make room: only who has come counts.
      return (member != nullptr && member->awaits_join()) || group.awaiting_join() < max_size;
    case ClassicState::kCompletingRebalance:
    case ClassicState::kStable:
      break;
  }
  return member != nullptr || group.members().size() < max_size;
}

void ClassicGroups::join_group(ClassicGroup& group, const protocol::JoinGroupRequest& request,
                               const JoinContext& context, JoinAnswer answer, Step& step) {
  if (!has_room_for(group, request.member_id)) {
    ClassicMember* member = group.find(request.member_id);
    if (member != nullptr) drop_member(group, *member, step);
    group.remove(request.member_id);
    step.reply(answer, join_error("", ErrorCode::kGroupMaxSizeReached));
    return complete_join_if_all_came(group, step);
  }
  if (!group.supports(request.protocol_type, request.protocols)) {
    return step.reply(answer, join_error(request.member_id, ErrorCode::kInconsistentGroupProtocol));
  }
  if (request.member_id.empty()) {
    join_new_member(group, request, context, std::move(answer), step);
  } else {
    join_known_member(group, request, context, std::move(answer), step);
  }
}

std::string ClassicGroups::new_member_id(const std::string& prefix) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string id = prefix + "-";
  std::uint64_t bits = 0;
  for (int i = 0; i < 32; ++i) {
    if (i % 16 == 0) bits = random_.next();
    if (i == 8 || i == 12 || i == 16 || i == 20) id += '-';
    auto digit = static_cast<unsigned>(bits & 15);
    bits >>= 4;
    if (i == 12) digit = 4;                 // the version
    if (i == 16) digit = 8 | (digit & 3U);  // the variant
    id += kHex[digit];
  }
  return id;
}

void ClassicGroups::join_new_member(ClassicGroup& group, const protocol::JoinGroupRequest& request,
                                    const JoinContext& context, JoinAnswer answer, Step& step) {
  if (request.group_instance_id) {
    const std::string id = new_member_id(*request.group_instance_id);
    if (const auto old_id = group.static_member(*request.group_instance_id)) {
      return replace_static_member(group, *old_id, id, request, context, std::move(answer), step);
    }
    return add_member(group, id, request, context, std::move(answer), step);
  }
  const std::string id = new_member_id(context.client_id);
  if (!context.requires_known_member_id) {
    return add_member(group, id, request, context, std::move(answer), step);
  }
  // It comes back with the id, or is forgotten: a client that never gets the answer leaves no ghost
  // (KIP-394).
  timers_.set(group.add_pending(id), step.now.mono_ms + request.session_timeout_ms, TimerKind::kPendingMember,
              group.id(), id);
  step.reply(answer, join_error(id, ErrorCode::kMemberIdRequired));
}

void ClassicGroups::join_known_member(ClassicGroup& group, const protocol::JoinGroupRequest& request,
                                      const JoinContext& context, JoinAnswer answer, Step& step) {
  if (group.is_pending(request.member_id)) {
    // Static members are never pending.
    if (request.group_instance_id) {
      return step.reply(answer, join_error("", ErrorCode::kUnknownServerError));
    }
    return add_member(group, request.member_id, request, context, std::move(answer), step);
  }
  const ErrorCode error = validate_member(group, request.member_id, request.group_instance_id);
  if (error != ErrorCode::kNone) return step.reply(answer, join_error(request.member_id, error));
  ClassicMember& member = *group.find(request.member_id);
  switch (group.state()) {
    case ClassicState::kPreparingRebalance:
      return rejoin(group, member, request, std::move(answer), step);
    case ClassicState::kCompletingRebalance: {
      if (!member.matches(request.protocols)) return rejoin(group, member, request, std::move(answer), step);
      // It missed the answer to its join: the same once more.
      protocol::JoinGroupResponse response = current_generation(group, member.id);
      std::vector<SharedBytes> keep;
      if (group.is_leader(member.id)) keep = list_members(group, response);
      return step.reply(answer, std::move(response), std::move(keep));
    }
    case ClassicState::kStable:
      // A leader that joins again asks for a new assignment; a follower with nothing new needs none.
      if (group.is_leader(member.id) || !member.matches(request.protocols)) {
        return rejoin(group, member, request, std::move(answer), step);
      }
      return step.reply(answer, current_generation(group, member.id));
    case ClassicState::kEmpty:
      break;
  }
  step.reply(answer, join_error(request.member_id, ErrorCode::kUnknownMemberId));
}

void ClassicGroups::rejoin(ClassicGroup& group, ClassicMember& member,
                           const protocol::JoinGroupRequest& request, JoinAnswer answer, Step& step) {
  if (member.awaits_join()) {
    // The client gave up on its first request: that connection must not wait for ever.
    JoinAnswer old = group.take_join_answer(member);
    step.reply(old, join_error(member.id, ErrorCode::kRebalanceInProgress));
  }
  group.update(member, request, std::move(answer));
  prepare_rebalance_or_complete_join(group, step);
}

void ClassicGroups::add_member(ClassicGroup& group, const std::string& id,
                               const protocol::JoinGroupRequest& request, const JoinContext& context,
                               JoinAnswer answer, Step& step) {
  if (group.in_initial_delay) group.member_added_in_initial_delay = true;
  ClassicMember member;
  member.id = id;
  member.instance_id = request.group_instance_id;
  member.client_id = context.client_id;
  member.client_host = context.client_host;
  member.session_timeout_ms = request.session_timeout_ms;
  member.rebalance_timeout_ms = request.rebalance_timeout_ms;
  member.set_protocols(request.protocols);
  member.is_new = true;
  member.join_answer = std::move(answer);
  ClassicMember& added = group.add(std::move(member), request.protocol_type);
  // It has no id yet and cannot send heartbeats, so its session does not count until it is answered.
  timers_.set(added.heartbeat, step.now.mono_ms + options_.new_member_join_timeout_ms, TimerKind::kHeartbeat,
              group.id(), id);
  prepare_rebalance_or_complete_join(group, step);
}

void ClassicGroups::replace_static_member(ClassicGroup& group, const std::string& old_id,
                                          const std::string& new_id,
                                          const protocol::JoinGroupRequest& request,
                                          const JoinContext& context, JoinAnswer answer, Step& step) {
  ClassicMember& old = *group.find(old_id);
  if (group.is_in(ClassicState::kStable) && group.keeps_protocol_with(old, request.protocols)) {
    return persist_static_member(group, old_id, new_id, request, context, std::move(answer), step);
  }
  // Whoever still uses the old id is fenced at once.
  if (JoinAnswer waiting = group.take_join_answer(old)) {
    step.reply(waiting, join_error(old_id, ErrorCode::kFencedInstanceId));
  }
  if (SyncAnswer waiting = std::exchange(old.sync_answer, nullptr)) {
    protocol::SyncGroupResponse fenced;
    fenced.error_code = static_cast<std::int16_t>(ErrorCode::kFencedInstanceId);
    step.reply(waiting, std::move(fenced));
  }
  ClassicMember& member = group.rename_static_member(old_id, new_id);
  member.client_id = context.client_id;
  member.client_host = context.client_host;
  renew_session(group, member, step);
  rejoin(group, member, request, std::move(answer), step);
}

void ClassicGroups::persist_static_member(ClassicGroup& group, const std::string& old_id,
                                          const std::string& new_id,
                                          const protocol::JoinGroupRequest& request,
                                          const JoinContext& context, JoinAnswer answer, Step& step) {
  protocol::GroupMetadataValue value = metadata_value(group);
  const bool led = group.is_leader(old_id);
  if (led) value.leader = new_id;
  for (auto& member : value.members) {
    if (member.member_id != old_id) continue;
    member.member_id = new_id;
    member.client_id = context.client_id;
    member.client_host = context.client_host;
    member.rebalance_timeout = request.rebalance_timeout_ms;
    member.session_timeout = request.session_timeout_ms;
    for (const auto& protocol : request.protocols) {
      if (protocol.name == group.protocol_name()) member.subscription = protocol.metadata;
    }
  }
  add_group_metadata(step.records, group.id(), value);
  const bool skips = context.supports_skipping_assignment;
  step.applied = [this, &group, &request, led, skips, old_id, new_id, answer = std::move(answer)](
                     ErrorCode error, Step& next) mutable {
    if (error != ErrorCode::kNone) return next.reply(answer, join_error("", error));
    ClassicMember& member = *group.find(new_id);
    group.update(member, request, nullptr);
    renew_session(group, member, next);
    protocol::JoinGroupResponse response = current_generation(group, new_id);
    std::vector<SharedBytes> keep;
    if (skips) {
      if (led) keep = list_members(group, response);
      response.skip_assignment = led;
    } else if (led) {
      // Told that another leads, it does not assign anew what the group has agreed on.
      response.leader = old_id;
    }
    next.reply(answer, std::move(response), std::move(keep));
  };
}

void ClassicGroups::prepare_rebalance(ClassicGroup& group, Step& step) {
  if (group.is_in(ClassicState::kCompletingRebalance)) {
    answer_syncs(group, ErrorCode::kRebalanceInProgress, step);
  }
  group.sync_deadline.cancel();
  // The first members of an empty group are given time to come together, so that one rebalance does for all.
  group.in_initial_delay = group.is_in(ClassicState::kEmpty);
  group.member_added_in_initial_delay = false;
  const std::int32_t wait_ms =
      group.in_initial_delay ? options_.initial_rebalance_delay_ms : group.rebalance_timeout_ms();
  group.initial_delay_remaining_ms = std::max(group.rebalance_timeout_ms() - wait_ms, 0);
  group.transition_to(ClassicState::kPreparingRebalance, step.now.wall_ms);
  timers_.set(group.join_deadline, step.now.mono_ms + wait_ms, TimerKind::kJoin, group.id());
}

void ClassicGroups::prepare_rebalance_or_complete_join(ClassicGroup& group, Step& step) {
  if (!group.is_in(ClassicState::kPreparingRebalance)) prepare_rebalance(group, step);
  complete_join_if_all_came(group, step);
}

void ClassicGroups::complete_join_if_all_came(ClassicGroup& group, Step& step) {
  if (group.is_in(ClassicState::kPreparingRebalance) && !group.in_initial_delay && group.all_members_joined())
    complete_join(group, step);
}

void ClassicGroups::end_initial_delay(ClassicGroup& group, Step& step) {
  if (!group.member_added_in_initial_delay || group.initial_delay_remaining_ms == 0) {
    return complete_join(group, step);
  }
  group.member_added_in_initial_delay = false;
  const std::int32_t delay_ms =
      std::min(options_.initial_rebalance_delay_ms, group.initial_delay_remaining_ms);
  group.initial_delay_remaining_ms =
      std::max(group.initial_delay_remaining_ms - options_.initial_rebalance_delay_ms, 0);
  timers_.set(group.join_deadline, step.now.mono_ms + delay_ms, TimerKind::kJoin, group.id());
}

void ClassicGroups::complete_join(ClassicGroup& group, Step& step) {
  group.join_deadline.cancel();
  group.in_initial_delay = false;
  std::vector<std::string> missing;
  for (const auto& [id, member] : group.members()) {
    if (!member.awaits_join() && !member.instance_id) missing.push_back(id);
  }
  for (const std::string& id : missing) {
    log_info(kGroupComponent, "Member {} of group {} did not rejoin in time and is removed", id, group.id());
    drop_member(group, *group.find(id), step);
  }
  if (group.members().empty()) return write_empty_generation(group, step);
  if (!group.elect_joined_leader()) {
    // Only static members are left and none has come: their sessions decide.
    timers_.set(group.join_deadline, step.now.mono_ms + group.rebalance_timeout_ms(), TimerKind::kJoin,
                group.id());
    return;
  }
  group.begin_generation(step.now.wall_ms);
  log_info(kGroupComponent, "Group {} is at generation {} with {} members", group.id(), group.generation(),
           group.members().size());
  for (auto& [id, member] : group.members()) answer_join(group, member, step);
  timers_.set(group.sync_deadline, step.now.mono_ms + group.rebalance_timeout_ms(), TimerKind::kSync,
              group.id());
}

void ClassicGroups::answer_join(ClassicGroup& group, ClassicMember& member, Step& step) {
  JoinAnswer answer = group.take_join_answer(member);
  if (answer) {
    protocol::JoinGroupResponse response = current_generation(group, member.id);
    std::vector<SharedBytes> keep;
    if (group.is_leader(member.id)) keep = list_members(group, response);
    step.reply(answer, std::move(response), std::move(keep));
  }
  renew_session(group, member, step);
  member.is_new = false;
  member.owes_sync = true;
}

void ClassicGroups::write_empty_generation(ClassicGroup& group, Step& step) {
  protocol::GroupMetadataValue value;
  value.protocol_type = group.protocol_type().value_or("");
  value.generation = group.generation() + 1;
  value.protocol.reset();
  value.leader.reset();
  value.current_state_timestamp = step.now.wall_ms;
  add_group_metadata(step.records, group.id(), value);
  step.applied = [this, &group](ErrorCode error, Step& next) {
    if (error == ErrorCode::kNone) return;
    // Until it is written the old generation is what a restart would find, so the rebalance is not over.
    log_warn(kGroupComponent,
             "Group {} has no members left, but that could not be written: error {}; tried again", group.id(),
             static_cast<int>(error));
    timers_.set(group.join_deadline, next.now.mono_ms + kRetryMs, TimerKind::kJoin, group.id());
  };
}

}  // namespace barnabas::broker

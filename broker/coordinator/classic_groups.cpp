// The sync phase, heartbeats, members that leave, and the timers.
#include "broker/coordinator/classic_groups.hpp"

#include <utility>

#include "base/check.hpp"
#include "base/logging.hpp"
#include "broker/coordinator/group_component.hpp"
#include "broker/coordinator/group_records.hpp"

namespace barnabas::broker {
namespace {

protocol::SyncGroupResponse assignment_of(const ClassicGroup& group, const ClassicMember& member) {
  protocol::SyncGroupResponse response;
  response.protocol_type = group.protocol_type();
  response.protocol_name = group.protocol_name();
  response.assignment = view_of(member.assignment);
  return response;
}

}  // namespace

ClassicGroup* ClassicGroups::find(std::string_view group) {
  const auto it = groups_.find(group);
  return it == groups_.end() ? nullptr : &it->second;
}

const ClassicGroup* ClassicGroups::find(std::string_view group) const {
  const auto it = groups_.find(group);
  return it == groups_.end() ? nullptr : &it->second;
}

ClassicGroup& ClassicGroups::find_or_create(const std::string& group) {
  return groups_.try_emplace(group, group).first->second;
}

void ClassicGroups::erase(std::string_view group) {
  const auto it = groups_.find(group);
  if (it != groups_.end()) groups_.erase(it);
}

ErrorCode ClassicGroups::validate_member(ClassicGroup& group, std::string_view member,
                                         const std::optional<std::string>& instance) {
  if (!instance) return group.find(member) != nullptr ? ErrorCode::kNone : ErrorCode::kUnknownMemberId;
  const auto current = group.static_member(*instance);
  if (!current) return ErrorCode::kUnknownMemberId;
  return *current == member ? ErrorCode::kNone : ErrorCode::kFencedInstanceId;
}

void ClassicGroups::renew_session(ClassicGroup& group, ClassicMember& member, const Step& step) {
  timers_.set(member.heartbeat, step.now.mono_ms + member.session_timeout_ms, TimerKind::kHeartbeat,
              group.id(), member.id);
}

protocol::GroupMetadataValue ClassicGroups::metadata_value(const ClassicGroup& group) {
  protocol::GroupMetadataValue value;
  value.protocol_type = group.protocol_type().value_or("");
  value.generation = group.generation();
  value.protocol = group.protocol_name();
  value.leader = group.leader();
  value.current_state_timestamp = group.state_timestamp_ms();
  value.members.reserve(group.members().size());
  for (const auto& [id, member] : group.members()) {
    auto& to = value.members.emplace_back();
    to.member_id = id;
    to.group_instance_id = member.instance_id;
    to.client_id = member.client_id;
    to.client_host = member.client_host;
    to.rebalance_timeout = member.rebalance_timeout_ms;
    to.session_timeout = member.session_timeout_ms;
    to.subscription = view_of(member.metadata_of(group.protocol_name().value_or("")));
    to.assignment = view_of(member.assignment);
  }
  return value;
}

void ClassicGroups::sync(const protocol::SyncGroupRequest& request, SyncAnswer answer, Step& step) {
  using Response = protocol::SyncGroupResponse;
  ClassicGroup* group = find(request.group_id);
  if (group == nullptr) return step.reply(answer, failed<Response>(ErrorCode::kUnknownMemberId));
  ErrorCode error = validate_member(*group, request.member_id, request.group_instance_id);
  if (error == ErrorCode::kNone && request.generation_id != group->generation())
    error = ErrorCode::kIllegalGeneration;
  const auto differs = [](const auto& asked, const auto& ours) { return asked && ours && *asked != *ours; };
  if (error == ErrorCode::kNone && (differs(request.protocol_type, group->protocol_type()) ||
                                    differs(request.protocol_name, group->protocol_name())))
    error = ErrorCode::kInconsistentGroupProtocol;
  if (error != ErrorCode::kNone) return step.reply(answer, failed<Response>(error));

  ClassicMember& member = *group->find(request.member_id);
  switch (group->state()) {
    case ClassicState::kEmpty:
      return step.reply(answer, failed<Response>(ErrorCode::kUnknownMemberId));
    case ClassicState::kPreparingRebalance:
      return step.reply(answer, failed<Response>(ErrorCode::kRebalanceInProgress));
    case ClassicState::kCompletingRebalance: {
      if (SyncAnswer old = std::exchange(member.sync_answer, std::move(answer))) {
        // The client gave up on its first request: that connection must not wait for ever.
        step.reply(old, failed<Response>(ErrorCode::kRebalanceInProgress));
      }
      note_sync(*group, member);
      if (group->is_leader(member.id)) take_leaders_assignment(*group, request, step);
      return;
    }
    case ClassicState::kStable:
      note_sync(*group, member);
      renew_session(*group, member, step);
      return step.reply(answer, assignment_of(*group, member), {member.assignment});
  }
}

void ClassicGroups::note_sync(ClassicGroup& group, ClassicMember& member) {
  member.owes_sync = false;
  for (const auto& [id, other] : group.members()) {
    if (other.owes_sync) return;
  }
  group.sync_deadline.cancel();
}

void ClassicGroups::take_leaders_assignment(ClassicGroup& group, const protocol::SyncGroupRequest& request,
                                            Step& step) {
  protocol::GroupMetadataValue value = metadata_value(group);
  // A member that the leader left out gets an empty assignment.
  std::map<std::string_view, ByteView> assigned;
  for (const auto& given : request.assignments) assigned[given.member_id] = given.assignment;
  for (auto& member : value.members) {
    const auto it = assigned.find(member.member_id);
    member.assignment = it == assigned.end() ? ByteView() : it->second;
  }
  add_group_metadata(step.records, group.id(), value);
  step.applied = [this, &group](ErrorCode error, Step& next) {
    if (error == ErrorCode::kNone) return answer_syncs(group, error, next);
    log_warn(kGroupComponent, "The assignment of group {} at generation {} could not be written: error {}",
             group.id(), group.generation(), static_cast<int>(error));
    answer_syncs(group, error, next);
    prepare_rebalance_or_complete_join(group, next);
  };
}

void ClassicGroups::answer_syncs(ClassicGroup& group, ErrorCode error, Step& step) {
  for (auto& [id, member] : group.members()) {
    if (error != ErrorCode::kNone) member.assignment = nullptr;
    SyncAnswer answer = std::exchange(member.sync_answer, nullptr);
    if (!answer) continue;
    // While it waited its session did not run.
    renew_session(group, member, step);
    if (error == ErrorCode::kNone) {
      step.reply(answer, assignment_of(group, member), {member.assignment});
    } else {
      step.reply(answer, failed<protocol::SyncGroupResponse>(error));
    }
  }
}

void ClassicGroups::expire_sync(ClassicGroup& group, Step& step) {
  std::vector<std::string> owing;
  for (const auto& [id, member] : group.members()) {
    if (member.owes_sync) owing.push_back(id);
  }
  if (owing.empty()) return;
  log_info(kGroupComponent, "Group {} lost {} members that did not ask for their assignment at generation {}",
           group.id(), owing.size(), group.generation());
  for (const std::string& id : owing) drop_member(group, *group.find(id), step);
  members_gone(group, step);
}

void ClassicGroups::heartbeat(const protocol::HeartbeatRequest& request,
                              Answer<protocol::HeartbeatResponse> answer, Step& step) {
  using Response = protocol::HeartbeatResponse;
  ClassicGroup* group = find(request.group_id);
  if (group == nullptr) return step.reply(answer, failed<Response>(ErrorCode::kUnknownMemberId));
  ErrorCode error = validate_member(*group, request.member_id, request.group_instance_id);
  if (error == ErrorCode::kNone && request.generation_id != group->generation())
    error = ErrorCode::kIllegalGeneration;
  if (error != ErrorCode::kNone) return step.reply(answer, failed<Response>(error));
  renew_session(*group, *group->find(request.member_id), step);
  const bool rebalances = group->is_in(ClassicState::kPreparingRebalance);
  step.reply(answer, failed<Response>(rebalances ? ErrorCode::kRebalanceInProgress : ErrorCode::kNone));
}

void ClassicGroups::leave(const protocol::LeaveGroupRequest& request,
                          Answer<protocol::LeaveGroupResponse> answer, Step& step) {
  protocol::LeaveGroupResponse response;
  ClassicGroup* group = find(request.group_id);
  bool removed = false;
  for (const auto& identity : request.members) {
    auto& result = response.members.emplace_back();
    result.member_id = identity.member_id;
    result.group_instance_id = identity.group_instance_id;
    const ErrorCode error = group == nullptr ? ErrorCode::kUnknownMemberId  // each by itself, as in Kafka
                                             : leave_one(*group, identity, removed, step);
    result.error_code = static_cast<std::int16_t>(error);
  }
  if (removed) members_gone(*group, step);
  if (step.records.empty()) return step.reply(answer, std::move(response));
  step.applied = [first = std::move(step.applied), answer = std::move(answer),
                  response = std::move(response)](ErrorCode error, Step& next) mutable {
    if (first) first(error, next);
    // They are gone, whether the empty group could be written or not.
    next.reply(answer, std::move(response));
  };
}

ErrorCode ClassicGroups::leave_one(ClassicGroup& group,
                                   const protocol::LeaveGroupRequest::MemberIdentity& identity, bool& removed,
                                   Step& step) {
  std::string id = identity.member_id;
  if (id.empty()) {
    // An administrator names static members by their instance alone.
    const auto found =
        identity.group_instance_id ? group.static_member(*identity.group_instance_id) : std::nullopt;
    if (!found) return ErrorCode::kUnknownMemberId;
    id = *found;
  } else if (group.is_pending(id)) {
    group.remove(id);
    removed = true;
    return ErrorCode::kNone;
  } else {
    const ErrorCode error = validate_member(group, id, identity.group_instance_id);
    if (error != ErrorCode::kNone) return error;
  }
  log_info(kGroupComponent, "Member {} left group {}: {}", id, group.id(),
           identity.reason.value_or("not provided"));
  drop_member(group, *group.find(id), step);
  removed = true;
  return ErrorCode::kNone;
}

void ClassicGroups::drop_member(ClassicGroup& group, ClassicMember& member, Step& step) {
  if (JoinAnswer answer = group.take_join_answer(member)) {
    step.reply(answer, failed<protocol::JoinGroupResponse>(ErrorCode::kUnknownMemberId));
  }
  if (SyncAnswer answer = std::exchange(member.sync_answer, nullptr)) {
    step.reply(answer, failed<protocol::SyncGroupResponse>(ErrorCode::kUnknownMemberId));
  }
  const std::string id = member.id;
  group.remove(id);
}

void ClassicGroups::members_gone(ClassicGroup& group, Step& step) {
  switch (group.state()) {
    case ClassicState::kStable:
    case ClassicState::kCompletingRebalance:
      return prepare_rebalance_or_complete_join(group, step);
    case ClassicState::kPreparingRebalance:
      return complete_join_if_all_came(group, step);
    case ClassicState::kEmpty:
      return;
  }
}

void ClassicGroups::take_over(std::string_view id, bool rebalance, Step& step) {
  ClassicGroup* group = find(id);
  if (group == nullptr) return;
  for (auto& [member_id, member] : group->members()) renew_session(*group, member, step);
  if (rebalance) prepare_rebalance(*group, step);
}

void ClassicGroups::send_back(ClassicGroup& group, Step& step) {
  for (auto& [id, member] : group.members()) {
    if (JoinAnswer answer = group.take_join_answer(member)) {
      protocol::JoinGroupResponse response =
          failed<protocol::JoinGroupResponse>(ErrorCode::kRebalanceInProgress);
      response.member_id = id;
      step.reply(answer, std::move(response));
    }
  }
  if (group.is_in(ClassicState::kCompletingRebalance))
    answer_syncs(group, ErrorCode::kRebalanceInProgress, step);
}

void ClassicGroups::loaded(Step& step) {
  for (auto& [id, group] : groups_) {
    for (auto& [member_id, member] : group.members()) renew_session(group, member, step);
    if (group.members().size() > static_cast<std::size_t>(options_.max_size)) {
      log_warn(kGroupComponent, "Group {} has {} members, more than group.max.size allows, and rebalances",
               id, group.members().size());
      prepare_rebalance(group, step);
    }
  }
}

void ClassicGroups::unloaded(ErrorCode error) {
  for (auto& [id, group] : groups_) {
    for (auto& [member_id, member] : group.members()) {
      if (JoinAnswer answer = group.take_join_answer(member)) {
        protocol::JoinGroupResponse response = failed<protocol::JoinGroupResponse>(error);
        response.member_id = member_id;
        answer(response);
      }
      if (SyncAnswer answer = std::exchange(member.sync_answer, nullptr)) {
        answer(failed<protocol::SyncGroupResponse>(error));
      }
    }
  }
  groups_.clear();
}

void ClassicGroups::fire(const TimerQueue::Entry& entry, Step& step) {
  ClassicGroup* group = find(entry.group);
  if (group == nullptr) return;
  const std::int64_t now_ms = step.now.mono_ms;
  switch (entry.kind) {
    case TimerKind::kHeartbeat: {
      ClassicMember* member = group->find(entry.member);
      if (member == nullptr || !timers_.strikes(entry, member->heartbeat, now_ms)) return;
      // Who waits for us cannot be blamed for its silence.
      if (!member->is_new && (member->awaits_join() || member->awaits_sync())) return;
      log_info(kGroupComponent, "Member {} of group {} is gone: no heartbeat for {} ms", member->id,
               group->id(), member->session_timeout_ms);
      drop_member(*group, *member, step);
      return members_gone(*group, step);
    }
    case TimerKind::kPendingMember: {
      Deadline* deadline = group->pending_deadline(entry.member);
      if (deadline == nullptr || !timers_.strikes(entry, *deadline, now_ms)) return;
      group->remove(entry.member);
      return complete_join_if_all_came(*group, step);
    }
    case TimerKind::kJoin:
      if (!timers_.strikes(entry, group->join_deadline, now_ms)) return;
      return group->in_initial_delay ? end_initial_delay(*group, step) : complete_join(*group, step);
    case TimerKind::kSync:
      if (timers_.strikes(entry, group->sync_deadline, now_ms)) expire_sync(*group, step);
      return;
    case TimerKind::kCleanup:
    case TimerKind::kMemberSession:
    case TimerKind::kMemberRebalance:
    case TimerKind::kMemberJoin:
    case TimerKind::kMemberSync:
    case TimerKind::kTimeouts:
    case TimerKind::kMarkers:
      return;  // not of groups
  }
}

void ClassicGroups::check_invariants() const {
  for (const auto& [id, group] : groups_) {
    CHECK(id == group.id());
    group.check_invariants();
  }
}

}  // namespace barnabas::broker

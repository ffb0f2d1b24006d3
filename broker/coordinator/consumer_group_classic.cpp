// Groups with members of both protocols: how a group gets from one protocol to the other while it is in use,
// what members that came by the classic one are told, and members that go.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "base/logging.hpp"
#include "broker/coordinator/applied_reply.hpp"
#include "broker/coordinator/consumer_group_records.hpp"
#include "broker/coordinator/consumer_groups.hpp"
#include "broker/coordinator/consumer_protocol.hpp"
#include "broker/coordinator/group_component.hpp"

namespace barnabas::broker {
namespace {

Assignment by_id(const PartitionsByName& partitions, const kraft::MetadataImage& image) {
  Assignment result;
  for (const auto& [name, indexes] : partitions) {
    if (const kraft::TopicImage* topic = image.topic(name)) result[topic->id] = indexes;
  }
  return result;
}

PartitionsByName by_name(const Assignment& partitions, const kraft::MetadataImage& image) {
  PartitionsByName result;
  for (const auto& [id, indexes] : partitions) {
    if (const kraft::TopicImage* topic = image.topic(id)) result[topic->name] = indexes;
  }
  return result;
}

Assignment without_epochs(const OwnedPartitions& owned) {
  Assignment result;
  for (const auto& [topic, partitions] : owned) {
    for (const auto& [partition, epoch] : partitions) result[topic].insert(partition);
  }
  return result;
}

ClassicMember classic_member(const ConsumerMember& from) {
  ClassicMember member;
  member.id = from.id;
  member.instance_id = from.instance_id;
  member.client_id = from.client_id;
  member.client_host = from.client_host;
  member.rebalance_timeout_ms = from.rebalance_timeout_ms;
  member.session_timeout_ms = from.classic->session_timeout_ms;
  for (const auto& protocol : from.classic->protocols)
    member.protocols.push_back({protocol.name, std::make_shared<const Bytes>(protocol.metadata)});
  return member;
}

std::int16_t version_of(ByteView subscription) {
  const auto parsed = parse_subscription(subscription);
  return parsed ? parsed->version : std::int16_t{0};
}

/// A member of a classic group as the consumer protocol knows it: at the group's generation, with what it was
/// assigned last.
Result<ConsumerMember> consumer_member(const ClassicGroup& group, const ClassicMember& from,
                                       const kraft::MetadataImage& image) {
  SharedBytes metadata = from.metadata_of(group.protocol_name().value_or(""));
  if (metadata == nullptr && !from.protocols.empty()) metadata = from.protocols.front().metadata;
  auto subscription = parse_subscription(view_of(metadata));
  const auto assignment = parse_assignment(view_of(from.assignment));
  if (!subscription || !assignment) {
    return fail(ErrorCode::kGroupIdNotFound,
                fmt::format("Cannot upgrade classic group {} to consumer group because the embedded consumer "
                            "protocol is malformed.",
                            group.id()));
  }
  if (assignment->has_user_data) {
    return fail(ErrorCode::kGroupIdNotFound,
                fmt::format("Cannot upgrade classic group {} to consumer group because an unsupported custom "
                            "assignor is in use. Please refer to the documentation or switch to a default "
                            "assignor before re-attempting the upgrade.",
                            group.id()));
  }
  ConsumerMember member;
  member.id = from.id;
  member.epoch = member.previous_epoch = group.generation();
  member.instance_id = from.instance_id;
  if (subscription->rack_id && !subscription->rack_id->empty()) member.rack_id = subscription->rack_id;
  member.rebalance_timeout_ms = from.rebalance_timeout_ms;
  member.client_id = from.client_id;
  member.client_host = from.client_host;
  member.topics.insert(subscription->topics.begin(), subscription->topics.end());
  for (const auto& [topic, partitions] : by_id(assignment->partitions, image)) {
    for (const std::int32_t partition : partitions) member.assigned[topic][partition] = group.generation();
  }
  ClassicMembership& classic = member.classic.emplace();
  classic.session_timeout_ms = from.session_timeout_ms;
  for (const ClassicProtocol& protocol : from.protocols)
    classic.protocols.push_back({protocol.name, to_bytes(view_of(protocol.metadata))});
  return member;
}

}  // namespace

void ConsumerGroups::fence(const ConsumerGroup& group, const std::vector<const ConsumerMember*>& members,
                           Outcome& outcome, const Step& step) const {
  if (members.empty()) return;
  if (may_downgrade(group, members, group.members().size() - members.size())) {
    outcome.classic_rebalances = true;
    return downgrade(group, members, nullptr, outcome, step);
  }
  for (const ConsumerMember* member : members) add_member_tombstones(outcome.records, group.id(), member->id);
  Counts leaving;
  for (const ConsumerMember* member : members) {
    if (member->has_pattern()) ++leaving[*member->pattern];
  }
  std::vector<std::string> patterns;
  for (const auto& [pattern, count] : leaving) {
    if (group.subscribers_of(pattern) != count) continue;
    add_pattern_tombstone(outcome.records, group.id(), pattern);
    patterns.push_back(pattern);
  }
  const std::int64_t hash = hash_of(group.subscriptions_without(members, patterns));
  add_group_epoch(outcome.records, group.id(), group.epoch() + 1, hash);
}

Result<std::unique_ptr<ConsumerGroup>> ConsumerGroups::upgrade(ClassicGroup& classic, RecordList& records,
                                                               Step& step) const {
  const auto refuse = [&](std::string_view why) {
    return fail(
        ErrorCode::kGroupIdNotFound,
        fmt::format("Cannot upgrade classic group {} to consumer group because {}.", classic.id(), why));
  };
  if (!allows_upgrade(options_.migration)) return refuse("online upgrade is disabled");
  if (!classic.uses_consumer_protocol())
    return refuse("the group does not use the consumer embedded protocol");
  if (classic.members().size() > static_cast<std::size_t>(options_.max_size))
    return refuse("the group size exceeds the consumer group maximum size");
  const kraft::MetadataImagePtr image = surroundings_.image();
  auto group = std::make_unique<ConsumerGroup>(classic.id());
  for (const auto& [id, from] : classic.members()) {
    ConsumerMember member = TRY(consumer_member(classic, from, *image));
    group->set_target(id, without_epochs(member.assigned));
    group->put(std::move(member));
  }
  group->set_epoch(classic.generation(), hash_of(group->subscriptions()));
  group->set_assignment_epoch(classic.generation(), 0);
  // Who waits for the rebalance under way is sent into the one that comes.
  classic_.send_back(classic, step);
  add_group_tombstone(records, classic.id());
  add_consumer_group(records, *group);
  log_info(kGroupComponent, "Group {} goes over to the consumer protocol with {} members", classic.id(),
           classic.members().size());
  return group;
}

bool ConsumerGroups::may_downgrade(const ConsumerGroup& group,
                                   const std::vector<const ConsumerMember*>& leaving,
                                   std::size_t remaining) const {
  return remaining > 0 && group.all_classic_but(leaving) && allows_downgrade(options_.migration) &&
         remaining <= static_cast<std::size_t>(options_.classic_max_size);
}

void ConsumerGroups::downgrade(const ConsumerGroup& group, const std::vector<const ConsumerMember*>& leaving,
                               const ConsumerMember* joining, Outcome& outcome, const Step& step) const {
  const kraft::MetadataImagePtr image = surroundings_.image();
  const ConsumerMember* replaced = joining == nullptr ? nullptr : group.static_member(joining->instance_id);
  add_consumer_group_tombstones(outcome.records, group, replaced == nullptr ? "" : replaced->id,
                                joining == nullptr ? "" : joining->id);
  ClassicGroup classic(group.id());
  std::map<std::string_view, const Assignment*> targets;
  for (const auto& [id, member] : group.members()) {
    if (&member == replaced || std::ranges::find(leaving, &member) != leaving.end()) continue;
    classic.add(classic_member(member), kConsumerProtocolType);
    targets[id] = &group.target_of(std::string_view(id));
  }
  if (joining != nullptr) {
    classic.add(classic_member(*joining), kConsumerProtocolType);
    targets[joining->id] = &group.target_of(*joining);
  }
  protocol::GroupMetadataValue value;
  value.protocol_type = kConsumerProtocolType;
  value.generation = group.epoch();
  value.protocol = classic.select_protocol();
  value.leader = classic.leader();
  value.current_state_timestamp = step.now.wall_ms;
  std::vector<Bytes> assignments;  // what the value's views show
  assignments.reserve(classic.members().size());
  for (const auto& [id, member] : classic.members()) {
    auto& to = value.members.emplace_back();
    to.member_id = id;
    to.group_instance_id = member.instance_id;
    to.client_id = member.client_id;
    to.client_host = member.client_host;
    to.rebalance_timeout = member.rebalance_timeout_ms;
    to.session_timeout = member.session_timeout_ms;
    to.subscription = view_of(member.metadata_of(*value.protocol));
    assignments.push_back(write_assignment(by_name(*targets.at(id), *image), version_of(to.subscription)));
    to.assignment = assignments.back();
  }
  add_group_metadata(outcome.records, group.id(), value);
  outcome.becomes_classic = true;
  log_info(kGroupComponent, "Group {} goes back to the classic protocol with {} members", group.id(),
           classic.members().size());
}

void ConsumerGroups::join(const protocol::JoinGroupRequest& request, const JoinContext& context,
                          JoinAnswer answer, Step& step) {
  Outcome outcome;
  auto response = join_by_classic_protocol(request, context, outcome, step);
  if (!response) return step.reply(answer, failed<protocol::JoinGroupResponse>(response.error().code));
  static const HeartbeatContext kNoPatterns;
  finish(request.group_id, std::move(outcome), kNoPatterns, step,
         reply_when_applied(std::move(answer), std::move(*response)));
}

Result<protocol::JoinGroupResponse> ConsumerGroups::join_by_classic_protocol(
    const protocol::JoinGroupRequest& request, const JoinContext& context, Outcome& outcome,
    const Step& step) {
  const ConsumerGroup& group = *find(request.group_id);
  if (options_.migration == MigrationPolicy::kDisabled) return fail(ErrorCode::kInconsistentGroupProtocol);
  const bool is_new = request.member_id.empty();
  outcome.member = is_new ? Uuid::random(random_).to_string() : request.member_id;
  TRY(check_room(group, outcome.member, request.group_instance_id));
  std::vector<std::string_view> names;
  for (const auto& protocol : request.protocols) names.push_back(protocol.name);
  if (!group.supports_classic_protocols(request.protocol_type, names))
    return fail(ErrorCode::kInconsistentGroupProtocol);
  protocol::JoinGroupResponse response;
  response.member_id = outcome.member;
  if (is_new && !request.group_instance_id && context.requires_known_member_id) {
    response.error_code = static_cast<std::int16_t>(ErrorCode::kMemberIdRequired);
    return response;
  }
  const Presence presence{outcome.member,
                          -1,
                          request.group_instance_id,
                          std::nullopt,
                          !request.group_instance_id || is_new,
                          true};
  outcome.before = TRY(find_or_join(group, presence, outcome.records));
  const ConsumerMember* holder = group.static_member(request.group_instance_id);
  const bool downgrades =
      holder != nullptr && !holder->classic && may_downgrade(group, {holder}, group.members().size());
  const auto subscription = parse_subscription(request.protocols.front().metadata);
  if (!subscription) return fail(ErrorCode::kInconsistentGroupProtocol);

  ConsumerMember& after = outcome.after = outcome.before;
  if (request.group_instance_id) after.instance_id = request.group_instance_id;
  if (subscription->rack_id && !subscription->rack_id->empty()) after.rack_id = subscription->rack_id;
  if (request.rebalance_timeout_ms != -1) after.rebalance_timeout_ms = request.rebalance_timeout_ms;
  after.topics = {subscription->topics.begin(), subscription->topics.end()};
  after.pattern = "";
  after.client_id = context.client_id;
  after.client_host = context.client_host;
  ClassicMembership& classic = after.classic.emplace();
  classic.session_timeout_ms = request.session_timeout_ms;
  for (const auto& protocol : request.protocols)
    classic.protocols.push_back({protocol.name, to_bytes(protocol.metadata)});
  if (after != outcome.before) add_member_subscription(outcome.records, group.id(), after);
  const bool topics_changed = after.topics != outcome.before.topics;
  const bool pattern_changed = TRY(compare_patterns(group, outcome, step)) != PatternChange::kNone;
  outcome.refresh_patterns.clear();  // the members that have some see to it
  outcome.subscription_changed = topics_changed || pattern_changed;
  update_epoch(group, outcome.subscription_changed, outcome, step);

  const ReportedPartitions reported = by_id(subscription->owned, *surroundings_.image());
  if (downgrades) {
    outcome.classic_rebalances = group.assignment_epoch() < outcome.group_epoch;
    const Target kept{group.assignment_epoch(), group.target_of(after)};
    if (!outcome.classic_rebalances) TRY(reconcile_member(group, kept, reported, outcome));
    downgrade(group, {}, &after, outcome, step);
  } else {
    TRY(reconcile_member(group, update_target(group, outcome, step), reported, outcome));
    outcome.session_timeout_ms = request.session_timeout_ms;
    outcome.sync_timeout_ms = request.rebalance_timeout_ms;
  }
  response.generation_id = after.epoch;
  response.protocol_type = kConsumerProtocolType;
  response.protocol_name = classic.protocols.front().name;
  return response;
}

Result<const ConsumerMember*> ConsumerGroups::find_classic_member(const ConsumerGroup& group,
                                                                  const std::string& id,
                                                                  const std::optional<std::string>& instance,
                                                                  std::int32_t generation) const {
  const ConsumerMember* member = instance ? group.static_member(instance) : group.find(id);
  if (member == nullptr) return fail(ErrorCode::kUnknownMemberId);
  if (member->id != id) return fail(ErrorCode::kFencedInstanceId);
  if (!member->classic) return fail(ErrorCode::kUnknownMemberId);
  if (member->epoch != generation) return fail(ErrorCode::kIllegalGeneration);
  return member;
}

void ConsumerGroups::expect_join(ConsumerGroup& group, const ConsumerMember& member, const Step& step) {
  MemberTimers& timers = *group.timers_of(member.id);
  if (timers.join.is_set()) return;
  timers_.set(timers.join, step.now.mono_ms + member.rebalance_timeout_ms, TimerKind::kMemberJoin, group.id(),
              member.id);
}

void ConsumerGroups::sync(const protocol::SyncGroupRequest& request, SyncAnswer answer, Step& step) {
  using Response = protocol::SyncGroupResponse;
  ConsumerGroup& group = *find_mutable(request.group_id);
  const auto found =
      find_classic_member(group, request.member_id, request.group_instance_id, request.generation_id);
  if (!found) return step.reply(answer, failed<Response>(found.error().code));
  const ConsumerMember& member = **found;
  const ClassicMembership::Protocol& chosen = member.classic->protocols.front();
  if ((request.protocol_type && *request.protocol_type != kConsumerProtocolType) ||
      (request.protocol_name && *request.protocol_name != chosen.name))
    return step.reply(answer, failed<Response>(ErrorCode::kInconsistentGroupProtocol));
  if (group.assignment_epoch() > member.epoch && member.state != MemberState::kUnrevokedPartitions) {
    expect_join(group, member, step);
    return step.reply(answer, failed<Response>(ErrorCode::kRebalanceInProgress));
  }
  MemberTimers& timers = *group.timers_of(member.id);
  timers.sync.cancel();
  timers_.set(timers.session, step.now.mono_ms + member.classic->session_timeout_ms,
              TimerKind::kMemberSession, group.id(), member.id);
  const auto assignment = std::make_shared<const Bytes>(write_assignment(
      by_name(without_epochs(member.assigned), *surroundings_.image()), version_of(chosen.metadata)));
  Response response;
  response.protocol_type = request.protocol_type;
  response.protocol_name = request.protocol_name;
  response.assignment = view_of(assignment);
  step.reply(answer, std::move(response), {assignment});
}

void ConsumerGroups::classic_heartbeat(const protocol::HeartbeatRequest& request,
                                       Answer<protocol::HeartbeatResponse> answer, Step& step) {
  using Response = protocol::HeartbeatResponse;
  ConsumerGroup& group = *find_mutable(request.group_id);
  const auto found =
      find_classic_member(group, request.member_id, request.group_instance_id, request.generation_id);
  if (!found) return step.reply(answer, failed<Response>(found.error().code));
  const ConsumerMember& member = **found;
  timers_.set(group.timers_of(member.id)->session, step.now.mono_ms + member.classic->session_timeout_ms,
              TimerKind::kMemberSession, group.id(), member.id);
  // It is to rejoin for a new assignment, to let go of partitions, or because those that it waits for are
  // free.
  const bool rejoins =
      member.epoch < group.assignment_epoch() || member.state == MemberState::kUnrevokedPartitions ||
      (member.state == MemberState::kUnreleasedPartitions && !group.waits_for_others(member));
  if (rejoins) expect_join(group, member, step);
  step.reply(answer, failed<Response>(rejoins ? ErrorCode::kRebalanceInProgress : ErrorCode::kNone));
}

void ConsumerGroups::leave(const protocol::LeaveGroupRequest& request,
                           Answer<protocol::LeaveGroupResponse> answer, Step& step) {
  const ConsumerGroup& group = *find(request.group_id);
  protocol::LeaveGroupResponse response;
  std::vector<const ConsumerMember*> leaving;
  for (const auto& identity : request.members) {
    auto& result = response.members.emplace_back();
    result.member_id = identity.member_id;
    result.group_instance_id = identity.group_instance_id;
    // An administrator names static members by their instance alone.
    const ConsumerMember* member = identity.group_instance_id
                                       ? group.static_member(identity.group_instance_id)
                                       : group.find(identity.member_id);
    const bool fenced = member != nullptr && identity.group_instance_id && !identity.member_id.empty() &&
                        member->id != identity.member_id;
    if (member == nullptr || fenced) {
      result.error_code =
          static_cast<std::int16_t>(fenced ? ErrorCode::kFencedInstanceId : ErrorCode::kUnknownMemberId);
    } else if (std::ranges::find(leaving, member) == leaving.end()) {
      log_info(kGroupComponent, "Member {} left group {}: {}", member->id, group.id(),
               identity.reason.value_or("not provided"));
      leaving.push_back(member);
    }
  }
  Outcome outcome;
  fence(group, leaving, outcome, step);
  static const HeartbeatContext kNobody;
  finish(request.group_id, std::move(outcome), kNobody, step,
         reply_when_applied(std::move(answer), std::move(response)));
}

}  // namespace barnabas::broker

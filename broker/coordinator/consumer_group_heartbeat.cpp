// The heartbeat: a member says that it is there, what it wants and what it has; it hears its epoch and what
// it should have.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "base/logging.hpp"
#include "broker/coordinator/applied_reply.hpp"
#include "broker/coordinator/consumer_group_records.hpp"
#include "broker/coordinator/consumer_groups.hpp"
#include "broker/coordinator/group_component.hpp"
#include "broker/coordinator/metadata_hash.hpp"

namespace barnabas::broker {
namespace {

constexpr std::int16_t kFirstVersionWithClientsMemberId = 1;

bool is_blank(const std::string& text) {
  return std::ranges::all_of(text, [](unsigned char c) { return c <= ' '; });
}

std::unexpected<Error> invalid(std::string text) {
  return fail(ErrorCode::kInvalidRequest, std::move(text));
}

ReportedPartitions reported_by(const protocol::ConsumerGroupHeartbeatRequest& request) {
  if (!request.topic_partitions) return std::nullopt;
  Assignment reported;
  for (const auto& topic : *request.topic_partitions) {
    if (!topic.partitions.empty())
      reported[TopicId(topic.topic_id)].insert(topic.partitions.begin(), topic.partitions.end());
  }
  return reported;
}

/// What a member subscribes to of what there is, by names and by its pattern.
std::vector<TopicId> topics_of(const ConsumerMember& member, const ConsumerGroup& group,
                               const kraft::MetadataImage& image) {
  std::vector<TopicId> topics;
  const auto add = [&](const std::string& name) {
    if (const kraft::TopicImage* topic = image.topic(name)) topics.push_back(topic->id);
  };
  for (const std::string& name : member.topics) add(name);
  const ResolvedPattern* matched = member.has_pattern() ? group.resolved(*member.pattern) : nullptr;
  if (matched == nullptr) return topics;
  for (const std::string& name : matched->topics) {
    if (!member.topics.contains(name)) add(name);
  }
  return topics;
}

Result<void> check_epoch(const ConsumerMember& member, std::int32_t epoch,
                         const ReportedPartitions& reported) {
  if (epoch == 0) return {};  // it begins anew
  if (epoch > member.epoch) {
    return fail(ErrorCode::kFencedMemberEpoch,
                fmt::format("The consumer group member has a greater member epoch ({}) than the one known by "
                            "the group coordinator ({}). The member must abandon all its partitions and "
                            "rejoin.",
                            epoch, member.epoch));
  }
  // One that comes with the epoch before may have missed our last answer.
  if (epoch == member.epoch || (epoch == member.previous_epoch && is_subset(reported, member.assigned)))
    return {};
  return fail(
      ErrorCode::kFencedMemberEpoch,
      fmt::format("The consumer group member has a smaller member epoch ({}) than the one known by the "
                  "group coordinator ({}). The member must abandon all its partitions and rejoin.",
                  epoch, member.epoch));
}

}  // namespace

std::int64_t ConsumerGroups::hash_of(const Subscriptions& subscriptions) const {
  std::vector<std::string_view> names;
  names.reserve(subscriptions.size());
  for (const auto& [topic, count] : subscriptions) names.push_back(topic);
  return group_hash(*surroundings_.image(), names);
}

Result<void> ConsumerGroups::validate(const HeartbeatRequest& request, std::int16_t version) const {
  const std::int32_t epoch = request.member_epoch;
  if ((version >= kFirstVersionWithClientsMemberId || epoch > 0 || epoch == kLeaveEpoch) &&
      is_blank(request.member_id))
    return invalid("MemberId can't be empty.");
  if (is_blank(request.group_id)) return invalid("GroupId can't be empty.");
  if (request.instance_id && is_blank(*request.instance_id)) return invalid("InstanceId can't be empty.");
  if (request.rack_id && is_blank(*request.rack_id)) return invalid("RackId can't be empty.");
  if (epoch == 0) {
    if (request.rebalance_timeout_ms == -1)
      return invalid("RebalanceTimeoutMs must be provided in first request.");
    if (!request.topic_partitions || !request.topic_partitions->empty())
      return invalid("TopicPartitions must be empty when (re-)joining.");
    if (!request.subscribed_topic_names && !request.subscribed_topic_regex)
      return invalid(
          "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.");
  } else if (epoch == kStaticLeaveEpoch) {
    if (!request.instance_id) return invalid("InstanceId can't be null.");
  } else if (epoch < kStaticLeaveEpoch) {
    return invalid("MemberEpoch is invalid.");
  }
  const auto is_asked_for = [&](AssignorKind kind) { return to_string(kind) == *request.server_assignor; };
  if (request.server_assignor && std::ranges::none_of(options_.assignors, is_asked_for)) {
    std::vector<std::string_view> names;
    for (const AssignorKind kind : options_.assignors) names.push_back(to_string(kind));
    return fail(ErrorCode::kUnsupportedAssignor,
                fmt::format("ServerAssignor {} is not supported. Supported assignors: {}.",
                            *request.server_assignor, fmt::join(names, ", ")));
  }
  return {};
}

void ConsumerGroups::heartbeat(const HeartbeatRequest& request, const HeartbeatContext& context,
                               Answer<HeartbeatResponse> answer, Step& step) {
  Outcome outcome;
  const auto handle = [&]() -> Result<HeartbeatResponse> {
    TRY(validate(request, context.version));
    return request.member_epoch < 0 ? leave_group(request, outcome, step)
                                    : beat(request, context, outcome, step);
  };
  Result<HeartbeatResponse> response = handle();
  if (!response) {
    HeartbeatResponse refused;
    refused.error_code = static_cast<std::int16_t>(response.error().code);
    refused.error_message = response.error().detail;
    return step.reply(answer, std::move(refused));
  }
  finish(request.group_id, std::move(outcome), context, step,
         reply_when_applied(std::move(answer), std::move(*response)));
}

Result<ConsumerGroups::Found> ConsumerGroups::find_or_make(const std::string& id, bool joins,
                                                           Outcome& outcome, Step& step) {
  Found found;
  found.group = find(id);
  if (found.group != nullptr) return found;
  ClassicGroup* classic = classic_.find(id);
  if (!joins) {
    return fail(ErrorCode::kGroupIdNotFound, classic == nullptr
                                                 ? fmt::format("Consumer group {} not found.", id)
                                                 : fmt::format("Group {} is not a consumer group.", id));
  }
  if (classic != nullptr && !classic->is_in(ClassicState::kEmpty)) {
    found.made = TRY(upgrade(*classic, outcome.records, step));
    outcome.was_classic = true;
  } else {
    if (classic != nullptr) add_group_tombstone(outcome.records, id);
    found.made = std::make_unique<ConsumerGroup>(id);
  }
  found.group = found.made.get();
  return found;
}

Result<void> ConsumerGroups::check_room(const ConsumerGroup& group, const std::string& member,
                                        const std::optional<std::string>& instance) const {
  // Who takes the place of a static member adds none.
  if (group.static_member(instance) != nullptr) return {};
  if (group.members().size() < static_cast<std::size_t>(options_.max_size)) return {};
  if (!member.empty() && group.find(member) != nullptr) return {};
  return fail(
      ErrorCode::kGroupMaxSizeReached,
      fmt::format("The consumer group has reached its maximum capacity of {} members.", options_.max_size));
}

Result<ConsumerMember> ConsumerGroups::find_or_join(const ConsumerGroup& group, const Presence& presence,
                                                    RecordList& records) const {
  const ConsumerMember* holder = group.static_member(presence.instance);
  const ConsumerMember* known = presence.instance && !presence.joins ? holder : group.find(presence.member);
  if (presence.instance && !presence.joins) {
    if (known == nullptr)
      return fail(ErrorCode::kUnknownMemberId, fmt::format("Instance id {} is unknown.", *presence.instance));
    if (known->id != presence.member)
      return fail(ErrorCode::kFencedInstanceId,
                  fmt::format("Static member {} with instance id {} was fenced by member {}.",
                              presence.member, *presence.instance, known->id));
  } else if (holder != nullptr) {
    // Somebody comes back under another member id; until the one before has left, it is not let in.
    if (!presence.by_classic_protocol && !holder->classic && holder->epoch != kStaticLeaveEpoch)
      return fail(ErrorCode::kUnreleasedInstanceId,
                  fmt::format("Static member {} with instance id {} cannot join the group because the "
                              "instance id is owned by {} member.",
                              presence.member, *presence.instance, holder->id));
    ConsumerMember replacement = *holder;
    replacement.id = presence.member;
    replacement.epoch = 0;
    replacement.previous_epoch = 0;
    add_member_tombstones(records, group.id(), holder->id);
    add_member_subscription(records, group.id(), replacement);
    add_target_assignment(records, group.id(), replacement.id, group.target_of(std::string_view(holder->id)));
    add_current_assignment(records, group.id(), replacement);
    return replacement;
  }
  if (known == nullptr) {
    if (!presence.joins)
      return fail(ErrorCode::kUnknownMemberId,
                  fmt::format("Member {} is not a member of group {}.", presence.member, group.id()));
    ConsumerMember fresh;
    fresh.id = presence.member;
    return fresh;
  }
  if (!presence.by_classic_protocol) TRY(check_epoch(*known, presence.epoch, presence.reported));
  return *known;
}

Result<ConsumerGroups::HeartbeatResponse> ConsumerGroups::beat(const HeartbeatRequest& request,
                                                               const HeartbeatContext& context,
                                                               Outcome& outcome, Step& step) {
  const bool joins = request.member_epoch == 0;
  const Found found = TRY(find_or_make(request.group_id, joins, outcome, step));
  const ConsumerGroup& group = *found.group;
  TRY(check_room(group, request.member_id, request.instance_id));
  outcome.member = request.member_id.empty() ? Uuid::random(random_).to_string() : request.member_id;
  const Presence presence{
      outcome.member, request.member_epoch, request.instance_id, reported_by(request), joins, false};
  outcome.before = TRY(find_or_join(group, presence, outcome.records));
  if (joins) log_info(kGroupComponent, "Member {} joins consumer group {}", outcome.member, group.id());

  // What it says of itself.
  ConsumerMember& after = outcome.after = outcome.before;
  if (request.instance_id) after.instance_id = request.instance_id;
  if (request.rack_id) after.rack_id = request.rack_id;
  if (request.rebalance_timeout_ms != -1) after.rebalance_timeout_ms = request.rebalance_timeout_ms;
  if (request.server_assignor) after.assignor = request.server_assignor;
  if (request.subscribed_topic_names)
    after.topics = {request.subscribed_topic_names->begin(), request.subscribed_topic_names->end()};
  if (request.subscribed_topic_regex) after.pattern = request.subscribed_topic_regex;
  after.client_id = context.client_id;
  after.client_host = context.client_host;
  after.classic.reset();
  if (after != outcome.before) add_member_subscription(outcome.records, group.id(), after);
  const bool topics_changed = after.topics != outcome.before.topics;
  const PatternChange pattern = TRY(compare_patterns(group, outcome, step));
  outcome.subscription_changed = topics_changed || pattern != PatternChange::kNone;

  // A pattern that has yet to be resolved needs no new assignment before it is.
  update_epoch(group, topics_changed || pattern == PatternChange::kChangedAndResolved, outcome, step);
  const Target target = update_target(group, outcome, step);
  TRY(reconcile_member(group, target, presence.reported, outcome));

  const ConsumerGroupSettings settings = surroundings_.settings(group.id());
  outcome.session_timeout_ms = settings.session_timeout_ms;
  HeartbeatResponse response;
  response.member_id = after.id;
  response.member_epoch = after.epoch;
  response.heartbeat_interval_ms = settings.heartbeat_interval_ms;
  // Who sends everything may have missed something, and hears everything.
  const bool sent_all = request.rebalance_timeout_ms != -1 && request.topic_partitions &&
                        (request.subscribed_topic_names || request.subscribed_topic_regex);
  if (joins || sent_all || after.assigned != outcome.before.assigned) {
    auto& assignment = response.assignment.emplace();
    for (const auto& [topic, partitions] : after.assigned) {
      auto& to = assignment.topic_partitions.emplace_back();
      to.topic_id = topic.value();
      for (const auto& [partition, epoch] : partitions) to.partitions.push_back(partition);
    }
  }
  return response;
}

Result<ConsumerGroups::HeartbeatResponse> ConsumerGroups::leave_group(const HeartbeatRequest& request,
                                                                      Outcome& outcome,
                                                                      const Step& step) const {
  const ConsumerGroup& group = *TRY(existing(request.group_id));
  const Presence presence{request.member_id, 0, request.instance_id, std::nullopt, false, true};
  RecordList none;
  const ConsumerMember member = TRY(find_or_join(group, presence, none));
  log_info(kGroupComponent, "Member {} leaves consumer group {} with epoch {}", member.id, group.id(),
           request.member_epoch);
  HeartbeatResponse response;
  response.member_id = request.member_id;
  response.member_epoch = request.member_epoch;
  if (request.instance_id && request.member_epoch == kStaticLeaveEpoch) {
    // It keeps its place, and what it had, until its session is over.
    ConsumerMember away = member;
    away.epoch = kStaticLeaveEpoch;
    away.revoking.clear();
    for (auto& [topic, partitions] : away.assigned) {
      for (auto& [partition, epoch] : partitions) epoch = 0;
    }
    add_current_assignment(outcome.records, group.id(), away);
    return response;
  }
  fence(group, {group.find(member.id)}, outcome, step);
  return response;
}

void ConsumerGroups::update_epoch(const ConsumerGroup& group, bool bump, Outcome& outcome, const Step& step) {
  outcome.group_epoch = group.epoch();
  if (!bump && !group.needs_refresh(step.now.wall_ms)) return;
  const std::int64_t hash = hash_of(group.subscriptions_with(&outcome.before, &outcome.after));
  if (bump || hash != group.metadata_hash()) {
    ++outcome.group_epoch;
    add_group_epoch(outcome.records, group.id(), outcome.group_epoch, hash);
    log_info(kGroupComponent, "Consumer group {} is at epoch {}", group.id(), outcome.group_epoch);
  }
  if (ConsumerGroup* known = find_mutable(group.id()))
    known->refreshed(step.now.wall_ms, outcome.group_epoch);
  if (group.has_partition_metadata()) add_partition_metadata_tombstone(outcome.records, group.id());
}

ConsumerGroups::Target ConsumerGroups::update_target(const ConsumerGroup& group, Outcome& outcome,
                                                     const Step& step) const {
  const auto may_assign = [&] {
    const std::int64_t last_ms = group.assignment_timestamp_ms();
    const std::int32_t interval_ms = surroundings_.settings(group.id()).assignment_interval_ms;
    // Another coordinator's clock, or this one's before it was set, may have been ahead.
    const bool is_of_the_future = last_ms > step.now.wall_ms;
    return last_ms == 0 || interval_ms == 0 || is_of_the_future || step.now.wall_ms >= last_ms + interval_ms;
  };
  if (group.assignment_epoch() < outcome.group_epoch && may_assign()) return assign_all(group, outcome, step);
  return {group.assignment_epoch(), group.target_of(outcome.after)};
}

ConsumerGroups::Target ConsumerGroups::assign_all(const ConsumerGroup& group, Outcome& outcome,
                                                  const Step& step) const {
  const kraft::MetadataImagePtr image = surroundings_.image();
  const ConsumerMember& after = outcome.after;
  const ConsumerMember* replaced = group.static_member(after.instance_id);
  if (replaced != nullptr && replaced->id == after.id) replaced = nullptr;
  std::map<std::string_view, const ConsumerMember*> members;
  for (const auto& [id, member] : group.members()) {
    if (&member != replaced) members[id] = &member;
  }
  members[after.id] = &after;

  AssignorInput input;
  input.homogeneous = is_homogeneous(group.subscriptions_with(&outcome.before, &after),
                                     group.patterns_with(&outcome.before, &after), members.size());
  std::deque<std::vector<TopicId>> topics;  // what the members' spans show
  for (const auto& [id, member] : members) {
    if (topics.empty() || !input.homogeneous) {
      topics.push_back(topics_of(*member, group, *image));
      for (const TopicId topic : topics.back()) {
        input.partition_counts[topic] = static_cast<std::int32_t>(image->topic(topic)->partitions.size());
      }
    }
    const Assignment& current = group.target_of(member == &after && replaced != nullptr ? replaced->id : id);
    input.members.push_back({id, member->instance_id, topics.back(), &current});
  }
  const std::string name = group.preferred_assignor(&outcome.before, &after)
                               .value_or(std::string(to_string(options_.assignors[0])));
  const Assignments assigned = assign(parse_assignor(name).value_or(options_.assignors[0]), input);

  Target target;
  target.epoch = outcome.group_epoch;
  for (std::size_t i = 0; i < assigned.size(); ++i) {
    const std::string_view id = input.members[i].id;
    const auto known = group.targets().find(id);
    if (known == group.targets().end() || known->second != assigned[i])
      add_target_assignment(outcome.records, group.id(), id, assigned[i]);
    if (id == after.id) target.partitions = assigned[i];
  }
  add_assignment_epoch(outcome.records, group.id(), target.epoch, step.now.wall_ms);
  log_info(kGroupComponent, "Consumer group {} has a new assignment for epoch {} by '{}'", group.id(),
           target.epoch, name);
  return target;
}

Result<void> ConsumerGroups::reconcile_member(const ConsumerGroup& group, const Target& target,
                                              const ReportedPartitions& reported, Outcome& outcome) const {
  ConsumerMember& member = outcome.after;
  if (!outcome.subscription_changed && member.is_reconciled_to(target.epoch)) return {};
  const kraft::MetadataImagePtr image = surroundings_.image();
  const ResolvedPattern* matched = member.has_pattern() ? group.resolved(*member.pattern) : nullptr;
  ReconciliationTarget to;
  to.epoch = target.epoch;
  to.partitions = &target.partitions;
  to.subscription_changed = outcome.subscription_changed;
  to.subscribes = [&](TopicId id) {
    const kraft::TopicImage* topic = image->topic(id);
    return topic != nullptr && (member.topics.contains(topic->name) ||
                                (matched != nullptr && matched->topics.contains(topic->name)));
  };
  to.is_owned = [&](TopicId topic, std::int32_t partition) { return group.is_owned(topic, partition); };
  ConsumerMember next = TRY(reconcile(member, to, reported));
  if (next == member) return {};
  member = std::move(next);
  add_current_assignment(outcome.records, group.id(), member);
  // A member by the classic protocol is waited for while it joins and syncs.
  if (!member.classic) outcome.rebalance_timer = member.state == MemberState::kUnrevokedPartitions;
  return {};
}

void ConsumerGroups::finish(const std::string& group, Outcome outcome, const HeartbeatContext& context,
                            Step& step, std::move_only_function<void(ErrorCode, Step&)> then) {
  if (outcome.records.empty()) {
    settle(group, outcome, context, step);
    return then(ErrorCode::kNone, step);
  }
  step.records = std::move(outcome.records);
  step.applied = [this, group, outcome = std::move(outcome), &context, then = std::move(then)](
                     ErrorCode error, Step& next) mutable {
    if (error == ErrorCode::kNone) settle(group, outcome, context, next);
    then(error, next);
  };
}

void ConsumerGroups::settle(const std::string& id, const Outcome& outcome, const HeartbeatContext& context,
                            Step& step) {
  if (outcome.becomes_classic) return classic_.take_over(id, outcome.classic_rebalances, step);
  ConsumerGroup* group = find_mutable(id);
  MemberTimers* timers = group == nullptr ? nullptr : group->timers_of(outcome.member);
  const std::int64_t now_ms = step.now.mono_ms;
  if (timers != nullptr && outcome.session_timeout_ms) {
    timers_.set(timers->session, now_ms + *outcome.session_timeout_ms, TimerKind::kMemberSession, id,
                outcome.member);
  }
  if (timers != nullptr && outcome.rebalance_timer) {
    timers->rebalance.cancel();
    timers->rebalance_epoch = outcome.after.epoch;
    if (*outcome.rebalance_timer)
      timers_.set(timers->rebalance, now_ms + outcome.after.rebalance_timeout_ms, TimerKind::kMemberRebalance,
                  id, outcome.member);
  }
  if (timers != nullptr && outcome.sync_timeout_ms) {
    timers->join.cancel();
    timers_.set(timers->sync, now_ms + *outcome.sync_timeout_ms, TimerKind::kMemberSync, id, outcome.member);
  }
  if (group != nullptr && outcome.was_classic) {
    for (const auto& [member_id, member] : group->members()) {
      if (member.classic)
        timers_.set(group->timers_of(member_id)->session, now_ms + member.classic->session_timeout_ms,
                    TimerKind::kMemberSession, id, member_id);
    }
  }
  if (!outcome.refresh_patterns.empty()) resolve_patterns(id, outcome.refresh_patterns, context, step);
}

}  // namespace barnabas::broker

#include "broker/coordinator/consumer_group.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "broker/coordinator/consumer_protocol.hpp"

namespace barnabas::broker {
namespace {

void add(Counts& counts, std::string_view name, int by) {
  auto it = counts.find(name);
  if (it == counts.end()) it = counts.emplace(std::string(name), 0).first;
  it->second += by;
  if (it->second <= 0) counts.erase(it);
}

void add_subscription(Subscriptions& subscriptions, std::string_view topic, int by_name, int by_pattern) {
  auto it = subscriptions.find(topic);
  if (it == subscriptions.end()) it = subscriptions.emplace(std::string(topic), SubscriptionCount{}).first;
  it->second.by_name += by_name;
  it->second.by_pattern += by_pattern;
  if (it->second.by_name <= 0 && it->second.by_pattern <= 0) subscriptions.erase(it);
}

template <class Map>
const typename Map::mapped_type* find_in(const Map& map, std::string_view key) {
  const auto it = map.find(key);
  return it == map.end() ? nullptr : &it->second;
}

}  // namespace

std::string_view to_string(ConsumerGroupState state) {
  switch (state) {
    case ConsumerGroupState::kEmpty:
      return "Empty";
    case ConsumerGroupState::kAssigning:
      return "Assigning";
    case ConsumerGroupState::kReconciling:
      return "Reconciling";
    case ConsumerGroupState::kStable:
      break;
  }
  return "Stable";
}

bool is_homogeneous(const Subscriptions& subscriptions, const Counts& patterns, std::size_t members) {
  const auto count = static_cast<std::int32_t>(members);
  if (patterns.empty()) {
    return std::ranges::all_of(subscriptions,
                               [&](const auto& topic) { return topic.second.by_name == count; });
  }
  if (patterns.begin()->second != count) return false;
  return std::ranges::all_of(subscriptions, [](const auto& topic) {
    return topic.second.by_pattern == 1 && topic.second.by_name == 0;
  });
}

ConsumerGroupState ConsumerGroup::state() const {
  if (members_.empty()) return ConsumerGroupState::kEmpty;
  if (epoch_ > assignment_epoch_) return ConsumerGroupState::kAssigning;
  const bool settled = std::ranges::all_of(
      members_, [&](const auto& entry) { return entry.second.is_reconciled_to(assignment_epoch_); });
  return settled ? ConsumerGroupState::kStable : ConsumerGroupState::kReconciling;
}

const ConsumerMember* ConsumerGroup::find(std::string_view member) const {
  return find_in(members_, member);
}

const ConsumerMember* ConsumerGroup::static_member(const std::optional<std::string>& instance) const {
  if (!instance) return nullptr;
  const std::string* id = find_in(static_members_, *instance);
  return id == nullptr ? nullptr : find(*id);
}

MemberTimers* ConsumerGroup::timers_of(std::string_view member) {
  const auto it = timers_.find(member);
  return it == timers_.end() ? nullptr : &it->second;
}

bool ConsumerGroup::all_classic_but(const std::vector<const ConsumerMember*>& except) const {
  const auto classic =
      std::ranges::count_if(except, [](const auto* one) { return one->classic.has_value(); });
  return classic_count_ - static_cast<std::size_t>(classic) == members_.size() - except.size();
}

bool ConsumerGroup::supports_classic_protocols(std::string_view type,
                                               const std::vector<std::string_view>& names) const {
  if (type != kConsumerProtocolType) return false;
  if (is_empty()) return !names.empty();
  return std::ranges::any_of(names, [&](std::string_view name) {
    const std::int32_t* count = find_in(classic_protocols_, name);
    return static_cast<std::size_t>(count == nullptr ? 0 : *count) == classic_count_;
  });
}

const Assignment& ConsumerGroup::target_of(std::string_view member) const {
  static const Assignment none;
  const Assignment* target = find_in(targets_, member);
  return target == nullptr ? none : *target;
}

const Assignment& ConsumerGroup::target_of(const ConsumerMember& member) const {
  if (!member.instance_id) return target_of(std::string_view(member.id));
  const std::string* holder = find_in(static_members_, *member.instance_id);
  return target_of(holder == nullptr ? std::string_view() : std::string_view(*holder));
}

bool ConsumerGroup::is_owned(TopicId topic, std::int32_t partition) const {
  const auto it = owner_epochs_.find(topic);
  return it != owner_epochs_.end() && it->second.contains(partition);
}

bool ConsumerGroup::waits_for_others(const ConsumerMember& member) const {
  if (member.state != MemberState::kUnreleasedPartitions) return false;
  for (const auto& [topic, partitions] : target_of(std::string_view(member.id))) {
    for (const std::int32_t partition : partitions) {
      const auto own = member.assigned.find(topic);
      const bool has = own != member.assigned.end() && own->second.contains(partition);
      if (!has && is_owned(topic, partition)) return true;
    }
  }
  return false;
}

std::int32_t ConsumerGroup::subscribers_of(std::string_view pattern) const {
  const std::int32_t* count = find_in(patterns_, pattern);
  return count == nullptr ? 0 : *count;
}

const ResolvedPattern* ConsumerGroup::resolved(std::string_view pattern) const {
  return find_in(resolved_, pattern);
}

Subscriptions ConsumerGroup::subscriptions_with(const ConsumerMember* before,
                                                const ConsumerMember* after) const {
  Subscriptions result = subscriptions_;
  if (before != nullptr) {
    for (const std::string& topic : before->topics) {
      if (result.contains(topic)) add_subscription(result, topic, -1, 0);
    }
  }
  if (after != nullptr) {
    for (const std::string& topic : after->topics) add_subscription(result, topic, 1, 0);
  }
  // The last one that leaves a pattern takes with it what the pattern matched.
  if (before == nullptr || !before->has_pattern()) return result;
  const bool stays = after != nullptr && after->pattern == before->pattern;
  const ResolvedPattern* matched = resolved(*before->pattern);
  if (stays || matched == nullptr || subscribers_of(*before->pattern) != 1) return result;
  for (const std::string& topic : matched->topics) add_subscription(result, topic, 0, -1);
  return result;
}

Subscriptions ConsumerGroup::subscriptions_with(
    const std::map<std::string, ResolvedPattern, std::less<>>& resolved) const {
  Subscriptions result = subscriptions_;
  for (const auto& [pattern, now] : resolved) {
    if (const ResolvedPattern* before = this->resolved(pattern)) {
      for (const std::string& topic : before->topics) add_subscription(result, topic, 0, -1);
    }
    for (const std::string& topic : now.topics) add_subscription(result, topic, 0, 1);
  }
  return result;
}

Subscriptions ConsumerGroup::subscriptions_without(const std::vector<const ConsumerMember*>& members,
                                                   const std::vector<std::string>& patterns) const {
  Subscriptions result = subscriptions_;
  for (const ConsumerMember* member : members) {
    for (const std::string& topic : member->topics) add_subscription(result, topic, -1, 0);
  }
  for (const std::string& pattern : patterns) {
    const ResolvedPattern* matched = resolved(pattern);
    if (matched == nullptr) continue;
    for (const std::string& topic : matched->topics) add_subscription(result, topic, 0, -1);
  }
  return result;
}

Counts ConsumerGroup::patterns_with(const ConsumerMember* before, const ConsumerMember* after) const {
  Counts result = patterns_;
  if (before != nullptr && before->has_pattern() && result.contains(*before->pattern))
    add(result, *before->pattern, -1);
  if (after != nullptr && after->has_pattern()) add(result, *after->pattern, 1);
  return result;
}

std::optional<std::string> ConsumerGroup::preferred_assignor(const ConsumerMember* before,
                                                             const ConsumerMember* after) const {
  Counts counts = assignors_;
  if (before != nullptr && before->assignor && counts.contains(*before->assignor))
    add(counts, *before->assignor, -1);
  if (after != nullptr && after->assignor) add(counts, *after->assignor, 1);
  std::optional<std::string> best;
  std::int32_t most = 0;
  for (const auto& [name, count] : counts) {
    if (count <= most) continue;
    best = name;
    most = count;
  }
  return best;
}

void ConsumerGroup::set_epoch(std::int32_t epoch, std::int64_t metadata_hash) {
  epoch_ = epoch;
  metadata_hash_ = metadata_hash;
}

void ConsumerGroup::set_assignment_epoch(std::int32_t epoch, std::int64_t timestamp_ms) {
  assignment_epoch_ = epoch;
  assignment_timestamp_ms_ = timestamp_ms;
}

void ConsumerGroup::set_target(const std::string& member, Assignment target) {
  targets_[member] = std::move(target);
}

void ConsumerGroup::remove_target(std::string_view member) {
  if (const auto it = targets_.find(member); it != targets_.end()) targets_.erase(it);
}

void ConsumerGroup::count(const ConsumerMember& member, int by) {
  for (const std::string& topic : member.topics) add_subscription(subscriptions_, topic, by, 0);
  if (member.has_pattern()) add(patterns_, *member.pattern, by);
  if (member.assignor) add(assignors_, *member.assignor, by);
  if (!member.classic) return;
  classic_count_ += static_cast<std::size_t>(by);
  for (const auto& protocol : member.classic->protocols) add(classic_protocols_, protocol.name, by);
}

void ConsumerGroup::own(const ConsumerMember& member) {
  for (const OwnedPartitions* owned : {&member.assigned, &member.revoking}) {
    for (const auto& [topic, partitions] : *owned) {
      for (const auto& [partition, since] : partitions) {
        std::int32_t& epoch = owner_epochs_[topic].try_emplace(partition, member.epoch).first->second;
        epoch = std::max(epoch, member.epoch);
      }
    }
  }
}

/// What another member got meanwhile, at a later epoch, stays that member's.
void ConsumerGroup::disown(const ConsumerMember& member) {
  for (const OwnedPartitions* owned : {&member.assigned, &member.revoking}) {
    for (const auto& [topic, partitions] : *owned) {
      const auto known = owner_epochs_.find(topic);
      if (known == owner_epochs_.end()) continue;
      for (const auto& [partition, since] : partitions) {
        const auto it = known->second.find(partition);
        if (it != known->second.end() && it->second == member.epoch) known->second.erase(it);
      }
      if (known->second.empty()) owner_epochs_.erase(known);
    }
  }
}

void ConsumerGroup::put(ConsumerMember member) {
  const auto [it, is_new] = members_.try_emplace(member.id);
  if (!is_new) {
    count(it->second, -1);
    disown(it->second);
  }
  timers_.try_emplace(member.id);
  count(member, 1);
  own(member);
  if (member.instance_id) static_members_[*member.instance_id] = member.id;
  it->second = std::move(member);
}

void ConsumerGroup::remove(std::string_view id) {
  const auto it = members_.find(id);
  if (it == members_.end()) return;
  const ConsumerMember member = std::move(it->second);
  members_.erase(it);
  timers_.erase(timers_.find(member.id));
  count(member, -1);
  disown(member);
  if (!member.instance_id) return;
  const auto holder = static_members_.find(*member.instance_id);
  if (holder != static_members_.end() && holder->second == member.id) static_members_.erase(holder);
}

void ConsumerGroup::set_resolved(const std::string& pattern, ResolvedPattern resolved) {
  remove_resolved(pattern);
  for (const std::string& topic : resolved.topics) add_subscription(subscriptions_, topic, 0, 1);
  resolved_[pattern] = std::move(resolved);
}

void ConsumerGroup::remove_resolved(std::string_view pattern) {
  const auto it = resolved_.find(pattern);
  if (it == resolved_.end()) return;
  for (const std::string& topic : it->second.topics) add_subscription(subscriptions_, topic, 0, -1);
  resolved_.erase(it);
}

void ConsumerGroup::check_invariants() const {
  ConsumerGroup counted(id_);
  for (const auto& [id, member] : members_) {
    CHECK(id == member.id);
    counted.count(member, 1);
    if (member.instance_id) {
      const std::string* holder = find_in(static_members_, *member.instance_id);
      CHECK(holder != nullptr && find(*holder) != nullptr);
    }
    for (const OwnedPartitions* owned : {&member.assigned, &member.revoking}) {
      for (const auto& [topic, partitions] : *owned) {
        CHECK(!partitions.empty());
        for (const auto& [partition, since] : partitions) CHECK(is_owned(topic, partition));
      }
    }
  }
  for (const auto& [pattern, resolved] : resolved_) {
    for (const std::string& topic : resolved.topics) add_subscription(counted.subscriptions_, topic, 0, 1);
  }
  CHECK(counted.subscriptions_ == subscriptions_);
  CHECK(counted.patterns_ == patterns_);
  CHECK(counted.assignors_ == assignors_);
  CHECK(counted.classic_protocols_ == classic_protocols_);
  CHECK(counted.classic_count_ == classic_count_);
  CHECK(timers_.size() == members_.size());
}

}  // namespace barnabas::broker

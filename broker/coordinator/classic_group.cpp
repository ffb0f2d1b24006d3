#include "broker/coordinator/classic_group.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "broker/coordinator/consumer_protocol.hpp"

namespace barnabas::broker {

std::string_view to_string(ClassicState state) {
  switch (state) {
    case ClassicState::kEmpty:
      return "Empty";
    case ClassicState::kPreparingRebalance:
      return "PreparingRebalance";
    case ClassicState::kCompletingRebalance:
      return "CompletingRebalance";
    case ClassicState::kStable:
      break;
  }
  return "Stable";
}

bool ClassicMember::matches(
    const std::vector<protocol::JoinGroupRequest::JoinGroupRequestProtocol>& others) const {
  return std::ranges::equal(protocols, others, [](const ClassicProtocol& mine, const auto& other) {
    return mine.name == other.name && std::ranges::equal(view_of(mine.metadata), other.metadata);
  });
}

void ClassicMember::set_protocols(
    const std::vector<protocol::JoinGroupRequest::JoinGroupRequestProtocol>& others) {
  protocols.clear();
  for (const auto& other : others) {
    if (metadata_of(other.name)) continue;
    protocols.push_back({other.name, std::make_shared<const Bytes>(to_bytes(other.metadata))});
  }
}

SharedBytes ClassicMember::metadata_of(std::string_view protocol) const {
  for (const ClassicProtocol& mine : protocols) {
    if (mine.name == protocol) return mine.metadata;
  }
  return nullptr;
}

void ClassicGroup::transition_to(ClassicState state, std::int64_t wall_ms) {
  previous_state_ = std::exchange(state_, state);
  state_timestamp_ms_ = wall_ms;
}

ClassicMember* ClassicGroup::find(std::string_view member) {
  const auto it = members_.find(member);
  return it == members_.end() ? nullptr : &it->second;
}

std::optional<std::string> ClassicGroup::static_member(std::string_view instance) const {
  const auto it = static_members_.find(instance);
  return it == static_members_.end() ? std::nullopt : std::optional(it->second);
}

void ClassicGroup::count_protocols(const ClassicMember& member, int by) {
  for (const ClassicProtocol& mine : member.protocols) {
    const auto it = protocol_counts_.try_emplace(mine.name, 0).first;
    it->second += static_cast<std::size_t>(by);
    if (it->second == 0) protocol_counts_.erase(it);
  }
}

ClassicMember& ClassicGroup::add(ClassicMember member, std::string_view protocol_type) {
  if (members_.empty()) protocol_type_ = std::string(protocol_type);
  if (leader_.empty()) leader_ = member.id;
  if (member.instance_id) {
    const bool added = static_members_.try_emplace(*member.instance_id, member.id).second;
    CHECK(added, "an instance id belongs to one member");
  }
  pending_.erase(member.id);
  count_protocols(member, 1);
  if (member.awaits_join()) ++awaiting_join_;
  std::string id = member.id;
  const auto [it, added] = members_.try_emplace(std::move(id), std::move(member));
  CHECK(added, "a member joins once");
  return it->second;
}

void ClassicGroup::update(ClassicMember& member, const protocol::JoinGroupRequest& request,
                          JoinAnswer answer) {
  count_protocols(member, -1);
  member.set_protocols(request.protocols);
  count_protocols(member, 1);
  member.rebalance_timeout_ms = request.rebalance_timeout_ms;
  member.session_timeout_ms = request.session_timeout_ms;
  const bool awaited = member.awaits_join();
  member.join_answer = std::move(answer);
  if (!awaited && member.awaits_join()) ++awaiting_join_;
  if (awaited && !member.awaits_join()) --awaiting_join_;
}

JoinAnswer ClassicGroup::take_join_answer(ClassicMember& member) {
  if (member.awaits_join()) --awaiting_join_;
  return std::exchange(member.join_answer, nullptr);
}

void ClassicGroup::remove(std::string_view id) {
  if (const auto pending = pending_.find(id); pending != pending_.end()) pending_.erase(pending);
  const auto it = members_.find(id);
  if (it == members_.end()) return;
  const ClassicMember& member = it->second;
  CHECK(!member.awaits_join() && !member.awaits_sync(), "a member leaves when it has its answers");
  count_protocols(member, -1);
  if (member.instance_id) {
    const auto known = static_members_.find(*member.instance_id);
    if (known != static_members_.end() && known->second == member.id) static_members_.erase(known);
  }
  const bool led = is_leader(id);
  members_.erase(it);
  if (led) leader_ = members_.empty() ? std::string() : members_.begin()->first;
}

ClassicMember& ClassicGroup::rename_static_member(const std::string& old_id, const std::string& new_id) {
  auto node = members_.extract(old_id);
  CHECK(!node.empty() && node.mapped().instance_id.has_value());
  CHECK(!node.mapped().awaits_join() && !node.mapped().awaits_sync());
  node.key() = new_id;
  ClassicMember& member = members_.insert(std::move(node)).position->second;
  member.id = new_id;
  member.heartbeat = {};  // the old id's entry finds nobody
  if (leader_ == old_id) leader_ = new_id;
  static_members_[*member.instance_id] = new_id;
  return member;
}

std::int32_t ClassicGroup::rebalance_timeout_ms() const {
  std::int32_t longest = 0;
  for (const auto& [id, member] : members_) longest = std::max(longest, member.rebalance_timeout_ms);
  return longest;
}

Deadline* ClassicGroup::pending_deadline(std::string_view member) {
  const auto it = pending_.find(member);
  return it == pending_.end() ? nullptr : &it->second;
}

bool ClassicGroup::all_support(std::string_view protocol) const {
  const auto it = protocol_counts_.find(protocol);
  return it != protocol_counts_.end() && it->second == members_.size();
}

bool ClassicGroup::supports(
    std::string_view protocol_type,
    const std::vector<protocol::JoinGroupRequest::JoinGroupRequestProtocol>& others) const {
  if (is_in(ClassicState::kEmpty)) return !protocol_type.empty() && !others.empty();
  // A first rebalance all of whose members left again: anybody may come.
  if (members_.empty()) return !protocol_type.empty() && !others.empty();
  return protocol_type_ == protocol_type &&
         std::ranges::any_of(others, [&](const auto& other) { return all_support(other.name); });
}

std::string ClassicGroup::select_protocol() const {
  CHECK(!members_.empty());
  std::map<std::string_view, std::size_t> votes;
  for (const auto& [id, member] : members_) {
    const auto vote = std::ranges::find_if(
        member.protocols, [&](const ClassicProtocol& mine) { return all_support(mine.name); });
    CHECK(vote != member.protocols.end(), "members share a protocol");
    ++votes[vote->name];
  }
  // Equal votes: what the leader likes better.
  const auto leader = members_.find(leader_);
  const ClassicMember& first = leader == members_.end() ? members_.begin()->second : leader->second;
  std::string_view best;
  std::size_t most = 0;
  for (const ClassicProtocol& mine : first.protocols) {
    const auto it = votes.find(mine.name);
    if (it != votes.end() && it->second > most) {
      best = it->first;
      most = it->second;
    }
  }
  return std::string(best);
}

bool ClassicGroup::keeps_protocol_with(
    ClassicMember& member, const std::vector<protocol::JoinGroupRequest::JoinGroupRequestProtocol>& others) {
  std::vector<ClassicProtocol> before = member.protocols;
  count_protocols(member, -1);
  member.set_protocols(others);
  count_protocols(member, 1);
  const bool keeps =
      std::ranges::any_of(member.protocols, [&](const auto& mine) { return all_support(mine.name); }) &&
      protocol_name_ == select_protocol();
  count_protocols(member, -1);
  member.protocols = std::move(before);
  count_protocols(member, 1);
  return keeps;
}

bool ClassicGroup::elect_joined_leader() {
  if (members_.empty()) return false;
  const ClassicMember* current = find(leader_);
  if (current != nullptr && current->awaits_join()) return true;
  for (const auto& [id, member] : members_) {
    if (member.awaits_join()) {
      leader_ = id;
      return true;
    }
  }
  return false;
}

void ClassicGroup::begin_generation(std::int64_t wall_ms) {
  CHECK(!members_.empty());
  ++generation_;
  protocol_name_ = select_protocol();
  compute_subscribed_topics();
  transition_to(ClassicState::kCompletingRebalance, wall_ms);
}

void ClassicGroup::compute_subscribed_topics() {
  subscribed_topics_.reset();
  if (protocol_type_ != kConsumerProtocolType) return;
  std::set<std::string, std::less<>> topics;
  for (const auto& [id, member] : members_) {
    const SharedBytes metadata = member.metadata_of(protocol_name_.value_or(""));
    auto subscribed = subscribed_topics(view_of(metadata));
    if (!subscribed) return;
    for (std::string& topic : *subscribed) topics.insert(std::move(topic));
  }
  subscribed_topics_ = std::move(topics);
}

bool ClassicGroup::uses_consumer_protocol() const {
  return protocol_type_ == kConsumerProtocolType;
}

bool ClassicGroup::is_subscribed_to(std::string_view topic) const {
  return subscribed_topics_ ? subscribed_topics_->contains(topic) : uses_consumer_protocol();
}

void ClassicGroup::apply(const protocol::GroupMetadataValue& value) {
  std::set<std::string_view> named;
  for (const auto& from : value.members) named.insert(from.member_id);
  for (auto it = members_.begin(); it != members_.end();) {
    const std::string id = it->first;
    ++it;
    if (!named.contains(id)) remove(id);
  }
  for (const auto& from : value.members) {
    const auto [it, is_new] = members_.try_emplace(from.member_id);
    ClassicMember& member = it->second;
    member.assignment = std::make_shared<const Bytes>(to_bytes(from.assignment));
    member.client_id = from.client_id;
    member.client_host = from.client_host;
    member.session_timeout_ms = from.session_timeout;
    // Version 0 has no rebalance timeout: the session timeout stood for it.
    member.rebalance_timeout_ms = from.rebalance_timeout < 0 ? from.session_timeout : from.rebalance_timeout;
    const std::string name = value.protocol.value_or("");
    const SharedBytes known = member.metadata_of(name);
    if (known == nullptr || !std::ranges::equal(*known, from.subscription)) {
      // The record has the chosen protocol alone; a member that is connected keeps the others that it named.
      count_protocols(member, -1);
      member.protocols = {{name, std::make_shared<const Bytes>(to_bytes(from.subscription))}};
      count_protocols(member, 1);
    }
    if (!is_new) continue;
    member.id = from.member_id;
    member.instance_id = from.group_instance_id;
    // Two members with one instance id cannot be, but the log may have been written by anybody.
    if (member.instance_id && !static_members_.try_emplace(*member.instance_id, member.id).second)
      member.instance_id.reset();
    pending_.erase(member.id);
  }
  generation_ = value.generation;
  protocol_type_ = value.protocol_type.empty() ? std::nullopt : std::optional(value.protocol_type);
  protocol_name_ = value.protocol;
  if (!members_.empty() && !protocol_name_) protocol_name_ = "";
  leader_ = value.leader.value_or("");
  // A leader that is not among the members would never be heard of again.
  if (!members_.contains(leader_)) leader_ = members_.empty() ? std::string() : members_.begin()->first;
  compute_subscribed_topics();
  transition_to(members_.empty() ? ClassicState::kEmpty : ClassicState::kStable,
                value.current_state_timestamp);
}

void ClassicGroup::check_invariants() const {
  CHECK(leader_.empty() == members_.empty());
  CHECK(leader_.empty() || members_.contains(leader_));
  std::size_t awaiting = 0;
  std::size_t with_instance = 0;
  for (const auto& [id, member] : members_) {
    CHECK(id == member.id);
    CHECK(!pending_.contains(id));
    if (member.awaits_join()) ++awaiting;
    if (member.instance_id) {
      ++with_instance;
      const auto it = static_members_.find(*member.instance_id);
      CHECK(it != static_members_.end() && it->second == id);
    }
    CHECK(!member.awaits_join() || is_in(ClassicState::kPreparingRebalance));
    CHECK(!member.awaits_sync() || is_in(ClassicState::kCompletingRebalance));
  }
  CHECK(awaiting == awaiting_join_);
  CHECK(with_instance == static_members_.size());
  CHECK(!is_in(ClassicState::kEmpty) || members_.empty());
  const bool has_protocol = is_in(ClassicState::kCompletingRebalance) || is_in(ClassicState::kStable);
  CHECK(!has_protocol || (!members_.empty() && protocol_name_.has_value() && all_support(*protocol_name_)));
}

}  // namespace barnabas::broker

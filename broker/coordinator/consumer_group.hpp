// ConsumerGroup: the books of one group of the consumer protocol (KIP-848): members, the assignment they are
// to reach, who has which partition, and what the group subscribes to.
//
// Owned by ConsumerGroups (consumer_groups.hpp), which decides; this class keeps the books straight. Thread
// safety: none, the shard's thread. Everything but the timers and the refresh deadline is what the records
// say: only replay changes it. Invariants (check_invariants)
//  1. The counts of subscriptions, patterns, assignors and classic protocols are those of the members.
//  2. Every static member is found by its instance id.
//  3. A partition that a member has, to be revoked or not, is known as owned.
// A group is at epoch 1 before its first record, and so is its (empty) assignment: a member that has to wait
// for its first assignment is at epoch 1 and not at 0, which would mean that it joins.
// Units: milliseconds. Source: KIP-848; measured on Kafka 4.3.1.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/coordinator/consumer_group_member.hpp"
#include "broker/coordinator/timer_queue.hpp"

namespace barnabas::broker {

/// As ConsumerGroupDescribe and ListGroups show it.
enum class ConsumerGroupState : std::uint8_t { kEmpty, kAssigning, kReconciling, kStable };
inline constexpr ConsumerGroupState kConsumerGroupStates[] = {
    ConsumerGroupState::kEmpty, ConsumerGroupState::kAssigning, ConsumerGroupState::kReconciling,
    ConsumerGroupState::kStable};
[[nodiscard]] std::string_view to_string(ConsumerGroupState state);

/// Which topics a pattern matched, at which version of the metadata, and when.
struct ResolvedPattern {
  std::set<std::string, std::less<>> topics;
  std::int64_t version = 0;
  std::int64_t timestamp_ms = 0;
};

/// How many members subscribe to a topic by its name, and how many patterns match it.
struct SubscriptionCount {
  std::int32_t by_name = 0;
  std::int32_t by_pattern = 0;
  bool operator==(const SubscriptionCount&) const = default;
};
using Subscriptions = std::map<std::string, SubscriptionCount, std::less<>>;
using Counts = std::map<std::string, std::int32_t, std::less<>>;

struct MemberTimers {
  Deadline session;
  Deadline rebalance;  // while it has partitions to let go of
  std::int32_t rebalance_epoch = 0;
  // Of members that use the classic protocol.
  Deadline join;
  Deadline sync;
};

class ConsumerGroup {
 public:
  using Members = std::map<std::string, ConsumerMember, std::less<>>;

  explicit ConsumerGroup(std::string id) : id_(std::move(id)) {}

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] ConsumerGroupState state() const;
  [[nodiscard]] std::int32_t epoch() const { return epoch_; }
  [[nodiscard]] std::int64_t metadata_hash() const { return metadata_hash_; }
  [[nodiscard]] std::int32_t assignment_epoch() const { return assignment_epoch_; }
  [[nodiscard]] std::int64_t assignment_timestamp_ms() const { return assignment_timestamp_ms_; }
  /// A record of before Kafka 4.1, to be removed.
  [[nodiscard]] bool has_partition_metadata() const { return has_partition_metadata_; }

  // Members.
  [[nodiscard]] const Members& members() const { return members_; }
  [[nodiscard]] bool is_empty() const { return members_.empty(); }
  [[nodiscard]] const ConsumerMember* find(std::string_view member) const;
  [[nodiscard]] const ConsumerMember* static_member(const std::optional<std::string>& instance) const;
  /// Null when the member is not there.
  [[nodiscard]] MemberTimers* timers_of(std::string_view member);
  [[nodiscard]] std::size_t classic_count() const { return classic_count_; }
  /// Whether all members but those use the classic protocol.
  [[nodiscard]] bool all_classic_but(const std::vector<const ConsumerMember*>& except) const;
  [[nodiscard]] bool supports_classic_protocols(std::string_view type,
                                                const std::vector<std::string_view>& names) const;

  // Assignments.
  [[nodiscard]] const std::map<std::string, Assignment, std::less<>>& targets() const { return targets_; }
  /// Empty when the member has none.
  [[nodiscard]] const Assignment& target_of(std::string_view member) const;
  /// Of a static member: the target of whoever had its instance id.
  [[nodiscard]] const Assignment& target_of(const ConsumerMember& member) const;
  [[nodiscard]] bool is_owned(TopicId topic, std::int32_t partition) const;
  /// Whether a member that waits for partitions has to go on waiting.
  [[nodiscard]] bool waits_for_others(const ConsumerMember& member) const;

  // Subscriptions.
  [[nodiscard]] const Subscriptions& subscriptions() const { return subscriptions_; }
  [[nodiscard]] bool is_subscribed_to(std::string_view topic) const { return subscriptions_.contains(topic); }
  [[nodiscard]] const Counts& patterns() const { return patterns_; }
  [[nodiscard]] std::int32_t subscribers_of(std::string_view pattern) const;
  [[nodiscard]] const std::map<std::string, ResolvedPattern, std::less<>>& resolved() const {
    return resolved_;
  }
  /// Null when it was not resolved.
  [[nodiscard]] const ResolvedPattern* resolved(std::string_view pattern) const;
  /// What these would be when `before` has become `after` (either may be null).
  [[nodiscard]] Subscriptions subscriptions_with(const ConsumerMember* before,
                                                 const ConsumerMember* after) const;
  /// What it would be with these patterns resolved anew.
  [[nodiscard]] Subscriptions subscriptions_with(
      const std::map<std::string, ResolvedPattern, std::less<>>& resolved) const;
  /// What it would be without these members, and without these patterns.
  [[nodiscard]] Subscriptions subscriptions_without(const std::vector<const ConsumerMember*>& members,
                                                    const std::vector<std::string>& patterns) const;
  [[nodiscard]] Counts patterns_with(const ConsumerMember* before, const ConsumerMember* after) const;
  /// The assignor that most members name; nothing when none does.
  [[nodiscard]] std::optional<std::string> preferred_assignor(const ConsumerMember* before,
                                                              const ConsumerMember* after) const;

  /// The topics' metadata is looked at again with the next heartbeat.
  void request_refresh() { refresh_ = {}; }
  [[nodiscard]] bool needs_refresh(std::int64_t wall_ms) const {
    return wall_ms >= refresh_.deadline_ms || epoch_ < refresh_.epoch;
  }
  void refreshed(std::int64_t wall_ms, std::int32_t epoch) { refresh_ = {wall_ms + INT32_MAX, epoch}; }

  // Replay.
  void set_epoch(std::int32_t epoch, std::int64_t metadata_hash);
  void set_assignment_epoch(std::int32_t epoch, std::int64_t timestamp_ms);
  void set_has_partition_metadata(bool has) { has_partition_metadata_ = has; }
  void set_target(const std::string& member, Assignment target);
  void remove_target(std::string_view member);
  /// Adds or replaces.
  void put(ConsumerMember member);
  void remove(std::string_view member);
  void set_resolved(const std::string& pattern, ResolvedPattern resolved);
  void remove_resolved(std::string_view pattern);

  void check_invariants() const;

 private:
  struct Refresh {
    std::int64_t deadline_ms = 0;
    std::int32_t epoch = 0;
  };

  void count(const ConsumerMember& member, int by);
  void own(const ConsumerMember& member);
  void disown(const ConsumerMember& member);

  std::string id_;
  std::int32_t epoch_ = 1;
  std::int64_t metadata_hash_ = 0;
  std::int32_t assignment_epoch_ = 1;
  std::int64_t assignment_timestamp_ms_ = 0;  // 0: not known
  bool has_partition_metadata_ = false;
  Members members_;
  std::map<std::string, MemberTimers, std::less<>> timers_;
  std::map<std::string, std::string, std::less<>> static_members_;  // instance id -> member id
  std::map<std::string, Assignment, std::less<>> targets_;
  std::unordered_map<TopicId, std::map<std::int32_t, std::int32_t>> owner_epochs_;  // partition -> epoch
  Subscriptions subscriptions_;
  Counts patterns_;
  std::map<std::string, ResolvedPattern, std::less<>> resolved_;
  Counts assignors_;
  Counts classic_protocols_;
  std::size_t classic_count_ = 0;
  Refresh refresh_;
};

/// Whether all members subscribe to the same topics, so that an assignor need not look at each.
[[nodiscard]] bool is_homogeneous(const Subscriptions& subscriptions, const Counts& patterns,
                                  std::size_t members);

}  // namespace barnabas::broker

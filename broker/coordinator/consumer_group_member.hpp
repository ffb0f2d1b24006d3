// ConsumerMember: what is known of one member of a group of the consumer protocol (KIP-848), and how it gets
// from the partitions that it has to those that it should have.
//
// Value types and pure functions. Owned by ConsumerGroup; changed by replay only. A member's epoch is that of
// the target assignment it was last brought to; what it owns is in `assigned` and, until it has let go of
// them, in `revoking`. Each partition carries the epoch since which the member has it, which tells old
// commits from those of an owner. Invariant: no partition is in both maps, and no topic in a map without a
// partition. Source: KIP-848, KIP-1251; measured on Kafka 4.3.1.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "broker/coordinator/assignors/assignor.hpp"

namespace barnabas::broker {

/// Partitions with the epoch of their assignment.
using OwnedPartitions = std::map<TopicId, std::map<std::int32_t, std::int32_t>>;

/// Values are those of the records.
enum class MemberState : std::int8_t {
  kStable = 0,
  kUnrevokedPartitions = 1,   // has yet to let go of partitions
  kUnreleasedPartitions = 2,  // waits for others to let go of partitions
  kUnknown = 127,             // of a newer coordinator
};

inline constexpr std::int32_t kLeaveEpoch = -1;
inline constexpr std::int32_t kStaticLeaveEpoch = -2;

/// What a member has that came by the classic protocol.
struct ClassicMembership {
  struct Protocol {
    std::string name;
    Bytes metadata;
    bool operator==(const Protocol&) const = default;
  };
  std::int32_t session_timeout_ms = 0;
  std::vector<Protocol> protocols;  // in the order of preference
  bool operator==(const ClassicMembership&) const = default;
};

struct ConsumerMember {
  std::string id;
  // From its subscription (ConsumerGroupMemberMetadata).
  std::optional<std::string> instance_id;
  std::optional<std::string> rack_id;
  std::int32_t rebalance_timeout_ms = -1;
  std::string client_id;
  std::string client_host;
  std::set<std::string, std::less<>> topics;
  std::optional<std::string> pattern = "";  // of topics (RE2); empty: none
  std::optional<std::string> assignor;
  std::optional<ClassicMembership> classic;
  // From its reconciliation (ConsumerGroupCurrentMemberAssignment).
  std::int32_t epoch = 0;
  std::int32_t previous_epoch = -1;
  MemberState state = MemberState::kStable;
  OwnedPartitions assigned;
  OwnedPartitions revoking;

  bool operator==(const ConsumerMember&) const = default;
  [[nodiscard]] bool has_pattern() const { return pattern && !pattern->empty(); }
  [[nodiscard]] bool is_reconciled_to(std::int32_t target_epoch) const {
    return state == MemberState::kStable && epoch == target_epoch;
  }
  void move_to_epoch(std::int32_t next) {
    previous_epoch = epoch;
    epoch = next;
  }
  /// The epoch since which it has the partition, to be revoked or not.
  [[nodiscard]] std::optional<std::int32_t> epoch_of(TopicId topic, std::int32_t partition) const;
};

/// What a member says that it has; nothing: it did not say.
using ReportedPartitions = std::optional<Assignment>;

/// What a member is brought to.
struct ReconciliationTarget {
  std::int32_t epoch = 0;
  const Assignment* partitions = nullptr;
  /// Whether the member subscribes to the topic.
  std::function<bool(TopicId)> subscribes;
  /// Whether any member has the partition.
  std::function<bool(TopicId, std::int32_t)> is_owned;
  bool subscription_changed = false;
};

/// The member after its next step towards the target, or as it is when it cannot go on. FENCED_MEMBER_EPOCH
/// when its state is a newer coordinator's and it still has partitions.
[[nodiscard]] Result<ConsumerMember> reconcile(const ConsumerMember& member,
                                               const ReconciliationTarget& target,
                                               const ReportedPartitions& reported);

/// Whether `reported` names only partitions that are in `owned`; false when nothing was reported.
[[nodiscard]] bool is_subset(const ReportedPartitions& reported, const OwnedPartitions& owned);

}  // namespace barnabas::broker

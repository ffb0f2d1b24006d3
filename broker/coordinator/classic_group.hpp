// ClassicGroup: the members of one group of the classic protocol, and where its rebalance stands.
//
// Owned by ClassicGroups (classic_groups.hpp), which decides; this class keeps the books straight. Thread
// safety: none, the shard's thread. What restarts keep (generation, protocol, leader, members with
// subscription and assignment) is what the last GroupMetadata record says: apply() makes it so. The rest -
// who waits for an answer, pending members, deadlines, a rebalance under way - is soft and starts anew when
// the shard is loaded. Invariants (check_invariants)
//  1. The leader is a member, and there is one whenever there are members.
//  2. Every static member is found by its instance id, and no two share one.
//  3. kEmpty has no members; kCompletingRebalance and kStable have some, and a protocol that all of them
//  support.
//  4. A member awaits a join answer only in kPreparingRebalance, a sync answer only in kCompletingRebalance.
//  5. A pending member is not a member.
// Units: milliseconds. Source: KIP-62, -134, -345, -394, -800, -814; measured on Kafka 4.3.1.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/coordinator/step.hpp"
#include "broker/coordinator/timer_queue.hpp"
#include "protocol/messages/api_join_group.hpp"
#include "protocol/messages/api_sync_group.hpp"
#include "protocol/messages/coord_group_group_metadata.hpp"

namespace barnabas::broker {

using JoinAnswer = Answer<protocol::JoinGroupResponse>;
using SyncAnswer = Answer<protocol::SyncGroupResponse>;

enum class ClassicState : std::uint8_t { kEmpty, kPreparingRebalance, kCompletingRebalance, kStable };
inline constexpr ClassicState kClassicStates[] = {ClassicState::kEmpty, ClassicState::kPreparingRebalance,
                                                  ClassicState::kCompletingRebalance, ClassicState::kStable};
/// As DescribeGroups and ListGroups show it.
[[nodiscard]] std::string_view to_string(ClassicState state);

struct ClassicProtocol {
  std::string name;
  SharedBytes metadata;
};

struct ClassicMember {
  std::string id;
  std::optional<std::string> instance_id;
  std::string client_id;
  std::string client_host;
  std::int32_t session_timeout_ms = 0;
  std::int32_t rebalance_timeout_ms = 0;
  std::vector<ClassicProtocol> protocols;  // in the order of preference
  SharedBytes assignment;
  bool is_new = false;     // has not got its first join answer yet
  bool owes_sync = false;  // was told of the generation and has not sent SyncGroup
  JoinAnswer join_answer;  // set while it waits for the join phase to end
  SyncAnswer sync_answer;  // set while it waits for the leader's assignment
  Deadline heartbeat;

  [[nodiscard]] bool awaits_join() const { return static_cast<bool>(join_answer); }
  [[nodiscard]] bool awaits_sync() const { return static_cast<bool>(sync_answer); }
  /// Same names, order and metadata.
  [[nodiscard]] bool matches(
      const std::vector<protocol::JoinGroupRequest::JoinGroupRequestProtocol>& others) const;
  /// Takes over names and metadata; a name that is there twice counts once.
  void set_protocols(const std::vector<protocol::JoinGroupRequest::JoinGroupRequestProtocol>& others);
  /// Null when it does not support the protocol.
  [[nodiscard]] SharedBytes metadata_of(std::string_view protocol) const;
};

class ClassicGroup {
 public:
  explicit ClassicGroup(std::string id) : id_(std::move(id)) {}

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] ClassicState state() const { return state_; }
  [[nodiscard]] ClassicState previous_state() const { return previous_state_; }
  [[nodiscard]] bool is_in(ClassicState state) const { return state_ == state; }
  void transition_to(ClassicState state, std::int64_t wall_ms);
  [[nodiscard]] std::int32_t generation() const { return generation_; }
  /// Nothing for a group that only holds offsets.
  [[nodiscard]] const std::optional<std::string>& protocol_type() const { return protocol_type_; }
  [[nodiscard]] const std::optional<std::string>& protocol_name() const { return protocol_name_; }
  [[nodiscard]] const std::string& leader() const { return leader_; }  // empty: none
  [[nodiscard]] bool is_leader(std::string_view member) const {
    return !leader_.empty() && leader_ == member;
  }
  [[nodiscard]] std::int64_t state_timestamp_ms() const { return state_timestamp_ms_; }

  // Members.
  [[nodiscard]] std::map<std::string, ClassicMember, std::less<>>& members() { return members_; }
  [[nodiscard]] const std::map<std::string, ClassicMember, std::less<>>& members() const { return members_; }
  [[nodiscard]] ClassicMember* find(std::string_view member);
  [[nodiscard]] std::optional<std::string> static_member(std::string_view instance) const;
  /// The member joins with its answer set. The first one makes the group's protocol type and leader.
  ClassicMember& add(ClassicMember member, std::string_view protocol_type);
  void update(ClassicMember& member, const protocol::JoinGroupRequest& request, JoinAnswer answer);
  /// Member or pending member. Its answers must be gone.
  void remove(std::string_view member);
  /// The same member under a new id. Its answers must be gone.
  ClassicMember& rename_static_member(const std::string& old_id, const std::string& new_id);
  /// Makes a member that does not wait any more: its join answer.
  [[nodiscard]] JoinAnswer take_join_answer(ClassicMember& member);
  [[nodiscard]] std::size_t awaiting_join() const { return awaiting_join_; }
  [[nodiscard]] std::int32_t rebalance_timeout_ms() const;  // the largest of all members

  // Members that were given an id and have not come back with it (KIP-394).
  [[nodiscard]] bool is_pending(std::string_view member) const { return pending_.contains(member); }
  [[nodiscard]] Deadline& add_pending(const std::string& member) { return pending_[member]; }
  [[nodiscard]] Deadline* pending_deadline(std::string_view member);
  [[nodiscard]] std::size_t pending_count() const { return pending_.size(); }

  // The rebalance.
  [[nodiscard]] bool supports(
      std::string_view protocol_type,
      const std::vector<protocol::JoinGroupRequest::JoinGroupRequestProtocol>& others) const;
  /// By the members' votes among what all of them support. Requires members.
  [[nodiscard]] std::string select_protocol() const;
  /// Whether the group would choose the protocol that it has if `member` supported `others`.
  [[nodiscard]] bool keeps_protocol_with(
      ClassicMember& member, const std::vector<protocol::JoinGroupRequest::JoinGroupRequestProtocol>& others);
  [[nodiscard]] bool all_members_joined() const {
    return awaiting_join_ == members_.size() && pending_.empty();
  }
  /// Makes sure that the leader is a member that joined; false when nobody did.
  bool elect_joined_leader();
  /// With members: kCompletingRebalance. Requires members.
  void begin_generation(std::int64_t wall_ms);
  bool in_initial_delay = false;  // join_deadline ends a step of the delay before a first rebalance
  bool member_added_in_initial_delay = false;
  std::int32_t initial_delay_remaining_ms = 0;  // what extensions may still use
  Deadline join_deadline;
  Deadline sync_deadline;

  /// Whether a member's subscription names the topic, as far as subscriptions can be read.
  [[nodiscard]] bool is_subscribed_to(std::string_view topic) const;
  [[nodiscard]] bool uses_consumer_protocol() const;
  [[nodiscard]] bool subscriptions_known() const { return subscribed_topics_.has_value(); }

  /// Replay: the group becomes what the record says. Soft state of members that stay is kept.
  void apply(const protocol::GroupMetadataValue& value);
  /// Checks everything above.
  void check_invariants() const;

 private:
  void compute_subscribed_topics();
  [[nodiscard]] bool all_support(std::string_view protocol) const;
  void count_protocols(const ClassicMember& member, int by);

  std::string id_;
  ClassicState state_ = ClassicState::kEmpty;
  ClassicState previous_state_ = ClassicState::kEmpty;
  std::int32_t generation_ = 0;
  std::optional<std::string> protocol_type_;
  std::optional<std::string> protocol_name_;
  std::string leader_;
  std::int64_t state_timestamp_ms_ = -1;
  std::map<std::string, ClassicMember, std::less<>> members_;
  std::map<std::string, std::string, std::less<>> static_members_;  // instance id -> member id
  std::map<std::string, Deadline, std::less<>> pending_;
  std::map<std::string, std::size_t, std::less<>> protocol_counts_;  // name -> members that support it
  std::size_t awaiting_join_ = 0;
  std::optional<std::set<std::string, std::less<>>> subscribed_topics_;  // nothing: not known
};

}  // namespace barnabas::broker

// ClassicGroups: the classic group protocol - join, sync, heartbeat, leave, and the timers between them - for
// the groups of one shard.
//
// Owned by GroupShard. Thread safety: none, the shard's thread. A pure state machine: input, Step (time,
// records, replies) and the timers' queue; no I/O. Each operation answers exactly once, at once or in a later
// step (join and sync wait for the other members). What is persisted: an empty group when it is first joined,
// a generation when its leader's assignment arrives, a generation without members, and a static member that
// comes back under a new id. When the log refuses
//  - the first: the join is answered with the error and the group forgotten,
//  - the second: everybody who waits is answered with the error and rejoins,
//  - the third: it is tried again, and until then the group rebalances,
//  - the last: the old member id stays.
// Units: milliseconds. Source: measured on Kafka 4.3.1; KIP-62, -134, -345, -389, -394, -800, -814.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/random.hpp"
#include "broker/coordinator/classic_group.hpp"
#include "broker/coordinator/step.hpp"
#include "broker/coordinator/timer_queue.hpp"
#include "protocol/messages/api_heartbeat.hpp"
#include "protocol/messages/api_join_group.hpp"
#include "protocol/messages/api_leave_group.hpp"
#include "protocol/messages/api_sync_group.hpp"

namespace barnabas::broker {

struct ClassicGroupOptions {
  std::int32_t initial_rebalance_delay_ms = 3000;  // group.initial.rebalance.delay.ms
  std::int32_t max_size = INT32_MAX;               // group.max.size
  /// How long a member may wait for its first join to be answered (not configurable in Kafka either).
  std::int32_t new_member_join_timeout_ms = 300000;
};

/// What of a join is not in its request.
struct JoinContext {
  std::string client_id;
  std::string client_host;                    // "/127.0.0.1"
  bool requires_known_member_id = false;      // version 4 and above, dynamic members (KIP-394)
  bool supports_skipping_assignment = false;  // version 9 and above (KIP-814)
};

class ClassicGroups {
 public:
  ClassicGroups(ClassicGroupOptions options, Random& random, TimerQueue& timers)
      : options_(options), random_(random), timers_(timers) {}

  // Operations. `request` and `context` live until the step is finished.
  void join(const protocol::JoinGroupRequest& request, const JoinContext& context, JoinAnswer answer,
            Step& step);
  void sync(const protocol::SyncGroupRequest& request, SyncAnswer answer, Step& step);
  void heartbeat(const protocol::HeartbeatRequest& request, Answer<protocol::HeartbeatResponse> answer,
                 Step& step);
  /// Members as in version 3 and above.
  void leave(const protocol::LeaveGroupRequest& request, Answer<protocol::LeaveGroupResponse> answer,
             Step& step);

  [[nodiscard]] std::map<std::string, ClassicGroup, std::less<>>& groups() { return groups_; }
  [[nodiscard]] const std::map<std::string, ClassicGroup, std::less<>>& groups() const { return groups_; }
  [[nodiscard]] ClassicGroup* find(std::string_view group);
  [[nodiscard]] const ClassicGroup* find(std::string_view group) const;
  /// For offsets of a consumer outside any group.
  ClassicGroup& find_or_create(const std::string& group);
  void erase(std::string_view group);

  /// UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID or NONE.
  [[nodiscard]] static ErrorCode validate_member(ClassicGroup& group, std::string_view member,
                                                 const std::optional<std::string>& instance);
  /// A sign of life.
  void renew_session(ClassicGroup& group, ClassicMember& member, const Step& step);

  /// A group that was one of the consumer protocol: its members' sessions start, and a rebalance if it has
  /// to.
  void take_over(std::string_view group, bool rebalance, Step& step);
  /// Tells everybody who waits to come again.
  void send_back(ClassicGroup& group, Step& step);

  /// Starts the sessions of the members that the log had.
  void loaded(Step& step);
  void unloaded(ErrorCode error);
  /// A due entry of the queue.
  void fire(const TimerQueue::Entry& entry, Step& step);
  void check_invariants() const;

 private:
  // classic_join.cpp
  void join_group(ClassicGroup& group, const protocol::JoinGroupRequest& request, const JoinContext& context,
                  JoinAnswer answer, Step& step);
  void join_new_member(ClassicGroup& group, const protocol::JoinGroupRequest& request,
                       const JoinContext& context, JoinAnswer answer, Step& step);
  void join_known_member(ClassicGroup& group, const protocol::JoinGroupRequest& request,
                         const JoinContext& context, JoinAnswer answer, Step& step);
  void rejoin(ClassicGroup& group, ClassicMember& member, const protocol::JoinGroupRequest& request,
              JoinAnswer answer, Step& step);
  void add_member(ClassicGroup& group, const std::string& id, const protocol::JoinGroupRequest& request,
                  const JoinContext& context, JoinAnswer answer, Step& step);
  void replace_static_member(ClassicGroup& group, const std::string& old_id, const std::string& new_id,
                             const protocol::JoinGroupRequest& request, const JoinContext& context,
                             JoinAnswer answer, Step& step);
  void persist_static_member(ClassicGroup& group, const std::string& old_id, const std::string& new_id,
                             const protocol::JoinGroupRequest& request, const JoinContext& context,
                             JoinAnswer answer, Step& step);
  [[nodiscard]] bool has_room_for(ClassicGroup& group, std::string_view member) const;
  [[nodiscard]] std::string new_member_id(const std::string& prefix);

  // The join phase.
  void prepare_rebalance(ClassicGroup& group, Step& step);
  void prepare_rebalance_or_complete_join(ClassicGroup& group, Step& step);
  void complete_join_if_all_came(ClassicGroup& group, Step& step);
  void complete_join(ClassicGroup& group, Step& step);
  void end_initial_delay(ClassicGroup& group, Step& step);
  void write_empty_generation(ClassicGroup& group, Step& step);
  void answer_join(ClassicGroup& group, ClassicMember& member, Step& step);

  // The sync phase.
  void take_leaders_assignment(ClassicGroup& group, const protocol::SyncGroupRequest& request, Step& step);
  void answer_syncs(ClassicGroup& group, ErrorCode error, Step& step);
  void expire_sync(ClassicGroup& group, Step& step);
  void note_sync(ClassicGroup& group, ClassicMember& member);

  // Members that go.
  void drop_member(ClassicGroup& group, ClassicMember& member, Step& step);
  ErrorCode leave_one(ClassicGroup& group, const protocol::LeaveGroupRequest::MemberIdentity& identity,
                      bool& removed, Step& step);
  void members_gone(ClassicGroup& group, Step& step);

  [[nodiscard]] static protocol::GroupMetadataValue metadata_value(const ClassicGroup& group);

  const ClassicGroupOptions options_;
  Random& random_;
  TimerQueue& timers_;
  std::map<std::string, ClassicGroup, std::less<>> groups_;
};

}  // namespace barnabas::broker

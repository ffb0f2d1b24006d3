// ClassicMember: JoinGroup, SyncGroup, Heartbeat, LeaveGroup; it gives up everything before it joins again,
// and as the leader it deals the partitions out in turn.
//
// Owned by a GroupWorker. Not thread-safe. Source: the classic protocol as the clients of Kafka 4.3.1 speak
// it.
#pragma once

#include "simulation/coordinators/group_member.hpp"

namespace barnabas::simulation {

class ClassicMember final : public GroupMember {
 public:
  ClassicMember(CoordinatedClient& client, GroupChecks& checks, MembershipOptions options);

  void start() override { join(); }
  void leave(std::function<void()> done) override;

 private:
  void join();
  void on_joined(const protocol::JoinGroupResponse& response);
  void sync(const protocol::JoinGroupResponse& joined);
  void on_synced(const protocol::SyncGroupResponse& response);
  void arrange_heartbeat();
  void heartbeat();
  void join_again(ErrorCode error);

  Bytes subscription_;
  std::int32_t dealt_out_ = -1;  // partitions of the topic, when it led the group
  bool is_leaving_ = false;
};

}  // namespace barnabas::simulation

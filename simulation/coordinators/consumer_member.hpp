// ConsumerMember: a member by ConsumerGroupHeartbeat (KIP-848). What it is to give up it gives up at once,
// and says so with its next heartbeat.
//
// Owned by a GroupWorker. Not thread-safe. Each of its heartbeats says everything, as those of real clients
// do after an error.
#pragma once

#include "simulation/coordinators/group_member.hpp"

namespace barnabas::simulation {

class ConsumerMember final : public GroupMember {
 public:
  using GroupMember::GroupMember;

  void start() override;
  void leave(std::function<void()> done) override;

 private:
  using Response = protocol::ConsumerGroupHeartbeatResponse;

  void arrange_heartbeat();
  void heartbeat();
  void on_answer(const Response& response);
  void take(const Response& response);
  void begin_anew();

  bool is_leaving_ = false;
};

}  // namespace barnabas::simulation

// ClassicMember: a member of a group of the classic protocol: joining, syncing, heartbeats, leaving.
//
// Owned by a Consumer. Thread safety: none. Join and sync are on their way while the consumer does other
// things. Invariants
//  1. A member gives up all its partitions before it joins again (the eager protocol), after which it owns
//     what the next assignment says. It can therefore be in a group of cooperative members too.
//  2. Nothing is in flight on its connection in between, joins and syncs apart.
// Errors: those of GroupMember. Source: KIP-62, -345, -394.
#pragma once

#include "tools/client/group_member.hpp"

namespace barnabas::tools {

class ClassicMember final : public GroupMember {
 public:
  ClassicMember(Cluster& cluster, const ConsumerConfig& config, Host host)
      : GroupMember(cluster, config, std::move(host)) {}

  Result<void> step() override;
  [[nodiscard]] Deadline next_event() const override;
  [[nodiscard]] int descriptor() const override { return connection_ ? connection_->descriptor() : -1; }
  [[nodiscard]] bool is_stable() const override { return state_ == State::kStable; }
  void subscription_changed() override;
  void leave() override;
  Result<void> commit(const Offsets& offsets) override;

 private:
  enum class State { kOutside, kJoining, kSyncing, kStable };

  Result<void> send_join();
  Result<void> take_join();
  Result<void> take_sync();
  Result<std::vector<std::pair<std::string, Bytes>>> assignments(
      const std::string& protocol, const std::vector<std::pair<std::string, Bytes>>& subscriptions,
      const std::map<std::string, std::string>& instance_ids);
  Result<void> heartbeat();
  /// Decides what an error means; returns it if it ends the consumer.
  Result<void> recover(const Error& error);

  State state_ = State::kOutside;
  Deadline answer_deadline_{};
  Deadline next_heartbeat_{};
  std::string protocol_;
  bool has_assignment_ = false;
  Partitions owned_;
};

}  // namespace barnabas::tools

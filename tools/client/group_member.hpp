// GroupMember: one consumer's part in a classic group: joining, syncing, heartbeats, offsets, leaving.
//
// Owned by a Consumer, which it asks and tells through its Host. Thread safety: none. step() does what is due
// and never waits for a rebalance: join and sync are on their way while the consumer does other things; there
// is no thread, so heartbeats go out only while step() is called. Invariants
//  1. A member gives up all its partitions before it joins again (the eager protocol), after which it owns
//     what the next assignment says. It can therefore be in a group of cooperative members too.
//  2. Nothing is in flight on its connection in between, joins and syncs apart.
// Errors: those that end the consumer; everything that another try can mend is tried again. Source: KIP-62,
// -345, -394, what Kafka 4.3.1's consumer does.
#pragma once

#include <functional>

#include "tools/client/assignors.hpp"
#include "tools/client/cluster.hpp"

namespace barnabas::tools {

struct OffsetAndEpoch {
  Offset offset;
  LeaderEpoch epoch = kNoLeaderEpoch;
};
using Offsets = std::map<TopicPartition, OffsetAndEpoch>;

class GroupMember {
 public:
  struct Host {
    std::function<std::vector<std::string>()> topics;  // that are subscribed to now
    /// Of topics that any member wants; those that do not exist are left out.
    std::function<Result<PartitionCounts>(const std::vector<std::string>& topics)> partition_counts;
    std::function<void()> revoked;  // all of them, before joining again
    std::function<void(std::vector<TopicPartition> partitions)> assigned;
  };

  GroupMember(Cluster& cluster, const ConsumerConfig& config, Host host);

  Result<void> step();
  /// When step() must be called again if nothing arrives at descriptor().
  [[nodiscard]] Deadline next_event() const;
  [[nodiscard]] int descriptor() const { return connection_ ? connection_->descriptor() : -1; }
  [[nodiscard]] bool is_stable() const { return state_ == State::kStable; }

  /// The topics or their partitions are others now.
  void join_again();
  /// Offsets of partitions without one are left out.
  Result<Offsets> committed(const std::vector<TopicPartition>& partitions);
  Result<void> commit(const Offsets& offsets);
  void leave();

 private:
  enum class State { kOutside, kJoining, kSyncing, kStable };

  Result<void> connect();
  Result<void> send_join();
  Result<void> take_join();
  Result<void> take_sync();
  Result<std::vector<std::pair<std::string, Bytes>>> assignments(
      const std::string& protocol, const std::vector<std::pair<std::string, Bytes>>& subscriptions,
      const std::map<std::string, std::string>& instance_ids);
  Result<void> heartbeat();
  /// Decides what an error means; returns it if it ends the consumer.
  Result<void> recover(const Error& error);
  void wait_a_moment();
  [[nodiscard]] std::optional<std::string> instance_id() const;

  Cluster& cluster_;
  const ConsumerConfig& config_;
  Host host_;
  State state_ = State::kOutside;
  std::optional<Connection> connection_;
  Deadline not_before_{};
  Deadline answer_deadline_{};
  Deadline next_heartbeat_{};
  std::string member_id_;
  std::int32_t generation_ = -1;
  std::string protocol_;
  bool has_assignment_ = false;
};

}  // namespace barnabas::tools

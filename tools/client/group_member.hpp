// GroupMember: one consumer's part in a group, whichever protocol it speaks: offsets, and what both protocols
// share. Its kinds are ClassicMember (classic_member.hpp) and ConsumerMember (consumer_member.hpp).
//
// Owned by a Consumer, which it asks and tells through its Host. Thread safety: none. step() does what is due
// and never waits for a rebalance; there is no thread, so heartbeats go out only while step() is called.
// Errors: those that end the consumer; everything that another try can mend is tried again. Source: what
// Kafka 4.3.1's consumer does.
#pragma once

#include <functional>
#include <memory>

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
  using Partitions = std::vector<TopicPartition>;
  struct Host {
    std::function<std::vector<std::string>()> topics;  // that are subscribed to now
    /// Of topics that any member wants; those that do not exist are left out.
    std::function<Result<PartitionCounts>(const std::vector<std::string>& topics)> partition_counts;
    /// Empty while the metadata do not know it; they are asked for then.
    std::function<std::string(const Uuid& topic)> topic_name;
    std::function<void(const Partitions& given_up)> revoked;  // commits what was read of them
    std::function<void(const Partitions& given_up)> lost;     // they are another's already
    std::function<void(const Partitions& more)> assigned;     // beside those that are left
  };

  /// Of the protocol that the configuration names.
  static std::unique_ptr<GroupMember> make(Cluster& cluster, const ConsumerConfig& config, Host host);
  virtual ~GroupMember() = default;

  virtual Result<void> step() = 0;
  /// When step() must be called again if nothing arrives at descriptor().
  [[nodiscard]] virtual Deadline next_event() const = 0;
  /// Negative where nothing is waited for.
  [[nodiscard]] virtual int descriptor() const = 0;
  /// Whether it has a place in the group, with which it may ask for offsets and commit them.
  [[nodiscard]] virtual bool is_stable() const = 0;

  /// The topics or their partitions are others now.
  virtual void subscription_changed() = 0;
  virtual void leave() = 0;

  /// Offsets of partitions without one are left out.
  Result<Offsets> committed(const Partitions& partitions);
  virtual Result<void> commit(const Offsets& offsets);
  /// Whether an error of committed() is gone after some step().
  [[nodiscard]] virtual bool mends(ErrorCode error);

 protected:
  GroupMember(Cluster& cluster, const ConsumerConfig& config, Host host);

  Result<void> connect();
  void wait_a_moment();
  /// After such an error the coordinator is looked for anew.
  [[nodiscard]] static bool coordinator_is_elsewhere(ErrorCode error);
  [[nodiscard]] std::optional<std::string> instance_id() const;

  Cluster& cluster_;
  const ConsumerConfig& config_;
  Host host_;
  std::optional<Connection> connection_;
  Deadline not_before_{};
  std::string member_id_;
  std::int32_t generation_ = -1;  // of the new protocol: the member's epoch
};

}  // namespace barnabas::tools

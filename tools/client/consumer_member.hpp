// ConsumerMember: a member of a group of the new protocol (KIP-848): its heartbeats, and the partitions that
// it takes and gives up as their answers say.
//
// Owned by a Consumer. Thread safety: none. Invariants
//  1. What the coordinator is told that the member owns is what its host reads: partitions are given up
//     before they are told to be so.
//  2. Nothing is in flight on its connection between two calls.
//  3. After a heartbeat that succeeded the next one tells what has changed; after one that failed, all.
// A member that is not known any more, or whose epoch is over, has lost its partitions and joins again under
// its id. Patterns are matched by the consumer, not by the coordinator, as by Kafka's tools. Errors: those of
// GroupMember. Source: KIP-848, -1082; measured on Kafka 4.3.1.
#pragma once

#include <set>

#include "protocol/messages/api_consumer_group_heartbeat.hpp"
#include "tools/client/group_member.hpp"

namespace barnabas::tools {

class ConsumerMember final : public GroupMember {
 public:
  ConsumerMember(Cluster& cluster, const ConsumerConfig& config, Host host);

  Result<void> step() override;
  [[nodiscard]] Deadline next_event() const override;
  [[nodiscard]] int descriptor() const override { return -1; }
  [[nodiscard]] bool is_stable() const override { return generation_ > 0; }
  void subscription_changed() override { next_heartbeat_ = {}; }
  void leave() override;
  /// A commit that another epoch has overtaken is tried again with that.
  Result<void> commit(const Offsets& offsets) override;
  [[nodiscard]] bool mends(ErrorCode error) override;

 private:
  using Heartbeat = protocol::ConsumerGroupHeartbeatRequest;
  using Target = std::map<Uuid, std::set<PartitionIndex>>;

  Result<void> heartbeat();
  [[nodiscard]] Heartbeat request();
  void take(const protocol::ConsumerGroupHeartbeatResponse& answer);
  /// Brings what the member owns to what it was told, as far as the topics' names are known.
  void reconcile();
  /// Those of `one` that are not in `other`.
  [[nodiscard]] Partitions beyond(const Target& one, const Target& other) const;
  /// Decides what an error means; returns it if it ends the consumer.
  Result<void> recover(Error error);
  void lose_everything();

  Deadline next_heartbeat_{};
  bool tells_everything_ = true;
  std::vector<std::string> told_topics_;
  Target told_partitions_;
  Target owned_;
  std::optional<Target> target_;       // until it is reached
  std::map<Uuid, std::string> names_;  // of topics in owned_ and target_
};

}  // namespace barnabas::tools

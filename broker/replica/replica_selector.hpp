// Which replica a consumer is sent to (KIP-392), as Kafka's RackAwareReplicaSelector chooses: the leader
// where it is in the consumer's rack or nobody is, else who of that rack is furthest ahead.
//
// Pure.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "broker/replica/leader_state.hpp"

namespace barnabas::broker {

/// `replicas` are those that can be read from, the leader last; `rack_of(broker)` is a pointer to its rack,
/// null without one. kNoBroker: from the leader, as ever.
template <class RackOf>
[[nodiscard]] BrokerId select_replica(const std::vector<ReadableReplica>& replicas, std::string_view rack,
                                      const RackOf& rack_of) {
  if (replicas.empty()) return kNoBroker;
  const BrokerId leader = replicas.back().broker;
  const ReadableReplica* best = nullptr;
  for (const ReadableReplica& replica : replicas) {
    const std::string* its_rack = rack_of(replica.broker);
    if (its_rack == nullptr || *its_rack != rack) continue;
    if (replica.broker == leader) return kNoBroker;
    // Of two that are equally far the one that was so last, then the one with the smaller id.
    if (best == nullptr || std::tuple(replica.log_end, replica.caught_up_at, best->broker) >
                               std::tuple(best->log_end, best->caught_up_at, replica.broker))
      best = &replica;
  }
  return best == nullptr ? kNoBroker : best->broker;
}

}  // namespace barnabas::broker

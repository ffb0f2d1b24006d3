// MarkerWriter: writes the markers that end transactions into partitions that this node leads.
//
// Owned by TransactionDriver; replicas and groups outlive it. Thread safety: thread-safe. A marker of
// __consumer_offsets goes through the group's shard, which then counts the transaction's offsets as committed
// or forgets them. Errors are those that WriteTxnMarkers carries: UNKNOWN_TOPIC_OR_PARTITION,
// NOT_LEADER_OR_FOLLOWER, INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED, KAFKA_STORAGE_ERROR,
// NOT_ENOUGH_REPLICAS and NOT_ENOUGH_REPLICAS_AFTER_APPEND; UNKNOWN_SERVER_ERROR for a marker that cannot be.
// Source: KIP-98, KIP-890; measured on Kafka 4.3.1.
#pragma once

#include <functional>

#include "base/clock.hpp"
#include "base/error_code.hpp"
#include "base/ids.hpp"
#include "broker/coordinator/step.hpp"

namespace barnabas::broker {

class GroupDriver;
class ReplicaManager;

class MarkerWriter {
 public:
  /// Called once, from any thread; perhaps within write().
  using Done = std::move_only_function<void(ErrorCode)>;

  MarkerWriter(const Clock& clock, ReplicaManager& replicas, GroupDriver& groups)
      : clock_(clock), replicas_(replicas), groups_(groups) {}

  /// Done when the marker is committed. One that was written already is written again, which changes nothing.
  void write(const TransactionEnd& marker, const TopicPartition& partition, Done done);

 private:
  void write_to_group(const TransactionEnd& marker, PartitionIndex index, Done done);

  const Clock& clock_;
  ReplicaManager& replicas_;
  GroupDriver& groups_;
};

}  // namespace barnabas::broker

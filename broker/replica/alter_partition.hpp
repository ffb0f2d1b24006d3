// AlterPartitionChannel: the door through which a leader asks the controller to change the in-sync replicas
// of its partitions (KIP-497).
//
// Owned by the node. Thread safety: submit() from any thread; the callback runs once, on another thread or
// later on the same one, never within submit(), and must not block. Changes are sent in batches, one request
// in flight; a change that did not reach the controller is sent again until there is an answer, so whoever
// submits keeps at most one change of a partition in flight. When the node stops, callbacks are dropped.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"

namespace barnabas::broker {

enum class LeaderRecoveryState : std::int8_t {
  kRecovered = 0,
  kRecovering = 1,  // after an unclean election (KIP-704)
};

struct IsrMember {
  BrokerId broker;
  std::int64_t broker_epoch = -1;  // -1: not known, not checked (KIP-903)
  bool operator==(const IsrMember&) const = default;
};

struct IsrChange {
  TopicId topic;
  std::int32_t partition = 0;
  LeaderEpoch leader_epoch;
  std::vector<IsrMember> isr;  // the leader among them
  LeaderRecoveryState leader_recovery_state = LeaderRecoveryState::kRecovered;
  std::int32_t partition_epoch = 0;  // that the change is made to
};

/// What stands in the metadata now.
struct AcceptedIsr {
  BrokerId leader;
  LeaderEpoch leader_epoch;
  std::vector<BrokerId> isr;
  LeaderRecoveryState leader_recovery_state = LeaderRecoveryState::kRecovered;
  std::int32_t partition_epoch = 0;
};

class AlterPartitionChannel {
 public:
  using Callback = std::move_only_function<void(Result<AcceptedIsr>)>;

  virtual ~AlterPartitionChannel() = default;
  /// Errors are the controller's answer for the partition: FENCED_LEADER_EPOCH, INVALID_UPDATE_VERSION,
  /// INELIGIBLE_REPLICA, UNKNOWN_TOPIC_ID, OPERATION_NOT_ATTEMPTED, INVALID_REQUEST, ... None is repeated
  /// here.
  virtual void submit(IsrChange change, Callback callback) = 0;
};

}  // namespace barnabas::broker

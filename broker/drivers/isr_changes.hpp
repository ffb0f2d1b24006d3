// IsrChanges: the AlterPartitionChannel of production: changes of in-sync replicas in batches to the active
// controller.
//
// Owned by the node. Thread safety: submit() from any thread, also under a partition's lock; callbacks run on
// the reactor or on the metadata driver's thread, never within submit(). Invariants
//  1. One request is in flight; what is submitted meanwhile goes with the next.
//  2. A change stays until the controller answered for its partition: a request that it refuses as a whole
//  (STALE_BROKER_EPOCH while this broker registers anew, a full disk) is sent again after a while.
//  3. A second change of a partition whose first is not answered fails with OPERATION_NOT_ATTEMPTED.
// Source: KIP-497; Kafka's AlterPartitionManager.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "base/clock.hpp"
#include "base/network.hpp"
#include "broker/drivers/controller_channel.hpp"
#include "broker/replica/alter_partition.hpp"

namespace barnabas::broker {

struct IsrChangesDependencies {
  Reactor& reactor;
  const Clock& clock;
  ControllerChannel& controller;
  BrokerId self;
  std::function<std::int64_t()> broker_epoch;  // from any thread
};

class IsrChanges final : public AlterPartitionChannel {
 public:
  static constexpr std::chrono::milliseconds kRetryBackoff{50};

  explicit IsrChanges(IsrChangesDependencies dependencies);
  /// On the reactor's thread, or when the reactor runs no more.
  ~IsrChanges() override;

  void submit(IsrChange change, Callback callback) override;

 private:
  class Sender;
  std::shared_ptr<Sender> sender_;
};

}  // namespace barnabas::broker

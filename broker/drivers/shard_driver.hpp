// ShardDriver: runs a coordinator's shards, one a partition of its internal topic that this node leads.
//
// Owned by the coordinator's own driver (group_driver.hpp, transaction_driver.hpp), which knows what a shard
// is; reactors, replicas and configuration outlive it. Each shard lives on one reactor: everything that
// touches it runs there, so it needs no lock. Thread safety: run(), run_on(), partition_of(), shard_count()
// from any thread; on_image() from one thread (the metadata driver's). Invariants
//  1. Operations of one shard run in the order in which its reactor got them, never one inside another.
//  2. An operation is called exactly once: with the shard, or with the error that keeps it away. After stop()
//     it may be dropped uncalled with its reactor.
//  3. A shard is loaded again for each leader epoch.
// Gauges are brought up to date at most once a second, and cost nothing while nothing happens.
// Errors given to operations: COORDINATOR_LOAD_IN_PROGRESS while the log is replayed, NOT_COORDINATOR
// otherwise.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/error_code.hpp"
#include "base/ids.hpp"
#include "base/network.hpp"
#include "broker/coordinator/runtime.hpp"
#include "kraft/metadata_image.hpp"

namespace barnabas::broker {

class BrokerConfig;
class ReplicaManager;

struct ShardDriverDependencies {
  const Clock& clock;
  ReplicaManager& replicas;
  BrokerId self;
  std::vector<Reactor*> reactors;  // at least one
};

/// What one coordinator's shards have of their own.
struct ShardKind {
  std::string topic;
  std::string_view component;  // of log lines
  /// Called on the shard's reactor, each time that it is loaded.
  std::function<std::unique_ptr<CoordinatorShard>(std::size_t index, LeaderEpoch epoch)> make_shard;
  std::function<CoordinatorRuntimeOptions()> runtime_options;  // but for its name and the batches' limit
  std::function<std::int64_t()> linger_ms;                     // -1: as long as the reactor is busy
  std::vector<Gauge*> gauges;                                  // of what a shard tallies
  RuntimeCounters counters;
};

class ShardDriver {
 public:
  using Kind = CoordinatorRuntime::Kind;
  /// With NONE both pointers are set and valid during the call; else both are null.
  using Operation = std::move_only_function<void(ErrorCode refused, CoordinatorShard* shard, Step* step)>;

  ShardDriver(ShardDriverDependencies dependencies, ShardKind kind);
  ~ShardDriver();

  /// The partition that keeps what belongs to `key`; nothing while there is no topic.
  [[nodiscard]] std::optional<std::size_t> partition_of(std::string_view key) const;
  /// On the shard that keeps `key`. The operation lives until its step is finished.
  void run(std::string_view key, Kind kind, Operation operation);
  /// Shards that this node could have: those of the topic's partitions, loaded or not.
  [[nodiscard]] std::size_t shard_count() const;
  void run_on(std::size_t shard, Kind kind, Operation operation);

  /// Loads and unloads shards as the image says.
  void on_image(const kraft::MetadataImagePtr& image);
  /// Of the thread that calls on_image(): the shards that this node leads.
  [[nodiscard]] const std::map<std::size_t, LeaderEpoch>& led() const { return led_; }
  /// Closes every shard; who waits is answered NOT_COORDINATOR.
  void stop();

  /// True for one caller at a time: it asks for the topic and tells when that was answered.
  [[nodiscard]] bool begin_topic_creation() { return !creating_topic_.exchange(true); }
  void end_topic_creation() { creating_topic_.store(false); }

 private:
  class Slot;
  using Slots = std::vector<std::shared_ptr<Slot>>;

  [[nodiscard]] std::shared_ptr<const Slots> slots() const { return slots_.load(std::memory_order_acquire); }
  void grow_to(std::size_t partitions);

  const ShardDriverDependencies dependencies_;
  const ShardKind kind_;
  std::atomic<std::shared_ptr<const Slots>> slots_;  // replaced, never changed; only grows
  std::atomic<std::int32_t> partition_count_;        // that keys are spread over; 0 while there is no topic
  std::atomic<bool> creating_topic_ = false;
  std::map<std::size_t, LeaderEpoch> led_;  // on_image's: what the slots were told
  TopicId topic_id_;                        // on_image's
};

/// A read-only integer configuration that BrokerSettings does not have.
[[nodiscard]] std::int64_t integer_config(const BrokerConfig& config, std::string_view name,
                                          std::int64_t otherwise);

}  // namespace barnabas::broker

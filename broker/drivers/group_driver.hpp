// GroupDriver: runs the group coordinator's shards, one a partition of __consumer_offsets that this node
// leads.
//
// Owned by the node; reactors, replicas and configuration outlive it. Each shard lives on one reactor:
// everything that touches it runs there, so it needs no lock. Thread safety: run(), run_on(), shard_count()
// from any thread; on_image() from one thread (the metadata driver's). Invariants
//  1. Operations of one shard run in the order in which its reactor got them, never one inside another.
//  2. An operation is called exactly once: with the shard, or with the error that keeps it away. After stop()
//  it may
//     be dropped uncalled with its reactor.
//  3. A shard is loaded again for each leader epoch.
// Errors given to operations: COORDINATOR_LOAD_IN_PROGRESS while the log is replayed, NOT_COORDINATOR
// otherwise.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/error_code.hpp"
#include "base/ids.hpp"
#include "base/network.hpp"
#include "base/random.hpp"
#include "kraft/metadata_image.hpp"

namespace barnabas::kraft {
struct MetadataChanges;
}

namespace barnabas::broker {

class BrokerConfig;
class GroupShard;
class ReplicaManager;
class Step;

struct GroupDriverDependencies {
  const Clock& clock;
  Random& random;  // thread-safe where there are several reactors
  const BrokerConfig& config;
  ReplicaManager& replicas;
  BrokerId self;
  std::vector<Reactor*> reactors;  // at least one
};

class GroupDriver {
 public:
  enum class Kind { kExclusive, kCommuting };
  /// With NONE both pointers are set and valid during the call; else both are null.
  using Operation = std::move_only_function<void(ErrorCode refused, GroupShard* shard, Step* step)>;

  explicit GroupDriver(GroupDriverDependencies dependencies);
  ~GroupDriver();

  /// On the shard that keeps `group`. The operation lives until its step is finished.
  void run(std::string_view group, Kind kind, Operation operation);
  /// Shards that this node could have: those of the topic's partitions, loaded or not.
  [[nodiscard]] std::size_t shard_count() const;
  void run_on(std::size_t shard, Kind kind, Operation operation);

  /// Loads and unloads shards as the image says, and forgets the offsets of topics that are gone.
  void on_image(const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes);
  /// Closes every shard; who waits is answered NOT_COORDINATOR.
  void stop();

  /// True for one caller at a time: it asks for __consumer_offsets and tells when that was answered.
  [[nodiscard]] bool begin_topic_creation() { return !creating_topic_.exchange(true); }
  void end_topic_creation() { creating_topic_.store(false); }

 private:
  class Slot;
  using Slots = std::vector<std::shared_ptr<Slot>>;

  [[nodiscard]] std::shared_ptr<const Slots> slots() const { return slots_.load(std::memory_order_acquire); }
  void grow_to(std::size_t partitions);

  const GroupDriverDependencies dependencies_;
  std::atomic<std::shared_ptr<const Slots>> slots_;  // replaced, never changed; only grows
  std::atomic<std::int32_t> partition_count_;        // that groups are spread over; 0 while there is no topic
  std::atomic<bool> creating_topic_ = false;
  std::map<std::size_t, LeaderEpoch> led_;  // on_image's: what the slots were told
  TopicId topic_id_;                        // on_image's
};

}  // namespace barnabas::broker

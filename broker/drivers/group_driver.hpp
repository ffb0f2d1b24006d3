// GroupDriver: the group coordinator's shards, one a partition of __consumer_offsets that this node leads.
//
// Owned by the node; what it depends on outlives it. Thread safety and errors: those of ShardDriver
// (shard_driver.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "broker/drivers/shard_driver.hpp"

namespace barnabas::kraft {
struct MetadataChanges;
}

namespace barnabas::broker {

class GroupShard;

struct GroupDriverDependencies {
  const Clock& clock;
  Random& random;  // thread-safe where there are several reactors
  const BrokerConfig& config;
  ReplicaManager& replicas;
  MetricsRegistry& metrics;
  BrokerId self;
  std::vector<Reactor*> reactors;  // at least one
};

class GroupDriver {
 public:
  using Kind = ShardDriver::Kind;
  /// With NONE both pointers are set and valid during the call; else both are null.
  using Operation = std::move_only_function<void(ErrorCode refused, GroupShard* shard, Step* step)>;

  explicit GroupDriver(const GroupDriverDependencies& dependencies);
  ~GroupDriver();

  /// On the shard that keeps `group`. The operation lives until its step is finished.
  void run(std::string_view group, Kind kind, Operation operation) {
    shards_.run(group, kind, on_shard(std::move(operation)));
  }
  [[nodiscard]] std::optional<std::size_t> partition_of(std::string_view group) const {
    return shards_.partition_of(group);
  }
  [[nodiscard]] std::size_t shard_count() const { return shards_.shard_count(); }
  void run_on(std::size_t shard, Kind kind, Operation operation) {
    shards_.run_on(shard, kind, on_shard(std::move(operation)));
  }

  /// Whether the consumer protocol (KIP-848) may be used, by group.coordinator.rebalance.protocols and by the
  /// level of group.version: NONE, UNSUPPORTED_VERSION, or COORDINATOR_NOT_AVAILABLE as long as this node
  /// does not know the cluster's levels.
  [[nodiscard]] ErrorCode consumer_protocol() const;

  /// Loads and unloads shards as the image says, tells groups of their topics' changes, and forgets the
  /// offsets of topics that are gone.
  void on_image(const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes);
  /// Closes every shard; who waits is answered NOT_COORDINATOR.
  void stop() { shards_.stop(); }

  /// True for one caller at a time: it asks for __consumer_offsets and tells when that was answered.
  [[nodiscard]] bool begin_topic_creation() { return shards_.begin_topic_creation(); }
  void end_topic_creation() { shards_.end_topic_creation(); }

 private:
  class Surroundings;

  [[nodiscard]] static ShardDriver::Operation on_shard(Operation operation);
  void tell_of_topics(const kraft::MetadataImage& image, const kraft::MetadataChanges& changes);

  const std::shared_ptr<Surroundings> surroundings_;  // of every shard
  ShardDriver shards_;
};

}  // namespace barnabas::broker

// GroupDriver: the group coordinator's shards, one a partition of __consumer_offsets that this node leads.
//
// Owned by the node; what it depends on outlives it. Thread safety and errors: those of ShardDriver
// (shard_driver.hpp).
#pragma once

#include <cstdint>
#include <functional>
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
  BrokerId self;
  std::vector<Reactor*> reactors;  // at least one
};

class GroupDriver {
 public:
  using Kind = ShardDriver::Kind;
  /// With NONE both pointers are set and valid during the call; else both are null.
  using Operation = std::move_only_function<void(ErrorCode refused, GroupShard* shard, Step* step)>;

  explicit GroupDriver(GroupDriverDependencies dependencies);

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

  /// Loads and unloads shards as the image says, and forgets the offsets of topics that are gone.
  void on_image(const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes);
  /// Closes every shard; who waits is answered NOT_COORDINATOR.
  void stop() { shards_.stop(); }

  /// True for one caller at a time: it asks for __consumer_offsets and tells when that was answered.
  [[nodiscard]] bool begin_topic_creation() { return shards_.begin_topic_creation(); }
  void end_topic_creation() { shards_.end_topic_creation(); }

 private:
  [[nodiscard]] static ShardDriver::Operation on_shard(Operation operation);

  ShardDriver shards_;
};

}  // namespace barnabas::broker

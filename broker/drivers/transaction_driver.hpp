// TransactionDriver: the transaction coordinator's shards, one a partition of __transaction_state that this
// node leads, and the way of their markers to the leaders of the partitions.
//
// Owned by the node; what it depends on outlives it. Thread safety and errors: those of ShardDriver
// (shard_driver.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/coordinator/transaction_shard.hpp"
#include "broker/drivers/marker_queue.hpp"
#include "broker/drivers/shard_driver.hpp"
#include "broker/drivers/transaction_gate.hpp"
#include "broker/drivers/transaction_markers.hpp"
#include "broker/drivers/transaction_peers.hpp"

namespace barnabas::broker {

class GroupDriver;
class MetadataCache;
class ProducerIdAllocator;

struct TransactionDriverDependencies {
  const Clock& clock;
  const BrokerConfig& config;
  const MetadataCache& metadata;
  ReplicaManager& replicas;
  GroupDriver& groups;
  ProducerIdAllocator& producer_ids;
  MetricsRegistry& metrics;
  TransactionPeers* peers = nullptr;  // null: this node is alone
  BrokerId self;
  std::vector<Reactor*> reactors;  // at least one
};

class TransactionDriver final : private MarkerSender {
 public:
  using Kind = ShardDriver::Kind;
  /// With NONE both pointers are set and valid during the call; else both are null.
  using Operation = std::move_only_function<void(ErrorCode refused, TransactionShard* shard, Step* step)>;
  using Answered = Answer<TransactionAnswer>;

  explicit TransactionDriver(TransactionDriverDependencies dependencies);

  /// On the shard that keeps `transactional_id`. The operation lives until its step is finished.
  void run(std::string_view transactional_id, Operation operation) {
    shards_.run(transactional_id, Kind::kExclusive, on_shard(std::move(operation)));
  }
  [[nodiscard]] std::size_t shard_count() const { return shards_.shard_count(); }
  void run_on(std::size_t shard, Operation operation) {
    shards_.run_on(shard, Kind::kExclusive, on_shard(std::move(operation)));
  }

  /// With new producer ids where they are needed. Answered once, on any thread.
  void init_producer(std::string transactional_id, InitProducerInput input, Answered answer);
  void end_transaction(std::string transactional_id, EndInput input, Answered answer);

  /// Markers for partitions that this node leads.
  [[nodiscard]] MarkerWriter& markers() { return markers_; }
  /// Asks the coordinator of a transaction, here or elsewhere, on behalf of who appends to it.
  [[nodiscard]] TransactionGate& gate() { return gate_; }

  /// Loads and unloads shards as the image says.
  void on_image(const kraft::MetadataImagePtr& image) { shards_.on_image(image); }
  /// Closes every shard; who waits is answered NOT_COORDINATOR.
  void stop() { shards_.stop(); }

  /// True for one caller at a time: it asks for __transaction_state and tells when that was answered.
  [[nodiscard]] bool begin_topic_creation() { return shards_.begin_topic_creation(); }
  void end_topic_creation() { shards_.end_topic_creation(); }

 private:
  class Gathering;

  [[nodiscard]] static ShardDriver::Operation on_shard(Operation operation);
  [[nodiscard]] ShardKind shard_kind();
  void send(TransactionMarkers markers) override;
  void send_here(const TransactionMarkers& markers, std::vector<TopicPartition> partitions);
  void send_to(BrokerId broker, const TransactionMarkers& markers, std::vector<TopicPartition> partitions);
  void report(const std::string& transactional_id, const MarkersSent& sent,
              std::vector<MarkerResult> results);

  const TransactionDriverDependencies dependencies_;
  MarkerWriter markers_;
  MarkerQueue queue_;
  TransactionGate gate_;
  ShardDriver shards_;
};

}  // namespace barnabas::broker

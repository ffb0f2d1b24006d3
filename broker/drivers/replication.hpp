// Replication: moves what other brokers lead to the replicas here.
//
// Owned by the node. It hears from the ReplicaManager whom each replica follows and from the images where
// brokers are, and keeps num.replica.fetchers ReplicaFetchers a source broker, spread over its reactors; a
// partition always goes to the same one of them. It also sees to it that leaders drop followers that fell
// behind. Thread safety: on_image() is the metadata driver's; the rest happens on the reactors, which must be
// idle or stopped when it is destroyed. start() and stop() by the main thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "base/network.hpp"
#include "base/random.hpp"
#include "broker/replica/replica_manager.hpp"

namespace barnabas::broker {

class BrokerConfig;

struct ReplicationDependencies {
  Clock& clock;
  Random& random;  // thread-safe where there are several reactors
  const BrokerConfig& config;
  ReplicaManager& replicas;
  BrokerId self;
  std::function<std::int64_t()> broker_epoch;  // thread-safe
  std::vector<Reactor*> reactors;              // at least one
};

class Replication {
 public:
  Replication(ReplicationDependencies dependencies, MetricsRegistry& metrics);
  ~Replication();

  /// After the ReplicaManager has applied the image.
  void on_image(const kraft::MetadataImagePtr& image);
  /// Begins to look after in-sync sets.
  void start();
  /// Fetches no more.
  void stop();

 private:
  class Lane;

  static void arrange_shrink(const std::weak_ptr<Replication*>& weak);
  void tell_metrics(MetricsPage& page);

  const ReplicationDependencies dependencies_;
  std::vector<std::shared_ptr<Lane>> lanes_;
  std::vector<FollowedReplica> followed_;  // the metadata driver's: since the last image
  std::shared_ptr<Replication*> self_ = std::make_shared<Replication*>(this);
  std::shared_ptr<const void> collecting_ = std::make_shared<int>();
};

}  // namespace barnabas::broker

// ClusterProcess: one life of a node: what node.cpp builds, on one simulated reactor.
//
// Everything that speaks, decides or writes is the node's own code: configuration, metadata quorum,
// controller, registration and heartbeats, replicas and their fetchers, coordinators, server and sessions,
// the duties of log maintenance. Left out: threads, HTTP, compaction, the scrub, moves between log
// directories. Owned by a ClusterNode, whose disk, clock and reactor outlive it. Not thread-safe.
//
// Life: start(), then the world's events drive it; it ends by its destruction, which must not happen within
// one of its own events. The reactor must have been crashed before.
#pragma once

#include <functional>
#include <memory>

#include "base/file_system.hpp"
#include "base/network.hpp"
#include "broker/config/broker_config.hpp"
#include "broker/replica/replica_manager.hpp"
#include "kraft/metadata_node.hpp"

namespace barnabas::simulation {

struct ClusterProcessDependencies {
  Reactor& reactor;
  FileSystem& files;
  Clock& clock;
  Random& random;
  broker::ConfigMap properties;
  /// The process cannot go on; called within one of its events, at most once.
  std::function<void(const Error&)> on_failure;
  /// Told of each image that the node publishes.
  std::function<void(const kraft::MetadataImagePtr&)> on_image;
};

class ClusterProcess {
 public:
  static Result<std::unique_ptr<ClusterProcess>> start(ClusterProcessDependencies dependencies);
  ~ClusterProcess();
  ClusterProcess(const ClusterProcess&) = delete;
  ClusterProcess& operator=(const ClusterProcess&) = delete;

  /// SIGTERM: leaves the cluster and answers what it has taken; `done` when close() may be called.
  void leave(std::function<void()> done);
  /// After leave(), with the reactor crashed: what a clean stop writes.
  Result<void> close();

  [[nodiscard]] bool is_serving() const;
  [[nodiscard]] const kraft::MetadataNode& metadata() const;
  [[nodiscard]] broker::ReplicaManager& replicas();

 private:
  struct Parts;
  explicit ClusterProcess(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace barnabas::simulation

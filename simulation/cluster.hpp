// Cluster: the nodes of a simulated cluster, its clients, and what is checked of them, in one world.
//
// Owned by a simulation or a test. Not thread-safe; the same options and the same calls give the same run,
// which digest() witnesses.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "simulation/coordinators/cluster_crowd.hpp"
#include "simulation/coordinators/log_watch.hpp"
#include "simulation/nodes/cluster_admin.hpp"
#include "simulation/nodes/cluster_checks.hpp"
#include "simulation/nodes/cluster_consumer.hpp"
#include "simulation/nodes/cluster_node.hpp"
#include "simulation/nodes/cluster_producer.hpp"
#include "simulation/nodes/cluster_voter_admin.hpp"

namespace barnabas::simulation {

struct ClusterOptions {
  std::uint64_t seed = 1;
  int combined = 3;              // nodes that are controller and broker
  int controllers = 0;           // and nothing else
  int brokers = 0;               // and nothing else
  broker::ConfigMap properties;  // of every node, beside those of its place in the cluster
  SimulatedWorld::Options network;
  AdminOptions admin;
  std::chrono::milliseconds voter_change_interval{0};  // on average; 0: the voters stay
  std::vector<ProducerOptions> producers = {ProducerOptions{}};
  int consumers = 1;
  CrowdOptions crowd;
  bool trace = false;  // what happens is printed as it happens
};

class Cluster {
 public:
  explicit Cluster(ClusterOptions options);
  ~Cluster();

  /// All nodes and all clients.
  void start();
  /// Lets time pass and looks at every replica. False once something is violated.
  bool run_for(std::chrono::nanoseconds time);

  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] ClusterNode& node(std::size_t index) { return *nodes_.at(index); }
  [[nodiscard]] SimulatedWorld& world() { return world_; }
  [[nodiscard]] ClusterChecks& checks() { return checks_; }
  [[nodiscard]] const ClusterAdmin& admin() const { return *admin_; }
  [[nodiscard]] const ClusterCrowd& crowd() const { return *crowd_; }
  void hold_voter_changes(bool held) {
    if (voter_admin_ != nullptr) voter_admin_->hold(held);
  }
  [[nodiscard]] std::size_t voter_changes() const {
    return voter_admin_ == nullptr ? 0 : voter_admin_->changes();
  }
  [[nodiscard]] std::vector<std::string> client_hosts() const;
  /// Something happened that is worth a line in the trail.
  void note(std::string what);

  /// No faults any more: connections, clocks and disks are sound, every node runs, every client too.
  void heal();
  void stop_clients();
  /// Nothing is left to do: every node serves, everything written is acknowledged, read and on every replica,
  /// which are all in sync. What is left, for people; empty: nothing.
  [[nodiscard]] std::string unsettled();
  /// Once settled: every replica has what was committed.
  void finish();

  [[nodiscard]] std::uint64_t digest() const { return world_.trace_hash(); }
  [[nodiscard]] const std::deque<std::string>& trail() const { return trail_; }
  /// The newest image of a node that is up; null without one.
  [[nodiscard]] kraft::MetadataImagePtr newest_image() const;
  /// Every node serves, and every replica is in sync.
  [[nodiscard]] bool is_fully_replicated() const;
  /// A broker lost what it had not synced: what it says to be committed counts again when it has caught up,
  /// or leads. Its high watermark was on the disk, and older bytes may lie below it.
  void distrust(std::int32_t id) { distrusted_ = id; }
  void trust_all() { distrusted_ = -1; }
  /// That of the active controller of the highest epoch; null without one.
  [[nodiscard]] kraft::MetadataImagePtr controllers_image() const;

 private:
  /// How far a node's replica was compared with the history.
  struct Seen {
    int life = 0;
    TopicId topic;
    Offset end;
  };
  void make_nodes();
  void on_image(std::int32_t id, const kraft::MetadataImagePtr& image);
  void note_changes(const kraft::MetadataImage& image);
  void observe(ClusterNode& node);
  void observe(ClusterNode& node, broker::Partition& partition);
  /// By name, with their partitions: those of the clients, and of the brokers themselves.
  [[nodiscard]] std::map<std::string, std::int32_t> topics() const;
  [[nodiscard]] std::string unsettled(const kraft::MetadataImage& image, const std::string& topic,
                                      std::int32_t partitions);
  [[nodiscard]] std::string unsettled(const TopicPartition& partition,
                                      const kraft::PartitionRegistration& registration);
  [[nodiscard]] ClusterNode& node_of(BrokerId id);

  ClusterOptions options_;
  SimulatedWorld world_;
  ClusterChecks checks_;
  TopicBook topics_;
  std::vector<std::unique_ptr<ClusterNode>> nodes_;
  std::unique_ptr<ClusterAdmin> admin_;
  std::unique_ptr<ClusterVoterAdmin> voter_admin_;  // null: the voters stay
  std::vector<std::unique_ptr<ClusterProducer>> producers_;
  std::vector<std::unique_ptr<ClusterConsumer>> consumers_;
  std::unique_ptr<ClusterCrowd> crowd_;
  std::unique_ptr<LogWatch> watch_;
  std::map<std::pair<std::int32_t, TopicPartition>, Seen> seen_;
  std::map<std::int32_t, kraft::MetadataImagePtr> images_;
  /// Of what the trail says of each partition, up to the newest image of all: the epoch.
  std::map<TopicPartition, std::int32_t> noted_;
  Offset noted_up_to_ = kNoOffset;
  std::int32_t distrusted_ = -1;
  std::deque<std::string> trail_;
};

}  // namespace barnabas::simulation

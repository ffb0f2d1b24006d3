// DirectoryReports: what the controller is told of this node's log directories (KIP-858): in which of them
// each replica is, and which have failed. And what the node does when one fails.
//
// A directory that fails takes its partitions offline at once and is told with the next heartbeat, which is
// sent then; the controller leaves them without a leader. The node cannot go on when the metadata log's
// directory fails, or the last one.
//
// Owned by the node. Thread safety: on_failure() and on_placed() from any thread and under any lock, since
// they only queue; the rest happens on the metadata driver's thread. One report is out at a time; what the
// controller did not take (its disk is full) is repeated with a later image, after a time that doubles.
// Source: Kafka's AssignmentsManager.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "broker/drivers/controller_channel.hpp"
#include "broker/drivers/lifecycle_driver.hpp"
#include "broker/replica/replica_manager.hpp"
#include "protocol/messages/api_assign_replicas_to_dirs.hpp"

namespace barnabas::broker {

struct DirectoryReportsDependencies {
  const Clock& clock;
  BrokerId self;
  ReplicaManager& replicas;
  MetadataDriver& driver;
  LifecycleDriver& life;
  ControllerChannel& controller;
};

class DirectoryReports {
 public:
  using Replica = std::pair<TopicId, PartitionIndex>;
  using Places = std::map<Replica, DirectoryId>;

  /// `metadata_directory` is metadata.log.dir; `on_end` is told why the node cannot go on.
  DirectoryReports(DirectoryReportsDependencies dependencies, std::string metadata_directory,
                   std::function<void(const Error&)> on_end);
  ~DirectoryReports();

  void on_failure(const std::string& path);
  void on_placed(std::vector<ReplicaPlace> places);

  /// Takes out of `untold` what of `sent` the controller took, and what it will never take: replicas that are
  /// no longer there, or not here. Returns how many it refused for now.
  static std::size_t settle(Places& untold, const Places& sent,
                            const protocol::AssignReplicasToDirsResponse& answer);

 private:
  void lose(const std::string& path);
  void assign();
  void on_answer(const Places& sent, const Result<protocol::AssignReplicasToDirsResponse>& answer);
  void try_later(std::size_t replicas, int error);

  DirectoryReportsDependencies dependencies_;
  std::string metadata_directory_;
  std::function<void(const Error&)> on_end_;
  // The driver's thread.
  Places untold_;
  bool assigning_ = false;
  int failures_ = 0;
  std::chrono::nanoseconds not_before_{0};
};

}  // namespace barnabas::broker

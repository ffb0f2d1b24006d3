// DirectoryReports: what the controller is told of this node's log directories (KIP-858): in which of them
// each replica is, and which have failed. And what the node does when one fails.
//
// A directory that fails takes its partitions offline at once and is told with the next heartbeat, which is
// sent then; the controller leaves them without a leader. The node cannot go on when the metadata log's
// directory fails, or the last one.
//
// Owned by the node. Thread safety: on_failure() and on_placed() from any thread and under any lock, since
// they only queue; the rest happens on the metadata driver's thread. A report that the controller could not
// take (its disk is full) is repeated with the next ones.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "broker/replica/replica_manager.hpp"

namespace barnabas::kraft {
class MetadataNode;
}

namespace barnabas::broker {

class MetadataDriverThread;

class DirectoryReports {
 public:
  /// `metadata_directory` is metadata.log.dir; `on_end` is told why the node cannot go on.
  DirectoryReports(ReplicaManager& replicas, MetadataDriverThread& driver, std::string metadata_directory,
                   std::function<void(const Error&)> on_end);
  ~DirectoryReports();

  void on_failure(const std::string& path);
  void on_placed(std::vector<ReplicaPlace> places);

 private:
  using Replica = std::pair<TopicId, PartitionIndex>;
  void lose(const std::string& path);
  void assign(kraft::MetadataNode& node);

  ReplicaManager& replicas_;
  MetadataDriverThread& driver_;
  std::string metadata_directory_;
  std::function<void(const Error&)> on_end_;
  // The driver's thread.
  std::map<Replica, DirectoryId> untold_;
  bool assigning_ = false;
};

}  // namespace barnabas::broker

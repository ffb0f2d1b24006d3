// TopicView: a topic as the last metadata showed it.
//
// Values; the functions ask the cluster. Thread safety: that of the cluster.
#pragma once

#include <string>
#include <vector>

#include "base/ids.hpp"
#include "tools/client/cluster.hpp"

namespace barnabas::tools {

struct PartitionView {
  ErrorCode error = ErrorCode::kNone;
  BrokerId leader = kNoBroker;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
};

struct TopicView {
  std::string name;
  Uuid id;  // zero where the broker is too old to tell
  ErrorCode error = ErrorCode::kNone;
  bool is_internal = false;
  std::vector<PartitionView> partitions;  // by index
};

struct TopicQuery {
  std::optional<std::vector<std::string>> names;  // nothing: all topics
  bool allow_auto_creation = true;
};

/// One try. Topics that have errors are in the answer, and ClientConfig::asker warns of them.
Result<std::vector<TopicView>> ask_topics(Cluster& cluster, const TopicQuery& query);

}  // namespace barnabas::tools

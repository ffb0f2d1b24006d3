// GroupReader: a GroupWorker that reads the output and commits, outside of transactions, how far it is.
//
// Owned by the ClusterCrowd. Not thread-safe. It does not commit each time, and the last time only when it
// has come to the end; so after its crash others read some of it again.
#pragma once

#include "simulation/coordinators/group_worker.hpp"

namespace barnabas::simulation {

class GroupReader final : public GroupWorker {
 public:
  using GroupWorker::GroupWorker;

 private:
  void process(Taken taken) override;
  void commit(const Taken& taken);

  std::map<TopicPartition, Offset> committed_;
};

}  // namespace barnabas::simulation

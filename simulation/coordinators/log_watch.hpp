// LogWatch: tells the checks of groups and transactions what is committed in the logs that they look at, once
// and in the order of the offsets, whichever replica it is seen on first.
//
// Owned by the Cluster; the checks outlive it. Not thread-safe.
#pragma once

#include "simulation/coordinators/group_worker.hpp"

namespace barnabas::simulation {

class LogWatch {
 public:
  LogWatch(CoordinatorChecks checks, std::string output) : checks_(checks), output_(std::move(output)) {}

  /// A replica has this record below its high watermark, and has shown all before it.
  void saw(const TopicPartition& partition, const LoggedRecord& record);
  /// Of a topic that brokers keep for themselves: what two replicas' records are compared by.
  [[nodiscard]] static WrittenRecord digest_of(const LoggedRecord& record);

 private:
  void saw_output(const TopicPartition& partition, const LoggedRecord& record);
  void saw_offsets(std::int32_t log, const LoggedRecord& record);

  CoordinatorChecks checks_;
  std::string output_;
  std::map<TopicPartition, Offset> seen_;
};

}  // namespace barnabas::simulation

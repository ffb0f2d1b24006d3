// Replicas in the log directories of this node: moves, and directories that fail.
#include "base/logging.hpp"
#include "broker/replica/replica_manager.hpp"

namespace barnabas::broker {

ErrorCode ReplicaManager::move_to(const TopicPartition& tp, const std::string& directory) {
  const auto partition = find(tp.topic, tp.partition);
  if (partition == nullptr) {
    if (const auto preferred = logs_.prefer_directory(tp, directory); !preferred)
      return preferred.error().code;
    return ErrorCode::kUnknownTopicOrPartition;
  }
  const auto begun = partition->with_log([&](const log::PartitionLog& log) -> Result<void> {
    if (log.directory() == directory + "/" + to_string(tp)) return logs_.remove_future(tp);
    (void)TRY(logs_.create_future(tp, directory));
    return {};
  });
  moves_changed_();
  if (begun) return ErrorCode::kNone;
  log_warn("kafka.server.ReplicaManager", "{} is not moved to {}: {}", to_string(tp), directory,
           begun.error().detail);
  return begun.error().code;
}

void ReplicaManager::lose_directory(const std::string& directory) {
  std::size_t lost = 0;
  for (const auto& partition : all()) {
    if (partition->log_directory() != directory) continue;
    partition->go_offline();
    ++lost;
  }
  logs_.drop_offline_futures();
  log_warn(
      "kafka.server.ReplicaManager",
      "Stopping serving replicas in dir {}: {} partitions are offline because the log directory has failed",
      directory, lost);
}

void ReplicaManager::on_placed(std::function<void(std::vector<ReplicaPlace>)> listener) {
  std::lock_guard lock(apply_mutex_);
  placed_ = std::move(listener);
}

void ReplicaManager::tell_place(const Partition& partition) {
  std::lock_guard lock(apply_mutex_);
  if (!placed_ || partition.is_offline()) return;
  placed_({{partition.topic_id(), partition.topic_partition().partition,
            logs_.directory_id(partition.log_directory())}});
}

}  // namespace barnabas::broker

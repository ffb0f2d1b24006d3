// Moves of replicas between the log directories of this node, as they are asked for.
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

}  // namespace barnabas::broker

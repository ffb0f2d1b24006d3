#include "kraft/controller/replica_placement.hpp"

#include <fmt/core.h>

#include <set>

namespace barnabas::kraft {

Result<std::vector<std::vector<BrokerId>>> place_replicas(const MetadataImage& image,
                                                          const PlacementRequest& request, Random& random) {
  const auto refuse = [&request](const std::string& why) {
    return fail(
        ErrorCode::kInvalidReplicationFactor,
        fmt::format("Unable to replicate the partition {} time(s): {}", request.replication_factor, why));
  };
  std::vector<BrokerId> usable;
  std::vector<BrokerId> fenced;
  for (const auto& [id, broker] : image.cluster->brokers) (broker.fenced ? fenced : usable).push_back(id);
  const std::size_t registered = usable.size() + fenced.size();
  const auto factor = static_cast<std::size_t>(request.replication_factor);
  if (factor > registered)
    return refuse(
        fmt::format("The target replication factor of {} cannot be reached because only {} "
                    "broker(s) are registered or some brokers have all their log directories cordoned.",
                    factor, registered));
  if (usable.empty()) return refuse("All brokers are currently fenced.");
  const std::size_t start = random.below(usable.size());
  std::vector<std::vector<BrokerId>> result;
  for (std::int32_t p = 0; p < request.partitions; ++p) {
    auto& replicas = result.emplace_back();
    const std::size_t first = start + static_cast<std::size_t>(request.first_index + p);
    for (std::size_t i = 0; i < factor && i < usable.size(); ++i)
      replicas.push_back(usable[(first + i) % usable.size()]);
    for (std::size_t i = 0; replicas.size() < factor; ++i)
      replicas.push_back(fenced[(first + i) % fenced.size()]);
  }
  return result;
}

Result<void> check_manual_assignment(const MetadataImage& image, const std::vector<BrokerId>& replicas,
                                     std::size_t factor) {
  const auto refuse = [](std::string why) {
    return fail(ErrorCode::kInvalidReplicaAssignment, "The manual partition assignment includes " + why);
  };
  if (replicas.empty()) return refuse("an empty replica list.");
  std::set<BrokerId> seen;
  for (BrokerId id : replicas) {
    if (image.broker(id) == nullptr)
      return refuse(fmt::format("broker {}, but no such broker is registered.", id.value()));
    if (!seen.insert(id).second) return refuse(fmt::format("the broker {} more than once.", id.value()));
  }
  if (replicas.size() != factor)
    return refuse(
        fmt::format("a partition with {} replica(s), but this is not consistent with previous "
                    "partitions, which have {} replica(s).",
                    replicas.size(), factor));
  return {};
}

std::vector<BrokerId> in_sync_of(const MetadataImage& image, const std::vector<BrokerId>& replicas) {
  std::vector<BrokerId> result;
  for (BrokerId id : replicas)
    if (const BrokerRegistration* broker = image.broker(id);
        broker != nullptr && !broker->fenced && !broker->in_controlled_shutdown)
      result.push_back(id);
  return result;
}

protocol::PartitionRecord new_partition(const MetadataImage& image, TopicId topic, PartitionIndex index,
                                        const std::vector<BrokerId>& replicas) {
  constexpr std::int16_t kDirectoriesLevel = 17;
  protocol::PartitionRecord record;
  record.partition_id = index.value();
  record.topic_id = topic.value();
  for (BrokerId id : replicas) record.replicas.push_back(id.value());
  for (BrokerId id : in_sync_of(image, replicas)) record.isr.push_back(id.value());
  record.leader = record.isr.empty() ? kNoBroker.value() : record.isr.front();
  record.leader_epoch = 0;
  record.partition_epoch = 0;
  if (image.features->metadata_version < kDirectoriesLevel) return record;
  for (BrokerId id : replicas) {
    // A broker with several directories chooses one itself (KIP-858); zero means unassigned.
    const std::vector<DirectoryId>& directories = image.broker(id)->directories;
    record.directories.push_back(directories.size() == 1 ? directories[0].value() : Uuid());
  }
  return record;
}

}  // namespace barnabas::kraft

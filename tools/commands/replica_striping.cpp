#include "tools/commands/replica_striping.hpp"

#include <fmt/format.h>

#include "tools/options/misuse.hpp"

namespace barnabas::tools {

Result<std::vector<std::vector<std::int32_t>>> stripe_replicas(
    const std::vector<std::vector<std::int32_t>>& racks, std::size_t partitions, std::size_t factor,
    Random& random) {
  std::size_t brokers = 0;
  for (const auto& rack : racks) brokers += rack.size();
  if (brokers == 0)
    return misuse("All brokers are currently fenced, or have all their log directories cordoned.");
  if (factor > brokers)
    return misuse(fmt::format(
        "The target replication factor of {} cannot be reached because only {} broker(s) are registered or "
        "some brokers have all their log directories cordoned.",
        factor, brokers));
  const std::size_t first_rack = random.below(racks.size());
  std::vector<std::size_t> first_broker;
  for (const auto& rack : racks) first_broker.push_back(random.below(rack.size()));
  std::vector<std::vector<std::int32_t>> placed(partitions);
  for (std::size_t partition = 0; partition < partitions; ++partition) {
    const std::size_t turn = partition / racks.size();
    std::vector<std::size_t> taken(racks.size());  // for this partition, by rack
    for (std::size_t i = first_rack + partition; placed[partition].size() < factor; ++i) {
      const std::size_t index = i % racks.size();
      const auto& rack = racks[index];
      if (taken[index] == rack.size()) continue;
      placed[partition].push_back(rack[(first_broker[index] + turn + taken[index]++) % rack.size()]);
    }
  }
  return placed;
}

}  // namespace barnabas::tools

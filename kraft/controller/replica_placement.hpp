// Where the replicas of new partitions go. Pure but for the Random it is given.
//
// Striped over racks and over the brokers of each rack, so that leaders and followers are spread evenly and a
// partition's replicas lie in as many racks as possible; the leader is unfenced, fenced brokers are taken
// when the others do not suffice, brokers that are shutting down or have all directories cordoned are not.
// Errors: 38 and 39 with Kafka 4.3.1's texts. Source: KIP-36, KIP-631, KIP-1066; measured on Kafka 4.3.1.
#pragma once

#include <vector>

#include "base/random.hpp"
#include "base/result.hpp"
#include "kraft/metadata_image.hpp"
#include "kraft/metadata_record.hpp"

namespace barnabas::kraft {

struct PlacementRequest {
  std::int32_t partitions = 1;
  std::int16_t replication_factor = 1;
};
/// The replicas of each partition, the first one its leader. INVALID_REPLICATION_FACTOR with the reason
/// alone: what could not be replicated the caller knows.
Result<std::vector<std::vector<BrokerId>>> place_replicas(const MetadataImage& image,
                                                          const PlacementRequest& request, Random& random);
/// `factor` is what the other partitions of the topic have.
Result<void> check_manual_assignment(const MetadataImage& image, const std::vector<BrokerId>& replicas,
                                     std::size_t factor);
/// Those that may be in the ISR of a new partition: unfenced and not shutting down.
[[nodiscard]] std::vector<BrokerId> in_sync_of(const MetadataImage& image,
                                               const std::vector<BrokerId>& replicas);
/// The record of a new partition; requires a replica in in_sync_of().
[[nodiscard]] protocol::PartitionRecord new_partition(const MetadataImage& image, TopicId topic,
                                                      PartitionIndex index,
                                                      const std::vector<BrokerId>& replicas);

}  // namespace barnabas::kraft

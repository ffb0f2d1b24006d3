// What becomes of partitions when a broker comes, goes, or loses a directory: the records of each transition.
//
// Pure. The order of records is Kafka's (measured on 4.3.1): a broker leaves its partitions before it is
// fenced or forgotten, and enters or leaves service before its partitions are elected anew.
#pragma once

#include <vector>

#include "kraft/controller/control.hpp"

namespace barnabas::kraft {

/// Leaves all ISRs, then is fenced.
void append_fence(const ControlContext& context, const BrokerRegistration& broker, MetadataRecords& records);
/// Is unfenced, then whatever has no leader may get one.
void append_unfence(const ControlContext& context, const BrokerRegistration& broker,
                    MetadataRecords& records);
/// Is marked (once), then leaves all ISRs with its data intact.
void append_controlled_shutdown(const ControlContext& context, const BrokerRegistration& broker,
                                MetadataRecords& records);
/// Leaves all ISRs, then is forgotten.
void append_unregistration(const ControlContext& context, const BrokerRegistration& broker,
                           MetadataRecords& records);
/// What an earlier life of a broker left behind. An unclean one may have lost what it had not synced, so with
/// ELR it is no eligible leader any more.
void append_end_of_incarnation(const ControlContext& context, BrokerId broker, bool clean,
                               MetadataRecords& records);
/// Leaves the ISRs of partitions in the directories, which its registration then no longer has. Directories
/// that are offline already change nothing.
void append_offline_directories(const ControlContext& context, const BrokerRegistration& broker,
                                const std::vector<Uuid>& offline, MetadataRecords& records);
/// No new replicas are placed in cordoned directories (KIP-1066).
void append_cordoned_directories(const BrokerRegistration& broker, const std::vector<Uuid>& cordoned,
                                 MetadataRecords& records);

struct TopicPartitionIndex {
  TopicId topic;
  PartitionIndex index;
  auto operator<=>(const TopicPartitionIndex&) const = default;
};
/// Takes the broker out of the ISRs of these partitions, whose replicas on it are offline.
void append_offline_replicas(const ControlContext& context, BrokerId broker,
                             const std::vector<TopicPartitionIndex>& partitions, MetadataRecords& records);

[[nodiscard]] bool leads_something(const MetadataImage& image, BrokerId broker);

}  // namespace barnabas::kraft

// Elections and reassignments of partitions: ElectLeaders, AlterPartitionReassignments,
// ListPartitionReassignments.
//
// Pure functions of the image. While a cluster is one node there is nothing to elect and nowhere to move to,
// so no answer changes anything and none of them needs the controller's queue; what could be moved in a
// directory that comes from a larger cluster is refused. Errors and sentences: KIP-455, KIP-460; measured on
// Kafka 4.3.1.
#pragma once

#include "kraft/metadata_image.hpp"
#include "protocol/messages/api_alter_partition_reassignments.hpp"
#include "protocol/messages/api_elect_leaders.hpp"
#include "protocol/messages/api_list_partition_reassignments.hpp"

namespace barnabas::kraft {

[[nodiscard]] protocol::ElectLeadersResponse elect_leaders(const MetadataImage& image,
                                                           const protocol::ElectLeadersRequest& request);
[[nodiscard]] protocol::AlterPartitionReassignmentsResponse alter_partition_reassignments(
    const MetadataImage& image, const protocol::AlterPartitionReassignmentsRequest& request);
[[nodiscard]] protocol::ListPartitionReassignmentsResponse list_partition_reassignments(
    const MetadataImage& image, const protocol::ListPartitionReassignmentsRequest& request);

}  // namespace barnabas::kraft

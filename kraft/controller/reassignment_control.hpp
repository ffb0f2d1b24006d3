// Reassignments: which brokers have a partition's replicas (KIP-455, KIP-860). See control.hpp.
//
// A reassignment adds the new replicas beside the old ones; when the new ones are all in sync, the change of
// the ISR completes it (partition_change.hpp). Errors, of one partition: 3, 38 another number of replicas
// than allowed, 39 brokers that are not there, 85 nothing to cancel. Source: measured on Kafka 4.3.1.
#pragma once

#include "kraft/controller/control.hpp"
#include "protocol/messages/api_alter_partition_reassignments.hpp"
#include "protocol/messages/api_list_partition_reassignments.hpp"

namespace barnabas::kraft {

ControllerResult<protocol::AlterPartitionReassignmentsResponse> alter_partition_reassignments(
    const ControlContext& context, const protocol::AlterPartitionReassignmentsRequest& request);
/// A function of the image, so that any node can answer.
[[nodiscard]] protocol::ListPartitionReassignmentsResponse list_partition_reassignments(
    const MetadataImage& image, const protocol::ListPartitionReassignmentsRequest& request);

}  // namespace barnabas::kraft

// AlterPartition: a leader tells which replicas are in sync (KIP-497, KIP-841, KIP-903). See control.hpp.
//
// Errors, of the whole request: 77; of one partition: 3 and 100 unknown, 41 the leader knows more than this
// controller, 74 an older leader epoch, 95 an older partition epoch, 42 not the leader or an ISR that cannot
// be, 107 a replica that is fenced, shutting down or of another life, 108 the change completed a reassignment
// that took the leadership away. Versions 0 and 1 name topics and have 74 and 55 in place of 108 and 107.
// Source: measured on Kafka 4.3.1.
#pragma once

#include "kraft/controller/control.hpp"
#include "protocol/messages/api_alter_partition.hpp"

namespace barnabas::kraft {

ControllerResult<protocol::AlterPartitionResponse> alter_partition(
    const ControlContext& context, const protocol::AlterPartitionRequest& request, std::int16_t version);

}  // namespace barnabas::kraft

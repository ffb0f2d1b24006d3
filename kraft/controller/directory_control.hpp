// AssignReplicasToDirs: a broker tells in which log directories its replicas are (KIP-858). See control.hpp.
//
// A replica in a directory that the broker does not have online leaves the ISR. Errors, of the whole request:
// 77, 35 for a metadata.version without directories; of one partition: 100, 3, 6 the broker has no replica.
// Source: measured on Kafka 4.3.1.
#pragma once

#include "kraft/controller/control.hpp"
#include "protocol/messages/api_assign_replicas_to_dirs.hpp"

namespace barnabas::kraft {

ControllerResult<protocol::AssignReplicasToDirsResponse> assign_replicas_to_dirs(
    const ControlContext& context, const protocol::AssignReplicasToDirsRequest& request);

}  // namespace barnabas::kraft

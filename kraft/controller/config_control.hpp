// Configurations: IncrementalAlterConfigs and the legacy AlterConfigs. See control.hpp.
//
// Each resource succeeds or fails by itself. Errors, measured on Kafka 4.3.1: unknown operation -1, duplicate
// keys 42, APPEND or SUBTRACT on something that is no list 40, null value 42 (SET) , unknown topic 3, unknown
// resource type 42. A change of a topic's or the cluster's min.insync.replicas is followed by ClearElr.
#pragma once

#include "kraft/controller/control.hpp"
#include "protocol/messages/api_alter_configs.hpp"
#include "protocol/messages/api_incremental_alter_configs.hpp"

namespace barnabas::kraft {

ControllerResult<protocol::IncrementalAlterConfigsResponse> incremental_alter_configs(
    const ControlContext& context, const protocol::IncrementalAlterConfigsRequest& request);
ControllerResult<protocol::AlterConfigsResponse> alter_configs(const ControlContext& context,
                                                               const protocol::AlterConfigsRequest& request);

}  // namespace barnabas::kraft

// The answer to a request that the controller did not take, in the form of each response: one code for all of
// it. Pure functions.
#pragma once

#include "base/error_code.hpp"
#include "kraft/metadata_node.hpp"

namespace barnabas::kraft {

protocol::CreateTopicsResponse refuse(const protocol::CreateTopicsRequest& request, ErrorCode error);
protocol::DeleteTopicsResponse refuse(const protocol::DeleteTopicsRequest& request, ErrorCode error);
protocol::CreatePartitionsResponse refuse(const protocol::CreatePartitionsRequest& request, ErrorCode error);
protocol::IncrementalAlterConfigsResponse refuse(const protocol::IncrementalAlterConfigsRequest& request,
                                                 ErrorCode error);
protocol::AlterConfigsResponse refuse(const protocol::AlterConfigsRequest& request, ErrorCode error);
protocol::AllocateProducerIdsResponse refuse(const protocol::AllocateProducerIdsRequest& request,
                                             ErrorCode error);
protocol::BrokerRegistrationResponse refuse(const protocol::BrokerRegistrationRequest& request,
                                            ErrorCode error);
protocol::BrokerHeartbeatResponse refuse(const protocol::BrokerHeartbeatRequest& request, ErrorCode error);
protocol::ControllerRegistrationResponse refuse(const protocol::ControllerRegistrationRequest& request,
                                                ErrorCode error);
protocol::UnregisterBrokerResponse refuse(const protocol::UnregisterBrokerRequest& request, ErrorCode error);
protocol::AlterClientQuotasResponse refuse(const protocol::AlterClientQuotasRequest& request,
                                           ErrorCode error);
protocol::AlterUserScramCredentialsResponse refuse(const ScramAlterations& request, ErrorCode error);
protocol::CreateAclsResponse refuse(const protocol::CreateAclsRequest& request, ErrorCode error);
protocol::DeleteAclsResponse refuse(const protocol::DeleteAclsRequest& request, ErrorCode error);
protocol::AlterPartitionResponse refuse(const protocol::AlterPartitionRequest& request, ErrorCode error);
protocol::AlterPartitionReassignmentsResponse refuse(
    const protocol::AlterPartitionReassignmentsRequest& request, ErrorCode error);
protocol::AssignReplicasToDirsResponse refuse(const protocol::AssignReplicasToDirsRequest& request,
                                              ErrorCode error);
protocol::ElectLeadersResponse refuse(const protocol::ElectLeadersRequest& request, ErrorCode error);
protocol::UpdateFeaturesResponse refuse(const protocol::UpdateFeaturesRequest& request, ErrorCode error);

}  // namespace barnabas::kraft

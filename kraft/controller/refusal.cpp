#include "kraft/controller/refusal.hpp"

namespace barnabas::kraft {

namespace {

constexpr std::int16_t code(ErrorCode error) {
  return static_cast<std::int16_t>(error);
}

template <class Response>
Response whole(ErrorCode error) {
  Response response;
  response.error_code = code(error);
  return response;
}

template <class Response, class Request>
Response each_resource(const Request& request, ErrorCode error) {
  Response response;
  for (const auto& resource : request.resources) {
    auto& answer = response.responses.emplace_back();
    answer.error_code = code(error);
    answer.error_message = std::nullopt;
    answer.resource_type = resource.resource_type;
    answer.resource_name = resource.resource_name;
  }
  return response;
}

}  // namespace

protocol::CreateTopicsResponse refuse(const protocol::CreateTopicsRequest& request, ErrorCode error) {
  protocol::CreateTopicsResponse response;
  for (const auto& topic : request.topics) {
    auto& answer = response.topics.emplace_back();
    answer.name = topic.name;
    answer.error_code = code(error);
    answer.error_message = std::nullopt;
  }
  return response;
}

protocol::DeleteTopicsResponse refuse(const protocol::DeleteTopicsRequest& request, ErrorCode error) {
  protocol::DeleteTopicsResponse response;
  for (const auto& topic : request.topics) {
    auto& answer = response.responses.emplace_back();
    answer.name = topic.name;
    answer.topic_id = topic.topic_id;
    answer.error_code = code(error);
  }
  for (const std::string& name : request.topic_names) {
    auto& answer = response.responses.emplace_back();
    answer.name = name;
    answer.error_code = code(error);
  }
  return response;
}

protocol::CreatePartitionsResponse refuse(const protocol::CreatePartitionsRequest& request, ErrorCode error) {
  protocol::CreatePartitionsResponse response;
  for (const auto& topic : request.topics) {
    auto& answer = response.results.emplace_back();
    answer.name = topic.name;
    answer.error_code = code(error);
  }
  return response;
}

protocol::IncrementalAlterConfigsResponse refuse(const protocol::IncrementalAlterConfigsRequest& request,
                                                 ErrorCode error) {
  return each_resource<protocol::IncrementalAlterConfigsResponse>(request, error);
}
protocol::AlterConfigsResponse refuse(const protocol::AlterConfigsRequest& request, ErrorCode error) {
  return each_resource<protocol::AlterConfigsResponse>(request, error);
}
protocol::AllocateProducerIdsResponse refuse(const protocol::AllocateProducerIdsRequest&, ErrorCode error) {
  return whole<protocol::AllocateProducerIdsResponse>(error);
}
protocol::BrokerRegistrationResponse refuse(const protocol::BrokerRegistrationRequest&, ErrorCode error) {
  return whole<protocol::BrokerRegistrationResponse>(error);
}
protocol::BrokerHeartbeatResponse refuse(const protocol::BrokerHeartbeatRequest&, ErrorCode error) {
  return whole<protocol::BrokerHeartbeatResponse>(error);
}
protocol::ControllerRegistrationResponse refuse(const protocol::ControllerRegistrationRequest&,
                                                ErrorCode error) {
  return whole<protocol::ControllerRegistrationResponse>(error);
}
protocol::UnregisterBrokerResponse refuse(const protocol::UnregisterBrokerRequest&, ErrorCode error) {
  return whole<protocol::UnregisterBrokerResponse>(error);
}
protocol::AlterClientQuotasResponse refuse(const protocol::AlterClientQuotasRequest& request,
                                           ErrorCode error) {
  protocol::AlterClientQuotasResponse response;
  for (const auto& entry : request.entries) {
    auto& answer = response.entries.emplace_back();
    answer.error_code = static_cast<std::int16_t>(error);
    answer.error_message = std::nullopt;
    for (const auto& part : entry.entity) answer.entity.push_back({part.entity_type, part.entity_name});
  }
  return response;
}
protocol::AlterUserScramCredentialsResponse refuse(const ScramAlterations& request, ErrorCode error) {
  protocol::AlterUserScramCredentialsResponse response;
  const auto add = [&](const std::string& user) {
    response.results.push_back({user, static_cast<std::int16_t>(error), std::nullopt});
  };
  for (const ScramUser& user : request.deletions) add(user.name);
  for (const auto& asked : request.upsertions) add(asked.user.name);
  return response;
}
protocol::CreateAclsResponse refuse(const protocol::CreateAclsRequest& request, ErrorCode error) {
  protocol::CreateAclsResponse response;
  response.results.assign(request.creations.size(), {code(error), std::nullopt});
  return response;
}
protocol::DeleteAclsResponse refuse(const protocol::DeleteAclsRequest& request, ErrorCode error) {
  protocol::DeleteAclsResponse response;
  response.filter_results.assign(request.filters.size(), {code(error), std::nullopt, {}});
  return response;
}
protocol::AlterPartitionResponse refuse(const protocol::AlterPartitionRequest&, ErrorCode error) {
  return whole<protocol::AlterPartitionResponse>(error);
}
protocol::AlterPartitionReassignmentsResponse refuse(const protocol::AlterPartitionReassignmentsRequest&,
                                                     ErrorCode error) {
  return whole<protocol::AlterPartitionReassignmentsResponse>(error);
}
protocol::AssignReplicasToDirsResponse refuse(const protocol::AssignReplicasToDirsRequest&, ErrorCode error) {
  return whole<protocol::AssignReplicasToDirsResponse>(error);
}
protocol::ElectLeadersResponse refuse(const protocol::ElectLeadersRequest&, ErrorCode error) {
  return whole<protocol::ElectLeadersResponse>(error);
}
protocol::UpdateFeaturesResponse refuse(const protocol::UpdateFeaturesRequest&, ErrorCode error) {
  return whole<protocol::UpdateFeaturesResponse>(error);
}

}  // namespace barnabas::kraft

// CreateTopics 0-7: turned into records by the controller; answered when the new partitions serve here. Of
// more than are opened at once (replica_manager.hpp) the others serve soon after, as all do on Kafka's
// brokers.
//
//   v1 messages, validation only   v2 throttle time   v4 broker defaults (-1) for partitions and replication
//   v5 flexible, configurations in the answer   v7 topic ids
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/controller_request.hpp"
#include "protocol/messages/api_create_topics.hpp"

namespace barnabas::broker {

using protocol::CreateTopicsRequest;
using protocol::CreateTopicsResponse;

namespace {

using Results = std::vector<CreateTopicsResponse::CreatableTopicResult>;

/// Takes the topics that the client may not create out of the request.
Results refuse_unauthorized(const Services& services, const RequestContext& context,
                            CreateTopicsRequest& request) {
  Results refused;
  if (allowed_on_cluster(services, context, Operation::kCreate)) return refused;
  std::erase_if(request.topics, [&](const CreateTopicsRequest::CreatableTopic& topic) {
    if (allowed(services, context, Operation::kCreate, ResourceKind::kTopic, topic.name)) return false;
    auto& result = refused.emplace_back();
    result.name = topic.name;
    result.error_code = static_cast<std::int16_t>(ErrorCode::kTopicAuthorizationFailed);
    result.error_message = "Authorization failed.";
    return true;
  });
  return refused;
}

/// The configurations of a topic are told only to who may describe them.
void hide_configs(CreateTopicsResponse::CreatableTopicResult& result) {
  result.topic_config_error_code = static_cast<std::int16_t>(ErrorCode::kTopicAuthorizationFailed);
  result.num_partitions = -1;
  result.replication_factor = -1;
  result.configs.emplace();
}

void handle_create_topics(Services& services, const RequestContext& context, CreateTopicsRequest& request,
                          Reply<CreateTopicsResponse> reply) {
  Results refused = refuse_unauthorized(services, context, request);
  auto answer = [&services, context, refused = std::move(refused),
                 reply = std::move(reply)](CreateTopicsResponse response) mutable {
    for (auto& result : response.topics) {
      const bool created = result.error_code == static_cast<std::int16_t>(ErrorCode::kNone);
      if (created &&
          !allowed(services, context, Operation::kDescribeConfigs, ResourceKind::kTopic, result.name)) {
        hide_configs(result);
      }
    }
    std::ranges::move(refused, std::back_inserter(response.topics));
    reply.send(response);
  };
  ask_controller(services, std::move(request), std::move(answer));
}

}  // namespace

bool serve_create_topics(Services& services, const RequestContext& context, protocol::Reader& reader,
                         ResponseSink sink) {
  return decode_and_handle<CreateTopicsRequest, CreateTopicsResponse, handle_create_topics>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

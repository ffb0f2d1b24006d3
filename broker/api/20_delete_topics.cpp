// DeleteTopics 0-6: by name, and by id from version 6 on.
//
//   v4 flexible   v5 error messages   v6 topic ids
//
// Who may not describe a topic learns neither its id nor its name from here. TOPIC_DELETION_DISABLED (73)
// when delete.topic.enable is false; INVALID_REQUEST for versions below 3 then, as in Kafka.
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/controller_request.hpp"
#include "broker/config/broker_config.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "protocol/messages/api_delete_topics.hpp"

namespace barnabas::broker {

using protocol::DeleteTopicsRequest;
using protocol::DeleteTopicsResponse;
using TopicResult = DeleteTopicsResponse::DeletableTopicResult;

namespace {

TopicResult refusal(std::optional<std::string> name, const Uuid& id, ErrorCode error, std::string message) {
  TopicResult result;
  result.name = std::move(name);
  result.topic_id = id;
  result.error_code = static_cast<std::int16_t>(error);
  result.error_message = std::move(message);
  return result;
}

std::optional<TopicResult> check_state(const Services& services, const RequestContext& context,
                                       const kraft::MetadataImage& image,
                                       const DeleteTopicsRequest::DeleteTopicState& asked) {
  const bool by_id = !asked.name;
  const kraft::TopicImage* topic = by_id ? image.topic(TopicId(asked.topic_id)) : image.topic(*asked.name);
  if (by_id && !topic) return std::nullopt;  // the controller answers
  const std::string& name = topic ? topic->name : *asked.name;
  if (by_id && !allowed(services, context, Operation::kDescribe, ResourceKind::kTopic, name)) {
    return refusal(std::nullopt, asked.topic_id, ErrorCode::kTopicAuthorizationFailed,
                   "Topic authorization failed.");
  }
  if (!allowed(services, context, Operation::kDelete, ResourceKind::kTopic, name)) {
    return refusal(name, asked.topic_id, ErrorCode::kTopicAuthorizationFailed, "Topic authorization failed.");
  }
  return std::nullopt;
}

/// Takes out what the client may not delete.
std::vector<TopicResult> refuse_unauthorized(const Services& services, const RequestContext& context,
                                             DeleteTopicsRequest& request) {
  std::vector<TopicResult> refused;
  if (allowed_on_cluster(services, context, Operation::kDelete)) return refused;
  const auto image = services.metadata.image();
  std::erase_if(request.topics, [&](const DeleteTopicsRequest::DeleteTopicState& asked) {
    auto result = check_state(services, context, *image, asked);
    if (result) refused.push_back(std::move(*result));
    return result.has_value();
  });
  std::erase_if(request.topic_names, [&](const std::string& name) {
    if (allowed(services, context, Operation::kDelete, ResourceKind::kTopic, name)) return false;
    refused.push_back(refusal(name, {}, ErrorCode::kTopicAuthorizationFailed, "Topic authorization failed."));
    return true;
  });
  return refused;
}

void refuse_disabled(const RequestContext& context, const DeleteTopicsRequest& request,
                     Reply<DeleteTopicsResponse> reply) {
  const ErrorCode error =
      context.api_version < 3 ? ErrorCode::kInvalidRequest : ErrorCode::kTopicDeletionDisabled;
  const std::string message = "Topic deletion is disabled.";
  DeleteTopicsResponse response;
  for (const auto& asked : request.topics) {
    response.responses.push_back(refusal(asked.name, asked.topic_id, error, message));
  }
  for (const auto& name : request.topic_names)
    response.responses.push_back(refusal(name, {}, error, message));
  reply.send(response);
}

void handle_delete_topics(Services& services, const RequestContext& context, DeleteTopicsRequest& request,
                          Reply<DeleteTopicsResponse> reply) {
  if (!services.config.settings()->delete_topic_enable)
    return refuse_disabled(context, request, std::move(reply));
  auto refused = refuse_unauthorized(services, context, request);
  auto answer = [refused = std::move(refused),
                 reply = std::move(reply)](DeleteTopicsResponse response) mutable {
    std::ranges::move(refused, std::back_inserter(response.responses));
    reply.send(response);
  };
  ask_controller(services, std::move(request), std::move(answer));
}

}  // namespace

bool serve_delete_topics(Services& services, const RequestContext& context, protocol::Reader& reader,
                         ResponseSink sink) {
  return decode_and_handle<DeleteTopicsRequest, DeleteTopicsResponse, handle_delete_topics>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

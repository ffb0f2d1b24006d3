// DeleteTopics 0-6: by name, and by id from version 6 on.
//
//   v4 flexible   v5 error messages   v6 topic ids
//
// Who may not describe a topic learns neither its id nor its name from here, and not whether it exists.
// TOPIC_DELETION_DISABLED (73) when delete.topic.enable is false; INVALID_REQUEST for versions below 3 then,
// as in Kafka.
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

constexpr const char* kUnauthorized = "Topic authorization failed.";

TopicResult refusal(std::optional<std::string> name, const Uuid& id, ErrorCode error, std::string message) {
  TopicResult result;
  result.name = std::move(name);
  result.topic_id = id;
  result.error_code = static_cast<std::int16_t>(error);
  result.error_message = std::move(message);
  return result;
}

/// What an unauthorized client is told of a topic that it named; nothing: it may delete it, or the controller
/// says that there is none.
std::optional<TopicResult> check_named(const Services& services, const RequestContext& context,
                                       const kraft::MetadataImage& image, const std::string& name) {
  if (!allowed(services, context, Operation::kDescribe, ResourceKind::kTopic, name))
    return refusal(name, {}, ErrorCode::kTopicAuthorizationFailed, kUnauthorized);
  const kraft::TopicImage* topic = image.topic(name);
  if (!topic || allowed(services, context, Operation::kDelete, ResourceKind::kTopic, name))
    return std::nullopt;
  return refusal(name, topic->id.value(), ErrorCode::kTopicAuthorizationFailed, kUnauthorized);
}

/// Who may not describe the topic is not told its name.
std::optional<TopicResult> check_id(const Services& services, const RequestContext& context,
                                    const kraft::MetadataImage& image, TopicId id) {
  const kraft::TopicImage* topic = image.topic(id);
  if (!topic || allowed(services, context, Operation::kDelete, ResourceKind::kTopic, topic->name))
    return std::nullopt;
  const bool visible = allowed(services, context, Operation::kDescribe, ResourceKind::kTopic, topic->name);
  return refusal(visible ? std::optional(topic->name) : std::nullopt, id.value(),
                 ErrorCode::kTopicAuthorizationFailed, kUnauthorized);
}

/// Takes out what the client may not delete.
std::vector<TopicResult> refuse_unauthorized(const Services& services, const RequestContext& context,
                                             DeleteTopicsRequest& request) {
  std::vector<TopicResult> refused;
  if (allowed_on_cluster(services, context, Operation::kDelete)) return refused;
  const auto image = services.metadata.image();
  const auto take_out = [&refused](std::optional<TopicResult> result) {
    if (result) refused.push_back(*std::move(result));
    return result.has_value();
  };
  std::erase_if(request.topics, [&](const DeleteTopicsRequest::DeleteTopicState& asked) {
    return take_out(asked.name ? check_named(services, context, *image, *asked.name)
                               : check_id(services, context, *image, TopicId(asked.topic_id)));
  });
  std::erase_if(request.topic_names, [&](const std::string& name) {
    return take_out(check_named(services, context, *image, name));
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

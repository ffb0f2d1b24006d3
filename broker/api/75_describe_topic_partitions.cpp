// DescribeTopicPartitions 0: topics in name order with the ELR, page by page (KIP-966).
//
// At most response_partition_limit partitions (and max.request.partition.size.limit) an answer; the cursor
// names the first partition that did not fit. No topics named: all of them, from the cursor's on.
// Measured on Kafka 4.3.1: a limit below 1 counts as 1; a cursor of a topic that was not asked for, or of a
// negative partition, makes every topic INVALID_REQUEST.
#include <algorithm>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/leader_endpoints.hpp"
#include "broker/config/broker_config.hpp"
#include "broker/drivers/internal_topics.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "kraft/controller/topic_control.hpp"
#include "protocol/messages/api_describe_topic_partitions.hpp"

namespace barnabas::broker {

using protocol::DescribeTopicPartitionsRequest;
using protocol::DescribeTopicPartitionsResponse;
using TopicAnswer = DescribeTopicPartitionsResponse::DescribeTopicPartitionsResponseTopic;
using PartitionAnswer = DescribeTopicPartitionsResponse::DescribeTopicPartitionsResponsePartition;

namespace {

PartitionAnswer describe(const RequestContext& context, const kraft::MetadataImage& image,
                         const kraft::PartitionRegistration& partition, std::int32_t index) {
  PartitionAnswer answer;
  answer.partition_index = index;
  answer.leader_id = partition.leader.value();
  answer.leader_epoch = partition.leader_epoch.value();
  answer.replica_nodes = values_of(partition.replicas);
  answer.isr_nodes = values_of(partition.isr);
  answer.eligible_leader_replicas = values_of(partition.eligible_leader_replicas);
  answer.last_known_elr = values_of(partition.last_known_elr);
  for (std::size_t at = 0; at < partition.replicas.size(); ++at)
    if (!is_replica_online(image, partition, at, context.connection->listener))
      answer.offline_replicas.push_back(partition.replicas[at].value());
  if (!endpoint_of(image, partition.leader, context.connection->listener)) {
    answer.leader_id = -1;
    answer.error_code = static_cast<std::int16_t>(ErrorCode::kLeaderNotAvailable);
  }
  return answer;
}

/// The topics to answer in order: those asked for, or all, from the cursor's on.
std::vector<std::string> topics_from(const kraft::MetadataImage& image,
                                     const DescribeTopicPartitionsRequest& request) {
  std::vector<std::string> names;
  for (const auto& topic : request.topics) names.push_back(topic.name);
  if (names.empty()) {
    for (const auto& [name, topic] : image.topics->by_name) names.push_back(name);
  }
  std::ranges::sort(names);
  const auto [duplicates, end] = std::ranges::unique(names);
  names.erase(duplicates, end);
  if (request.cursor) {
    std::erase_if(names, [&](const std::string& name) { return name < request.cursor->topic_name; });
  }
  return names;
}

bool has_valid_cursor(const DescribeTopicPartitionsRequest& request) {
  if (!request.cursor) return true;
  if (request.cursor->partition_index < 0) return false;
  return request.topics.empty() || std::ranges::any_of(request.topics, [&](const auto& topic) {
           return topic.name == request.cursor->topic_name;
         });
}

TopicAnswer unknown(const Services& services, const RequestContext& context, const std::string& name) {
  TopicAnswer answer;
  const ErrorCode error = kraft::validate_topic_name(name) ? ErrorCode::kUnknownTopicOrPartition
                                                           : ErrorCode::kInvalidTopicException;
  answer.error_code = static_cast<std::int16_t>(error);
  answer.name = name;
  answer.is_internal = is_internal_topic(name);
  answer.topic_authorized_operations = authorized_operations(services, context, ResourceKind::kTopic, name);
  return answer;
}

/// Takes the topics out of `names` that the client may not describe: they are answered last, and only to who
/// named them.
std::vector<TopicAnswer> refuse_unauthorized(const Services& services, const RequestContext& context,
                                             bool were_named, std::vector<std::string>& names) {
  std::vector<TopicAnswer> refused;
  std::erase_if(names, [&](const std::string& name) {
    if (allowed(services, context, Operation::kDescribe, ResourceKind::kTopic, name)) return false;
    if (were_named) {
      TopicAnswer& answer = refused.emplace_back();
      answer.error_code = static_cast<std::int16_t>(ErrorCode::kTopicAuthorizationFailed);
      answer.name = name;
    }
    return true;
  });
  return refused;
}

void handle_describe_topic_partitions(Services& services, const RequestContext& context,
                                      DescribeTopicPartitionsRequest& request,
                                      Reply<DescribeTopicPartitionsResponse> reply) {
  DescribeTopicPartitionsResponse response;
  if (!has_valid_cursor(request)) {
    for (const auto& topic : request.topics) {
      TopicAnswer& answer = response.topics.emplace_back();
      answer.name = topic.name;
      answer.error_code = static_cast<std::int16_t>(ErrorCode::kInvalidRequest);
    }
    return reply.send(response);
  }
  const auto image = services.metadata.image();
  const std::int32_t limit = std::min(request.response_partition_limit,
                                      services.config.settings()->max_request_partition_size_limit);
  std::int32_t room = std::max(limit, 1);
  std::vector<std::string> names = topics_from(*image, request);
  auto refused = refuse_unauthorized(services, context, !request.topics.empty(), names);
  for (const std::string& name : names) {
    const kraft::TopicImage* topic = image->topic(name);
    if (room == 0) {
      response.next_cursor = {name, 0};
      break;
    }
    if (!topic) {
      response.topics.push_back(unknown(services, context, name));
      continue;
    }
    const bool at_cursor = request.cursor && request.cursor->topic_name == name;
    const auto first = static_cast<std::size_t>(at_cursor ? request.cursor->partition_index : 0);
    TopicAnswer& answer = response.topics.emplace_back();
    answer.name = name;
    answer.topic_id = topic->id.value();
    answer.is_internal = is_internal_topic(name);
    answer.topic_authorized_operations = authorized_operations(services, context, ResourceKind::kTopic, name);
    std::size_t index = first;
    for (; index < topic->partitions.size() && room > 0; ++index, --room) {
      answer.partitions.push_back(
          describe(context, *image, topic->partitions[index], static_cast<std::int32_t>(index)));
    }
    if (index < topic->partitions.size()) {
      response.next_cursor = {name, static_cast<std::int32_t>(index)};
      break;
    }
  }
  std::ranges::move(refused, std::back_inserter(response.topics));
  reply.send(response);
}

}  // namespace

bool serve_describe_topic_partitions(Services& services, const RequestContext& context,
                                     protocol::Reader& reader, ResponseSink sink) {
  return decode_and_handle<DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
                           handle_describe_topic_partitions>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

// DescribeProducers 0: who produces to a partition with a producer id (KIP-664).
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/leader_endpoints.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/replica/replica_manager.hpp"
#include "protocol/messages/api_describe_producers.hpp"

namespace barnabas::broker {

using protocol::DescribeProducersRequest;
using protocol::DescribeProducersResponse;

namespace {

DescribeProducersResponse::PartitionResponse describe(Services& services, const std::string& topic,
                                                      std::int32_t index) {
  DescribeProducersResponse::PartitionResponse answer;
  answer.partition_index = index;
  auto partition = services.replicas.find(topic, PartitionIndex(index));
  if (partition && partition->is_offline()) {
    answer.error_code = static_cast<std::int16_t>(ErrorCode::kKafkaStorageError);
    return answer;
  }
  if (!partition || !partition->is_leader()) {
    const auto image = services.metadata.image();
    answer.error_code =
        static_cast<std::int16_t>(error_without_replica(*image, topic, PartitionIndex(index)));
    // Kafka 4.3.1 has words for an unknown topic and none for an unknown partition (measured).
    if (!image->topic(topic)) answer.error_message = "This server does not host this topic-partition.";
    return answer;
  }
  for (const log::ActiveProducer& producer :
       partition->with_log([](log::PartitionLog& log) { return log.active_producers(); })) {
    answer.active_producers.push_back({producer.id.value(), producer.epoch.value(), producer.last_sequence,
                                       producer.last_timestamp_ms, producer.coordinator_epoch,
                                       producer.current_transaction_start.value()});
  }
  return answer;
}

void handle_describe_producers(Services& services, const RequestContext& context,
                               DescribeProducersRequest& request, Reply<DescribeProducersResponse> reply) {
  DescribeProducersResponse response;
  for (const auto& topic : request.topics) {
    auto& answers = response.topics.emplace_back();
    answers.name = topic.name;
    const bool may_read = allowed(services, context, Operation::kRead, ResourceKind::kTopic, topic.name);
    for (std::int32_t index : topic.partition_indexes) {
      if (may_read) {
        answers.partitions.push_back(describe(services, topic.name, index));
        continue;
      }
      auto& answer = answers.partitions.emplace_back();
      answer.partition_index = index;
      answer.error_code = static_cast<std::int16_t>(ErrorCode::kTopicAuthorizationFailed);
      answer.error_message = "Topic authorization failed.";
    }
  }
  reply.send(response);
}

}  // namespace

bool serve_describe_producers(Services& services, const RequestContext& context, protocol::Reader& reader,
                              ResponseSink sink) {
  return decode_and_handle<DescribeProducersRequest, DescribeProducersResponse, handle_describe_producers>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

// OffsetForLeaderEpoch 0-4: where an epoch ended, for clients that check for truncation (KIP-320) and
// followers.
//
//   v1 epoch in the answer   v2 current leader epoch   v3 replica id   v4 flexible
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/leader_endpoints.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/replica/replica_manager.hpp"
#include "protocol/messages/api_offset_for_leader_epoch.hpp"

namespace barnabas::broker {

using protocol::OffsetForLeaderEpochRequest;
using protocol::OffsetForLeaderEpochResponse;

namespace {

OffsetForLeaderEpochResponse::EpochEndOffset end_of_epoch(
    Services& services, const std::string& topic,
    const OffsetForLeaderEpochRequest::OffsetForLeaderPartition& asked) {
  OffsetForLeaderEpochResponse::EpochEndOffset answer;
  answer.partition = asked.partition;
  const PartitionIndex index(asked.partition);
  auto partition = services.replicas.find(topic, index);
  if (!partition) {
    answer.error_code =
        static_cast<std::int16_t>(error_without_replica(*services.metadata.image(), topic, index));
    return answer;
  }
  const ErrorCode refused = partition->check_leader(LeaderEpoch(asked.current_leader_epoch));
  if (refused != ErrorCode::kNone) {
    answer.error_code = static_cast<std::int16_t>(refused);
    return answer;
  }
  const log::EpochEndOffset end = partition->with_log(
      [&](log::PartitionLog& log) { return log.end_offset_for_epoch(LeaderEpoch(asked.leader_epoch)); });
  answer.leader_epoch = end.epoch.value();
  answer.end_offset = end.end_offset.value();
  return answer;
}

void handle_offset_for_leader_epoch(Services& services, const RequestContext& context,
                                    OffsetForLeaderEpochRequest& request,
                                    Reply<OffsetForLeaderEpochResponse> reply) {
  OffsetForLeaderEpochResponse response;
  const bool as_broker = allowed_on_cluster(services, context, Operation::kClusterAction);
  for (const auto& topic : request.topics) {
    auto& answers = response.topics.emplace_back();
    answers.topic = topic.topic;
    const bool visible =
        as_broker || allowed(services, context, Operation::kDescribe, ResourceKind::kTopic, topic.topic);
    for (const auto& asked : topic.partitions) {
      if (visible) {
        answers.partitions.push_back(end_of_epoch(services, topic.topic, asked));
        continue;
      }
      auto& answer = answers.partitions.emplace_back();
      answer.partition = asked.partition;
      answer.error_code = static_cast<std::int16_t>(ErrorCode::kTopicAuthorizationFailed);
    }
  }
  reply.send(response);
}

}  // namespace

bool serve_offset_for_leader_epoch(Services& services, const RequestContext& context,
                                   protocol::Reader& reader, ResponseSink sink) {
  return decode_and_handle<OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
                           handle_offset_for_leader_epoch>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

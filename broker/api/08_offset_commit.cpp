// OffsetCommit 0-10: how far a group has consumed.
//
//   v0 was kept in ZooKeeper: UNSUPPORTED_VERSION, as without one in Kafka 3.9.1   v1 members   v2-4 a
//   retention of its own   v3 throttle time   v5 no retention   v6 leader epochs   v7 static members v8
//   flexible   v9 GROUP_ID_NOT_FOUND instead of ILLEGAL_GENERATION for an unknown group   v10 topic ids
//
// Topics that the client may not read, or that are not there, are answered one by one; the rest goes to the
// group's shard. Members of the consumer protocol (KIP-848) commit by version 9 and above, with their epoch.
#include <algorithm>
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/coordinator/group_shard.hpp"
#include "broker/drivers/group_driver.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "protocol/messages/api_offset_commit.hpp"

namespace barnabas::broker {

using protocol::OffsetCommitRequest;
using protocol::OffsetCommitResponse;

namespace {

constexpr std::int16_t kFirstVersionByTopicId = 10;

void refuse(const OffsetCommitRequest::OffsetCommitRequestTopic& topic, ErrorCode error,
            OffsetCommitResponse& response) {
  auto& answer = response.topics.emplace_back();
  answer.name = topic.name;
  answer.topic_id = topic.topic_id;
  for (const auto& partition : topic.partitions) {
    answer.partitions.push_back({partition.partition_index, static_cast<std::int16_t>(error)});
  }
}

/// Moves what cannot be committed from the request to the response; fills in names and ids of the rest.
void sort_out(const Services& services, const RequestContext& context, OffsetCommitRequest& request,
              OffsetCommitResponse& response) {
  const kraft::MetadataImagePtr image = services.metadata.image();
  const bool by_id = context.api_version >= kFirstVersionByTopicId;
  std::erase_if(request.topics, [&](OffsetCommitRequest::OffsetCommitRequestTopic& topic) {
    const kraft::TopicImage* known = by_id ? image->topic(TopicId(topic.topic_id)) : image->topic(topic.name);
    if (by_id && known == nullptr) {
      refuse(topic, ErrorCode::kUnknownTopicId, response);
      return true;
    }
    if (known != nullptr) {
      topic.name = known->name;
      topic.topic_id = known->id.value();
    }
    if (!allowed(services, context, Operation::kRead, ResourceKind::kTopic, topic.name)) {
      refuse(topic, ErrorCode::kTopicAuthorizationFailed, response);
      return true;
    }
    if (known == nullptr) {
      refuse(topic, ErrorCode::kUnknownTopicOrPartition, response);
      return true;
    }
    OffsetCommitRequest::OffsetCommitRequestTopic missing;
    std::erase_if(topic.partitions, [&](auto& partition) {
      const std::int32_t index = partition.partition_index;
      if (index >= 0 && static_cast<std::size_t>(index) < known->partitions.size()) return false;
      missing.partitions.push_back(std::move(partition));
      return true;
    });
    if (!missing.partitions.empty()) {
      missing.name = topic.name;
      missing.topic_id = topic.topic_id;
      refuse(missing, ErrorCode::kUnknownTopicOrPartition, response);
    }
    return topic.partitions.empty();
  });
}

/// The refused partitions of a topic come first, as Kafka answers.
void merge(const OffsetCommitResponse& from, OffsetCommitResponse& into) {
  for (const auto& topic : from.topics) {
    const auto same =
        std::ranges::find(into.topics, topic.name, &OffsetCommitResponse::OffsetCommitResponseTopic::name);
    if (same == into.topics.end()) {
      into.topics.push_back(topic);
    } else {
      same->partitions.insert(same->partitions.end(), topic.partitions.begin(), topic.partitions.end());
    }
  }
}

void handle_offset_commit(Services& services, const RequestContext& context, OffsetCommitRequest& request,
                          Reply<OffsetCommitResponse> reply) {
  OffsetCommitResponse response;
  if (!allowed(services, context, Operation::kRead, ResourceKind::kGroup, request.group_id)) {
    for (const auto& topic : request.topics) refuse(topic, ErrorCode::kGroupAuthorizationFailed, response);
    return reply.send(response);
  }
  sort_out(services, context, request, response);
  if (context.api_version == 0) {
    for (const auto& topic : request.topics) refuse(topic, ErrorCode::kUnsupportedVersion, response);
    request.topics.clear();
  }
  if (request.topics.empty()) return reply.send(response);
  const std::string group = request.group_id;
  services.groups.run(
      group, GroupDriver::Kind::kCommuting,
      [request = std::move(request), response = std::move(response), reply = std::move(reply),
       version = context.api_version](ErrorCode refused, GroupShard* shard, Step* step) mutable {
        if (refused != ErrorCode::kNone) {
          OffsetCommitResponse failed;
          for (const auto& topic : request.topics) refuse(topic, refused, failed);
          merge(failed, response);
          return reply.send(response);
        }
        if (response.topics.empty()) {
          return shard->commit_offsets(
              request, version,
              [reply = std::move(reply)](const OffsetCommitResponse& committed) mutable {
                reply.send(committed);
              },
              *step);
        }
        shard->commit_offsets(
            request, version,
            [reply = std::move(reply),
             response = std::move(response)](const OffsetCommitResponse& committed) mutable {
              merge(committed, response);
              reply.send(response);
            },
            *step);
      });
}

}  // namespace

bool serve_offset_commit(Services& services, const RequestContext& context, protocol::Reader& reader,
                         ResponseSink sink) {
  return decode_and_handle<OffsetCommitRequest, OffsetCommitResponse, handle_offset_commit>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

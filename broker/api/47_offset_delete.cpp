// OffsetDelete 0: committed offsets go, of topics that nobody in the group is subscribed to (KIP-496).
//
// The group is asked even when nothing of the request is left to delete: its errors come first (measured on
// Kafka 4.3.1).
#include <algorithm>
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/coordinator/group_shard.hpp"
#include "broker/drivers/group_driver.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "protocol/messages/api_offset_delete.hpp"

namespace barnabas::broker {

using protocol::OffsetDeleteRequest;
using protocol::OffsetDeleteResponse;

namespace {

void refuse(const std::string& name,
            const std::vector<OffsetDeleteRequest::OffsetDeleteRequestPartition>& partitions, ErrorCode error,
            OffsetDeleteResponse& response) {
  auto& topic = response.topics.emplace_back();
  topic.name = name;
  for (const auto& partition : partitions) {
    topic.partitions.push_back({partition.partition_index, static_cast<std::int16_t>(error)});
  }
}

/// Moves what cannot be deleted from the request to the response.
void sort_out(const Services& services, const RequestContext& context, OffsetDeleteRequest& request,
              OffsetDeleteResponse& response) {
  const kraft::MetadataImagePtr image = services.metadata.image();
  std::erase_if(request.topics, [&](auto& topic) {
    if (!allowed(services, context, Operation::kRead, ResourceKind::kTopic, topic.name)) {
      refuse(topic.name, topic.partitions, ErrorCode::kTopicAuthorizationFailed, response);
      return true;
    }
    const kraft::TopicImage* known = image->topic(topic.name);
    const std::size_t count = known != nullptr ? known->partitions.size() : 0;
    const auto gone = std::ranges::stable_partition(topic.partitions, [&](const auto& partition) {
      return partition.partition_index >= 0 && static_cast<std::size_t>(partition.partition_index) < count;
    });
    if (!gone.empty()) {
      refuse(topic.name, {gone.begin(), gone.end()}, ErrorCode::kUnknownTopicOrPartition, response);
      topic.partitions.erase(gone.begin(), gone.end());
    }
    return topic.partitions.empty();
  });
}

void handle_offset_delete(Services& services, const RequestContext& context, OffsetDeleteRequest& request,
                          Reply<OffsetDeleteResponse> reply) {
  OffsetDeleteResponse response;
  if (!allowed(services, context, Operation::kDelete, ResourceKind::kGroup, request.group_id)) {
    response.error_code = static_cast<std::int16_t>(ErrorCode::kGroupAuthorizationFailed);
    return reply.send(response);
  }
  if (request.group_id.empty()) {
    response.error_code = static_cast<std::int16_t>(ErrorCode::kInvalidGroupId);
    return reply.send(response);
  }
  sort_out(services, context, request, response);
  const std::string group = request.group_id;
  services.groups.run(group, GroupDriver::Kind::kExclusive,
                      [request = std::move(request), response = std::move(response),
                       reply = std::move(reply)](ErrorCode refused, GroupShard* shard, Step* step) mutable {
                        if (refused != ErrorCode::kNone) {
                          response = {};
                          response.error_code = static_cast<std::int16_t>(refused);
                          return reply.send(response);
                        }
                        shard->delete_offsets(
                            request,
                            [response = std::move(response),
                             reply = std::move(reply)](const OffsetDeleteResponse& deleted) mutable {
                              // An error of the whole group leaves nothing to say about its topics.
                              if (deleted.error_code != 0) return reply.send(deleted);
                              for (const auto& topic : deleted.topics) {
                                const auto same =
                                    std::ranges::find(response.topics, topic.name,
                                                      &OffsetDeleteResponse::OffsetDeleteResponseTopic::name);
                                if (same == response.topics.end()) {
                                  response.topics.push_back(topic);
                                } else {
                                  same->partitions.insert(same->partitions.end(), topic.partitions.begin(),
                                                          topic.partitions.end());
                                }
                              }
                              reply.send(response);
                            },
                            *step);
                      });
}

}  // namespace

bool serve_offset_delete(Services& services, const RequestContext& context, protocol::Reader& reader,
                         ResponseSink sink) {
  return decode_and_handle<OffsetDeleteRequest, OffsetDeleteResponse, handle_offset_delete>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

// FindCoordinator 0-6: which node keeps a group, or a transactional id.
//
//   v1 key types, error messages, throttle time   v2 same   v3 flexible   v4 several keys in one request
//   v5 TRANSACTION_ABORTABLE for producers   v6 share partitions
//
// Without the coordinator's topic it is created and the answer is COORDINATOR_NOT_AVAILABLE: the client asks
// again. Left out: coordinators of share groups. Their keys are checked as Kafka does and answered
// COORDINATOR_NOT_AVAILABLE, which is what Kafka 4.3.1 says while its topic cannot be created (docs/gaps.md).
#include <algorithm>
#include <charconv>
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/forwarding.hpp"
#include "broker/api/leader_endpoints.hpp"
#include "broker/config/broker_config.hpp"
#include "broker/coordinator/coordinator_partition.hpp"
#include "broker/drivers/group_driver.hpp"
#include "broker/drivers/internal_topics.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/drivers/transaction_driver.hpp"
#include "kraft/controller/topic_control.hpp"
#include "protocol/error_table.hpp"
#include "protocol/messages/api_find_coordinator.hpp"

namespace barnabas::broker {

using protocol::FindCoordinatorRequest;
using protocol::FindCoordinatorResponse;
using Coordinator = FindCoordinatorResponse::Coordinator;

namespace {

constexpr std::int16_t kFirstVersionOfKeys = 4;
constexpr std::int16_t kFirstVersionOfShares = 6;

enum class KeyType : std::int8_t { kGroup = 0, kTransaction = 1, kShare = 2 };

Coordinator refused(const std::string& key, ErrorCode error) {
  return {key, -1, "", -1, static_cast<std::int16_t>(error), ""};
}

/// `driver`: of the coordinator whose topic it is.
template <class Driver>
void create_topic(Services& services, const RequestContext& context, Driver& driver, std::string_view name) {
  if (!driver.begin_topic_creation()) return;
  protocol::CreateTopicsRequest request;
  request.topics.push_back(auto_created_topic(*services.config.settings(), name));
  // Whoever asked finds the topic, or its absence, with the next request.
  ask_controller_for<protocol::CreateTopicsResponse>(
      services, context, protocol::CreateTopicsRequest::kMaxVersion, std::move(request),
      [&driver](const protocol::CreateTopicsResponse&) { driver.end_topic_creation(); });
}

/// The leader of the partition that `key` is kept in.
Coordinator find_leader(const kraft::MetadataImage& image, const kraft::TopicImage& topic,
                        const RequestContext& context, const std::string& key) {
  const auto partitions = static_cast<std::int32_t>(topic.partitions.size());
  const auto index = static_cast<std::size_t>(coordinator_partition(key, partitions));
  const BrokerId leader = topic.partitions[index].leader;
  const Endpoint* endpoint = endpoint_of(image, leader, context.connection->listener);
  if (endpoint == nullptr) return refused(key, ErrorCode::kCoordinatorNotAvailable);
  return {key, leader.value(), endpoint->host, endpoint->port, 0, ""};
}

template <class Driver>
Coordinator find_in(Services& services, const RequestContext& context, Driver& driver,
                    std::string_view topic_name, const std::string& key) {
  const kraft::MetadataImagePtr image = services.metadata.image();
  const kraft::TopicImage* topic = image->topic(topic_name);
  if (topic == nullptr) {
    create_topic(services, context, driver, topic_name);
    return refused(key, ErrorCode::kCoordinatorNotAvailable);
  }
  return find_leader(*image, *topic, context, key);
}

/// GROUP:TOPICID:PARTITION, where the group's name may hold colons.
bool is_share_key(std::string_view key) {
  const std::size_t last = key.rfind(':');
  if (last == std::string_view::npos || last == 0) return false;
  const std::size_t middle = key.rfind(':', last - 1);
  if (middle == std::string_view::npos || middle == 0) return false;
  const std::string_view id = key.substr(middle + 1, last - middle - 1);
  const std::string_view number = key.substr(last + 1);
  std::int32_t partition = -1;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), partition);
  return Uuid::parse(id).has_value() && error == std::errc() && end == number.data() + number.size();
}

Coordinator find(Services& services, const RequestContext& context, std::int8_t type,
                 const std::string& key) {
  switch (static_cast<KeyType>(type)) {
    case KeyType::kGroup:
      if (!allowed(services, context, Operation::kDescribe, ResourceKind::kGroup, key))
        return refused(key, ErrorCode::kGroupAuthorizationFailed);
      return find_in(services, context, services.groups, kGroupTopic, key);
    case KeyType::kTransaction:
      if (!allowed(services, context, Operation::kDescribe, ResourceKind::kTransactionalId, key))
        return refused(key, ErrorCode::kTransactionalIdAuthorizationFailed);
      return find_in(services, context, services.transactions, kTransactionTopic, key);
    case KeyType::kShare:
      if (context.api_version < kFirstVersionOfShares) break;
      if (!allowed_on_cluster(services, context, Operation::kClusterAction)) {
        return refused(key, ErrorCode::kClusterAuthorizationFailed);
      }
      return refused(key,
                     is_share_key(key) ? ErrorCode::kCoordinatorNotAvailable : ErrorCode::kInvalidRequest);
  }
  Coordinator unknown = refused(key, ErrorCode::kInvalidRequest);
  unknown.error_message = protocol::error_message(ErrorCode::kInvalidRequest);
  return unknown;
}

void handle_find_coordinator(Services& services, const RequestContext& context,
                             FindCoordinatorRequest& request, Reply<FindCoordinatorResponse> reply) {
  FindCoordinatorResponse response;
  if (context.api_version >= kFirstVersionOfKeys) {
    for (const std::string& key : request.coordinator_keys) {
      response.coordinators.push_back(find(services, context, request.key_type, key));
    }
    return reply.send(response);
  }
  const Coordinator found = find(services, context, request.key_type, request.key);
  response.error_code = found.error_code;
  response.error_message = protocol::error_message(static_cast<ErrorCode>(found.error_code));
  response.node_id = found.node_id;
  response.host = found.host;
  response.port = found.port;
  reply.send(response);
}

}  // namespace

bool serve_find_coordinator(Services& services, const RequestContext& context, protocol::Reader& reader,
                            ResponseSink sink) {
  return decode_and_handle<FindCoordinatorRequest, FindCoordinatorResponse, handle_find_coordinator>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

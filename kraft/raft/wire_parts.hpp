// What the requests and responses of raft share on the wire: cluster id, partition, leader, endpoints.
// Only for wire.cpp and wire_fetch.cpp. Thread safety: none needed.
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "kraft/raft/wire.hpp"

namespace barnabas::kraft::wire {

inline constexpr std::string_view kMetadataTopic = "__cluster_metadata";

/// No cluster id is any cluster's (measured on Kafka 4.3.1).
template <class Request>
Result<void> check_cluster(const Request& request, const WireContext& context) {
  if (!request.cluster_id || *request.cluster_id == context.cluster_id) return {};
  return fail(ErrorCode::kInconsistentClusterId,
              "this is cluster " + context.cluster_id + ", not " + *request.cluster_id);
}

template <class Topic>
bool is_metadata(const Topic& topic) {
  if constexpr (requires { topic.topic_id; })
    return topic.topic == kMetadataTopic || topic.topic_id == kMetadataTopicUuid;
  else if constexpr (requires { topic.topic_name; })
    return topic.topic_name == kMetadataTopic;
  else
    return topic.name == kMetadataTopic;
}
template <class Partition>
auto& index_of(Partition& partition) {
  if constexpr (requires { partition.partition_index; })
    return partition.partition_index;
  else if constexpr (requires { partition.partition; })
    return partition.partition;
  else
    return partition.index;
}
template <class Message>
auto& topics_of(Message& message) {
  if constexpr (requires { message.responses; })
    return message.responses;
  else
    return message.topics;
}

/// Adds __cluster_metadata-0 to a message. The reference lives as long as the message.
template <class Message>
auto& say_partition(Message& message) {
  auto& topic = topics_of(message).emplace_back();
  if constexpr (requires { topic.topic_id; }) {
    topic.topic = kMetadataTopic;
    topic.topic_id = kMetadataTopicUuid;
  } else if constexpr (requires { topic.topic_name; }) {
    topic.topic_name = kMetadataTopic;
  } else {
    topic.name = kMetadataTopic;
  }
  return topic.partitions.emplace_back();
}
/// The one partition of a message. It lives in the message.
template <class Message>
auto partition_of(const Message& message)
    -> Result<decltype(&topics_of(message).front().partitions.front())> {
  const auto& topics = topics_of(message);
  const bool is_one = topics.size() == 1 && topics[0].partitions.size() == 1 && is_metadata(topics[0]) &&
                      index_of(topics[0].partitions[0]) == 0;
  if (!is_one) return fail(ErrorCode::kInvalidRequest, "only __cluster_metadata-0 is replicated here");
  return &topics[0].partitions[0];
}

template <class Message>
void say_error(Message& message, ErrorCode error) {
  message.error_code = static_cast<std::int16_t>(error);
}

/// Endpoints of the leader, by its id.
template <class Response>
void say_endpoint(Response& response, BrokerId leader, const std::optional<Endpoint>& endpoint) {
  if (!endpoint || leader == kNoBroker) return;
  auto& node = response.node_endpoints.emplace_back();
  node.node_id = leader.value();
  node.host = endpoint->host;
  node.port = endpoint->port;
}
template <class Response>
std::optional<Endpoint> endpoint_among(const Response& response, BrokerId leader) {
  for (const auto& node : response.node_endpoints)
    if (node.node_id == leader.value() && node.port > 0 && node.port <= 65535)
      return Endpoint{node.host, static_cast<std::uint16_t>(node.port)};
  return std::nullopt;
}

/// Error, leader and epoch of the first partition, and where the leader is if the version has that.
template <class To, class From>
void say_leader(To& to, const From& from, bool has_endpoints) {
  auto& partition = topics_of(to).front().partitions.front();
  say_error(partition, from.error);
  partition.leader_id = from.leader.value();
  partition.leader_epoch = from.epoch.value();
  if (has_endpoints) say_endpoint(to, from.leader, from.leader_endpoint);
}
template <class To>
void read_as_error(To& to, ErrorCode error) {
  to.error = error;
  to.leader = kNoBroker;
  to.epoch = kNoLeaderEpoch;
}
/// Fetch and FetchSnapshot have a structure for it.
template <class Partition>
const auto& leader_in(const Partition& partition) {
  if constexpr (requires { partition.current_leader; })
    return partition.current_leader;
  else
    return partition;
}
/// Null when there is no partition to read further from.
template <class From, class To>
auto read_leader(const From& from, To& to) {
  auto partition = partition_of(from);
  using Pointer = std::remove_reference_t<decltype(*partition)>;
  if (from.error_code != 0 || !partition) {
    read_as_error(
        to, from.error_code != 0 ? static_cast<ErrorCode>(from.error_code) : ErrorCode::kInvalidRequest);
    return Pointer(nullptr);
  }
  to.error = static_cast<ErrorCode>((*partition)->error_code);
  to.leader = BrokerId(leader_in(**partition).leader_id);
  to.epoch = LeaderEpoch(leader_in(**partition).leader_epoch);
  to.leader_endpoint = endpoint_among(from, to.leader);
  return *partition;
}

template <class Listeners>
void say_listeners(const std::vector<VoterEndpoint>& endpoints, Listeners& listeners) {
  for (const VoterEndpoint& endpoint : endpoints) {
    auto& listener = listeners.emplace_back();
    listener.name = endpoint.listener;
    listener.host = endpoint.endpoint.host;
    listener.port = endpoint.endpoint.port;
  }
}
template <class Listeners>
std::vector<VoterEndpoint> voter_endpoints(const Listeners& listeners) {
  std::vector<VoterEndpoint> endpoints;
  for (const auto& listener : listeners)
    endpoints.push_back({listener.name, {listener.host, static_cast<std::uint16_t>(listener.port)}});
  return endpoints;
}

}  // namespace barnabas::kraft::wire

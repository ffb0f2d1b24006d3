// Who has the replicas of a partition, who leads it, and where that node is as the listener of the asking
// client sees it (KIP-951). Pure functions of a metadata image.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "broker/api/request_context.hpp"
#include "kraft/controller/partition_change.hpp"
#include "kraft/metadata_image.hpp"

namespace barnabas::broker {

/// What a partition that has no replica here is answered with.
[[nodiscard]] inline ErrorCode error_without_replica(const kraft::MetadataImage& image,
                                                     std::string_view topic, PartitionIndex index) {
  return image.partition(topic, index) ? ErrorCode::kNotLeaderOrFollower
                                       : ErrorCode::kUnknownTopicOrPartition;
}

/// Ids as messages carry them.
[[nodiscard]] inline std::vector<std::int32_t> values_of(const std::vector<BrokerId>& ids) {
  std::vector<std::int32_t> values;
  values.reserve(ids.size());
  for (BrokerId id : ids) values.push_back(id.value());
  return values;
}

/// Null when the broker is unknown or does not offer that listener.
[[nodiscard]] inline const Endpoint* endpoint_of(const kraft::MetadataImage& image, BrokerId id,
                                                 std::string_view listener) {
  const kraft::BrokerRegistration* broker = image.broker(id);
  if (!broker) return nullptr;
  auto found = std::ranges::find(broker->endpoints, listener, &kraft::NamedEndpoint::listener);
  return found == broker->endpoints.end() ? nullptr : &found->endpoint;
}

/// Whether clients of the listener could be served by the replica: its broker is alive, and so is the log
/// directory that it is in. `at` is its place in `partition.replicas`.
[[nodiscard]] inline bool is_replica_online(const kraft::MetadataImage& image,
                                            const kraft::PartitionRegistration& partition, std::size_t at,
                                            std::string_view listener) {
  const BrokerId id = partition.replicas[at];
  const kraft::BrokerRegistration* broker = image.broker(id);
  return broker && !broker->fenced && endpoint_of(image, id, listener) &&
         (at >= partition.directories.size() ||
          kraft::has_online_directory(*broker, partition.directories[at]));
}

/// Fills `current_leader` of a partition that is led elsewhere and adds the leader to `node_endpoints` once.
template <class Leader, class Endpoints>
void describe_leader(const kraft::MetadataImage& image, const RequestContext& context, std::string_view topic,
                     PartitionIndex index, Leader& current_leader, Endpoints& node_endpoints) {
  const kraft::PartitionRegistration* partition = image.partition(topic, index);
  if (!partition) return;
  current_leader.leader_id = partition->leader.value();
  current_leader.leader_epoch = partition->leader_epoch.value();
  const Endpoint* endpoint = endpoint_of(image, partition->leader, context.connection->listener);
  if (!endpoint) return;
  for (const auto& node : node_endpoints) {
    if (node.node_id == partition->leader.value()) return;
  }
  node_endpoints.push_back(
      {partition->leader.value(), endpoint->host, endpoint->port, image.broker(partition->leader)->rack});
}

}  // namespace barnabas::broker

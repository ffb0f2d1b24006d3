// AlterReplicaLogDirs 0-2: moves replicas to other log directories of this node (KIP-113).
//
//   v2 flexible
//
// Answered once the move has begun; DescribeLogDirs tells how far it is. A partition that is not here is to
// be made in the directory, and the answer is an error nevertheless (measured on Kafka 4.3.1).
#include <map>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/leader_endpoints.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/replica/replica_manager.hpp"
#include "protocol/messages/api_alter_replica_log_dirs.hpp"

namespace barnabas::broker {

using protocol::AlterReplicaLogDirsRequest;
using protocol::AlterReplicaLogDirsResponse;

namespace {

ErrorCode move_to(Services& services, const std::string& path, const std::string& topic, std::int32_t index) {
  const ErrorCode outcome = services.replicas.move_to({topic, PartitionIndex(index)}, path);
  if (outcome != ErrorCode::kUnknownTopicOrPartition) return outcome;
  return error_without_replica(*services.metadata.image(), topic, PartitionIndex(index));
}

void handle_alter_replica_log_dirs(Services& services, const RequestContext& context,
                                   AlterReplicaLogDirsRequest& request,
                                   Reply<AlterReplicaLogDirsResponse> reply) {
  const bool may = allowed_on_cluster(services, context, Operation::kAlter);
  std::map<std::string, std::map<std::int32_t, ErrorCode>> outcomes;
  for (const auto& directory : request.dirs)
    for (const auto& topic : directory.topics)
      for (const std::int32_t index : topic.partitions)
        outcomes[topic.name][index] = may ? move_to(services, directory.path, topic.name, index)
                                          : ErrorCode::kClusterAuthorizationFailed;
  AlterReplicaLogDirsResponse response;
  for (const auto& [topic, partitions] : outcomes) {
    auto& result = response.results.emplace_back();
    result.topic_name = topic;
    for (const auto& [index, error] : partitions)
      result.partitions.push_back({index, static_cast<std::int16_t>(error)});
  }
  reply.send(response);
}

}  // namespace

bool serve_alter_replica_log_dirs(Services& services, const RequestContext& context, protocol::Reader& reader,
                                  ResponseSink sink) {
  return decode_and_handle<AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse,
                           handle_alter_replica_log_dirs>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

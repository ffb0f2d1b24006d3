// AlterReplicaLogDirs 0-2: moves replicas to other log directories of this node (KIP-113).
//
//   v2 flexible
//
// Left out: moving; a replica that is where it is asked for is told so.
#include <algorithm>
#include <map>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/replica/replica_manager.hpp"
#include "protocol/messages/api_alter_replica_log_dirs.hpp"

namespace barnabas::broker {

using protocol::AlterReplicaLogDirsRequest;
using protocol::AlterReplicaLogDirsResponse;

namespace {

ErrorCode move_to(Services& services, const std::string& path, const std::string& topic, std::int32_t index) {
  const auto& directories = services.replicas.logs().directories();
  if (std::ranges::find(directories, path) == directories.end()) return ErrorCode::kLogDirNotFound;
  const auto partition = services.replicas.find(topic, PartitionIndex(index));
  if (partition == nullptr) return ErrorCode::kUnknownTopicOrPartition;
  const bool there = partition->with_log(
      [&](const log::PartitionLog& log) { return log.directory().starts_with(path + "/"); });
  return there ? ErrorCode::kNone : ErrorCode::kInvalidRequest;
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

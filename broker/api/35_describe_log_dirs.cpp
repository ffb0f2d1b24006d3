// DescribeLogDirs 0-5: the log directories and the size of each partition in them (KIP-113).
//
//   v2 flexible   v3 top-level error   v4 volume sizes (KIP-827)   v5 cordoned directories
#include <sys/statvfs.h>

#include <algorithm>
#include <map>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/replica/replica_manager.hpp"
#include "protocol/messages/api_describe_log_dirs.hpp"

namespace barnabas::broker {

using protocol::DescribeLogDirsRequest;
using protocol::DescribeLogDirsResponse;
using Directory = DescribeLogDirsResponse::DescribeLogDirsResult;

namespace {

bool is_asked(const DescribeLogDirsRequest& request, const TopicPartition& tp) {
  if (!request.topics) return true;
  return std::ranges::any_of(*request.topics, [&](const auto& topic) {
    return topic.topic == tp.topic &&
           std::ranges::find(topic.partitions, tp.partition.value()) != topic.partitions.end();
  });
}

void add_partitions(Services& services, const DescribeLogDirsRequest& request, Directory& directory) {
  std::map<std::string, DescribeLogDirsResponse::DescribeLogDirsTopic> topics;
  for (const auto& partition : services.replicas.all()) {
    const TopicPartition& tp = partition->topic_partition();
    if (!is_asked(request, tp)) continue;
    partition->with_log([&](log::PartitionLog& log) {
      if (!log.directory().starts_with(directory.log_dir + "/")) return;
      auto& topic = topics[tp.topic];
      topic.name = tp.topic;
      topic.partitions.push_back({tp.partition.value(), static_cast<std::int64_t>(log.size_bytes()),
                                  log.log_end_offset() - log.high_watermark(), false});
    });
  }
  for (auto& [name, topic] : topics) directory.topics.push_back(std::move(topic));
}

void handle_describe_log_dirs(Services& services, const RequestContext& context,
                              DescribeLogDirsRequest& request, Reply<DescribeLogDirsResponse> reply) {
  DescribeLogDirsResponse response;
  if (!allowed_on_cluster(services, context, Operation::kDescribe)) {
    response.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
    return reply.send(response);
  }
  for (const std::string& path : services.replicas.logs().directories()) {
    Directory& directory = response.results.emplace_back();
    directory.log_dir = path;
    struct statvfs volume{};
    if (::statvfs(path.c_str(), &volume) == 0) {
      directory.total_bytes = static_cast<std::int64_t>(volume.f_blocks * volume.f_frsize);
      directory.usable_bytes = static_cast<std::int64_t>(volume.f_bavail * volume.f_frsize);
    }
    add_partitions(services, request, directory);
  }
  reply.send(response);
}

}  // namespace

bool serve_describe_log_dirs(Services& services, const RequestContext& context, protocol::Reader& reader,
                             ResponseSink sink) {
  return decode_and_handle<DescribeLogDirsRequest, DescribeLogDirsResponse, handle_describe_log_dirs>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

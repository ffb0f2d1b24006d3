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

using Topics = std::map<std::string, DescribeLogDirsResponse::DescribeLogDirsTopic>;

void add_log(const log::PartitionLog& log, std::int64_t lag, bool is_future, const std::string& directory,
             Topics& topics) {
  if (!log.directory().starts_with(directory + "/")) return;
  const TopicPartition& tp = log.topic_partition();
  topics[tp.topic].name = tp.topic;
  topics[tp.topic].partitions.push_back(
      {tp.partition.value(), static_cast<std::int64_t>(log.size_bytes()), lag, is_future});
}

void add_partitions(Services& services, const DescribeLogDirsRequest& request, Directory& directory) {
  Topics topics;
  for (const auto& partition : services.replicas.all()) {
    const TopicPartition& tp = partition->topic_partition();
    if (!is_asked(request, tp)) continue;
    // Against a swap between the two: a log is seen once, as what it is.
    const auto hold = partition->hold_move();
    const Offset end = partition->with_log([&](log::PartitionLog& log) {
      add_log(log, std::max<std::int64_t>(log.high_watermark() - log.log_end_offset(), 0), false,
              directory.log_dir, topics);
      return log.log_end_offset();
    });
    if (const auto future = services.replicas.logs().find_future(tp))
      add_log(*future, end - future->log_end_offset(), true, directory.log_dir, topics);
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
    if (!services.replicas.logs().is_online(path)) {
      directory.error_code = static_cast<std::int16_t>(ErrorCode::kKafkaStorageError);
      continue;
    }
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

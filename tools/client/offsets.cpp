#include "tools/client/offsets.hpp"

#include "protocol/error_table.hpp"
#include "protocol/messages/api_list_offsets.hpp"
#include "protocol/messages/api_offset_commit.hpp"
#include "protocol/messages/api_offset_fetch.hpp"

namespace barnabas::tools {
namespace {

using protocol::ListOffsetsRequest;
using protocol::ListOffsetsResponse;
using protocol::OffsetCommitRequest;
using protocol::OffsetCommitResponse;
using protocol::OffsetFetchRequest;
using protocol::OffsetFetchResponse;

/// Topics by name: what came after is asked by topic id.
constexpr std::int16_t kLastOffsetApiWithNames = 9;
constexpr std::int16_t kLastFetchOfOneGroup = 7;
constexpr std::string_view kFetchName = "listConsumerGroupOffsets(api=OFFSET_FETCH)";
constexpr std::int32_t kConsumer = -1;

using ByLeader = std::map<std::int32_t, ListOffsetsRequest>;

Result<std::int64_t> offset_or_error(std::int16_t code, std::int64_t offset) {
  TRY(refusal(code));
  return offset;
}

/// Requests by leader; partitions that have none get their error at once.
ByLeader group_by_leader(const protocol::MetadataResponse& metadata,
                         const std::set<TopicPartition>& partitions, std::int64_t timestamp,
                         ListedOffsets& listed) {
  ByLeader requests;
  for (const auto& wanted : partitions)
    listed.insert_or_assign(
        wanted, offset_or_error(static_cast<std::int16_t>(ErrorCode::kUnknownTopicOrPartition), -1));
  for (const auto& topic : metadata.topics) {
    for (const auto& partition : topic.partitions) {
      const TopicPartition wanted{topic.name.value_or(""), PartitionIndex(partition.partition_index)};
      if (!partitions.contains(wanted)) continue;
      if (partition.leader_id < 0) {
        listed.insert_or_assign(
            wanted, offset_or_error(static_cast<std::int16_t>(ErrorCode::kLeaderNotAvailable), -1));
        continue;
      }
      auto& request = requests[partition.leader_id];
      request.replica_id = kConsumer;
      if (request.topics.empty() || request.topics.back().name != wanted.topic)
        request.topics.push_back({.name = wanted.topic, .partitions = {}});
      request.topics.back().partitions.push_back({.partition_index = partition.partition_index,
                                                  .current_leader_epoch = -1,
                                                  .timestamp = timestamp,
                                                  .max_num_offsets = 1});
    }
  }
  return requests;
}

void collect(const ListOffsetsResponse& answer, ListedOffsets& listed) {
  for (const auto& topic : answer.topics)
    for (const auto& partition : topic.partitions) {
      const std::int64_t offset =
          partition.old_style_offsets.empty() ? partition.offset : partition.old_style_offsets.front();
      listed.insert_or_assign({topic.name, PartitionIndex(partition.partition_index)},
                              offset_or_error(partition.error_code, offset));
    }
}

Result<ListedOffsets> list_offsets_once(Admin& admin, const std::set<TopicPartition>& partitions,
                                        std::int64_t timestamp) {
  std::set<std::string> topics;
  for (const auto& partition : partitions) topics.insert(partition.topic);
  const auto metadata = TRY(
      admin.metadata(std::vector<std::string>(topics.begin(), topics.end()), "listOffsets(api=METADATA)"));
  ListedOffsets listed;
  for (auto& [leader, request] : group_by_leader(metadata.body, partitions, timestamp, listed)) {
    request.timeout_ms = static_cast<std::int32_t>(admin.cluster().config().request_timeout.count());
    const auto answer = TRY(admin.call<ListOffsetsResponse>(Target::broker(BrokerId(leader)), request,
                                                            "listOffsets(api=LIST_OFFSETS)"));
    collect(answer.body, listed);
  }
  return listed;
}

CommittedOffsets committed_of(const auto& topics) {
  CommittedOffsets committed;
  for (const auto& topic : topics)
    for (const auto& partition : topic.partitions)
      if (partition.error_code == 0 && partition.committed_offset >= 0)
        committed[{topic.name, PartitionIndex(partition.partition_index)}] = {
            .offset = partition.committed_offset, .leader_epoch = partition.committed_leader_epoch};
  return committed;
}

Result<void> check_committed(const OffsetCommitResponse& answer) {
  for (const auto& topic : answer.topics)
    for (const auto& partition : topic.partitions)
      if (auto refused = refusal(partition.error_code); !refused) return refused;
  return {};
}

}  // namespace

Result<ListedOffsets> list_offsets(Admin& admin, const std::set<TopicPartition>& partitions,
                                   std::int64_t timestamp) {
  ListedOffsets last;
  const auto listed = admin.cluster().retrying<ListedOffsets>([&]() -> Result<ListedOffsets> {
    last = TRY(list_offsets_once(admin, partitions, timestamp));
    // The leader moved, or is about to be one.
    for (const auto& [partition, offset] : last)
      if (!offset && offset.error().code != ErrorCode::kUnknownTopicOrPartition &&
          offset.error().code != ErrorCode::kLeaderNotAvailable &&
          protocol::error_info(offset.error().code).retriable)
        return std::unexpected(offset.error());
    return last;
  });
  // After the last attempt the errors of partitions stand where they are.
  if (!listed && !last.empty()) return last;
  return listed;
}

Result<CommittedOffsets> committed_offsets(Admin& admin, const std::string& group) {
  OffsetFetchRequest request;
  auto& asked = request.groups.emplace_back();
  asked.group_id = group;
  asked.topics.reset();
  const auto check = [](const OffsetFetchResponse& answer) -> Result<void> {
    return answer.groups.empty() ? Result<void>{} : refusal(answer.groups.front().error_code);
  };
  const auto answer = admin.call<OffsetFetchResponse>(Target::group(group), request, kFetchName, check,
                                                      kLastOffsetApiWithNames);
  if (answer)
    return answer->body.groups.empty() ? CommittedOffsets{}
                                       : committed_of(answer->body.groups.front().topics);
  if (answer.error().code != ErrorCode::kUnsupportedVersion) return std::unexpected(answer.error());
  // Older brokers know one group a request.
  OffsetFetchRequest old_request;
  old_request.group_id = group;
  old_request.topics.reset();
  const auto old_answer = TRY(admin.call<OffsetFetchResponse>(Target::group(group), old_request, kFetchName,
                                                              {}, kLastFetchOfOneGroup));
  return committed_of(old_answer->topics);
}

Result<void> commit_offsets(Admin& admin, const std::string& group,
                            const std::map<TopicPartition, std::int64_t>& offsets) {
  OffsetCommitRequest request;
  request.group_id = group;
  for (const auto& [partition, offset] : offsets) {
    if (request.topics.empty() || request.topics.back().name != partition.topic)
      request.topics.push_back({.name = partition.topic, .topic_id = {}, .partitions = {}});
    request.topics.back().partitions.push_back(
        {.partition_index = partition.partition.value(), .committed_offset = offset});
  }
  const auto committed = admin.call<OffsetCommitResponse>(Target::group(group), request,
                                                          "alterConsumerGroupOffsets(api=OFFSET_COMMIT)",
                                                          check_committed, kLastOffsetApiWithNames);
  if (committed) return {};
  return std::unexpected(committed.error());
}

}  // namespace barnabas::tools

// The offsets of a GroupMember: fetching what the group has committed, and committing.
#include <fmt/format.h>

#include "protocol/messages/api_offset_commit.hpp"
#include "protocol/messages/api_offset_fetch.hpp"
#include "tools/client/group_member.hpp"

namespace barnabas::tools {
namespace {

// From version 10 on topics go by their ids; names do as well.
constexpr std::int16_t kMostVersion = 9;
constexpr std::int16_t kFirstWithGroups = 8;

std::map<std::string, std::vector<std::int32_t>> by_topic(const std::vector<TopicPartition>& partitions) {
  std::map<std::string, std::vector<std::int32_t>> topics;
  for (const TopicPartition& partition : partitions) {
    topics[partition.topic].push_back(partition.partition.value());
  }
  return topics;
}

/// The partitions of an answer, whose types differ between versions.
Result<void> take_offsets(const auto& topics, Offsets& to) {
  for (const auto& topic : topics) {
    for (const auto& partition : topic.partitions) {
      if (partition.error_code != 0) return fail(static_cast<ErrorCode>(partition.error_code));
      if (partition.committed_offset < 0) continue;
      to[{topic.name, PartitionIndex(partition.partition_index)}] = {
          Offset(partition.committed_offset), LeaderEpoch(partition.committed_leader_epoch)};
    }
  }
  return {};
}

}  // namespace

Result<Offsets> GroupMember::committed(const std::vector<TopicPartition>& partitions) {
  TRY(connect());
  protocol::OffsetFetchRequest request;
  const auto version = connection_->version_of<protocol::OffsetFetchRequest>(kMostVersion);
  if (version && *version >= kFirstWithGroups) {
    request.groups.emplace_back();
    request.groups.back().group_id = config_.group_id;
    for (const auto& [topic, indexes] : by_topic(partitions)) {
      request.groups.back().topics->push_back({.name = topic, .topic_id = {}, .partition_indexes = indexes});
    }
  } else {
    request.group_id = config_.group_id;
    for (const auto& [topic, indexes] : by_topic(partitions)) request.topics->push_back({topic, indexes});
  }
  request.require_stable = config_.read_committed && version && *version >= 7;
  const auto answer = TRY(connection_->call<protocol::OffsetFetchResponse>(
      request, deadline_after(config_.client.request_timeout), kMostVersion));
  Offsets offsets;
  if (answer.version >= kFirstWithGroups) {
    for (const auto& group : answer->groups) {
      if (group.error_code != 0) return fail(static_cast<ErrorCode>(group.error_code));
      TRY(take_offsets(group.topics, offsets));
    }
  } else {
    if (answer->error_code != 0) return fail(static_cast<ErrorCode>(answer->error_code));
    TRY(take_offsets(answer->topics, offsets));
  }
  return offsets;
}

Result<void> GroupMember::commit(const Offsets& offsets) {
  if (offsets.empty()) return {};
  // A join that is on its way is answered after the commit at best; the member has given up everything then.
  if (state_ == State::kJoining || state_ == State::kSyncing) return {};
  TRY(connect());
  protocol::OffsetCommitRequest request;
  request.group_id = config_.group_id;
  request.generation_id_or_member_epoch = generation_;
  request.member_id = member_id_;
  const auto version = connection_->version_of<protocol::OffsetCommitRequest>(kMostVersion);
  if (version && *version >= 7) request.group_instance_id = instance_id();
  for (const auto& [partition, committed] : offsets) {
    auto& topics = request.topics;
    if (topics.empty() || topics.back().name != partition.topic) {
      topics.emplace_back();
      topics.back().name = partition.topic;
    }
    topics.back().partitions.emplace_back();
    topics.back().partitions.back().partition_index = partition.partition.value();
    topics.back().partitions.back().committed_offset = committed.offset.value();
    if (version && *version >= 6) {
      topics.back().partitions.back().committed_leader_epoch = committed.epoch.value();
    }
  }
  const auto answer = TRY(connection_->call<protocol::OffsetCommitResponse>(
      request, deadline_after(config_.client.request_timeout), kMostVersion));
  for (const auto& topic : answer->topics) {
    for (const auto& partition : topic.partitions) {
      if (partition.error_code != 0) return fail(static_cast<ErrorCode>(partition.error_code));
    }
  }
  return {};
}

}  // namespace barnabas::tools

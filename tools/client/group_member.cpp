#include "tools/client/group_member.hpp"

#include <fmt/format.h>

#include "protocol/messages/api_offset_commit.hpp"
#include "protocol/messages/api_offset_fetch.hpp"
#include "tools/client/classic_member.hpp"
#include "tools/client/consumer_member.hpp"

namespace barnabas::tools {
namespace {

// From version 10 on topics go by their ids; names do as well.
constexpr std::int16_t kMostVersion = 9;
constexpr std::int16_t kFirstWithGroups = 8;
/// Of OffsetFetch and OffsetCommit, for members of the new protocol.
constexpr std::int16_t kFirstWithEpochs = 9;

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

GroupMember::GroupMember(Cluster& cluster, const ConsumerConfig& config, Host host)
    : cluster_(cluster), config_(config), host_(std::move(host)) {}

std::unique_ptr<GroupMember> GroupMember::make(Cluster& cluster, const ConsumerConfig& config, Host host) {
  if (config.is_new_protocol) return std::make_unique<ConsumerMember>(cluster, config, std::move(host));
  return std::make_unique<ClassicMember>(cluster, config, std::move(host));
}

Result<void> GroupMember::connect() {
  if (connection_ && connection_->is_open()) return {};
  const Address address = TRY(cluster_.find_coordinator(CoordinatorType::kGroup, config_.group_id));
  connection_ =
      TRY(Connection::open(address, config_.client, deadline_after(config_.client.request_timeout)));
  return {};
}

void GroupMember::wait_a_moment() {
  not_before_ = deadline_after(config_.client.retry_backoff);
}

bool GroupMember::coordinator_is_elsewhere(ErrorCode error) {
  return error == ErrorCode::kNotCoordinator || error == ErrorCode::kCoordinatorNotAvailable ||
         error == ErrorCode::kNetworkException || error == ErrorCode::kRequestTimedOut;
}

std::optional<std::string> GroupMember::instance_id() const {
  return config_.group_instance_id.empty() ? std::nullopt : std::optional(config_.group_instance_id);
}

bool GroupMember::mends(ErrorCode) {
  return false;
}

Result<Offsets> GroupMember::committed(const Partitions& partitions) {
  TRY(connect());
  protocol::OffsetFetchRequest request;
  const auto version = connection_->version_of<protocol::OffsetFetchRequest>(kMostVersion);
  if (version && *version >= kFirstWithGroups) {
    request.groups.emplace_back();
    request.groups.back().group_id = config_.group_id;
    if (config_.is_new_protocol && *version >= kFirstWithEpochs) {
      request.groups.back().member_id = member_id_;
      request.groups.back().member_epoch = generation_;
    }
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

// Committed offsets: commit, fetch, delete.
#include <algorithm>
#include <utility>

#include "broker/coordinator/applied_reply.hpp"
#include "broker/coordinator/group_shard.hpp"

namespace barnabas::broker {
namespace {

/// Length as Java counts it, which is what offset.metadata.max.bytes is compared with.
std::int64_t utf16_length(std::string_view text) {
  std::int64_t units = 0;
  for (const unsigned char byte : text) {
    if ((byte & 0xC0) != 0x80) ++units;  // the first byte of a character
    if ((byte & 0xF8) == 0xF0) ++units;  // one outside the basic plane takes a pair
  }
  return units;
}

/// A topic that was deleted and made again does not inherit offsets.
bool is_of_another_topic(const CommittedOffset& committed, const Uuid& asked) {
  return !asked.is_zero() && !committed.topic_id.value().is_zero() && committed.topic_id.value() != asked;
}

template <class Partition>
void show(const CommittedOffset* committed, Partition& to) {
  to.committed_offset = committed != nullptr ? committed->offset : -1;
  to.committed_leader_epoch = committed != nullptr ? committed->leader_epoch : -1;
  to.metadata = committed != nullptr ? committed->metadata : std::string();
}

}  // namespace

ErrorCode GroupShard::validate_commit(const protocol::OffsetCommitRequest& request, std::int16_t version,
                                      const Step& step) {
  const std::int32_t generation = request.generation_id_or_member_epoch;
  if (const ConsumerGroup* consumers = consumer_.find(request.group_id))
    return validate_consumer_commit(request, *consumers, version);
  ClassicGroup* group = classic_.find(request.group_id);
  if (group == nullptr) {
    // A consumer outside any group, or an administrator: the offset makes the group.
    if (generation < 0) return ErrorCode::kNone;
    return version >= 9 ? ErrorCode::kGroupIdNotFound : ErrorCode::kIllegalGeneration;
  }
  if (generation < 0 && group->is_in(ClassicState::kEmpty)) return ErrorCode::kNone;
  if (generation < 0 && request.member_id.empty() && !request.group_instance_id) {
    return ErrorCode::kUnknownMemberId;  // while there are members only they commit
  }
  const ErrorCode error =
      ClassicGroups::validate_member(*group, request.member_id, request.group_instance_id);
  if (error != ErrorCode::kNone) return error;
  if (generation != group->generation()) return ErrorCode::kIllegalGeneration;
  if (group->is_in(ClassicState::kCompletingRebalance)) return ErrorCode::kRebalanceInProgress;
  // A commit is a sign of life, as a heartbeat is.
  if (ClassicMember* member = group->find(request.member_id)) classic_.renew_session(*group, *member, step);
  return ErrorCode::kNone;
}

/// One partition that the member does not have refuses the whole request, as in Kafka; but for those that are
/// refused anyway.
ErrorCode GroupShard::validate_consumer_commit(const protocol::OffsetCommitRequest& request,
                                               const ConsumerGroup& group, std::int16_t version) const {
  const std::int32_t epoch = request.generation_id_or_member_epoch;
  const auto verdict = ConsumerGroups::validate_commit(
      group, {request.member_id, request.group_instance_id, epoch, version, false});
  if (verdict.by_partition == nullptr) return verdict.error;
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) {
      if (utf16_length(partition.committed_metadata.value_or("")) > options_.offset_metadata_max_bytes)
        continue;
      const ErrorCode error = ConsumerGroups::validate_partition(
          *verdict.by_partition, epoch, TopicId(topic.topic_id), partition.partition_index);
      if (error != ErrorCode::kNone) return error;
    }
  }
  return ErrorCode::kNone;
}

void GroupShard::commit_offsets(const protocol::OffsetCommitRequest& request, std::int16_t version,
                                Answer<protocol::OffsetCommitResponse> answer, Step& step) {
  const ErrorCode refused = validate_commit(request, version, step);
  protocol::OffsetCommitResponse response;
  response.topics.reserve(request.topics.size());
  CommittedOffset committed;
  committed.commit_timestamp_ms = step.now.wall_ms;
  if (request.retention_time_ms >= 0)
    committed.expire_timestamp_ms = step.now.wall_ms + request.retention_time_ms;
  for (const auto& topic : request.topics) {
    auto& topic_response = response.topics.emplace_back();
    topic_response.name = topic.name;
    topic_response.topic_id = topic.topic_id;
    topic_response.partitions.reserve(topic.partitions.size());
    committed.topic_id = TopicId(topic.topic_id);
    for (const auto& partition : topic.partitions) {
      auto& result = topic_response.partitions.emplace_back();
      result.partition_index = partition.partition_index;
      const ErrorCode error = refused != ErrorCode::kNone
                                  ? refused
                                  : add_commit(request.group_id, topic.name, partition, committed, step);
      result.error_code = static_cast<std::int16_t>(error);
    }
  }
  if (step.records.empty()) return step.reply(answer, std::move(response));
  step.applied = reply_when_applied(std::move(answer), std::move(response));
}

/// Adds the record of one partition's offset, with what `committed` has of the whole request.
template <class Partition>
ErrorCode GroupShard::add_commit(const std::string& group, const std::string& topic, const Partition& asked,
                                 CommittedOffset& committed, Step& step) const {
  committed.metadata = asked.committed_metadata.value_or("");
  if (utf16_length(committed.metadata) > options_.offset_metadata_max_bytes)
    return ErrorCode::kOffsetMetadataTooLarge;
  committed.offset = asked.committed_offset;
  committed.leader_epoch = asked.committed_leader_epoch;
  add_offset_commit(step.records, group, topic, asked.partition_index, committed);
  return ErrorCode::kNone;
}

/// Of the transaction's producer more is known than of a plain commit: without a member, as clients before
/// KIP-447 ask, the group's state does not matter.
ErrorCode GroupShard::validate_transactional_commit(const protocol::TxnOffsetCommitRequest& request) {
  if (const ConsumerGroup* consumers = consumer_.find(request.group_id)) {
    const auto verdict = ConsumerGroups::validate_commit(
        *consumers, {request.member_id, request.group_instance_id, request.generation_id, 0, true});
    if (verdict.error == ErrorCode::kStaleMemberEpoch) return ErrorCode::kIllegalGeneration;
    if (verdict.by_partition == nullptr) return verdict.error;
    for (const auto& topic : request.topics) {
      const std::optional<TopicId> id = consumer_.topic_id(topic.name);
      const auto has = [&](const auto& partition) {
        return id && ConsumerGroups::validate_partition(*verdict.by_partition, request.generation_id, *id,
                                                        partition.partition_index) == ErrorCode::kNone;
      };
      if (!std::ranges::all_of(topic.partitions, has)) return ErrorCode::kIllegalGeneration;
    }
    return ErrorCode::kNone;
  }
  ClassicGroup* group = classic_.find(request.group_id);
  if (group == nullptr) return request.generation_id < 0 ? ErrorCode::kNone : ErrorCode::kIllegalGeneration;
  if (request.generation_id < 0 && group->is_in(ClassicState::kEmpty)) return ErrorCode::kNone;
  if (request.generation_id < 0 && request.member_id.empty() && !request.group_instance_id)
    return ErrorCode::kNone;
  const ErrorCode error =
      ClassicGroups::validate_member(*group, request.member_id, request.group_instance_id);
  if (error != ErrorCode::kNone) return error;
  return request.generation_id == group->generation() ? ErrorCode::kNone : ErrorCode::kIllegalGeneration;
}

void GroupShard::commit_in_transaction(const protocol::TxnOffsetCommitRequest& request, std::uint64_t guard,
                                       Answer<protocol::TxnOffsetCommitResponse> answer, Step& step) {
  const ErrorCode refused = validate_transactional_commit(request);
  protocol::TxnOffsetCommitResponse response;
  CommittedOffset committed;
  committed.commit_timestamp_ms = step.now.wall_ms;
  for (const auto& topic : request.topics) {
    auto& results = response.topics.emplace_back();
    results.name = topic.name;
    for (const auto& partition : topic.partitions) {
      auto& result = results.partitions.emplace_back();
      result.partition_index = partition.partition_index;
      const ErrorCode error = refused != ErrorCode::kNone
                                  ? refused
                                  : add_commit(request.group_id, topic.name, partition, committed, step);
      result.error_code = static_cast<std::int16_t>(error);
    }
  }
  if (step.records.empty()) return step.reply(answer, std::move(response));
  step.transaction = {ProducerId(request.producer_id), ProducerEpoch(request.producer_epoch), guard};
  step.applied = reply_when_applied(std::move(answer), std::move(response));
}

void GroupShard::fetch_offsets(const protocol::OffsetFetchRequest::OffsetFetchRequestGroup& request,
                               bool require_stable, Answer<FetchedGroup> answer, Step& step) {
  FetchedGroup response;
  response.group_id = request.group_id;
  if (const ConsumerGroup* consumers = consumer_.find(request.group_id)) {
    const ErrorCode error =
        ConsumerGroups::validate_fetch(*consumers, request.member_id, request.member_epoch);
    response.error_code = static_cast<std::int16_t>(error);
    if (error != ErrorCode::kNone) return step.reply(answer, std::move(response));
  }
  const auto add = [&](std::string_view topic, std::int32_t partition, const CommittedOffset* committed,
                       auto& partitions) {
    auto& to = partitions.emplace_back();
    to.partition_index = partition;
    const bool unstable = require_stable && offsets_.is_pending(request.group_id, topic, partition);
    show(unstable ? nullptr : committed, to);
    if (unstable) to.error_code = static_cast<std::int16_t>(ErrorCode::kUnstableOffsetCommit);
  };
  if (request.topics) {
    response.topics.reserve(request.topics->size());
    for (const auto& asked : *request.topics) {
      auto& topic = response.topics.emplace_back();
      topic.name = asked.name;
      topic.topic_id = asked.topic_id;
      topic.partitions.reserve(asked.partition_indexes.size());
      for (const std::int32_t partition : asked.partition_indexes) {
        const CommittedOffset* committed = offsets_.find(request.group_id, asked.name, partition);
        if (committed != nullptr && is_of_another_topic(*committed, asked.topic_id)) committed = nullptr;
        add(asked.name, partition, committed, topic.partitions);
      }
    }
  } else if (const OffsetStore::Topics* topics = offsets_.topics_of(request.group_id)) {
    for (const auto& [name, partitions] : *topics) {
      auto& topic = response.topics.emplace_back();
      topic.name = name;
      for (const auto& [partition, committed] : partitions)
        add(name, partition, &committed, topic.partitions);
    }
  }
  step.reply(answer, std::move(response));
}

void GroupShard::delete_offsets(const protocol::OffsetDeleteRequest& request,
                                Answer<protocol::OffsetDeleteResponse> answer, Step& step) {
  protocol::OffsetDeleteResponse response;
  const ClassicGroup* group = classic_.find(request.group_id);
  const ConsumerGroup* consumers = consumer_.find(request.group_id);
  ErrorCode refused = ErrorCode::kNone;
  if (consumers != nullptr) {
    // Each topic is looked at by itself.
  } else if (group == nullptr) {
    refused = ErrorCode::kGroupIdNotFound;
  } else if (!group->is_in(ClassicState::kEmpty) && !group->uses_consumer_protocol()) {
    refused = ErrorCode::kNonEmptyGroup;
  }
  if (refused != ErrorCode::kNone) {
    response.error_code = static_cast<std::int16_t>(refused);
    return step.reply(answer, std::move(response));
  }
  for (const auto& asked : request.topics) {
    auto& topic = response.topics.emplace_back();
    topic.name = asked.name;
    const bool subscribed = consumers != nullptr
                                ? consumers->is_subscribed_to(asked.name)
                                : !group->is_in(ClassicState::kEmpty) && group->is_subscribed_to(asked.name);
    for (const auto& partition : asked.partitions) {
      auto& result = topic.partitions.emplace_back();
      result.partition_index = partition.partition_index;
      if (subscribed) {
        result.error_code = static_cast<std::int16_t>(ErrorCode::kGroupSubscribedToTopic);
      } else if (offsets_.find(request.group_id, asked.name, partition.partition_index) != nullptr ||
                 offsets_.is_pending(request.group_id, asked.name, partition.partition_index)) {
        add_offset_tombstone(step.records, request.group_id, asked.name, partition.partition_index);
      }
    }
  }
  if (step.records.empty()) return step.reply(answer, std::move(response));
  step.applied = [this, offsets = step.records.size(), answer = std::move(answer),
                  response = std::move(response)](ErrorCode error, Step& next) mutable {
    if (error != ErrorCode::kNone) set_failed(response, error);
    if (error == ErrorCode::kNone) add_to(counters().deletions, offsets);
    next.reply(answer, std::move(response));
  };
}

void GroupShard::forget_topics(const std::vector<DeletedTopic>& topics, Step& step) {
  const auto forget = [&](const OffsetStore::Groups& groups) {
    for (const auto& [group, by_topic] : groups) {
      for (const DeletedTopic& gone : topics) {
        const auto topic = by_topic.find(gone.name);
        if (topic == by_topic.end()) continue;
        for (const auto& [partition, committed] : topic->second) {
          if (is_of_another_topic(committed, gone.id.value())) continue;
          add_offset_tombstone(step.records, group, gone.name, partition);
        }
      }
    }
  };
  forget(offsets_.groups());
  for (const auto& [producer, groups] : offsets_.pending()) forget(groups);
  step.may_split = true;
  if (step.records.empty()) return;
  step.applied = [this, offsets = step.records.size()](ErrorCode error, Step&) {
    if (error == ErrorCode::kNone) add_to(counters().deletions, offsets);
  };
}

}  // namespace barnabas::broker

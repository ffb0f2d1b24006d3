#include "broker/coordinator/consumer_group_records.hpp"

#include <algorithm>
#include <utility>

#include "protocol/messages/coord_group_consumer_group_current_member_assignment.hpp"
#include "protocol/messages/coord_group_consumer_group_member_metadata.hpp"
#include "protocol/messages/coord_group_consumer_group_metadata.hpp"
#include "protocol/messages/coord_group_consumer_group_regular_expression.hpp"
#include "protocol/messages/coord_group_consumer_group_target_assignment_member.hpp"
#include "protocol/messages/coord_group_consumer_group_target_assignment_metadata.hpp"
#include "protocol/reader.hpp"
#include "protocol/writer.hpp"

namespace barnabas::broker {
namespace {

constexpr std::int16_t kVersion = 0;

/// Writes a key: of the group, or of something of it.
auto key_of(GroupRecordType type, std::string_view group, std::optional<std::string_view> part = {}) {
  return [=](protocol::Writer& writer) {
    writer.int16(static_cast<std::int16_t>(type));
    writer.string(group, false);
    if (part) writer.string(*part, false);
  };
}

template <class Message>
auto value_of(const Message& message) {
  return [&message](protocol::Writer& writer) {
    writer.int16(kVersion);
    message.write(writer, kVersion);
  };
}

template <class Message>
Result<Message> parse(ByteView bytes) {
  protocol::Reader reader(bytes);
  const std::int16_t version = reader.int16();
  Message message;
  message.read(reader, version);
  if (!reader.ok())
    return fail(ErrorCode::kCorruptMessage, std::string("a ") + Message::kName + " does not parse");
  return message;
}

using CurrentValue = protocol::ConsumerGroupCurrentMemberAssignmentValue;

std::vector<CurrentValue::TopicPartitions> listed(const OwnedPartitions& owned) {
  std::vector<CurrentValue::TopicPartitions> topics;
  for (const auto& [topic, partitions] : owned) {
    auto& to = topics.emplace_back();
    to.topic_id = topic.value();
    to.assignment_epochs.emplace();
    for (const auto& [partition, epoch] : partitions) {
      to.partitions.push_back(partition);
      to.assignment_epochs->push_back(epoch);
    }
  }
  return topics;
}

/// Records of before Kafka 4.3 have no epochs: the member's own stands for them.
OwnedPartitions owned_by(const std::vector<CurrentValue::TopicPartitions>& topics,
                         std::int32_t member_epoch) {
  OwnedPartitions owned;
  for (const auto& from : topics) {
    if (from.partitions.empty()) continue;
    const bool has_epochs =
        from.assignment_epochs && from.assignment_epochs->size() == from.partitions.size();
    auto& to = owned[TopicId(from.topic_id)];
    for (std::size_t i = 0; i < from.partitions.size(); ++i)
      to[from.partitions[i]] = has_epochs ? (*from.assignment_epochs)[i] : std::max(member_epoch, 0);
  }
  return owned;
}

}  // namespace

void add_member_subscription(RecordList& records, std::string_view group, const ConsumerMember& member) {
  protocol::ConsumerGroupMemberMetadataValue value;
  value.instance_id = member.instance_id;
  value.rack_id = member.rack_id;
  value.client_id = member.client_id;
  value.client_host = member.client_host;
  value.subscribed_topic_names.assign(member.topics.begin(), member.topics.end());
  value.subscribed_topic_regex = member.pattern;
  value.rebalance_timeout_ms = member.rebalance_timeout_ms;
  value.server_assignor = member.assignor;
  value.classic_member_metadata.reset();
  if (member.classic) {
    auto& classic = value.classic_member_metadata.emplace();
    classic.session_timeout_ms = member.classic->session_timeout_ms;
    for (const auto& protocol : member.classic->protocols)
      classic.supported_protocols.push_back({protocol.name, protocol.metadata});
  }
  records.add(key_of(GroupRecordType::kMemberSubscription, group, member.id), value_of(value));
}

void add_current_assignment(RecordList& records, std::string_view group, const ConsumerMember& member) {
  CurrentValue value;
  value.member_epoch = member.epoch;
  value.previous_member_epoch = member.previous_epoch;
  value.state = static_cast<std::int8_t>(member.state);
  value.assigned_partitions = listed(member.assigned);
  value.partitions_pending_revocation = listed(member.revoking);
  records.add(key_of(GroupRecordType::kCurrentAssignment, group, member.id), value_of(value));
}

void add_target_assignment(RecordList& records, std::string_view group, std::string_view member,
                           const Assignment& target) {
  protocol::ConsumerGroupTargetAssignmentMemberValue value;
  for (const auto& [topic, partitions] : target)
    value.topic_partitions.push_back({topic.value(), {partitions.begin(), partitions.end()}});
  records.add(key_of(GroupRecordType::kTargetAssignment, group, member), value_of(value));
}

void add_group_epoch(RecordList& records, std::string_view group, std::int32_t epoch,
                     std::int64_t metadata_hash) {
  protocol::ConsumerGroupMetadataValue value;
  value.epoch = epoch;
  value.metadata_hash = metadata_hash;
  records.add(key_of(GroupRecordType::kGroupEpoch, group), value_of(value));
}

void add_assignment_epoch(RecordList& records, std::string_view group, std::int32_t epoch,
                          std::int64_t timestamp_ms) {
  protocol::ConsumerGroupTargetAssignmentMetadataValue value;
  value.assignment_epoch = epoch;
  value.assignment_timestamp = timestamp_ms;
  records.add(key_of(GroupRecordType::kAssignmentEpoch, group), value_of(value));
}

void add_resolved_pattern(RecordList& records, std::string_view group, std::string_view pattern,
                          const ResolvedPattern& resolved) {
  protocol::ConsumerGroupRegularExpressionValue value;
  value.topics.assign(resolved.topics.begin(), resolved.topics.end());
  value.version = resolved.version;
  value.timestamp = resolved.timestamp_ms;
  records.add(key_of(GroupRecordType::kResolvedPattern, group, pattern), value_of(value));
}

void add_pattern_tombstone(RecordList& records, std::string_view group, std::string_view pattern) {
  records.add_tombstone(key_of(GroupRecordType::kResolvedPattern, group, pattern));
}

void add_partition_metadata_tombstone(RecordList& records, std::string_view group) {
  records.add_tombstone(key_of(GroupRecordType::kPartitionMetadata, group));
}

void add_member_tombstones(RecordList& records, std::string_view group, std::string_view member) {
  records.add_tombstone(key_of(GroupRecordType::kCurrentAssignment, group, member));
  records.add_tombstone(key_of(GroupRecordType::kTargetAssignment, group, member));
  records.add_tombstone(key_of(GroupRecordType::kMemberSubscription, group, member));
}

void add_consumer_group_tombstones(RecordList& records, const ConsumerGroup& group, std::string_view renamed,
                                   std::string_view to) {
  const auto add_each = [&](GroupRecordType type) {
    for (const auto& [id, member] : group.members())
      records.add_tombstone(key_of(type, group.id(), !renamed.empty() && id == renamed ? to : id));
  };
  add_each(GroupRecordType::kCurrentAssignment);
  add_each(GroupRecordType::kTargetAssignment);
  records.add_tombstone(key_of(GroupRecordType::kAssignmentEpoch, group.id()));
  add_each(GroupRecordType::kMemberSubscription);
  for (const auto& [pattern, resolved] : group.resolved())
    add_pattern_tombstone(records, group.id(), pattern);
  add_partition_metadata_tombstone(records, group.id());
  records.add_tombstone(key_of(GroupRecordType::kGroupEpoch, group.id()));
}

void add_consumer_group(RecordList& records, const ConsumerGroup& group) {
  for (const auto& [id, member] : group.members()) add_member_subscription(records, group.id(), member);
  add_group_epoch(records, group.id(), group.epoch(), group.metadata_hash());
  for (const auto& [id, member] : group.members())
    add_target_assignment(records, group.id(), id, group.target_of(std::string_view(id)));
  add_assignment_epoch(records, group.id(), group.assignment_epoch(), group.assignment_timestamp_ms());
  for (const auto& [id, member] : group.members()) add_current_assignment(records, group.id(), member);
}

Result<void> apply_member_subscription(ByteView bytes, ConsumerMember& member) {
  auto value = TRY(parse<protocol::ConsumerGroupMemberMetadataValue>(bytes));
  member.instance_id = std::move(value.instance_id);
  member.rack_id = std::move(value.rack_id);
  member.client_id = std::move(value.client_id);
  member.client_host = std::move(value.client_host);
  member.topics.clear();
  member.topics.insert(value.subscribed_topic_names.begin(), value.subscribed_topic_names.end());
  member.pattern = std::move(value.subscribed_topic_regex);
  member.rebalance_timeout_ms = value.rebalance_timeout_ms;
  member.assignor = std::move(value.server_assignor);
  member.classic.reset();
  if (value.classic_member_metadata) {
    ClassicMembership& classic = member.classic.emplace();
    classic.session_timeout_ms = value.classic_member_metadata->session_timeout_ms;
    for (auto& from : value.classic_member_metadata->supported_protocols)
      classic.protocols.push_back({std::move(from.name), to_bytes(from.metadata)});
  }
  return {};
}

Result<void> apply_current_assignment(ByteView bytes, ConsumerMember& member) {
  const auto value = TRY(parse<CurrentValue>(bytes));
  member.epoch = value.member_epoch;
  member.previous_epoch = value.previous_member_epoch;
  const bool known = value.state >= 0 && value.state <= static_cast<int>(MemberState::kUnreleasedPartitions);
  member.state = known ? static_cast<MemberState>(value.state) : MemberState::kUnknown;
  member.assigned = owned_by(value.assigned_partitions, value.member_epoch);
  member.revoking = owned_by(value.partitions_pending_revocation, value.member_epoch);
  return {};
}

Result<Assignment> parse_target_assignment(ByteView bytes) {
  const auto value = TRY(parse<protocol::ConsumerGroupTargetAssignmentMemberValue>(bytes));
  Assignment target;
  for (const auto& topic : value.topic_partitions) {
    if (!topic.partitions.empty())
      target[TopicId(topic.topic_id)].insert(topic.partitions.begin(), topic.partitions.end());
  }
  return target;
}

Result<GroupEpoch> parse_group_epoch(ByteView bytes) {
  const auto value = TRY(parse<protocol::ConsumerGroupMetadataValue>(bytes));
  return GroupEpoch{value.epoch, value.metadata_hash};
}

Result<AssignmentEpoch> parse_assignment_epoch(ByteView bytes) {
  const auto value = TRY(parse<protocol::ConsumerGroupTargetAssignmentMetadataValue>(bytes));
  return AssignmentEpoch{value.assignment_epoch, value.assignment_timestamp};
}

Result<ResolvedPattern> parse_resolved_pattern(ByteView bytes) {
  const auto value = TRY(parse<protocol::ConsumerGroupRegularExpressionValue>(bytes));
  return ResolvedPattern{{value.topics.begin(), value.topics.end()}, value.version, value.timestamp};
}

}  // namespace barnabas::broker

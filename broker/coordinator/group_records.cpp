#include "broker/coordinator/group_records.hpp"

#include "protocol/messages/coord_group_offset_commit.hpp"
#include "protocol/reader.hpp"
#include "protocol/writer.hpp"

namespace barnabas::broker {
namespace {

constexpr std::int16_t kGroupMetadataVersion = 3;
constexpr std::int16_t kOffsetVersion = 4;
constexpr std::int16_t kOffsetVersionWithExpiry = 1;

void write_offset_key(protocol::Writer& writer, std::string_view group, std::string_view topic,
                      std::int32_t partition) {
  writer.int16(static_cast<std::int16_t>(GroupRecordType::kOffsetCommit));
  writer.string(group, false);
  writer.string(topic, false);
  writer.int32(partition);
}

void write_group_key(protocol::Writer& writer, std::string_view group) {
  writer.int16(static_cast<std::int16_t>(GroupRecordType::kGroupMetadata));
  writer.string(group, false);
}

}  // namespace

void add_offset_commit(RecordList& records, std::string_view group, std::string_view topic,
                       std::int32_t partition, const CommittedOffset& committed) {
  records.add([&](protocol::Writer& writer) { write_offset_key(writer, group, topic, partition); },
              [&](protocol::Writer& writer) {
                protocol::OffsetCommitValue value;
                value.offset = committed.offset;
                value.leader_epoch = committed.leader_epoch;
                value.metadata = committed.metadata;
                value.commit_timestamp = committed.commit_timestamp_ms;
                value.expire_timestamp = committed.expire_timestamp_ms;
                value.topic_id = committed.topic_id.value();
                const std::int16_t version =
                    committed.expire_timestamp_ms < 0 ? kOffsetVersion : kOffsetVersionWithExpiry;
                writer.int16(version);
                value.write(writer, version);
              });
}

void add_offset_tombstone(RecordList& records, std::string_view group, std::string_view topic,
                          std::int32_t partition) {
  records.add_tombstone([&](protocol::Writer& writer) { write_offset_key(writer, group, topic, partition); });
}

void add_group_metadata(RecordList& records, std::string_view group,
                        const protocol::GroupMetadataValue& value) {
  records.add([&](protocol::Writer& writer) { write_group_key(writer, group); },
              [&](protocol::Writer& writer) {
                writer.int16(kGroupMetadataVersion);
                value.write(writer, kGroupMetadataVersion);
              });
}

void add_group_tombstone(RecordList& records, std::string_view group) {
  records.add_tombstone([&](protocol::Writer& writer) { write_group_key(writer, group); });
}

Result<GroupRecordKey> parse_group_record_key(ByteView key) {
  protocol::Reader reader(key);
  GroupRecordKey parsed;
  parsed.type = reader.int16();
  switch (static_cast<GroupRecordType>(parsed.type)) {
    case GroupRecordType::kLegacyOffsetCommit:
    case GroupRecordType::kOffsetCommit:
      parsed.offset.group = reader.string(false);
      parsed.offset.topic = reader.string(false);
      parsed.offset.partition = reader.int32();
      break;
    case GroupRecordType::kGroupMetadata:
    case GroupRecordType::kGroupEpoch:
    case GroupRecordType::kPartitionMetadata:
    case GroupRecordType::kAssignmentEpoch:
      parsed.group = reader.string(false);
      break;
    case GroupRecordType::kMemberSubscription:
    case GroupRecordType::kTargetAssignment:
    case GroupRecordType::kCurrentAssignment:
    case GroupRecordType::kResolvedPattern:
      parsed.group = reader.string(false);
      parsed.part = reader.string(false);
      break;
  }
  if (!reader.ok()) return fail(ErrorCode::kCorruptMessage, "the key of a group record is cut short");
  return parsed;
}

Result<CommittedOffset> parse_offset_value(ByteView bytes) {
  protocol::Reader reader(bytes);
  const std::int16_t version = reader.int16();
  protocol::OffsetCommitValue value;
  value.read(reader, version);
  if (!reader.ok()) return fail(ErrorCode::kCorruptMessage, "a committed offset does not parse");
  CommittedOffset committed;
  committed.offset = value.offset;
  committed.leader_epoch = value.leader_epoch;
  committed.metadata = std::move(value.metadata);
  committed.commit_timestamp_ms = value.commit_timestamp;
  committed.expire_timestamp_ms = value.expire_timestamp;
  committed.topic_id = TopicId(value.topic_id);
  return committed;
}

Result<protocol::GroupMetadataValue> parse_group_metadata(ByteView bytes) {
  protocol::Reader reader(bytes);
  const std::int16_t version = reader.int16();
  protocol::GroupMetadataValue value;
  value.read(reader, version);
  if (!reader.ok()) return fail(ErrorCode::kCorruptMessage, "the metadata of a group does not parse");
  return value;
}

}  // namespace barnabas::broker

// The records of __consumer_offsets: keys and values of classic groups and committed offsets.
//
// Pure functions. Key: int16 type, then the key's fields; value: int16 version, then the value's fields.
// Written as Kafka 4.3.1 writes: GroupMetadata version 3, OffsetCommit version 4 with the topic's id, version
// 1 when the request gave a retention.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "broker/coordinator/step.hpp"
#include "protocol/messages/coord_group_group_metadata.hpp"

namespace barnabas::broker {

/// The first two bytes of a key.
enum class GroupRecordType : std::int16_t {
  kLegacyOffsetCommit = 0,  // same fields as kOffsetCommit
  kOffsetCommit = 1,
  kGroupMetadata = 2,
  // Of groups of the consumer protocol (consumer_group_records.hpp).
  kGroupEpoch = 3,
  kPartitionMetadata = 4,
  kMemberSubscription = 5,
  kAssignmentEpoch = 6,
  kTargetAssignment = 7,
  kCurrentAssignment = 8,
  kResolvedPattern = 16,
};

/// What is kept of one committed offset.
struct CommittedOffset {
  std::int64_t offset = -1;
  std::int32_t leader_epoch = -1;
  std::string metadata;
  std::int64_t commit_timestamp_ms = -1;
  std::int64_t expire_timestamp_ms = -1;  // -1: by the broker's retention
  TopicId topic_id;                       // zero when unknown
  std::uint64_t order = 0;  // of its record among those of the shard; OffsetStore's, not in the record
  bool operator==(const CommittedOffset&) const = default;
};

struct OffsetKey {
  std::string group;
  std::string topic;
  std::int32_t partition = -1;
};

/// A key, decoded as far as its type is one of ours.
struct GroupRecordKey {
  std::int16_t type = -1;
  OffsetKey offset;   // of the offset types
  std::string group;  // of the others
  std::string part;   // the member, or the pattern
};

void add_offset_commit(RecordList& records, std::string_view group, std::string_view topic,
                       std::int32_t partition, const CommittedOffset& committed);
void add_offset_tombstone(RecordList& records, std::string_view group, std::string_view topic,
                          std::int32_t partition);
void add_group_metadata(RecordList& records, std::string_view group,
                        const protocol::GroupMetadataValue& value);
void add_group_tombstone(RecordList& records, std::string_view group);

/// CORRUPT_MESSAGE when a known type does not parse; unknown types give their number alone.
Result<GroupRecordKey> parse_group_record_key(ByteView key);
Result<CommittedOffset> parse_offset_value(ByteView value);
/// Subscriptions and assignments in the result are views into `value`.
Result<protocol::GroupMetadataValue> parse_group_metadata(ByteView value);

}  // namespace barnabas::broker

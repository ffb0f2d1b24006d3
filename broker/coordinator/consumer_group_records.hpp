// The records of __consumer_offsets that keep groups of the consumer protocol.
//
// Pure functions. Key: int16 type, then group and, by its type, member or pattern; value: int16 version (0),
// then the value's fields. Written byte for byte as Kafka 4.3.1 writes them, but for the order of topics,
// which there is that of a hash map and here that of their ids. What a group consists of (in the order in
// which the records of its removal must come)
//   8  each member's current assignment        7  each member's target assignment   6  the assignment's epoch
//   5  each member's subscription              16 each resolved pattern
//   4  (before 4.1) the topics' metadata       3  the group's epoch and metadata hash
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "broker/coordinator/consumer_group.hpp"
#include "broker/coordinator/group_records.hpp"
#include "broker/coordinator/step.hpp"

namespace barnabas::broker {

void add_member_subscription(RecordList& records, std::string_view group, const ConsumerMember& member);
void add_current_assignment(RecordList& records, std::string_view group, const ConsumerMember& member);
void add_target_assignment(RecordList& records, std::string_view group, std::string_view member,
                           const Assignment& target);
void add_group_epoch(RecordList& records, std::string_view group, std::int32_t epoch,
                     std::int64_t metadata_hash);
void add_assignment_epoch(RecordList& records, std::string_view group, std::int32_t epoch,
                          std::int64_t timestamp_ms);
void add_resolved_pattern(RecordList& records, std::string_view group, std::string_view pattern,
                          const ResolvedPattern& resolved);
void add_pattern_tombstone(RecordList& records, std::string_view group, std::string_view pattern);
void add_partition_metadata_tombstone(RecordList& records, std::string_view group);
void add_member_tombstones(RecordList& records, std::string_view group, std::string_view member);
/// Removes the group; `renamed` is known to the log by its second name already.
void add_consumer_group_tombstones(RecordList& records, const ConsumerGroup& group,
                                   std::string_view renamed = {}, std::string_view to = {});
/// Everything that makes `group` what it is.
void add_consumer_group(RecordList& records, const ConsumerGroup& group);

/// Applies a value to what is known of a member. CORRUPT_MESSAGE when it does not parse.
Result<void> apply_member_subscription(ByteView value, ConsumerMember& member);
Result<void> apply_current_assignment(ByteView value, ConsumerMember& member);
Result<Assignment> parse_target_assignment(ByteView value);
struct GroupEpoch {
  std::int32_t epoch = 0;
  std::int64_t metadata_hash = 0;
};
Result<GroupEpoch> parse_group_epoch(ByteView value);
struct AssignmentEpoch {
  std::int32_t epoch = 0;
  std::int64_t timestamp_ms = 0;
};
Result<AssignmentEpoch> parse_assignment_epoch(ByteView value);
Result<ResolvedPattern> parse_resolved_pattern(ByteView value);

}  // namespace barnabas::broker

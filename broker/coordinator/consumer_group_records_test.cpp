// The records of consumer groups are Kafka's, byte for byte.
#include "broker/coordinator/consumer_group_records.hpp"

#include <catch2/catch.hpp>

#include "broker/coordinator/hex_testing.hpp"
#include "broker/coordinator/shard_fixture.hpp"

namespace barnabas::broker::testing {
namespace {

ConsumerMember sample() {
  ConsumerMember member;
  member.id = "m";
  member.client_id = "c";
  member.client_host = "/h";
  member.topics = {"t2", "t1"};
  member.rebalance_timeout_ms = 5000;
  return member;
}

TEST_CASE("A subscription names its topics in order, and says even that its member is not a classic one") {
  RecordList records;
  add_member_subscription(records, "g", sample());
  const auto& entry = records.entry(0);
  CHECK(hex(records.key(entry)) ==
        "00050001670001"
        "6d");
  // No instance, no rack, client and host, topics, an empty pattern, the timeout, no assignor; then tag 0:
  // null.
  CHECK(hex(records.value(entry)) ==
        "0000"
        "00"
        "00"
        "0263"
        "032f68"
        "03"
        "037431"
        "037432"
        "01"
        "00001388"
        "00"
        "01000100");
  ConsumerMember read;
  read.id = "m";
  REQUIRE(apply_member_subscription(records.value(entry), read).has_value());
  CHECK(read == sample());
}

TEST_CASE("A member that came by the classic protocol keeps what it came with") {
  ConsumerMember member = sample();
  member.instance_id = "i";
  member.rack_id = "r";
  member.pattern = std::nullopt;
  member.assignor = "range";
  member.classic = ClassicMembership{10000, {{"range", {1, 2}}, {"sticky", {}}}};
  RecordList records;
  add_member_subscription(records, "g", member);
  ConsumerMember read;
  read.id = "m";
  REQUIRE(apply_member_subscription(records.value(records.entry(0)), read).has_value());
  CHECK(read == member);
}

TEST_CASE("A current assignment carries the epoch of each partition in tag 0") {
  ConsumerMember member = sample();
  member.epoch = 3;
  member.previous_epoch = 2;
  member.state = MemberState::kUnrevokedPartitions;
  const TopicId topic(Uuid::of_low(7));
  member.assigned = {{topic, {{0, 2}, {1, 3}}}};
  member.revoking = {{topic, {{4, 2}}}};
  RecordList records;
  add_current_assignment(records, "g", member);
  const std::string id = "00000000000000000000000000000007";
  CHECK(hex(records.value(records.entry(0))) ==
        "0000"
        "00000003"
        "00000002"
        "01"
        "02" +
            id +
            "03"
            "00000000"
            "00000001"
            "01"
            "00"
            "09"
            "03"
            "00000002"
            "00000003"
            "02" +
            id +
            "02"
            "00000004"
            "01"
            "00"
            "05"
            "02"
            "00000002"
            "00");
  ConsumerMember read = sample();
  REQUIRE(apply_current_assignment(records.value(records.entry(0)), read).has_value());
  CHECK(read == member);
}

TEST_CASE("Partitions without epochs, as Kafka wrote them before 4.3, have that of their member") {
  protocol::Writer writer;
  writer.int16(0);
  writer.int32(5);
  writer.int32(4);
  writer.int8(0);
  writer.uvarint(2);
  writer.uuid(Uuid::of_low(7));
  writer.uvarint(2);
  writer.int32(1);
  writer.uvarint(0);
  writer.uvarint(1);
  writer.uvarint(0);
  ConsumerMember read = sample();
  REQUIRE(apply_current_assignment(writer.buffer(), read).has_value());
  CHECK(read.assigned == OwnedPartitions{{TopicId(Uuid::of_low(7)), {{1, 5}}}});
}

TEST_CASE("Epochs, targets and patterns are read back as they were written") {
  RecordList records;
  add_group_epoch(records, "g", 7, -2);
  add_assignment_epoch(records, "g", 6, 1700000000000);
  add_target_assignment(records, "g", "m", {{TopicId(Uuid::of_low(7)), {0, 3}}});
  add_resolved_pattern(records, "g", "a.*", {{"ab", "aa"}, 12, 1700000000000});
  CHECK(hex(records.value(records.entry(0))) ==
        "0000"
        "00000007"
        "01"
        "00"
        "08"
        "fffffffffffffffe");
  CHECK(hex(records.value(records.entry(1))) ==
        "0000"
        "00000006"
        "01"
        "00"
        "08"
        "0000018bcfe56800");
  CHECK(parse_group_epoch(records.value(records.entry(0)))->metadata_hash == -2);
  CHECK(parse_assignment_epoch(records.value(records.entry(1)))->timestamp_ms == 1700000000000);
  CHECK(parse_target_assignment(records.value(records.entry(2))).value() ==
        Assignment{{TopicId(Uuid::of_low(7)), {0, 3}}});
  const auto pattern = parse_resolved_pattern(records.value(records.entry(3)));
  REQUIRE(pattern.has_value());
  CHECK(pattern->topics.size() == 2);
  CHECK(pattern->version == 12);
  const auto key = parse_group_record_key(records.key(records.entry(3)));
  REQUIRE(key.has_value());
  CHECK(key->group == "g");
  CHECK(key->part == "a.*");
}

TEST_CASE("A value that is cut short is corrupt") {
  RecordList records;
  add_member_subscription(records, "g", sample());
  add_current_assignment(records, "g", sample());
  const auto cut = [&](std::size_t i) {
    const ByteView value = records.value(records.entry(i));
    return value.first(value.size() - 1);
  };
  ConsumerMember member;
  CHECK(apply_member_subscription(cut(0), member).error().code == ErrorCode::kCorruptMessage);
  CHECK(apply_current_assignment(cut(1), member).error().code == ErrorCode::kCorruptMessage);
  CHECK(parse_group_epoch({}).error().code == ErrorCode::kCorruptMessage);
}

}  // namespace
}  // namespace barnabas::broker::testing

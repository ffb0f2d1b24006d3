#include "broker/coordinator/group_records.hpp"

#include <catch2/catch.hpp>

#include "broker/coordinator/consumer_protocol.hpp"
#include "broker/coordinator/coordinator_partition.hpp"
#include "broker/coordinator/shard_fixture.hpp"

namespace barnabas::broker::testing {
namespace {

TEST_CASE("A committed offset is written as Kafka 4.3.1 does: version 4 with the topic's id in tag 0") {
  RecordList records;
  CommittedOffset committed;
  committed.offset = 8;
  committed.leader_epoch = 0;
  committed.commit_timestamp_ms = 1795374271742;
  committed.topic_id = TopicId(*Uuid::parse("AsN4m9U6TFa7LA3TRJ8iHQ"));
  add_offset_commit(records, "gp1", "p1", 0, committed);
  // Sizes as in the log of a real broker: key 15, value 42 bytes.
  CHECK(records.key(records.entry(0)).size() == 15);
  CHECK(records.value(records.entry(0)).size() == 42);
  CHECK(records.value(records.entry(0))[1] == 4);
  const auto key = parse_group_record_key(records.key(records.entry(0)));
  REQUIRE(key.has_value());
  CHECK(key->type == 1);
  CHECK(key->offset.group == "gp1");
  CHECK(key->offset.topic == "p1");
  CHECK(parse_offset_value(records.value(records.entry(0))).value() == committed);
}

TEST_CASE("A commit with a retention of its own is written in version 1") {
  RecordList records;
  CommittedOffset committed;
  committed.offset = 8;
  committed.commit_timestamp_ms = 1000;
  committed.expire_timestamp_ms = 61000;
  add_offset_commit(records, "g", "t", 3, committed);
  CHECK(records.value(records.entry(0))[1] == 1);
  const CommittedOffset read = parse_offset_value(records.value(records.entry(0))).value();
  CHECK(read.expire_timestamp_ms == 61000);
  CHECK(read.offset == 8);
}

TEST_CASE("The record of a group without members has the size that Kafka 4.3.1 wrote") {
  RecordList created;
  protocol::GroupMetadataValue value;
  value.current_state_timestamp = 1795374271484;
  add_group_metadata(created, "gp1", value);
  CHECK(created.key(created.entry(0)).size() == 7);
  CHECK(created.value(created.entry(0)).size() == 24);
  RecordList emptied;
  value.protocol_type = "consumer";
  value.generation = 2;
  add_group_metadata(emptied, "gp1", value);
  CHECK(emptied.value(emptied.entry(0)).size() == 32);
}

TEST_CASE("Topics are read from subscriptions, and nothing from what is none") {
  CHECK(subscribed_topics(subscription({"a", "b"})) == std::vector<std::string>{"a", "b"});
  CHECK_FALSE(subscribed_topics(Bytes{1}).has_value());
  CHECK_FALSE(subscribed_topics(Bytes{0, 0, 127, 0, 0, 0}).has_value());
}

TEST_CASE("A key's partition is the absolute value of Java's hash code, modulo the partitions") {
  CHECK(coordinator_partition("", 50) == 0);
  CHECK(coordinator_partition("gp1", 4) == 0);  // as in the data directory of a real broker
  CHECK(coordinator_partition("g1", 4) == 2);
  CHECK(coordinator_partition("g2", 4) == 3);
  CHECK(coordinator_partition("polygenelubricants", 50) == 0);  // the hash code without absolute value
  CHECK(coordinator_partition("\xC3\xA9", 1000) == 233);
  CHECK(coordinator_partition("\xF0\x9F\x98\x80", 1000000000) == 1772899);  // a surrogate pair
}

}  // namespace
}  // namespace barnabas::broker::testing

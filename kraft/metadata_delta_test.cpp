#include "kraft/metadata_delta.hpp"

#include <catch2/catch.hpp>

#include "kraft/image_changes.hpp"

using namespace barnabas;
using namespace barnabas::kraft;

namespace {

protocol::TopicRecord topic(const std::string& name, std::uint64_t id) {
  protocol::TopicRecord record;
  record.name = name;
  record.topic_id = Uuid::of_low(id);
  return record;
}

protocol::DelegationTokenRecord token(const std::string& id) {
  protocol::DelegationTokenRecord record;
  record.token_id = id;
  record.owner = "User:alice";
  record.requester = "User:bob";
  record.renewers = {"User:carol", "User:dave"};
  record.issue_timestamp = 1;
  record.max_timestamp = 3;
  record.expiration_timestamp = 2;
  return record;
}

/// Records one after the other, and what became of the last.
class Replay {
 public:
  Result<void> operator()(const MetadataRecord& record) {
    ++offset_;
    return delta_.replay(record);
  }
  MetadataImagePtr image() { return delta_.build(Offset(offset_), LeaderEpoch(1)); }
  [[nodiscard]] bool in_transaction() const { return delta_.in_transaction(); }
  [[nodiscard]] const MetadataChanges& changes() const { return delta_.changes(); }

 private:
  MetadataDelta delta_{MetadataImage::empty()};
  std::int64_t offset_ = -1;
};

}  // namespace

TEST_CASE("records of a metadata transaction take effect together at its end") {
  Replay replay;
  REQUIRE(replay(topic("before", 500)));
  REQUIRE(replay(protocol::BeginTransactionRecord()));
  REQUIRE(replay(topic("within", 501)));
  protocol::PartitionRecord partition;
  partition.partition_id = 0;
  partition.topic_id = Uuid::of_low(501);
  partition.replicas = {1};
  partition.isr = {1};
  REQUIRE(replay(partition));
  CHECK(replay.in_transaction());
  const MetadataImagePtr between = replay.image();
  CHECK(between->topic("before") != nullptr);
  CHECK(between->topic("within") == nullptr);
  CHECK(between->offset == Offset(3));
  const auto ended = replay(protocol::EndTransactionRecord());
  INFO((ended ? std::string() : ended.error().detail));
  REQUIRE(ended);
  CHECK_FALSE(replay.in_transaction());
  const MetadataImagePtr after = replay.image();
  REQUIRE(after->topic("within") != nullptr);
  CHECK(after->topic("within")->partitions.size() == 1);
  CHECK(replay.changes().created_topics == std::set{TopicId(Uuid::of_low(501))});
}

TEST_CASE("of an aborted metadata transaction nothing is left") {
  Replay replay;
  REQUIRE(replay(topic("before", 500)));
  REQUIRE(replay(protocol::BeginTransactionRecord()));
  REQUIRE(replay(topic("within", 501)));
  protocol::RemoveTopicRecord removal;
  removal.topic_id = Uuid::of_low(500);
  REQUIRE(replay(removal));
  REQUIRE(replay(protocol::AbortTransactionRecord()));
  CHECK_FALSE(replay.in_transaction());
  REQUIRE(replay(topic("after", 502)));
  const MetadataImagePtr image = replay.image();
  CHECK(image->topic("before") != nullptr);
  CHECK(image->topic("within") == nullptr);
  CHECK(image->topic("after") != nullptr);
}

TEST_CASE("metadata transactions that are nested, or end without a beginning, are no controller's") {
  Replay replay;
  CHECK_FALSE(replay(protocol::EndTransactionRecord()));
  CHECK_FALSE(replay(protocol::AbortTransactionRecord()));
  REQUIRE(replay(protocol::BeginTransactionRecord()));
  CHECK_FALSE(replay(protocol::BeginTransactionRecord()));
}

TEST_CASE("a record that contradicts the image is found at the end of its transaction") {
  Replay replay;
  REQUIRE(replay(protocol::BeginTransactionRecord()));
  protocol::PartitionRecord partition;
  partition.partition_id = 0;
  partition.topic_id = Uuid::of_low(501);
  REQUIRE(replay(partition));
  const auto ended = replay(protocol::EndTransactionRecord());
  REQUIRE_FALSE(ended);
  CHECK(ended.error().code == ErrorCode::kCorruptMessage);
}

TEST_CASE("delegation tokens are kept, changed, written into snapshots and forgotten") {
  Replay replay;
  REQUIRE(replay(token("first")));
  REQUIRE(replay(token("second")));
  const MetadataImagePtr image = replay.image();
  CHECK(replay.changes().tokens);
  REQUIRE(image->tokens->size() == 2);
  const DelegationToken expected{"User:alice", "User:bob", {"User:carol", "User:dave"}, 1, 3, 2};
  CHECK(image->tokens->at("first") == expected);

  Replay again;
  for (const MetadataRecord& record : image_to_records(*image)) REQUIRE(again(record));
  CHECK(*again.image()->tokens == *image->tokens);

  protocol::DelegationTokenRecord renewed = token("first");
  renewed.expiration_timestamp = 3;
  REQUIRE(replay(renewed));
  protocol::RemoveDelegationTokenRecord removal;
  removal.token_id = "second";
  REQUIRE(replay(removal));
  const MetadataImagePtr later = replay.image();
  REQUIRE(later->tokens->size() == 1);
  CHECK(later->tokens->at("first").expiration_timestamp_ms == 3);
}

TEST_CASE("what differs between two images is found by comparing them") {
  MetadataDelta delta(MetadataImage::empty());
  protocol::TopicRecord topic;
  topic.name = "kept";
  topic.topic_id = Uuid::of_low(500);
  REQUIRE(delta.replay(topic));
  topic.name = "gone";
  topic.topic_id = Uuid::of_low(501);
  REQUIRE(delta.replay(topic));
  const MetadataImagePtr before = delta.build(Offset(1), LeaderEpoch(1));
  protocol::RemoveTopicRecord removal;
  removal.topic_id = Uuid::of_low(501);
  REQUIRE(delta.replay(removal));
  protocol::PartitionRecord partition;
  partition.partition_id = 0;
  partition.topic_id = Uuid::of_low(500);
  partition.replicas = {1};
  partition.isr = {1};
  REQUIRE(delta.replay(partition));
  protocol::FeatureLevelRecord feature;
  feature.name = kMetadataVersionFeature;
  feature.feature_level = 30;
  REQUIRE(delta.replay(feature));
  const MetadataImagePtr after = delta.build(Offset(4), LeaderEpoch(1));
  const MetadataChanges changes = changes_between(*before, *after);
  CHECK(changes.created_topics.empty());
  CHECK(changes.removed_topics.size() == 1);
  REQUIRE(changes.changed_partitions.size() == 1);
  CHECK(changes.changed_partitions.at(TopicId(Uuid::of_low(500))) == std::set{PartitionIndex(0)});
  CHECK(changes.features);
  CHECK_FALSE(changes.acls);
  CHECK(changes_between(*after, *after).changed_partitions.empty());
}

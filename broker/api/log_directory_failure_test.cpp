// One of a node's log directories fails: what clients are told, and what goes on.
#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"
#include "protocol/messages/api_alter_replica_log_dirs.hpp"
#include "protocol/messages/api_delete_records.hpp"
#include "protocol/messages/api_describe_log_dirs.hpp"
#include "protocol/messages/api_describe_producers.hpp"
#include "protocol/messages/api_list_offsets.hpp"

namespace barnabas::broker::testing {
namespace {

constexpr std::int16_t kStorageError = static_cast<std::int16_t>(ErrorCode::kKafkaStorageError);

/// Partition 0 of t is in /b, partition 1 in another directory.
struct FailureFixture : ApiFixture {
  FailureFixture() : ApiFixture(ApiFixtureOptions{{{"log.dirs", "/a,/b"}}}) {
    demand(logs->prefer_directory({"t", PartitionIndex(0)}, "/b"));
    demand(logs->prefer_directory({"t", PartitionIndex(1)}, "/a"));
    create_topic("t", 2);
    append("t", 0);
    append("t", 1);
  }
  /// A write of partition 0 meets the dead disk, and the news comes where the node brings it.
  void lose_b() {
    files.break_path("/b");
    Bytes batch = make_batch();
    demand(!find("t", 0).append(batch, {}).has_value(), "the disk is dead");
    replicas->lose_directory("/b");
  }
};

TEST_CASE_METHOD(FailureFixture,
                 "partitions in a directory that failed answer KAFKA_STORAGE_ERROR, others serve") {
  lose_b();
  CHECK(find("t", 0).check_leader(kNoLeaderEpoch) == ErrorCode::kKafkaStorageError);
  CHECK(find("t", 1).check_leader(kNoLeaderEpoch) == ErrorCode::kNone);
  append("t", 1);
  CHECK(replicas->all().size() == 1);

  protocol::DescribeLogDirsRequest describe;
  describe.topics = std::nullopt;
  const auto told = ask<protocol::DescribeLogDirsResponse>(describe);
  CHECK(told.error_code == 0);
  REQUIRE(told.results.size() == 2);
  CHECK(told.results[0].error_code == 0);
  CHECK(told.results[0].topics.size() == 1);
  CHECK(told.results[1].error_code == kStorageError);
  CHECK(told.results[1].topics.empty());
  CHECK(told.results[1].total_bytes == -1);
  CHECK(told.results[1].usable_bytes == -1);

  protocol::ListOffsetsRequest list;
  list.replica_id = -1;
  auto& topic = list.topics.emplace_back();
  topic.name = "t";
  for (const std::int32_t index : {0, 1}) {
    auto& partition = topic.partitions.emplace_back();
    partition.partition_index = index;
    partition.timestamp = -1;
  }
  const auto listed = ask<protocol::ListOffsetsResponse>(list, 5);
  CHECK(listed.topics.at(0).partitions.at(0).error_code == kStorageError);
  CHECK(listed.topics[0].partitions.at(1).offset == 2);

  protocol::DeleteRecordsRequest remove;
  remove.timeout_ms = 1000;
  remove.topics.push_back({"t", {{0, 1}, {1, 1}}});
  const auto removed = ask<protocol::DeleteRecordsResponse>(remove);
  CHECK(removed.topics.at(0).partitions.at(0).error_code == kStorageError);
  CHECK(removed.topics[0].partitions.at(1).low_watermark == 1);

  protocol::DescribeProducersRequest producers;
  producers.topics.push_back({"t", {0, 1}});
  const auto described = ask<protocol::DescribeProducersResponse>(producers);
  CHECK(described.topics.at(0).partitions.at(0).error_code == kStorageError);
  CHECK(described.topics[0].partitions.at(1).error_code == 0);
}

TEST_CASE_METHOD(FailureFixture,
                 "nothing moves from or to a directory that failed, and nothing new is made there") {
  lose_b();
  const auto move = [this](const std::string& path, std::int32_t index) {
    protocol::AlterReplicaLogDirsRequest request;
    request.dirs.push_back({path, {{"t", {index}}}});
    return ask<protocol::AlterReplicaLogDirsResponse>(request).results.at(0).partitions.at(0).error_code;
  };
  CHECK(move("/a", 0) == kStorageError);
  CHECK(move("/b", 1) == kStorageError);
  CHECK(move("/c", 0) == static_cast<std::int16_t>(ErrorCode::kLogDirNotFound));
  create_topic("n", 3);
  for (std::int32_t index = 0; index < 3; ++index) CHECK(find("n", index).log_directory() == "/a");
}

TEST_CASE_METHOD(FailureFixture, "who waits for records of a partition is told when its directory fails") {
  int woken = 0;
  const auto wakeup = std::make_shared<Wakeup>([&] { ++woken; });
  find("t", 0).wait_for_change(wakeup);
  lose_b();
  CHECK(woken == 1);
}

TEST_CASE_METHOD(FailureFixture, "where replicas are is told when it differs from what the image says") {
  std::vector<ReplicaPlace> told;
  replicas->on_placed(
      [&](std::vector<ReplicaPlace> places) { told.insert(told.end(), places.begin(), places.end()); });
  create_topic("n", 2);
  REQUIRE(told.size() == 2);
  CHECK(told[0].directory == logs->directory_id(find("n", 0).log_directory()));
  CHECK(told[1].directory == logs->directory_id(find("n", 1).log_directory()));
  CHECK(told[0].directory != told[1].directory);
  replicas->on_placed(nullptr);
}

TEST_CASE("a replica that a full disk kept from being opened is opened once there is room") {
  ApiFixture node;
  kraft::MetadataDelta delta(node.cache.image());
  protocol::TopicRecord topic;
  topic.name = "t";
  topic.topic_id = Uuid::of_low(77);
  protocol::PartitionRecord partition;
  partition.partition_id = 0;
  partition.topic_id = topic.topic_id;
  partition.replicas = partition.isr = {1};
  partition.leader = 1;
  partition.leader_epoch = partition.partition_epoch = 0;
  partition.directories.resize(1, Uuid());
  demand(delta.replay(topic));
  demand(delta.replay(partition));
  kraft::MetadataImagePtr image = delta.build(Offset(1000), LeaderEpoch(1));

  node.files.set_capacity_bytes(node.files.used_bytes());
  node.replicas->apply(image, &delta.changes());
  REQUIRE(node.replicas->find("t", PartitionIndex(0)) == nullptr);

  node.files.set_capacity_bytes(std::nullopt);
  // The next image changes nothing of the topic.
  image = delta.build(Offset(1001), LeaderEpoch(1));
  node.replicas->apply(image, &delta.changes());
  CHECK(node.find("t", 0).check_leader(kNoLeaderEpoch) == ErrorCode::kNone);
}

}  // namespace
}  // namespace barnabas::broker::testing

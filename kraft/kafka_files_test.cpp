// Metadata logs and snapshots that Apache Kafka 4.3.1 wrote, read by this software.
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "kraft/metadata_delta.hpp"
#include "kraft/node_testing.hpp"
#include "kraft/snapshot.hpp"

using namespace barnabas;
using namespace barnabas::kraft;

namespace {

Bytes test_file(const std::string& name) {
  std::ifstream file(std::string(BARNABAS_SOURCE_DIR) + "/kraft/testdata/kafka-4.3.1-" + name,
                     std::ios::binary);
  REQUIRE(file);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

/// The image of a log's records below `end`.
MetadataImagePtr replay_log(const Bytes& content, Offset end = Offset(INT64_MAX)) {
  MetadataDelta delta(MetadataImage::empty());
  LogVisitor visitor;
  LogPosition last;
  visitor.data = [&](const LogRecordView& view) -> Result<void> {
    if (view.offset >= end) return {};
    auto record = decode(view.value);
    if (!record) return std::unexpected(record.error());
    last = {view.offset + 1, view.epoch};
    return delta.replay(*record);
  };
  auto visited = visit_batches(content, Offset(0), visitor);
  INFO((visited ? std::string() : visited.error().detail));
  REQUIRE(visited);
  return delta.build(last.end - 1, last.last_epoch);
}

MetadataImagePtr replay_snapshot(const Bytes& content) {
  MetadataDelta delta(MetadataImage::empty());
  auto head = read_snapshot(content, [&](const LogRecordView& view) -> Result<void> {
    auto record = decode(view.value);
    if (!record) return std::unexpected(record.error());
    return delta.replay(*record);
  });
  INFO((head ? std::string() : head.error().detail));
  REQUIRE(head);
  return delta.build(Offset(0), LeaderEpoch(0));
}

}  // namespace

TEST_CASE("the metadata log of a Kafka node gives the cluster that it was") {
  const MetadataImagePtr image = replay_log(test_file("a.log"));
  CHECK(image->offset == Offset(1766));
  CHECK(image->features->metadata_version == 30);
  REQUIRE(image->topic("t1") != nullptr);
  CHECK(image->topic("t1")->partitions.size() == 4);
  CHECK(image->topic("a.b") == nullptr);  // deleted
  CHECK(image->config(ConfigResourceType::kTopic, "t1").at("min.insync.replicas") == "1");
  CHECK(image->config(ConfigResourceType::kGroup, "g1").at("consumer.session.timeout.ms") == "46000");
  CHECK(image->next_producer_id == 2000);
  const BrokerRegistration* broker = image->broker(BrokerId(1));
  REQUIRE(broker != nullptr);
  CHECK(broker->epoch == 1412);
  CHECK(broker->fenced);
  CHECK(broker->in_controlled_shutdown);
  const PartitionRegistration* partition = image->partition("t1", PartitionIndex(0));
  REQUIRE(partition != nullptr);
  CHECK(partition->leader == kNoBroker);
  CHECK(partition->eligible_leader_replicas == std::vector{BrokerId(1)});
  CHECK(partition->leader_epoch == LeaderEpoch(3));
}

TEST_CASE("Kafka's log up to a snapshot's end and the snapshot give the same image") {
  const MetadataImagePtr from_log = replay_log(test_file("d.log"), Offset(4089));
  const MetadataImagePtr from_snapshot = replay_snapshot(test_file("d.checkpoint"));
  CHECK(*from_log->features == *from_snapshot->features);
  CHECK(*from_log->cluster == *from_snapshot->cluster);
  CHECK(*from_log->configs == *from_snapshot->configs);
  CHECK(*from_log->quotas == *from_snapshot->quotas);
  CHECK(same_content(*from_log, *from_snapshot));
  CHECK(from_log->topics->by_name.size() > 3);
}

TEST_CASE("every image that Kafka's logs give goes through records and comes back equal") {
  for (const char* name : {"a.log", "b.log", "d.log", "e.log"}) {
    INFO(name);
    const MetadataImagePtr image = replay_log(test_file(name));
    std::vector<Bytes> values;
    for (const MetadataRecord& record : image_to_records(*image))
      values.push_back(encode(record, image->features->metadata_version));
    const Bytes snapshot =
        make_snapshot({image->offset + 1, image->epoch}, SnapshotHead(), 1700000000000, values);
    CHECK(same_content(*image, *replay_snapshot(snapshot)));
  }
}

TEST_CASE("the log of a node with security holds its ACLs and credentials") {
  const MetadataImagePtr image = replay_log(test_file("b.log"));
  CHECK_FALSE(image->acls->empty());
  CHECK_FALSE(image->scram->empty());
}

TEST_CASE("every record that Kafka wrote is written again byte for byte") {
  for (const char* name : {"a.log", "b.log", "d.log", "e.log"}) {
    int records = 0;
    LogVisitor visitor;
    visitor.data = [&](const LogRecordView& view) -> Result<void> {
      auto record = decode(view.value);
      if (!record) return std::unexpected(record.error());
      if (encode(*record, 30) != to_bytes(view.value))
        return fail(ErrorCode::kCorruptMessage, "another encoding at " + std::to_string(view.offset.value()));
      ++records;
      return {};
    };
    auto visited = visit_batches(test_file(name), Offset(0), visitor);
    INFO(name << (visited ? std::string() : visited.error().detail));
    REQUIRE(visited);
    CHECK(records > 300);
  }
}

TEST_CASE("the snapshot of the voters is read and written as Kafka does") {
  const Bytes content = test_file("a.voters.checkpoint");
  std::int64_t written_ms = 0;
  LogVisitor visitor;
  visitor.data = [](const LogRecordView&) { return Result<void>(); };
  visitor.control = [&](const LogRecordView& view, const ControlValue& control) -> Result<void> {
    if (std::holds_alternative<SnapshotHeaderControl>(control)) written_ms = view.timestamp_ms;
    return {};
  };
  REQUIRE(visit_batches(content, Offset(0), visitor));
  auto head = read_snapshot(content, [](const LogRecordView&) { return Result<void>(); });
  REQUIRE(head);
  CHECK(head->kraft_version == std::int16_t{1});
  REQUIRE(head->voters);
  REQUIRE(head->voters->voters.size() == 1);
  CHECK(head->voters->voters[0].key.directory.value().to_string() == "brgll3uFTVCcjfUw8Z95lQ");
  CHECK(head->voters->voters[0].endpoints[0].endpoint.port == 49093);
  // Kafka takes the time anew for the footer; everything before it is the same.
  const Bytes again = make_snapshot({Offset(0), LeaderEpoch(0)}, *head, written_ms, {});
  constexpr std::size_t kFooterBytes = 75;
  REQUIRE(again.size() == content.size());
  CHECK(Bytes(again.begin(), again.end() - kFooterBytes) ==
        Bytes(content.begin(), content.end() - kFooterBytes));
}

TEST_CASE("formatting writes the bootstrap records that Kafka writes") {
  std::vector<Bytes> kafka;
  REQUIRE(read_snapshot(test_file("a.bootstrap.checkpoint"), [&](const LogRecordView& view) -> Result<void> {
    kafka.push_back(to_bytes(view.value));
    return {};
  }));
  NodeFixture fixture;
  REQUIRE(fixture.format());
  auto ours = read_bootstrap_records(fixture.files, fixture.directory);
  REQUIRE(ours);
  CHECK(*ours == kafka);
}

// Moves between log directories, step by step and under faults: a node's logs and replica manager over a file
// system in memory, without threads.
#include "broker/replica/log_directory_mover.hpp"

#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"
#include "protocol/messages/api_alter_replica_log_dirs.hpp"
#include "protocol/messages/api_describe_log_dirs.hpp"

namespace barnabas::broker::testing {
namespace {

using protocol::AlterReplicaLogDirsRequest;
using protocol::AlterReplicaLogDirsResponse;
using protocol::DescribeLogDirsRequest;
using protocol::DescribeLogDirsResponse;

const std::vector<std::string> kDirectories = {"/a", "/b", "/c"};

struct MoverFixture : ApiFixture {
  MoverFixture() : ApiFixture(ApiFixtureOptions{{{"log.dirs", "/a,/b,/c"}}}) {}

  ErrorCode move(const std::string& path, const std::string& topic, std::int32_t index) {
    AlterReplicaLogDirsRequest request;
    request.dirs.push_back({path, {{topic, {index}}}});
    const auto response = ask<AlterReplicaLogDirsResponse>(request);
    return static_cast<ErrorCode>(response.results.at(0).partitions.at(0).error_code);
  }
  std::string home_of(const std::string& topic, std::int32_t index) {
    return find(topic, index).with_log([](const log::PartitionLog& log) {
      return log.directory().substr(0, log.directory().rfind('/'));
    });
  }
  std::string other_than(const std::string& home) { return home == "/b" ? "/c" : "/b"; }
  Bytes content_of(const std::string& topic, std::int32_t index) {
    return find(topic, index).with_log([](log::PartitionLog& log) {
      Bytes all;
      for (Offset next = log.log_start_offset(); next < log.log_end_offset();) {
        const Bytes piece = demand(log.read_bytes({next, log.log_end_offset(), 1 << 20, true}));
        protocol::BatchCursor cursor(piece);
        while (auto entry = demand(cursor.next())) next = entry->batch().next_offset();
        all.insert(all.end(), piece.begin(), piece.end());
      }
      return all;
    });
  }
  /// Runs the mover until it finds nothing to do.
  int finish() {
    int rounds = 0;
    while (mover.run_once()) demand(++rounds < 1000, "the move ends");
    return rounds;
  }
  struct Told {
    std::string directory;
    std::int64_t size = 0, lag = 0;
    bool is_future = false;
  };
  std::vector<Told> described(const std::string& topic) {
    DescribeLogDirsRequest request;
    request.topics.emplace().push_back({topic, {0}});
    std::vector<Told> told;
    for (const auto& directory : ask<DescribeLogDirsResponse>(request).results)
      for (const auto& found : directory.topics)
        for (const auto& partition : found.partitions)
          told.push_back(
              {directory.log_dir, partition.partition_size, partition.offset_lag, partition.is_future_key});
    return told;
  }

  LogDirectoryMover mover{clock, *replicas, metrics, {}};
};

TEST_CASE_METHOD(MoverFixture, "a partition moves while it is written, and nothing is lost or twice") {
  create_topic("t", 1, {{"segment.bytes", "1048576"}});
  for (int i = 0; i < 40; ++i) append("t", 0, 1, std::string(100000, static_cast<char>('a' + i % 26)));
  const std::string from = home_of("t", 0);
  const std::string to = other_than(from);
  REQUIRE(move(to, "t", 0) == ErrorCode::kNone);
  CHECK(home_of("t", 0) == from);

  auto told = described("t");
  REQUIRE(told.size() == 2);
  const auto future = std::ranges::find(told, true, &Told::is_future);
  REQUIRE(future != told.end());
  CHECK(future->directory == to);
  CHECK(future->size == 0);
  CHECK(future->lag == 40);

  REQUIRE(mover.run_once());
  told = described("t");
  const auto half = std::ranges::find(told, true, &Told::is_future);
  REQUIRE(half != told.end());
  CHECK(half->lag < 40);
  CHECK(half->lag > 0);
  CHECK(half->size > 0);
  CHECK(metrics.prometheus_text().find("kafka_server_replicaalterlogdirsmanager_maxlag{"
                                       "clientId=\"ReplicaAlterLogDirs\"} " +
                                       std::to_string(half->lag)) != std::string::npos);
  append("t", 0, 3);
  finish();
  CHECK(home_of("t", 0) == to);
  CHECK(append("t", 0) == Offset(43));
  CHECK(find("t", 0).with_log([](const log::PartitionLog& log) { return log.high_watermark(); }) ==
        Offset(44));
  told = described("t");
  REQUIRE(told.size() == 1);
  CHECK(told[0].directory == to);
  CHECK_FALSE(told[0].is_future);
  CHECK(told[0].lag == 0);
  Offset next;
  const Bytes bytes = content_of("t", 0);
  protocol::BatchCursor cursor(bytes);
  while (auto entry = demand(cursor.next())) {
    CHECK(entry->batch().base_offset() == next);
    CHECK(entry->batch().crc_matches());
    next = entry->batch().next_offset();
  }
  CHECK(next == Offset(44));
}

TEST_CASE_METHOD(MoverFixture,
                 "a move is given up by naming the current directory, or sent elsewhere half way") {
  create_topic("t");
  for (int i = 0; i < 20; ++i) append("t", 0, 1, std::string(100000, 'x'));
  const std::string from = home_of("t", 0);
  const std::string to = other_than(from);
  REQUIRE(move(to, "t", 0) == ErrorCode::kNone);
  REQUIRE(mover.run_once());
  CHECK(move(from, "t", 0) == ErrorCode::kNone);
  CHECK(described("t").size() == 1);
  CHECK_FALSE(mover.run_once());
  CHECK(home_of("t", 0) == from);

  REQUIRE(move(to, "t", 0) == ErrorCode::kNone);
  REQUIRE(mover.run_once());
  const std::string elsewhere = *std::ranges::find_if(
      kDirectories, [&](const std::string& path) { return path != from && path != to; });
  REQUIRE(move(elsewhere, "t", 0) == ErrorCode::kNone);
  finish();
  CHECK(home_of("t", 0) == elsewhere);
  CHECK(append("t", 0) == Offset(20));
}

TEST_CASE_METHOD(MoverFixture, "records that were deleted during a move are deleted where it ends too") {
  create_topic("t");
  for (int i = 0; i < 20; ++i) append("t", 0, 1, std::string(100000, 'x'));
  REQUIRE(move(other_than(home_of("t", 0)), "t", 0) == ErrorCode::kNone);
  const bool began = GENERATE(false, true);
  if (began) REQUIRE(mover.run_once());
  find("t", 0).with_log([](log::PartitionLog& log) { (void)demand(log.delete_records_before(Offset(18))); });
  finish();
  find("t", 0).with_log([](const log::PartitionLog& log) {
    CHECK(log.log_start_offset() == Offset(18));
    CHECK(log.log_end_offset() == Offset(20));
    CHECK(log.directory().find("-future") == std::string::npos);
  });
}

TEST_CASE_METHOD(MoverFixture, "a partition is made where it was asked for, else where the fewest are") {
  CHECK(move("/c", "t", 0) == ErrorCode::kUnknownTopicOrPartition);
  CHECK(move("/c", "t", 1) == ErrorCode::kUnknownTopicOrPartition);
  CHECK(move("/elsewhere", "t", 0) == ErrorCode::kLogDirNotFound);
  create_topic("t", 2);
  CHECK(home_of("t", 0) == "/c");
  CHECK(home_of("t", 1) == "/c");
  create_topic("u", 4);
  std::map<std::string, int> counts;
  for (std::int32_t i = 0; i < 4; ++i) ++counts[home_of("u", i)];
  CHECK(counts == std::map<std::string, int>{{"/a", 2}, {"/b", 2}});
}

TEST_CASE_METHOD(MoverFixture, "a topic that is deleted takes its move with it") {
  create_topic("t");
  append("t", 0, 1, std::string(2000000, 'x').substr(0, 900000));
  REQUIRE(move(other_than(home_of("t", 0)), "t", 0) == ErrorCode::kNone);
  demand(logs->remove({"t", PartitionIndex(0)}));
  CHECK_FALSE(mover.run_once());
}

TEST_CASE_METHOD(MoverFixture,
                 "a move for which there is no room waits and goes on, and the partition serves") {
  create_topic("t");
  for (int i = 0; i < 20; ++i) append("t", 0, 1, std::string(100000, 'x'));
  const std::string from = home_of("t", 0);
  const std::string to = other_than(from);
  REQUIRE(move(to, "t", 0) == ErrorCode::kNone);
  files.set_capacity_bytes(files.used_bytes() + 500000);
  for (int i = 0; i < 5; ++i) (void)mover.run_once();
  CHECK(home_of("t", 0) == from);
  CHECK_FALSE(content_of("t", 0).empty());
  files.set_capacity_bytes(std::nullopt);
  world.run_until(clock.monotonic() + std::chrono::seconds(2));
  finish();
  CHECK(home_of("t", 0) == to);
  CHECK(append("t", 0) == Offset(20));
}

TEST_CASE("whichever call of the disk fails in a move, the partition is whole where it is") {
  for (std::uint64_t n = 1;; ++n) {
    MoverFixture node;
    node.create_topic("t");
    for (int i = 0; i < 12; ++i) node.append("t", 0, 1, std::string(100000, 'x'));
    const Bytes before = node.content_of("t", 0);
    const std::string from = node.home_of("t", 0);
    REQUIRE(node.move(node.other_than(from), "t", 0) == ErrorCode::kNone);
    node.files.fail_nth_call(n);
    for (int i = 0; i < 10; ++i) (void)node.mover.run_once();
    const bool struck = node.files.fault_struck();
    node.files.fail_nth_call(0);
    CAPTURE(n);
    const bool is_same = node.content_of("t", 0) == before;  // Megabytes that nobody wants to see printed.
    REQUIRE(is_same);
    CHECK(node.append("t", 0) == Offset(12));
    if (!struck) {
      CHECK(node.home_of("t", 0) != from);
      break;
    }
  }
}

}  // namespace
}  // namespace barnabas::broker::testing

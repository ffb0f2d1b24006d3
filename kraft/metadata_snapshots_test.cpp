// When a metadata node writes snapshots, and which old ones it deletes.
#include <algorithm>
#include <catch2/catch.hpp>

#include "kraft/node_testing.hpp"

using namespace barnabas;
using namespace barnabas::kraft;

namespace {

/// A node that leads, and how many snapshots stand in its directory.
struct SnapshotFixture : NodeFixture {
  void start() {
    options.controller.broker_session_timeout_ms = INT32_MAX;
    REQUIRE(format());
    REQUIRE(open());
    REQUIRE(run());
    REQUIRE(register_broker());
    REQUIRE(heartbeat());
    REQUIRE(node->is_active_controller());
  }
  /// Of the log's directory, in order; the first is what the format wrote.
  std::vector<std::string> snapshots() {
    std::vector<std::string> names;
    const auto entries = *files.list("/data/__cluster_metadata-0");
    for (const auto& entry : entries)
      if (entry.name.ends_with(".checkpoint")) names.push_back(entry.name);
    std::ranges::sort(names);
    return names;
  }
  void create_topics(int count) {
    for (int i = 0; i < count; ++i) {
      const auto made = create_topic("t" + std::to_string(topics_++));
      REQUIRE(made);
      REQUIRE(made->topics.at(0).error_code == 0);
    }
  }
  void pass(std::int64_t ms) {
    clock.now_ms += ms;
    REQUIRE(run());
  }

 private:
  int topics_ = 0;
};

}  // namespace

TEST_CASE("a snapshot is written each time so many bytes of records are new") {
  SnapshotFixture at;
  at.options.snapshot_max_new_bytes = 20'000;
  at.start();
  at.create_topics(10);
  REQUIRE(at.snapshots().size() == 1);
  int first = 10;
  while (at.snapshots().size() == 1 && first < 1000) {
    at.create_topics(1);
    ++first;
  }
  CHECK(first < 200);
  CHECK(at.snapshots().size() == 2);
  // As many again, and not at once.
  int second = 0;
  while (at.snapshots().size() == 2 && second < 1000) {
    at.create_topics(1);
    ++second;
  }
  CHECK(second > first / 2);
  CHECK(second < 2 * first);
  const MetadataImagePtr before = at.node->image();
  REQUIRE(at.node->close());
  REQUIRE(at.open());
  REQUIRE(at.run());
  CHECK(at.node->image()->topics->by_name.size() == before->topics->by_name.size());
  REQUIRE(at.node->image()->topic("t3") != nullptr);
  CHECK(*at.node->image()->topic("t3") == *before->topic("t3"));
}

TEST_CASE("a snapshot is written when the interval is over, and the node says when that is") {
  SnapshotFixture at;
  at.options.snapshot_max_interval_ms = 60'000;
  at.options.max_idle_interval_ms = 0;
  at.options.retention_ms = -1;
  at.start();
  at.create_topics(1);
  at.pass(59'999 - at.clock.now_ms + 1000);
  REQUIRE(at.snapshots().size() == 1);
  const auto due = at.run();
  REQUIRE(due);
  CHECK(*due <= at.clock.monotonic() + std::chrono::milliseconds(1));
  at.pass(1);
  CHECK(at.snapshots().size() == 2);
  // Nothing new, nothing to write.
  at.pass(60'000);
  CHECK(at.snapshots().size() == 2);
  at.create_topics(1);
  at.pass(60'000);
  CHECK(at.snapshots().size() == 3);
}

TEST_CASE("without an interval no time brings a snapshot") {
  SnapshotFixture at;
  at.options.snapshot_max_interval_ms = 0;
  at.start();
  at.create_topics(1);
  at.pass(10'000'000);
  CHECK(at.snapshots().size() == 1);
}

TEST_CASE("snapshots that are too old go, the newest never") {
  SnapshotFixture at;
  at.options.retention_ms = 100'000;
  at.options.snapshot_max_interval_ms = 0;
  at.start();
  std::vector<std::string> kept;
  for (int i = 0; i < 3; ++i) {
    at.create_topics(1);
    REQUIRE(at.node->write_snapshot());
    kept.push_back(at.snapshots().back());
    at.pass(40'000);
  }
  REQUIRE(at.snapshots().size() == 4);
  at.create_topics(1);
  REQUIRE(at.node->write_snapshot());  // 120 s after the format's and the first
  CHECK(at.snapshots().size() == 3);
  CHECK(at.snapshots().front() == kept[1]);
  at.pass(10'000'000);
  at.create_topics(1);
  REQUIRE(at.node->write_snapshot());
  CHECK(at.snapshots().size() == 1);
  REQUIRE(at.node->close());
  REQUIRE(at.open());
  REQUIRE(at.run());
  CHECK(at.node->image()->topics->by_name.size() == 5);
}

TEST_CASE("snapshots and log that are too much together lose their oldest, the newest never") {
  SnapshotFixture at;
  at.options.retention_bytes = 1;
  at.start();
  at.create_topics(3);
  REQUIRE(at.node->write_snapshot());
  CHECK(at.snapshots().size() == 1);
  const std::string first = at.snapshots().front();
  at.create_topics(1);
  REQUIRE(at.node->write_snapshot());
  REQUIRE(at.snapshots().size() == 1);
  CHECK(at.snapshots().front() > first);
}

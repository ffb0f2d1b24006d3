// The cleaner's choice among a node's partitions, and what it does with one that cannot be cleaned.
#include "broker/drivers/log_cleaner.hpp"

#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"
#include "log/partition_files.hpp"

namespace barnabas::broker::testing {
namespace {

const ConfigMap kCompact = {{"cleanup.policy", "compact"}, {"min.cleanable.dirty.ratio", "0.4"}};

struct CleanerFixture {
  ApiFixture node;
  SeededRandom random{1};
  LogCleaner cleaner{node.files, node.clock, random, *node.config, *node.replicas};

  /// As many segments of one record each as there are keys.
  void put(const std::string& topic, const std::vector<std::string>& keys) {
    for (const std::string& key : keys) {
      protocol::RecordBatchBuilder builder(protocol::BatchOptions{});
      protocol::RecordInput record;
      record.timestamp = node.clock.wall_ms();
      record.key = as_bytes(key);
      record.value = as_bytes("v");
      builder.append(record);
      Bytes batch = builder.build();
      CHECK(node.find(topic, 0).append(batch, {}).has_value());
      CHECK(node.find(topic, 0).with_log([](log::PartitionLog& log) { return log.roll(); }).has_value());
    }
  }
  Offset cleaned_to(const std::string& topic) {
    return node.find(topic, 0).with_log([](log::PartitionLog& log) { return log.cleaned_to(); });
  }
};

TEST_CASE("the log with the most to clean comes first, and one with little is left") {
  CleanerFixture fixture;
  fixture.node.create_topic("kept", 1, {});
  fixture.node.create_topic("half", 1, kCompact);
  fixture.node.create_topic("dirty", 1, kCompact);
  CHECK(!fixture.cleaner.clean_filthiest());
  fixture.put("kept", {"a", "a"});
  fixture.put("half", {"a", "b", "c"});
  CHECK(fixture.cleaner.clean_filthiest());
  CHECK(fixture.cleaned_to("half") == Offset(3));
  fixture.put("half", {"a", "b", "d"});
  fixture.put("dirty", {"a", "a", "b"});
  CHECK(fixture.cleaner.clean_filthiest());
  CHECK(fixture.cleaned_to("dirty") == Offset(3));
  CHECK(fixture.cleaned_to("half") == Offset(3));
  CHECK(fixture.cleaner.clean_filthiest());
  CHECK(fixture.cleaned_to("half") == Offset(6));
  fixture.put("dirty", {"c"});  // a third of it: less than min.cleanable.dirty.ratio
  CHECK(!fixture.cleaner.clean_filthiest());
  CHECK(fixture.cleaned_to("kept") == kNoOffset);
  const std::string checkpoint = demand(fixture.node.files.read_file("/data/cleaner-offset-checkpoint"));
  CHECK(checkpoint.find("half 0 6\n") != std::string::npos);
  CHECK(checkpoint.find("dirty 0 3\n") != std::string::npos);
}

TEST_CASE("a partition with a broken batch is left alone, and the others are cleaned") {
  CleanerFixture fixture;
  fixture.node.create_topic("broken", 1, kCompact);
  fixture.node.create_topic("sound", 1, kCompact);
  fixture.put("broken", {"a", "a", "a"});
  fixture.put("sound", {"a", "a"});
  const std::string path = "/data/broken-0/" + log::offset_file_name(Offset(1), log::kLogSuffix);
  CHECK(fixture.node.files.corrupt(path, 65, 1).has_value());
  while (fixture.cleaner.clean_filthiest()) {
  }
  CHECK(fixture.cleaner.uncleanable() ==
        std::vector<TopicPartition>{TopicPartition{"broken", PartitionIndex(0)}});
  CHECK(fixture.cleaned_to("sound") == Offset(2));
  CHECK(fixture.cleaned_to("broken") == kNoOffset);
  CHECK(fixture.node.find("broken", 0).with_log([](log::PartitionLog& log) { return log.segment_count(); }) ==
        4);
}

TEST_CASE("cleaner threads clean by themselves, at the rate that they may, and stop at once") {
  ApiFixture node({{{"log.cleaner.threads", "2"},
                    {"log.cleaner.backoff.ms", "1"},
                    {"log.cleaner.io.max.bytes.per.second", "1"}}});
  SeededRandom random(1);
  node.create_topic("slow", 1, kCompact);
  SystemClock clock;
  LogCleaner cleaner(node.files, clock, random, *node.config, *node.replicas);
  protocol::RecordBatchBuilder builder(protocol::BatchOptions{});
  protocol::RecordInput record;
  record.timestamp = node.clock.wall_ms();
  record.key = as_bytes("a");
  builder.append(record);
  Bytes batch = builder.build();
  CHECK(node.find("slow", 0).append(batch, {}).has_value());
  CHECK(node.find("slow", 0).with_log([](log::PartitionLog& log) { return log.roll(); }).has_value());
  const auto begun = clock.monotonic();
  cleaner.start();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  cleaner.stop();
  // At a byte a second the batch of some seventy bytes takes longer than a minute.
  CHECK(node.find("slow", 0).with_log([](log::PartitionLog& log) { return log.cleaned_to(); }) == kNoOffset);
  CHECK(clock.monotonic() - begun < std::chrono::seconds(30));
}

}  // namespace
}  // namespace barnabas::broker::testing

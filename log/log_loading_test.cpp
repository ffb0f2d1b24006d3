#include "log/log_loading.hpp"

#include "base/metrics.hpp"
#include "log/log_testing.hpp"

namespace barnabas::log {
namespace {

using namespace testing;

constexpr int kPartitions = 40;
constexpr int kRecords = 5;

TopicPartition partition(int index) {
  return {"t", PartitionIndex(index)};
}

/// Two directories with partitions of several segments each.
struct LoadingFixture {
  TemporaryDirectory root;
  PosixFileSystem files;
  StillClock clock;
  SeededRandom random{11};
  MetricsRegistry metrics;
  LogManagerOptions options;

  LoadingFixture() {
    for (const char* name : {"/a", "/b"}) {
      options.directories.push_back(root.path() + name);
      must(files.create_directories(options.directories.back()));
      must(write_meta_properties(files, options.directories.back(),
                                 {"c", BrokerId(1), DirectoryId(Uuid::random(random))}));
    }
    options.node_id = BrokerId(1);
    options.metrics = &metrics;
    auto logs = must(LogManager::open(files, clock, random, options));
    for (int i = 0; i < kPartitions; ++i) {
      auto log = must(logs->create(partition(i), TopicId(Uuid::of_low(1000)), LogConfig{}));
      for (int n = 0; n < kRecords; ++n) {
        must(append(*log, make_batch()));
        must(log->roll());
      }
    }
  }  // without shutdown(): as after a crash
  [[nodiscard]] LogDirectories directories() const {
    LogDirectories made;
    for (const std::string& path : options.directories)
      made.push_back(std::make_shared<LogDirectory>(path, nullptr));
    return made;
  }
};

TEST_CASE_METHOD(LoadingFixture, "partitions are the same whatever number of threads recovers them") {
  options.recovery_threads_per_directory = GENERATE(0, 1, 3, 100);
  auto logs = must(LogManager::open(files, clock, random, options));
  REQUIRE(logs->all().size() == kPartitions);
  for (int i = 0; i < kPartitions; ++i) {
    auto log = logs->find(partition(i));
    REQUIRE(log != nullptr);
    CHECK(base_offsets(*log) == std::vector<std::int64_t>{0, 1, 2, 3, 4});
    CHECK(log->topic_id() == TopicId(Uuid::of_low(1000)));
  }
  must(logs->shutdown(5));
  logs = must(LogManager::open(files, clock, random, options));
  CHECK(logs->all().size() == kPartitions);
  CHECK(logs->previous_broker_epoch() == 5);
}

TEST_CASE_METHOD(LoadingFixture, "a log that cannot be opened fails its directory alone") {
  must(files.remove(options.directories[1] + "/t-1/00000000000000000000.log"));
  must(files.create_directories(options.directories[1] + "/t-1/00000000000000000000.log"));
  LoadOptions how{GENERATE(0, 2), [](const TopicPartition&) { return LogConfig{}; }, nullptr};
  auto loaded = load_directories(files, clock, directories(), how);
  REQUIRE(loaded.size() == 2);
  CHECK(loaded[0]);
  CHECK(!loaded[1]);
}

/// Asks for the metrics in the middle of the loading.
TEST_CASE_METHOD(LoadingFixture,
                 "what is left to recover is told in metrics while it goes on, and no longer") {
  std::vector<std::string> pages;
  LoadOptions how;
  how.metrics = &metrics;
  how.config_for = [](const TopicPartition&) { return LogConfig{}; };
  struct AskingClock final : Clock {
    [[nodiscard]] std::int64_t wall_ms() const override {
      pages->push_back(metrics->prometheus_text());
      return 1'700'000'000'000;
    }
    [[nodiscard]] std::chrono::nanoseconds monotonic() const override { return {}; }
    std::vector<std::string>* pages = nullptr;
    MetricsRegistry* metrics = nullptr;
  } asking;
  asking.pages = &pages;
  asking.metrics = &metrics;
  for (const auto& result : load_directories(files, asking, directories(), how)) REQUIRE(result);

  auto was_told = [&](const std::string& line) {
    return std::ranges::any_of(pages, [&](const std::string& page) { return page.contains(line); });
  };
  const std::string logs =
      "kafka_log_logmanager_remaininglogstorecover{dir=\"" + options.directories[0] + "\"";
  const std::string segments = "kafka_log_logmanager_remainingsegmentstorecover{dir=\"" +
                               options.directories[0] + "\",threadNum=\"0\"";
  CHECK(was_told(logs + "} 20"));
  CHECK(was_told(logs + "} 1"));
  CHECK(was_told(segments + "} 0"));
  CHECK(!metrics.prometheus_text().contains("remaining"));
}

TEST_CASE_METHOD(LoadingFixture,
                 "only segments from the recovery point on are read again, and counted down") {
  OpenLogOptions open{options.directories[0] + "/t-0",
                      partition(0),
                      TopicId{},
                      LogConfig{},
                      Offset(3),
                      Offset(0),
                      kNoOffset,
                      false,
                      false,
                      nullptr,
                      {}};
  std::vector<std::size_t> told;
  open.on_recovery = [&](std::size_t left) { told.push_back(left); };
  auto log = must(open_log(files, clock, open));
  // The segments at 3, 4, the empty one at 5, and the one before: it may have been synced without its
  // indexes.
  CHECK(told == std::vector<std::size_t>{4, 3, 2, 1});
  CHECK(base_offsets(*log) == std::vector<std::int64_t>{0, 1, 2, 3, 4});
}

}  // namespace
}  // namespace barnabas::log

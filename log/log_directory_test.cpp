// What becomes of a node's logs when one of its log directories fails and the other does not.
#include "log/log_directory.hpp"

#include <algorithm>

#include "base/memory_file_system.hpp"
#include "log/log_testing.hpp"

namespace barnabas::log {
namespace {

using namespace testing;

/// Two disks, /a and /b, each with faults of its own.
class TwoDisks final : public FileSystem {
 public:
  MemoryFileSystem a;
  MemoryFileSystem b;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    return of(path).open(path, mode);
  }
  Result<bool> exists(const std::string& path) const override { return (is_on_b(path) ? b : a).exists(path); }
  Result<void> create_directories(const std::string& path) override {
    return of(path).create_directories(path);
  }
  Result<std::vector<DirectoryEntry>> list(const std::string& path) const override {
    return (is_on_b(path) ? b : a).list(path);
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    REQUIRE(is_on_b(from) == is_on_b(to));
    return of(from).rename(from, to);
  }
  Result<void> remove(const std::string& path) override { return of(path).remove(path); }
  Result<void> remove_all(const std::string& path) override { return of(path).remove_all(path); }
  Result<void> sync_directory(const std::string& path) override { return of(path).sync_directory(path); }
  Result<void> set_mode(const std::string& path, unsigned mode) override {
    return of(path).set_mode(path, mode);
  }
  Result<std::unique_ptr<DirectoryLock>> lock(const std::string& path) override {
    return of(path).lock(path);
  }

 private:
  static bool is_on_b(const std::string& path) { return path.starts_with("/b"); }
  MemoryFileSystem& of(const std::string& path) { return is_on_b(path) ? b : a; }
};

struct DirectoryFixture {
  TwoDisks files;
  StillClock clock;
  SeededRandom random{7};
  MetricsRegistry metrics;
  std::vector<std::string> failed;
  std::unique_ptr<LogManager> manager;

  DirectoryFixture() {
    for (const char* directory : {"/a", "/b"}) {
      must(files.create_directories(directory));
      must(files.sync_directory("/"));
      must(write_meta_properties(files, directory, {"c", BrokerId(3), DirectoryId(Uuid::random(random))}));
    }
    files.b.sync_directory("/").value();
  }
  Result<void> try_open() {
    manager.reset();
    LogManagerOptions options;
    options.directories = {"/a", "/b"};
    options.node_id = BrokerId(3);
    options.metrics = &metrics;
    options.on_directory_failure = [this](const std::string& path, const Error&) { failed.push_back(path); };
    manager = TRY(LogManager::open(files, clock, random, options));
    return {};
  }
  static TopicPartition partition(int index) { return {"t", PartitionIndex(index)}; }
  std::shared_ptr<PartitionLog> create_in(int index, const std::string& directory) {
    must(manager->prefer_directory(partition(index), directory));
    return must(manager->create(partition(index), TopicId(Uuid::of_low(77)), LogConfig{}));
  }
  bool tells(const std::string& line) { return metrics.prometheus_text().contains(line + "\n"); }
};

TEST_CASE_METHOD(DirectoryFixture,
                 "a write that the disk refuses takes its directory offline, not the other") {
  must(try_open());
  auto writer = create_in(0, "/b");
  auto neighbour = create_in(1, "/b");
  auto elsewhere = create_in(2, "/a");
  for (const auto& log : {writer, neighbour, elsewhere}) must(append(*log, make_batch()));
  CHECK(tells("kafka_log_logmanager_offlinelogdirectorycount 0"));

  files.b.fail_nth_call(1);
  CHECK(append(*writer, make_batch()).error().error.code == ErrorCode::kKafkaStorageError);
  CHECK(failed == std::vector<std::string>{"/b"});
  CHECK_FALSE(manager->is_online("/b"));
  CHECK(manager->is_online("/a"));
  CHECK(tells("kafka_log_logmanager_offlinelogdirectorycount 1"));
  CHECK(tells("kafka_log_logmanager_logdirectoryoffline{logDirectory=\"/b\"} 1"));
  CHECK(tells("kafka_log_logmanager_logdirectoryoffline{logDirectory=\"/a\"} 0"));
  // The disk works again, but what it lost nobody knows.
  CHECK(append(*neighbour, make_batch()).error().error.code == ErrorCode::kKafkaStorageError);
  CHECK(neighbour->sync().error().code == ErrorCode::kKafkaStorageError);
  must(append(*elsewhere, make_batch()));
  for (int i = 3; i < 6; ++i)
    CHECK(must(manager->create(partition(i), TopicId(Uuid::of_low(77)), LogConfig{}))
              ->directory()
              .starts_with("/a/"));
  CHECK(manager->prefer_directory(partition(9), "/b").error().code == ErrorCode::kKafkaStorageError);
  CHECK(manager->create_future(partition(2), "/b").error().code == ErrorCode::kKafkaStorageError);
  CHECK(manager->create_future(partition(0), "/a").error().code == ErrorCode::kKafkaStorageError);
  must(manager->remove(partition(1)));
  must(manager->checkpoint_recovery_points());
  must(manager->shutdown(4));
  CHECK(must(files.exists("/a/.kafka_cleanshutdown")));
  CHECK_FALSE(must(files.exists("/b/.kafka_cleanshutdown")));
  must(try_open());
  CHECK(manager->find(partition(0))->log_end_offset() == Offset(1));
  CHECK(manager->find(partition(1)) != nullptr);  // to be marked as a stray
  CHECK(manager->find(partition(2))->log_end_offset() == Offset(2));
}

TEST_CASE_METHOD(DirectoryFixture, "a full disk takes no directory offline") {
  must(try_open());
  auto log = create_in(0, "/b");
  must(append(*log, make_batch()));
  files.b.set_capacity_bytes(0);
  CHECK_FALSE(append(*log, make_batch({.value = std::string(5000, 'x')})));
  CHECK_FALSE(manager->checkpoint_recovery_points());
  CHECK(failed.empty());
  files.b.set_capacity_bytes(std::nullopt);
  CHECK(must(append(*log, make_batch())).base_offset == Offset(1));
}

TEST_CASE_METHOD(DirectoryFixture,
                 "a directory that cannot be read at the start is offline, the other serves") {
  must(try_open());
  must(append(*create_in(0, "/a"), make_batch()));
  must(append(*create_in(1, "/b"), make_batch()));
  must(manager->shutdown(4));
  SECTION("its disk is dead") {
    files.b.break_path("/b");
  }
  SECTION("its meta.properties cannot be read") {
    files.b.break_path("/b/meta.properties");
  }
  SECTION("a log in it cannot be read") {
    files.b.break_path("/b/t-1/00000000000000000000.log");
  }
  must(try_open());
  CHECK(failed == std::vector<std::string>{"/b"});
  CHECK(manager->find(partition(0))->log_end_offset() == Offset(1));
  CHECK(manager->find(partition(1)) == nullptr);
  files.a.break_path("/a");
  CHECK(try_open().error().code == ErrorCode::kKafkaStorageError);
  files.a.mend_path("/a");
  for (const char* path : {"/b", "/b/meta.properties", "/b/t-1/00000000000000000000.log"})
    files.b.mend_path(path);
  must(try_open());
  CHECK(manager->find(partition(1))->log_end_offset() == Offset(1));
}

TEST_CASE_METHOD(DirectoryFixture,
                 "a directory that is not formatted, or in use, keeps a node from starting") {
  SECTION("not formatted") {
    must(files.remove("/b/meta.properties"));
  }
  SECTION("malformed") {
    must(files.replace_file("/b/meta.properties", "garbage"));
  }
  SECTION("in use") {
    auto held = must(files.lock("/b/.lock"));
    CHECK_FALSE(try_open());
    return;
  }
  CHECK_FALSE(try_open());
  CHECK(failed.empty());
}

TEST_CASE_METHOD(DirectoryFixture,
                 "half a copy does not become the log while the log's directory is offline") {
  must(try_open());
  auto log = create_in(0, "/b");
  for (int i = 0; i < 3; ++i) must(append(*log, make_batch()));
  must(log->sync());
  must(manager->create_future(partition(0), "/a"));
  log.reset();
  files.b.break_path("/b");
  must(try_open());
  CHECK(manager->find(partition(0)) == nullptr);
  CHECK(manager->find_future(partition(0)) == nullptr);
  files.b.mend_path("/b");
  must(try_open());
  CHECK(manager->find(partition(0))->log_end_offset() == Offset(3));
  CHECK(manager->find_future(partition(0)) != nullptr);
}

TEST_CASE_METHOD(DirectoryFixture, "a move to a directory that fails is given up, and can go elsewhere") {
  must(try_open());
  auto log = create_in(0, "/a");
  must(append(*log, make_batch()));
  auto future = must(manager->create_future(partition(0), "/b"));
  files.b.fail_nth_call(1);
  CHECK_FALSE(future->append_as_follower(read_bytes(*log, 0)));
  CHECK(failed == std::vector<std::string>{"/b"});
  manager->drop_offline_futures();
  CHECK(manager->find_future(partition(0)) == nullptr);
  CHECK(must(append(*log, make_batch())).base_offset == Offset(1));
}

/// Two logs in each directory, written in turn with everything that touches a disk. What was acknowledged,
/// and, of /a, synced, is remembered.
struct TwoDiskWorkload : DirectoryFixture {
  static constexpr int kLogs = 4;
  std::array<std::int64_t, kLogs> acknowledged{};
  std::array<std::int64_t, kLogs> synced{};

  static bool is_on_a(int index) { return index % 2 == 0; }

  void make() {
    must(try_open());
    for (int i = 0; i < kLogs; ++i) (void)create_in(i, is_on_a(i) ? "/a" : "/b");
  }
  void run() {
    for (int round = 0; round < 6; ++round) {
      for (int i = 0; i < kLogs; ++i) write(i);
      const auto told = manager->checkpoint_recovery_points();
      CHECK((told || is_disk_full(told.error())));
      (void)manager->checkpoint_high_watermarks();
    }
    (void)manager->shutdown(9);
  }
  void write(int index) {
    auto log = manager->find(partition(index));
    auto appended = append(*log, make_batch());
    if (is_on_a(index)) must(appended);
    if (!appended) return;
    acknowledged[static_cast<std::size_t>(index)] = appended->last_offset.value() + 1;
    if (log->sync())
      synced[static_cast<std::size_t>(index)] = log->log_end_offset().value();
    else
      CHECK_FALSE(is_on_a(index));
    if (appended->last_offset.value() % 3 == 2) (void)log->roll();
  }
};

TEST_CASE("whichever call fails of one directory, the logs in the other keep everything") {
  const bool once = GENERATE(true, false);
  const bool power_fails = GENERATE(true, false);
  std::uint64_t n = 1;
  for (bool struck = true; struck; ++n) {
    TwoDiskWorkload node;
    node.make();
    once ? node.files.b.fail_nth_call(n) : node.files.b.fail_calls_from(n);
    node.run();
    struck = node.files.b.fault_struck();
    node.files.b.fail_nth_call(0);
    CAPTURE(n, once, power_fails);
    node.manager.reset();
    if (power_fails) {
      node.files.a.crash();
      node.files.b.crash();
    }
    must(node.try_open());
    for (int i = 0; i < TwoDiskWorkload::kLogs; ++i) {
      CAPTURE(i);
      const auto at = static_cast<std::size_t>(i);
      auto log = node.manager->find(TwoDiskWorkload::partition(i));
      // Of a log of which nothing was ever synced the power may take all.
      const bool may_be_gone = power_fails && !TwoDiskWorkload::is_on_a(i) && node.synced[at] == 0;
      if (log == nullptr && may_be_gone) continue;
      REQUIRE(log != nullptr);
      const std::int64_t end = log->log_end_offset().value();
      if (TwoDiskWorkload::is_on_a(i)) CHECK(end == 6);
      CHECK(end >= node.synced[at]);
      if (!power_fails) CHECK(end >= node.acknowledged[at]);
    }
  }
  CHECK(n > 40);
}

}  // namespace
}  // namespace barnabas::log

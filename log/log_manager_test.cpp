#include "log/log_manager.hpp"

#include "base/memory_file_system.hpp"
#include "log/log_testing.hpp"
#include "log/partition_files.hpp"

namespace barnabas::log {
namespace {

using namespace testing;

struct ManagerFixture {
  TemporaryDirectory root;
  PosixFileSystem files;
  StillClock clock;
  SeededRandom random{7};
  std::vector<std::string> directories;
  std::unique_ptr<LogManager> manager;

  explicit ManagerFixture(int count = 2) {
    for (int i = 0; i < count; ++i) {
      directories.push_back(root.path() + "/d" + std::to_string(i));
      must(files.create_directories(directories.back()));
      must(write_meta_properties(files, directories.back(),
                                 {"cluster=1", BrokerId(3), DirectoryId(Uuid::random(random))}));
    }
  }
  Result<void> try_open() {
    manager.reset();
    LogManagerOptions options;
    options.directories = directories;
    options.node_id = BrokerId(3);
    options.cluster_id = "cluster=1";
    manager = TRY(LogManager::open(files, clock, random, options));
    return {};
  }
};

const TopicPartition kTp{"orders", PartitionIndex(4)};
const TopicId kId(Uuid::of_low(4242));

TEST_CASE_METHOD(ManagerFixture, "a created log is found again after a clean stop and after a crash") {
  must(try_open());
  CHECK(manager->previous_broker_epoch() == -1);
  auto log = must(manager->create(kTp, kId, LogConfig{}));
  must(append(*log, make_batch({.count = 3})));
  log->set_high_watermark(Offset(3));
  bool clean = GENERATE(true, false);
  must(clean ? manager->shutdown(17) : manager->checkpoint_high_watermarks());
  must(try_open());
  CHECK(manager->previous_broker_epoch() == (clean ? 17 : -1));
  auto found = manager->find(kTp);
  REQUIRE(found != nullptr);
  CHECK(found->log_end_offset() == Offset(3));
  CHECK(found->topic_id() == kId);
  CHECK(manager->checkpointed_high_watermark(kTp) == Offset(3));
  auto other = manager->create(kTp, TopicId(Uuid::of_low(4243)), LogConfig{});
  REQUIRE(!other);
  CHECK(other.error().code == ErrorCode::kInconsistentTopicId);
}

TEST_CASE_METHOD(ManagerFixture,
                 "a log whose partition.metadata is missing adopts the topic id it is opened with") {
  must(try_open());
  auto log = must(manager->create(kTp, kId, LogConfig{}));
  must(append(*log, make_batch({.count = 3})));
  const std::string directory = log->directory();
  must(files.remove(directory + "/partition.metadata"));
  must(try_open());
  auto found = must(manager->create(kTp, kId, LogConfig{}));
  CHECK(found->log_end_offset() == Offset(3));
  CHECK(found->topic_id() == kId);
  CHECK(must(read_partition_metadata(files, directory)) == kId);
}

TEST_CASE_METHOD(ManagerFixture,
                 "a log whose partition.metadata a crash tore opens and adopts its topic id") {
  must(try_open());
  auto log = must(manager->create(kTp, kId, LogConfig{}));
  must(append(*log, make_batch({.count = 3})));
  const std::string name = log->directory() + "/partition.metadata";
  const std::string whole = must(files.read_file(name));
  const std::string left = GENERATE(std::string(), std::string(10, '\0'), std::string("version: 0\ntop"),
                                    std::string("version: 0\ntopic_id: AAAA"));
  must(files.replace_file(name, left));
  must(try_open());
  CHECK(must(manager->create(kTp, kId, LogConfig{}))->log_end_offset() == Offset(3));
  CHECK(must(files.read_file(name)) == whole);
}

Error open_error(ManagerFixture& fixture) {
  auto opened = fixture.try_open();
  REQUIRE(!opened);
  return opened.error();
}

TEST_CASE_METHOD(ManagerFixture,
                 "a directory without meta.properties is refused by its name, with what to do") {
  must(files.remove(directories[1] + "/meta.properties"));
  std::string detail = open_error(*this).detail;
  CHECK(detail.find(directories[1]) != std::string::npos);
  CHECK(detail.find("barnabas format") != std::string::npos);
}

TEST_CASE_METHOD(ManagerFixture,
                 "directories of another node or cluster, and twice the same id, are refused") {
  MetaProperties meta = *must(read_meta_properties(files, directories[0]));
  SECTION("node") {
    must(write_meta_properties(files, directories[1], {"cluster=1", BrokerId(4), meta.directory_id}));
    CHECK(open_error(*this).detail.find("belongs to node 4") != std::string::npos);
  }
  SECTION("cluster") {
    must(write_meta_properties(files, directories[1], {"other", BrokerId(3), meta.directory_id}));
    CHECK(open_error(*this).code == ErrorCode::kInconsistentClusterId);
  }
  SECTION("directory id") {
    must(write_meta_properties(files, directories[1], meta));
    CHECK(open_error(*this).detail.find("directory.id") != std::string::npos);
  }
}

TEST_CASE_METHOD(ManagerFixture, "a directory in use is refused until its user is gone") {
  must(try_open());
  ManagerFixture other(0);
  other.directories = directories;
  CHECK(open_error(other).code == ErrorCode::kKafkaStorageError);
  must(manager->shutdown(1));
  must(other.try_open());
}

/// What a replica fetcher does within one node.
void copy_to_future(PartitionLog& from, PartitionLog& to, std::uint64_t max_bytes) {
  while (to.log_end_offset() < from.log_end_offset())
    must(to.append_as_follower(read_bytes(from, to.log_end_offset().value(), max_bytes)));
}

TEST_CASE_METHOD(ManagerFixture, "a partition moves to another directory by its future log") {
  must(try_open());
  const TopicPartition tp{"t", PartitionIndex(0)};
  auto log = must(manager->create(tp, TopicId(Uuid::of_low(700)), {}));
  std::size_t from = log->directory().starts_with(directories[0]) ? 0 : 1;
  for (int i = 0; i < 5; ++i) must(append(*log, make_produced(ProducerId(4), 0, i), i));
  log->set_high_watermark(Offset(5));
  must(log->delete_records_before(Offset(2)));
  CHECK(manager->create_future(tp, "/elsewhere").error().code == ErrorCode::kLogDirNotFound);
  CHECK(manager->create_future(tp, directories[from]).error().code == ErrorCode::kInvalidRequest);
  auto future = must(manager->create_future(tp, directories[1 - from]));
  CHECK(must(manager->create_future(tp, directories[1 - from])) == future);
  CHECK(manager->find_future(tp) == future);
  CHECK(manager->find(tp) == log);
  CHECK(future->log_start_offset() == Offset(2));
  CHECK(directory_state(future->directory().substr(directories[0].size() + 1)) == DirectoryState::kFuture);
  CHECK(manager->replace_with_future(tp).error().code == ErrorCode::kInvalidRequest);

  SECTION("it is found again after a restart, stopped well or not, and goes on") {
    copy_to_future(*log, *future, 1);
    if (GENERATE(true, false)) must(manager->shutdown(1));
    log.reset();
    future.reset();
    manager.reset();
    must(try_open());
    log = manager->find(tp);
    future = manager->find_future(tp);
    REQUIRE(future != nullptr);
    log->set_high_watermark(Offset(5));
  }
  copy_to_future(*log, *future, 1);
  auto moved = must(manager->replace_with_future(tp));
  CHECK(manager->find(tp) == moved);
  CHECK(manager->find_future(tp) == nullptr);
  CHECK(moved->directory() == directories[1 - from] + "/t-0");
  CHECK(moved->topic_id() == TopicId(Uuid::of_low(700)));
  CHECK(moved->log_start_offset() == Offset(2));
  CHECK(moved->high_watermark() == Offset(5));
  CHECK(base_offsets(*moved, 2) == std::vector<std::int64_t>{2, 3, 4});
  CHECK(moved->latest_epoch() == LeaderEpoch(4));
  CHECK(moved->epoch_of(Offset(3)) == LeaderEpoch(3));
  REQUIRE(moved->active_producers().size() == 1);
  CHECK(moved->active_producers()[0].last_sequence == 4);
  CHECK(append(*log, make_batch()).error().error.code == ErrorCode::kKafkaStorageError);
  CHECK(must(append(*moved, make_produced(ProducerId(4), 0, 5), 4)).base_offset == Offset(5));
  CHECK(!must(files.exists(directories[from] + "/t-0")));
  manager->delete_expired(clock.now_ms + moved->config().file_delete_delay_ms);
  must(manager->shutdown(2));
  must(try_open());
  CHECK(manager->find(tp)->log_end_offset() == Offset(6));
}

TEST_CASE_METHOD(ManagerFixture, "a move that is given up, or whose topic is deleted, leaves nothing") {
  must(try_open());
  const TopicPartition tp{"t", PartitionIndex(0)};
  auto log = must(manager->create(tp, TopicId(Uuid::of_low(700)), {}));
  std::size_t from = log->directory().starts_with(directories[0]) ? 0 : 1;
  auto future = must(manager->create_future(tp, directories[1 - from]));
  must(manager->remove_future(tp));
  must(manager->remove_future(tp));
  CHECK(manager->find_future(tp) == nullptr);
  future = must(manager->create_future(tp, directories[1 - from]));
  must(manager->remove(tp));
  CHECK(manager->find_future(tp) == nullptr);
  CHECK(future->append_as_follower(make_batch()).error().code == ErrorCode::kKafkaStorageError);
  manager->delete_expired(clock.now_ms + log->config().file_delete_delay_ms);
  for (const std::string& directory : directories)
    for (const auto& entry : must(files.list(directory))) CHECK(!entry.is_directory);
}

TEST_CASE_METHOD(ManagerFixture, "a crash at the end of a move leaves the partition in one directory") {
  must(try_open());
  const TopicPartition tp{"t", PartitionIndex(0)};
  auto log = must(manager->create(tp, TopicId(Uuid::of_low(700)), {}));
  std::size_t from = log->directory().starts_with(directories[0]) ? 0 : 1;
  for (int i = 0; i < 3; ++i) must(append(*log, make_batch()));
  auto future = must(manager->create_future(tp, directories[1 - from]));
  copy_to_future(*log, *future, 1000);
  std::string old_path = log->directory();
  must(manager->shutdown(1));
  log.reset();
  future.reset();
  manager.reset();
  SECTION("the old log was renamed away and the new one has not its name yet") {
    Uuid id = Uuid::of_low(12345);
    must(
        files.rename(old_path, directories[from] + "/" + renamed_directory(tp, id, DirectoryState::kDelete)));
    must(try_open());
    CHECK(manager->find(tp)->directory() == directories[1 - from] + "/t-0");
  }
  SECTION("a future log beside its own current one moves nothing") {
    std::string name = renamed_directory(tp, Uuid::of_low(12345), DirectoryState::kFuture);
    must(files.create_directories(directories[from] + "/" + name));
    must(try_open());
    CHECK(manager->find(tp)->directory() == old_path);
    CHECK(manager->find_future(tp) != nullptr);
    manager->delete_expired(clock.now_ms);
    CHECK(!must(files.exists(directories[from] + "/" + name)));
  }
  CHECK(manager->find(tp)->log_end_offset() == Offset(3));
}

TEST_CASE_METHOD(ManagerFixture, "a log that is not there yet is made in the directory that was asked for") {
  must(try_open());
  CHECK(manager->prefer_directory(kTp, "/elsewhere").error().code == ErrorCode::kLogDirNotFound);
  for (int i = 0; i < 4; ++i) {
    const std::string& wanted = directories[i % 3 == 0 ? 1 : 0];
    const TopicPartition tp{"t", PartitionIndex(i)};
    must(manager->prefer_directory(tp, directories[0]));
    must(manager->prefer_directory(tp, wanted));
    CHECK(must(manager->create(tp, kId, LogConfig{}))->directory().starts_with(wanted + "/"));
  }
}

/// Two directories in memory, and a log of five records with a caught-up future log in the other one.
struct SwapFixture {
  const TopicPartition tp{"t", PartitionIndex(0)};
  MemoryFileSystem files;
  StillClock clock;
  SeededRandom random{7};
  std::unique_ptr<LogManager> manager;

  SwapFixture() {
    for (const char* directory : {"/a", "/b"}) {
      must(files.create_directories(directory));
      must(files.sync_directory("/"));
      must(write_meta_properties(files, directory, {"c", BrokerId(3), DirectoryId(Uuid::random(random))}));
    }
    reopen();
    auto log = must(manager->create(tp, kId, {}));
    for (int i = 0; i < 5; ++i) must(append(*log, make_produced(ProducerId(4), 0, i), i));
    must(log->sync());
    begin_move();
  }
  void reopen() {
    manager.reset();
    LogManagerOptions options;
    options.directories = {"/a", "/b"};
    options.node_id = BrokerId(3);
    manager = must(LogManager::open(files, clock, random, options));
  }
  void begin_move() {
    auto log = manager->find(tp);
    auto future = must(manager->create_future(tp, log->directory().starts_with("/a") ? "/b" : "/a"));
    copy_to_future(*log, *future, 1);
    must(future->sync());
  }
  Bytes content() {
    auto log = manager->find(tp);
    REQUIRE(log != nullptr);
    return read_bytes(*log, 0);
  }
};

TEST_CASE("whichever call fails at the end of a move, every record is there, then and after a restart") {
  const bool once = GENERATE(true, false);
  const bool power_fails = GENERATE(true, false);
  std::uint64_t n = 1;
  for (bool struck = true; struck; ++n) {
    SwapFixture node;
    Bytes expected = node.content();
    once ? node.files.fail_nth_call(n) : node.files.fail_calls_from(n);
    const auto moved = node.manager->replace_with_future(node.tp);
    struck = node.files.fault_struck();
    node.files.fail_nth_call(0);
    CAPTURE(n, once, power_fails);
    CHECK((moved.has_value() || struck));  // an index that cannot be read is made anew
    auto log = node.manager->find(node.tp);
    if (auto appended = append(*log, make_produced(ProducerId(4), 0, 5), 5)) {
      CHECK(appended->base_offset == Offset(5));
      must(log->sync());
      expected = node.content();
      CHECK(expected.size() > 5);
    } else {  // Not even the undoing worked: offline, and nothing may remove what is left.
      CHECK_FALSE(once);
      CHECK(node.manager->remove_future(node.tp).error().code == ErrorCode::kKafkaStorageError);
      CHECK(node.manager->create_future(node.tp, "/a").error().code == ErrorCode::kKafkaStorageError);
      CHECK(node.manager->create_future(node.tp, "/b").error().code == ErrorCode::kKafkaStorageError);
    }
    node.manager->delete_expired(node.clock.now_ms + log->config().file_delete_delay_ms);
    log.reset();
    if (power_fails) node.files.crash();
    node.reopen();
    CHECK(node.content() == expected);

    // And the move can be made.
    if (node.manager->find_future(node.tp) != nullptr) must(node.manager->remove_future(node.tp));
    node.begin_move();
    CHECK(must(node.manager->replace_with_future(node.tp))->directory().ends_with("/t-0"));
    CHECK(node.content() == expected);
  }
  CHECK(n > 12);
}

TEST_CASE_METHOD(ManagerFixture, "meta.properties is read as Java writes it") {
  std::string path = directories[0] + "/meta.properties";
  must(files.write_file_atomically(
      path,
      "#\n#Mon Nov 23 2026\r\n! note\n\n  cluster.id = MkU3OEVBNTcw\\\n    NTJENDM2Qk\n"
      "version:1\nnode\\.id 12\ndirectory.id=0aBcDeFgHiJkLmNoPqRsTA\nextra=\\u0041\n"));
  auto meta = must(read_meta_properties(files, directories[0]));
  REQUIRE(meta.has_value());
  CHECK(meta->cluster_id == "MkU3OEVBNTcwNTJENDM2Qk");
  CHECK(meta->node_id == BrokerId(12));
  CHECK(meta->directory_id.value().to_string() == "0aBcDeFgHiJkLmNoPqRsTA");
  for (std::string bad :
       {"version=1\n", "version=0\nnode.id=1\ncluster.id=x\ndirectory.id=0aBcDeFgHiJkLmNoPqRsTA\n",
        "version=1\nnode.id=x\ncluster.id=x\ndirectory.id=0aBcDeFgHiJkLmNoPqRsTA\n",
        "version=1\nnode.id=1\ncluster.id=x\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAQ\n"}) {
    must(files.write_file_atomically(path, bad));
    CHECK(!read_meta_properties(files, directories[0]));
  }
}

TEST_CASE_METHOD(ManagerFixture, "new logs go where the fewest are, and are removed in two steps") {
  must(try_open());
  auto tp = [](int i) { return TopicPartition{"many", PartitionIndex(i)}; };
  for (int i = 0; i < 6; ++i) must(manager->create(tp(i), kId, LogConfig{}));
  for (const std::string& directory : directories) {
    int count = 0;
    for (const auto& entry : must(files.list(directory))) count += entry.name.starts_with("many-") ? 1 : 0;
    CHECK(count == 3);
  }
  auto log = manager->find(tp(2));
  must(append(*log, make_batch()));
  must(manager->remove(tp(2)));
  CHECK(manager->find(tp(2)) == nullptr);
  CHECK(append(*log, make_batch()).error().error.code == ErrorCode::kKafkaStorageError);
  CHECK(log->read({}).error().code == ErrorCode::kKafkaStorageError);
  auto doomed = [&] {
    int count = 0;
    for (const std::string& directory : directories)
      for (const auto& entry : must(files.list(directory))) count += entry.name.ends_with("-delete") ? 1 : 0;
    return count;
  };
  manager->delete_expired(clock.now_ms + 59'999);
  CHECK(doomed() == 1);
  CHECK(must(manager->create(tp(2), TopicId(Uuid::of_low(99'999)), LogConfig{}))->log_end_offset() ==
        Offset(0));
  manager->delete_expired(clock.now_ms + 60'000);
  CHECK(doomed() == 0);
  must(manager->mark_stray(tp(3)));
  must(manager->remove(tp(4)));
  must(manager->shutdown(5));
  must(try_open());
  CHECK(manager->find(tp(3)) == nullptr);
  CHECK(manager->all().size() == 4);
  CHECK(doomed() == 1);
  manager->delete_expired(clock.now_ms);
  CHECK(doomed() == 0);
}

TEST_CASE_METHOD(ManagerFixture, "checkpoints hold what Kafka's do, and broken ones only cost a recovery") {
  must(try_open());
  LogConfig config;
  config.segment_bytes = 100;
  auto log = must(manager->create(kTp, kId, config));
  for (int i = 0; i < 5; ++i) must(append(*log, make_batch()));
  log->set_high_watermark(Offset(4));
  must(log->delete_records_before(Offset(2)));
  must(log->sync());
  must(manager->checkpoint_recovery_points());
  must(manager->checkpoint_high_watermarks());
  must(manager->checkpoint_log_start_offsets());
  CHECK(must(files.read_file(directories[0] + "/recovery-point-offset-checkpoint")) == "0\n1\norders 4 5\n");
  CHECK(must(files.read_file(directories[0] + "/replication-offset-checkpoint")) == "0\n1\norders 4 4\n");
  // The start is that of a segment: nothing to remember.
  CHECK(must(files.read_file(directories[0] + "/log-start-offset-checkpoint")) == "0\n0\n");
  if (GENERATE(true, false)) {
    for (std::string name : {"/recovery-point-offset-checkpoint", "/replication-offset-checkpoint"})
      must(files.write_file_atomically(directories[0] + name, "0\n7\norders"));
    must(try_open());
    CHECK(manager->checkpointed_high_watermark(kTp) == Offset(0));
  } else {
    must(try_open());
    CHECK(manager->checkpointed_high_watermark(kTp) == Offset(4));
  }
  CHECK(manager->find(kTp)->log_end_offset() == Offset(5));
  CHECK(manager->find(kTp)->log_start_offset() == Offset(2));
}

TEST_CASE_METHOD(ManagerFixture,
                 "a node that ends before its partitions are used keeps their high watermarks") {
  must(try_open());
  auto log = must(manager->create(kTp, kId, LogConfig{}));
  must(append(*log, make_batch({.count = 3})));
  log->set_high_watermark(Offset(2));
  must(manager->shutdown(17));
  const std::string file = directories[0] + "/replication-offset-checkpoint";
  REQUIRE(must(files.read_file(file)) == "0\n1\norders 4 2\n");
  for (const bool clean : {true, false, true}) {
    must(try_open());
    must(clean ? manager->shutdown(18) : manager->checkpoint_high_watermarks());
    CHECK(must(files.read_file(file)) == "0\n1\norders 4 2\n");
  }
}

TEST_CASE_METHOD(ManagerFixture, "the log start inside a segment is remembered by its checkpoint") {
  must(try_open());
  auto log = must(manager->create(kTp, kId, LogConfig{}));
  for (int i = 0; i < 5; ++i) must(append(*log, make_batch()));
  log->set_high_watermark(Offset(5));
  must(log->delete_records_before(Offset(3)));
  must(manager->shutdown(1));
  CHECK(must(files.read_file(directories[0] + "/.kafka_cleanshutdown")) ==
        "{\"version\":0,\"brokerEpoch\":1}");
  CHECK(must(files.read_file(directories[0] + "/log-start-offset-checkpoint")) == "0\n1\norders 4 3\n");
  must(try_open());
  CHECK(!must(files.exists(directories[0] + "/.kafka_cleanshutdown")));
  CHECK(manager->find(kTp)->log_start_offset() == Offset(3));
}

TEST_CASE("names of partition directories are told from those being deleted") {
  auto parsed = [](std::string_view name) { return parse_partition_directory(name); };
  CHECK(parsed("a-b-12")->topic == "a-b");
  CHECK(parsed("a-b-12")->partition == PartitionIndex(12));
  CHECK(!parsed("a"));
  CHECK(!parsed("-1"));
  CHECK(!parsed("a-x"));
  CHECK(!parsed("a-99999999999"));
  TopicPartition longest{std::string(249, 't'), PartitionIndex(3)};
  std::string doomed = renamed_directory(longest, Uuid::of_low(5), DirectoryState::kDelete);
  CHECK(doomed.size() == 255);
  CHECK(directory_state(doomed) == DirectoryState::kDelete);
  CHECK(!parsed(doomed));
  CHECK(directory_state("t-0.0123456789abcdef0123456789abcdef-stray") == DirectoryState::kStray);
  CHECK(directory_state("t-0.0123456789abcdef0123456789abcdef-future") == DirectoryState::kFuture);
  CHECK(directory_state("my-delete") == DirectoryState::kLive);
  CHECK(parse_offset_file_name("00000000000000000042.log", ".log") == Offset(42));
  CHECK(!parse_offset_file_name("0000000000000000042.log", ".log"));
  CHECK(offset_file_name(Offset(42), ".index") == "00000000000000000042.index");
}

}  // namespace
}  // namespace barnabas::log

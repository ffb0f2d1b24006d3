#include "log/log_manager.hpp"

#include "log/log_testing.hpp"

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

}  // namespace
}  // namespace barnabas::log

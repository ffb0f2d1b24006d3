// What is left of a log when calls fail and machines stop.
#include <algorithm>

#include "base/memory_file_system.hpp"
#include "log/checkpoint_file.hpp"
#include "log/log_testing.hpp"
#include "log/partition_files.hpp"

namespace barnabas::log {
namespace {

using namespace testing;

/// Writes a log and remembers what it was promised.
struct Workload {
  MemoryFileSystem files;
  StillClock clock;
  LogConfig config;
  std::vector<std::int64_t> appended;  // base offsets that were acknowledged
  std::int64_t synced_end = 0;
  std::int64_t recovery_point = 0;

  Workload() {
    config.segment_bytes = 700;
    config.index_interval_bytes = 100;
    must(files.create_directories("/logs"));
    must(files.sync_directory("/"));
  }

  Result<std::unique_ptr<PartitionLog>> open(bool clean) {
    OpenLogOptions options = options_for("/logs", config);
    options.clean = clean;
    options.recovery_point = Offset(recovery_point);
    return open_log(files, clock, options);
  }

  Result<void> append_one(PartitionLog& log, Bytes batch, AppendOrigin origin = AppendOrigin::kClient) {
    auto appended_one = append(log, std::move(batch), 1 + static_cast<int>(appended.size()) / 10, origin);
    if (!appended_one) return std::unexpected(appended_one.error().error);
    appended.push_back(appended_one->base_offset.value());
    return {};
  }
  Result<void> sync(PartitionLog& log) {
    TRY(log.sync());
    synced_end = log.log_end_offset().value();
    recovery_point = log.recovery_point().value();
    return {};
  }

  Result<void> run() {
    auto log = TRY(open(true));
    std::int32_t sequence = 0;
    for (int i = 0; i < 30; ++i) {
      ProducerId id(5 + i % 2);
      TRY(append_one(*log, make_produced(id, 0, sequence / 2, 1, true)));
      ++sequence;
      if (i % 6 == 5) TRY(append_one(*log, make_marker(id, 0, i % 4 == 1), AppendOrigin::kCoordinator));
      if (i % 7 == 6) TRY(sync(*log));
    }
    log->set_high_watermark(log->log_end_offset());
    TRY(sync(*log));
    TRY(log->close());
    return {};
  }
};

/// Reopens after a crash and holds the log to its promises.
void check_recovered(Workload& work) {
  auto log = must(work.open(false));
  CHECK(log->log_end_offset().value() >= work.synced_end);
  std::vector<std::int64_t> found = base_offsets(*log);
  std::size_t known = std::min(found.size(), work.appended.size());
  CHECK(std::equal(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(known), work.appended.begin()));
  for (std::size_t i = 0; i < known; ++i) {
    CHECK(log->epoch_of(Offset(work.appended[i])) == LeaderEpoch(1 + static_cast<int>(i) / 10));
  }
  // At most the append that failed half way is there beyond what was acknowledged.
  CHECK(found.size() <= work.appended.size() + 1);
  std::int64_t end = log->log_end_offset().value();
  CHECK(must(append(*log, make_batch(), 99)).base_offset == Offset(end));
  CHECK(read_bytes(*log, end).size() == make_batch().size());
}

TEST_CASE("a log survives the failure of any one file call") {
  for (std::uint64_t n = 1;; ++n) {
    Workload work;
    work.files.fail_nth_call(n);
    Result<void> ran = work.run();
    bool struck = work.files.fault_struck();
    work.files.fail_nth_call(0);
    INFO("call " << n);
    CHECK((struck || ran.has_value()));
    if (n % 2 == 0) work.files.crash();
    // Nothing was acknowledged as synced by a sync that failed.
    check_recovered(work);
    if (!struck) {
      CHECK(n > 100);
      break;
    }
  }
}

TEST_CASE("after a crash at any call everything synced is there") {
  for (std::uint64_t n = 1;; ++n) {
    Workload work;
    SeededRandom random(n);
    work.files.fail_nth_call(n);
    (void)work.run();
    bool struck = work.files.fault_struck();
    work.files.fail_nth_call(0);
    work.files.crash(random);
    INFO("call " << n);
    check_recovered(work);
    if (!struck) break;
  }
}

TEST_CASE("the first sync of a log makes its directory, its topic id and its leader epochs durable") {
  Workload work;
  auto log = must(work.open(true));
  must(work.append_one(*log, make_batch()));
  SECTION("without it there is no log after a crash, and a new one begins") {
    work.files.crash();
    CHECK(!must(work.files.exists("/logs/t-0")));
    CHECK(must(work.open(false))->log_end_offset() == Offset(0));
  }
  SECTION("with it all is there") {
    must(work.sync(*log));
    work.files.crash();
    CHECK(must(read_partition_metadata(work.files, "/logs/t-0")) == TopicId(Uuid::of_low(7777)));
    const std::vector<EpochEntry> begun = {{LeaderEpoch(1), Offset(0)}};
    CHECK(must(read_epoch_checkpoint(work.files, "/logs/t-0/leader-epoch-checkpoint")) == begun);
    CHECK(must(work.open(false))->log_end_offset() == Offset(1));
  }
  SECTION("a later one makes a later epoch durable") {
    must(work.sync(*log));
    must(append(*log, make_batch(), 8));
    must(work.sync(*log));
    work.files.crash();
    const std::vector<EpochEntry> begun = {{LeaderEpoch(1), Offset(0)}, {LeaderEpoch(8), Offset(1)}};
    CHECK(must(read_epoch_checkpoint(work.files, "/logs/t-0/leader-epoch-checkpoint")) == begun);
  }
}

TEST_CASE("an epoch checkpoint that a crash took any end of is refused") {
  MemoryFileSystem files;
  const std::vector<EpochEntry> entries = {{LeaderEpoch(0), Offset(0)}, {LeaderEpoch(2), Offset(43)}};
  must(write_epoch_checkpoint(files, "/epochs", entries));
  const std::string whole = must(files.read_file("/epochs"));
  REQUIRE(must(read_epoch_checkpoint(files, "/epochs")) == entries);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    must(files.write_file_atomically("/epochs", whole.substr(0, size)));
    INFO("of " << size << " bytes");
    CHECK_FALSE(read_epoch_checkpoint(files, "/epochs").has_value());
  }
}

// A follower cuts its log, writes what the new leader has, and loses power: the disk may have kept the epochs
// of the new batches and the bytes of the old ones.
TEST_CASE("recovery believes the batches about their leader epochs, not the checkpoint") {
  using Entries = std::vector<EpochEntry>;
  Workload work;
  {
    auto log = must(work.open(true));
    for (const int epoch : {2, 2, 4, 4, 6}) must(append(*log, make_batch(), epoch));
    must(work.sync(*log));
  }
  work.recovery_point = 1;
  const Entries right = {
      {LeaderEpoch(2), Offset(0)}, {LeaderEpoch(4), Offset(2)}, {LeaderEpoch(6), Offset(4)}};
  const auto recovered = [&](const Entries& claimed) {
    const std::string path = "/logs/t-0/leader-epoch-checkpoint";
    must(write_epoch_checkpoint(work.files, path, claimed));
    (void)must(work.open(false));
    return must(read_epoch_checkpoint(work.files, path));
  };
  CHECK(recovered(right) == right);
  CHECK(recovered({{LeaderEpoch(2), Offset(0)}, {LeaderEpoch(7), Offset(1)}}) == right);
  CHECK(recovered({{LeaderEpoch(2), Offset(0)}, {LeaderEpoch(3), Offset(2)}, {LeaderEpoch(9), Offset(4)}}) ==
        right);
  CHECK(recovered({{LeaderEpoch(2), Offset(0)}, {LeaderEpoch(6), Offset(4)}}) == right);
  CHECK(recovered({{LeaderEpoch(1), Offset(0)}, {LeaderEpoch(4), Offset(4)}}) == right);
}

TEST_CASE("after a failed write every call fails, after a full disk none") {
  Workload work;
  auto log = must(work.open(true));
  must(work.append_one(*log, make_batch()));
  SECTION("a broken disk") {
    work.files.break_path("/logs");
    auto refused = append(*log, make_batch());
    REQUIRE(!refused);
    CHECK(refused.error().error.code == ErrorCode::kKafkaStorageError);
    work.files.mend_path("/logs");
    CHECK(!append(*log, make_batch()));
    CHECK(!log->read({}));
    CHECK(!log->sync());
  }
  SECTION("a full disk") {
    work.files.set_capacity_bytes(work.files.used_bytes());
    std::expected<AppendResult, AppendError> last;
    for (int i = 0; i < 500 && last; ++i) last = append(*log, make_batch(), 1);
    REQUIRE(!last);
    CHECK(last.error().error.code == ErrorCode::kKafkaStorageError);
    std::vector<std::int64_t> there = base_offsets(*log);
    CHECK(there.size() == static_cast<std::size_t>(log->log_end_offset().value()));
    work.files.set_capacity_bytes(std::nullopt);
    Offset end = log->log_end_offset();
    CHECK(must(append(*log, make_batch(), 1)).base_offset == end);
    there.push_back(log->log_end_offset().value() - 1);
    CHECK(base_offsets(*log) == there);
    must(log->close());
    log = must(work.open(true));
    CHECK(base_offsets(*log) == there);
  }
}

TEST_CASE("after a failed sync, by a full disk too, nothing is synced or appended any more") {
  for (int error : {EIO, ENOSPC}) {
    bool struck = true;
    for (std::uint64_t n = 1; struck; ++n) {
      Workload work;
      auto log = must(work.open(true));
      for (int i = 0; i < 40; ++i) must(append(*log, make_produced(ProducerId(5), 0, i)));
      REQUIRE(log->segment_count() > 1);
      work.files.fail_nth_call(n, error);
      bool synced = log->sync().has_value();
      struck = work.files.fault_struck();
      work.files.fail_nth_call(0);
      INFO("call " << n << ", error " << error);
      CHECK(synced == !struck);
      CHECK(log->sync().has_value() == !struck);
      // The last batch again: known, but not to be acknowledged.
      CHECK(append(*log, make_produced(ProducerId(5), 0, 39)).has_value() == !struck);
      CHECK(append(*log, make_produced(ProducerId(5), 0, 40)).has_value() == !struck);
    }
  }
}

TEST_CASE("a disk that is full at any one call costs the append that met it and nothing else") {
  for (bool clean : {true, false}) {
    bool struck = true;
    for (std::uint64_t n = 1; struck; ++n) {
      INFO("call " << n << (clean ? ", clean" : ", unclean"));
      Workload work;
      auto log = must(work.open(true));
      std::vector<std::int64_t> taken;
      int refused = 0;
      work.files.fail_nth_call(n, ENOSPC);
      for (int i = 0; i < 40; ++i) {
        // Of many sizes: a small batch may fit where the one before wanted a new segment.
        BatchSpec spec;
        spec.value = std::string(static_cast<std::size_t>(i * 37 % 120), 'v');
        auto done = append(*log, make_batch(spec), i / 10);
        done ? taken.push_back(done->base_offset.value()) : void(++refused);
      }
      struck = work.files.fault_struck();
      work.files.fail_nth_call(0);
      CHECK(refused <= 1);
      CHECK(base_offsets(*log) == taken);
      if (clean) must(log->close());
      log = must(work.open(clean));
      CHECK(base_offsets(*log) == taken);
      CHECK(log->latest_epoch() == LeaderEpoch(3));
      CHECK(log->epoch_of(Offset(0)) == LeaderEpoch(0));
    }
  }
}

TEST_CASE("a segment that cannot be renamed on a full disk is deleted at once") {
  bool struck = true;
  for (std::uint64_t n = 1; struck; ++n) {
    Workload work;
    work.config.file_delete_delay_ms = 0;
    auto log = must(work.open(true));
    for (int i = 0; i < 40; ++i) must(append(*log, make_produced(ProducerId(5), 0, i)));
    log->set_high_watermark(log->log_end_offset());
    work.files.fail_nth_call(n, ENOSPC);
    INFO("call " << n);
    CHECK(must(log->delete_records_before(Offset(30))) == Offset(30));
    struck = work.files.fault_struck();
    work.files.fail_nth_call(0);
    must(log->remove_deleted_files(work.clock.now_ms));
    for (const DirectoryEntry& entry : must(work.files.list("/logs/t-0"))) {
      INFO(entry.name);
      CHECK(!entry.name.ends_with(kDeletedSuffix));
      auto base = parse_offset_file_name(entry.name, ".log");
      CHECK((!base || *base > Offset(20)));
    }
    CHECK(base_offsets(*log, 30).size() == 10);
  }
}

TEST_CASE("a full disk keeps no segment from being deleted") {
  Workload work;
  work.config.file_delete_delay_ms = 0;
  auto log = must(work.open(true));
  for (int i = 0; i < 40; ++i) must(append(*log, make_batch(), i / 10));
  log->set_high_watermark(log->log_end_offset());
  REQUIRE(log->segment_count() > 2);
  work.files.set_capacity_bytes(0);
  SECTION("DeleteRecords") {
    CHECK(must(log->delete_records_before(Offset(40))) == Offset(40));
  }
  SECTION("retention") {
    work.clock.now_ms += work.config.retention_ms + 1;
    CHECK(must(log->apply_retention(work.clock.now_ms)) > 1);
  }
  must(log->remove_deleted_files(work.clock.now_ms));
  CHECK(log->segment_count() == 1);
  std::int64_t start = log->log_start_offset().value();
  CHECK(start > 30);
  work.files.set_capacity_bytes(std::nullopt);
  CHECK(must(append(*log, make_batch(), 4)).base_offset == Offset(40));
  must(log->close());
  log = must(work.open(true));
  CHECK(log->log_start_offset() <= Offset(start));
  CHECK(base_offsets(*log, 39).back() == 40);
  CHECK(log->latest_epoch() == LeaderEpoch(4));
}

TEST_CASE("a torn tail of every length is cut off") {
  Bytes one = make_batch({2});
  for (std::size_t torn = 0; torn < one.size(); ++torn) {
    Workload work;
    {
      auto log = must(work.open(true));
      for (int i = 0; i < 3; ++i) must(work.append_one(*log, one));
    }
    std::string path = "/logs/t-0/00000000000000000000.log";
    auto file = must(work.files.open(path, OpenMode::kReadWrite));
    must(file->truncate(2 * one.size() + torn));
    file.reset();
    auto log = must(work.open(false));
    CHECK(log->log_end_offset() == Offset(4));
    CHECK(base_offsets(*log) == std::vector<std::int64_t>{0, 2});
    CHECK(must(must(work.files.open(path, OpenMode::kReadOnly))->size()) == 2 * one.size());
  }
}

TEST_CASE(
    "a flipped bit anywhere in the last batch ends the log before it, or changes what no checksum covers") {
  Bytes one = make_batch({2});
  for (std::size_t at = 0; at < one.size(); ++at) {
    Workload work;
    {
      auto log = must(work.open(true));
      for (int i = 0; i < 2; ++i) must(work.append_one(*log, one));
    }
    must(work.files.corrupt("/logs/t-0/00000000000000000000.log", one.size() + at, 1));
    auto log = must(work.open(false));
    INFO("byte " << at);
    bool covered = at >= 16 || (at >= 8 && at < 12);
    if (covered) CHECK(log->log_end_offset() == Offset(2));
    CHECK(base_offsets(*log)[0] == 0);
  }
}

TEST_CASE("missing and broken side files are made anew") {
  for (std::string damage : {"remove", "corrupt", "cut", "empty"}) {
    for (bool clean : {true, false}) {
      Workload work;
      must(work.run());
      std::int64_t end = 0;
      for (const auto& entry : must(work.files.list("/logs/t-0"))) {
        bool is_side_file = entry.name.ends_with(".index") || entry.name.ends_with(".timeindex") ||
                            entry.name.ends_with(".snapshot") || entry.name == "leader-epoch-checkpoint";
        if (!is_side_file) continue;
        std::string path = "/logs/t-0/" + entry.name;
        auto file = must(work.files.open(path, OpenMode::kReadWrite));
        std::uint64_t size = must(file->size());
        if (damage == "remove") must(work.files.remove(path));
        if (damage == "corrupt") must(work.files.corrupt(path, 0, size));
        if (damage == "cut" && size > 0) must(file->truncate(size - 1));
        if (damage == "empty") must(file->truncate(0));
      }
      INFO(damage << (clean ? " clean" : " unclean"));
      work.recovery_point = clean ? work.recovery_point : 0;
      auto log = must(work.open(clean));
      end = log->log_end_offset().value();
      CHECK(end == 35);
      CHECK(base_offsets(*log) == work.appended);
      for (std::int64_t base : work.appended)
        CHECK(protocol::LogEntry(ByteView(read_bytes(*log, base, 1))).last_offset() == Offset(base));
      CHECK(log->active_producers().size() == 2);
      CHECK(log->active_producers()[0].last_sequence == 14);
      CHECK(log->epoch_of(Offset(0)) == LeaderEpoch(1));
      CHECK(log->latest_epoch() == LeaderEpoch(4));
    }
  }
}

TEST_CASE("aborted transactions of a segment that was synced while it was active survive a crash") {
  Workload work;
  auto log = must(work.open(true));
  must(work.append_one(*log, make_produced(ProducerId(5), 0, 0, 1, true)));
  must(work.append_one(*log, make_marker(ProducerId(5), 0, false), AppendOrigin::kCoordinator));
  must(work.sync(*log));
  must(log->roll());
  bool syncs_again = GENERATE(false, true);
  if (syncs_again) must(work.sync(*log));
  work.files.crash();
  log = must(work.open(false));
  CHECK(must(log->aborted_transactions(Offset(0), Offset(2))).size() == 1);
}

TEST_CASE("what a killed process left unsynced is synced by the next one") {
  Workload work;
  auto log = must(work.open(true));
  must(work.append_one(*log, make_produced(ProducerId(5), 0, 0)));
  must(log->roll());
  must(work.append_one(*log, make_batch()));
  // The process dies, its successor syncs and moves the recovery point past the snapshot; then the power
  // fails.
  work.recovery_point = 1;
  log = must(work.open(false));
  must(work.append_one(*log, make_batch()));
  must(work.sync(*log));
  work.files.crash();
  CHECK(must(work.open(false))->active_producers().size() == 1);
}

}  // namespace
}  // namespace barnabas::log

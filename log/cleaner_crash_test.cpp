// Compaction interrupted: by failing calls, by crashes at every call, by what else happens to the log.
#include <algorithm>

#include "log/cleaner_testing.hpp"
#include "log/partition_files.hpp"

namespace barnabas::log {
namespace {

using namespace testing;
using Offsets = std::vector<std::int64_t>;

/// A log of several groups, with tombstones, an aborted transaction and a producer.
struct Interrupted : Compacted {
  std::map<std::string, std::optional<std::string>> expected;

  Interrupted() {
    config.segment_bytes = 600;
    config.delete_retention_ms = 0;
    open();
    for (int i = 0; i < 24; ++i) {
      std::string key(1, static_cast<char>('a' + i % 7));
      KeyValues some = {{key, std::to_string(i)}, {"only-" + std::to_string(i), std::to_string(i)}};
      if (i % 5 == 4) some.push_back({"only-" + std::to_string(i - 1), std::nullopt});
      protocol::BatchOptions producer;
      producer.codec = i % 2 == 0 ? protocol::Codec::kNone : protocol::Codec::kLz4;
      put(keyed_batch(some, producer));
      if (i == 6) {
        put(make_produced(ProducerId(3), 0, 0, 2, true));
        put(make_marker(ProducerId(3), 0, false), AppendOrigin::kCoordinator);
      }
    }
    must(log->roll());
    put(keyed_batch({{"last", "1"}}));
    must(log->sync());
    expected = committed_values();
  }
  /// What a read_committed consumer keeps of the log.
  std::map<std::string, std::optional<std::string>> committed_values() {
    auto aborted = must(log->aborted_transactions(Offset(0), log->log_end_offset()));
    std::vector<KeyedRecord> committed;
    for (const KeyedRecord& record : records())
      if (record.key != "key" || aborted.empty()) committed.push_back(record);
    auto last = last_values(committed);
    std::erase_if(last, [](const auto& entry) { return !entry.second; });
    return last;
  }
  void check_whole(Offset end) {
    CHECK(log->log_end_offset() == end);
    CHECK(log->high_watermark() == end);
    CHECK(committed_values() == expected);
    Offsets found = offsets();
    CHECK(std::ranges::is_sorted(found));
    CHECK(std::ranges::adjacent_find(found) == found.end());
    REQUIRE(log->active_producers().size() == 1);
    CHECK(log->active_producers()[0].last_sequence == 1);
    for (std::string_view left : {".cleaned", ".swap", ".deleted"}) CHECK(files_ending(left) == 0);
  }
};

TEST_CASE("after a crash at any call of a cleaning the log holds the same, and is cleaned the next time") {
  for (std::uint64_t n = 1;; ++n) {
    Interrupted work;
    SeededRandom chance(n);
    Offset end = work.log->log_end_offset();
    work.files.fail_nth_call(n);
    auto cleaned = work.try_clean();
    bool struck = work.files.fault_struck();
    work.files.fail_nth_call(0);
    INFO("call " << n);
    if (n % 3 == 0)
      work.files.crash();
    else
      work.files.crash(chance);
    OpenLogOptions open = options_for("/logs", work.config);
    open.recovery_point = end;
    work.log = must(open_log(work.files, work.clock, open));
    work.log->set_high_watermark(work.log->log_end_offset());
    work.check_whole(end);
    work.clean();
    CHECK(work.committed_values() == work.expected);
    if (!struck) {
      CHECK(cleaned.has_value());
      CHECK(n > 60);
      break;
    }
  }
}

TEST_CASE("after a failed call of a cleaning the log is as before, or offline and whole after a restart") {
  for (std::uint64_t n = 1;; ++n) {
    Interrupted work;
    Offset end = work.log->log_end_offset();
    work.files.fail_nth_call(n);
    auto cleaned = work.try_clean();
    bool struck = work.files.fault_struck();
    work.files.fail_nth_call(0);
    INFO("call " << n);
    CHECK(cleaned.has_value() == !struck);
    (void)work.log->close();
    work.open(false);
    work.check_whole(end);
    if (!struck) break;
  }
}

TEST_CASE("a full disk ends a cleaning, the log stays in use and is cleaned once there is room") {
  for (std::uint64_t room = 0; room < 20; ++room) {
    Interrupted work;
    work.files.set_capacity_bytes(work.files.used_bytes() + room * 1000);
    auto cleaned = work.try_clean();
    work.files.set_capacity_bytes(std::nullopt);
    if (cleaned) continue;
    CHECK(is_disk_full(cleaned.error()));
    CHECK(work.committed_values() == work.expected);
    CHECK(work.files_ending(".cleaned") == 0);
    work.clean();
    CHECK(work.committed_values() == work.expected);
    must(append(*work.log, keyed_batch({{"more", "1"}})));
  }
}

TEST_CASE_METHOD(Compacted, "leftovers of a swap are taken back or completed, as Kafka does") {
  open();
  put_segment(keyed_batch({{"a", "1"}, {"b", "1"}}));
  put_segment(keyed_batch({{"a", "2"}}));
  put(keyed_batch({{"c", "1"}}));
  Bytes old_first = must(files.read_file("/logs/t-0/00000000000000000000.log")) == ""
                        ? Bytes()
                        : to_bytes(as_bytes(must(files.read_file("/logs/t-0/00000000000000000000.log"))));
  must(log->close());
  log.reset();
  Bytes target = keyed_batch({{"b", "1"}}, {.base_offset = Offset(1)});
  Bytes second = keyed_batch({{"a", "2"}}, {.base_offset = Offset(2)});
  target.insert(target.end(), second.begin(), second.end());
  auto write = [&](const std::string& name, ByteView content) {
    must(files.write_file_atomically("/logs/t-0/" + name, as_text(content)));
  };
  SECTION("without a .swap nothing has happened") {
    write("00000000000000000000.log.cleaned", target);
    write("00000000000000000000.index.cleaned", {});
    open(false);
    CHECK(offsets() == Offsets{0, 1, 2, 3});
  }
  SECTION("with a .cleaned beside it a .swap is not finished") {
    write("00000000000000000000.log.cleaned", target);
    write("00000000000000000000.index.swap", {});
    open(false);
    CHECK(offsets() == Offsets{0, 1, 2, 3});
  }
  SECTION("a whole .swap replaces all it covers") {
    write("00000000000000000000.log.swap", target);
    write("00000000000000000000.index.swap", {});
    write("00000000000000000000.timeindex.swap", {});
    open(GENERATE(true, false));
    CHECK(offsets() == Offsets{1, 2, 3});
    CHECK(log->segment_count() == 2);
  }
  SECTION("a .swap whose old segments are partly .deleted too") {
    must(files.rename("/logs/t-0/00000000000000000000.log", "/logs/t-0/00000000000000000000.log.deleted"));
    write("00000000000000000000.log.swap", target);
    open(false);
    CHECK(offsets() == Offsets{1, 2, 3});
  }
  SECTION("an index that still waits for its name is taken") {
    must(files.remove("/logs/t-0/00000000000000000002.log"));
    write("00000000000000000000.log", target);
    write("00000000000000000000.index.swap", {});
    open(false);
    CHECK(offsets() == Offsets{1, 2, 3});
  }
  for (std::string_view left : {".cleaned", ".swap", ".deleted"}) CHECK(files_ending(left) == 0);
}

TEST_CASE_METHOD(Compacted, "the replaced files wait for file.delete.delay.ms") {
  open();
  put_segment(keyed_batch({{"a", "1"}}));
  put_segment(keyed_batch({{"a", "2"}}));
  ReadOptions read;
  read.up_to = Offset(2);
  read.max_bytes = 1000;
  auto held = must(log->read(read));
  clean();
  CHECK(files_ending(".log.deleted") == 2);
  Bytes bytes(held.slices[0].size);
  CHECK(must(held.slices[0].file->read_at(held.slices[0].position, bytes)) == bytes.size());
  CHECK(protocol::RecordBatchView(ByteView(bytes)).crc_matches());
  must(log->remove_deleted_files(clock.now_ms + config.file_delete_delay_ms - 1));
  CHECK(files_ending(".log.deleted") == 2);
  CHECK(log->has_deleted_files());
  must(log->remove_deleted_files(clock.now_ms + config.file_delete_delay_ms));
  CHECK(!log->has_deleted_files());
  CHECK(files_ending(".deleted") == 0);
  CHECK(offsets() == Offsets{1});
}

TEST_CASE_METHOD(Compacted, "what happens to the log ends its cleaning and nothing is changed by it") {
  open();
  put_segment(keyed_batch({{"a", "1"}}));
  put_segment(keyed_batch({{"a", "2"}}));
  put_segment(keyed_batch({{"a", "3"}}));
  put(keyed_batch({{"b", "1"}}));
  int calls = 0;
  int at = GENERATE(1, 3, 4);
  SECTION("a truncation") {
    meanwhile = [&] {
      if (++calls == at) must(log->truncate_to(Offset(2)));
      return true;
    };
    CHECK(!must(try_clean()));
    CHECK(offsets() == Offsets{0, 1});
  }
  SECTION("a new begin") {
    meanwhile = [&] {
      if (++calls == at) must(log->truncate_fully_and_start_at(Offset(9)));
      return true;
    };
    CHECK(!must(try_clean()));
    CHECK(log->log_end_offset() == Offset(9));
    CHECK(offsets().empty());
  }
  SECTION("a policy that does not compact") {
    meanwhile = [&] {
      if (++calls == at) config.cleanup_compact = false;
      log->set_config(config);
      return true;
    };
    CHECK(!must(try_clean()));
    CHECK(offsets() == Offsets{0, 1, 2, 3});
  }
  SECTION("the close of the log") {
    meanwhile = [&] {
      if (++calls == at) must(log->close());
      return true;
    };
    CHECK(!must(try_clean()));
    open();
    CHECK(offsets() == Offsets{0, 1, 2, 3});
  }
  SECTION("its cleaner is told to stop") {
    meanwhile = [&] { return ++calls != at; };
    CHECK(!must(try_clean()));
    CHECK(offsets() == Offsets{0, 1, 2, 3});
  }
  CHECK(files_ending(".cleaned") == 0);
  CHECK(log->cleaned_to() == kNoOffset);
  meanwhile = [] { return true; };
}

TEST_CASE_METHOD(Compacted,
                 "records deleted during a cleaning are gone after it, and their segments with them") {
  open();
  put_segment(keyed_batch({{"a", "1"}}));
  put_segment(keyed_batch({{"b", "2"}}));
  put(keyed_batch({{"c", "3"}}));
  config.segment_bytes = 100;
  log->set_config(config);
  bool done = false;
  meanwhile = [&] {
    if (!done) CHECK(must(log->delete_records_before(Offset(1))) == Offset(1));
    done = true;
    return true;
  };
  CHECK(clean().to == Offset(2));
  CHECK(log->log_start_offset() == Offset(1));
  CHECK(offsets() == Offsets{1, 2});
  CHECK(must(log->apply_retention(clock.now_ms)) == 1);
  CHECK(log->segment_count() == 2);
}

TEST_CASE("a topic that is deleted and made anew while it is cleaned is not touched by the old cleaning") {
  MemoryFileSystem files;
  StillClock clock;
  SeededRandom random(1);
  must(files.create_directories("/data"));
  must(write_meta_properties(files, "/data", {"cluster", BrokerId(1), DirectoryId(Uuid::of_low(500))}));
  LogConfig config;
  config.cleanup_compact = true;
  LogManagerOptions options{{"/data"}, BrokerId(1), "cluster", config, {}};
  auto logs = must(LogManager::open(files, clock, random, options));
  const TopicPartition tp{"t", PartitionIndex(0)};
  auto old = must(logs->create(tp, TopicId(Uuid::of_low(501)), config));
  for (const char* value : {"1", "2", "3"}) {
    must(append(*old, keyed_batch({{"a", value}})));
    must(old->roll());
  }
  old->set_high_watermark(Offset(3));
  std::shared_ptr<PartitionLog> made_anew;
  int calls = 0;
  int at = GENERATE(1, 4, 6);
  Cleaner cleaner(files, random, {}, [&](std::size_t) {
    if (++calls != at) return true;
    must(logs->remove(tp));
    made_anew = must(logs->create(tp, TopicId(Uuid::of_low(502)), config));
    must(append(*made_anew, keyed_batch({{"z", "new"}})));
    return true;
  });
  auto with_log = [&](const std::function<Result<void>(CleanableLog&)>& call) { return call(*old); };
  CHECK(!must(cleaner.clean(with_log, clock.now_ms)));
  REQUIRE(made_anew != nullptr);
  for (const auto& entry : must(files.list("/data/t-0"))) {
    INFO(entry.name);
    CHECK(!entry.name.ends_with(".cleaned"));
    CHECK(!entry.name.ends_with(".swap"));
  }
  CHECK(base_offsets(*made_anew) == Offsets{0});
}

TEST_CASE("what the cleaner did is in its checkpoint after a restart") {
  MemoryFileSystem files;
  StillClock clock;
  SeededRandom random(1);
  must(files.create_directories("/data"));
  must(write_meta_properties(files, "/data", {"cluster", BrokerId(1), DirectoryId(Uuid::of_low(500))}));
  LogConfig config;
  config.cleanup_compact = true;
  LogManagerOptions options{{"/data"}, BrokerId(1), "cluster", config, {}};
  auto logs = must(LogManager::open(files, clock, random, options));
  const TopicPartition tp{"t", PartitionIndex(0)};
  auto log = must(logs->create(tp, TopicId(Uuid::of_low(501)), config));
  must(logs->create({"other", PartitionIndex(0)}, TopicId(Uuid::of_low(502)), config));
  must(append(*log, keyed_batch({{"a", "1"}})));
  must(log->roll());
  log->set_high_watermark(Offset(1));
  Cleaner cleaner(files, random, {}, [](std::size_t) { return true; });
  auto with_log = [&](const std::function<Result<void>(CleanableLog&)>& call) { return call(*log); };
  REQUIRE(must(cleaner.clean(with_log, clock.now_ms)));
  must(logs->checkpoint_cleaned_offsets());
  CHECK(must(files.read_file("/data/cleaner-offset-checkpoint")) == "0\n1\nt 0 1\n");
  must(logs->shutdown(1));
  logs = must(LogManager::open(files, clock, random, options));
  CHECK(logs->find(tp)->cleaned_to() == Offset(1));
  CHECK(logs->find({"other", PartitionIndex(0)})->cleaned_to() == kNoOffset);
}

TEST_CASE_METHOD(Compacted, "what a crash brings back behind a cleaned segment is cut off again") {
  config.preallocate = true;
  config.segment_bytes = 1000;
  open();
  put_segment(keyed_batch({{"a", "1"}}));
  const std::uint64_t first_batch = log->size_bytes();
  put_segment(keyed_batch({{"b", "2"}}));
  put(keyed_batch({{"c", "3"}}));
  clean();
  must(log->sync());
  // The cleaned segment is the active one once more, and ends where the next one then begins.
  must(log->truncate_to(Offset(1)));
  reopen();  // preallocates
  must(log->sync());
  must(log->roll());
  must(files.sync_directory("/logs/t-0"));  // or this one would be the active one
  const bool syncs_again = GENERATE(true, false);
  if (syncs_again) {
    put(keyed_batch({{"d", "4"}}));
    must(log->sync());
  }
  OpenLogOptions how = options_for("/logs", config);
  how.clean = false;
  how.cleaned_to = log->cleaned_to();
  how.recovery_point = log->recovery_point();
  CHECK(how.cleaned_to == Offset(1));
  log.reset();
  files.crash();
  log = must(open_log(files, clock, how));
  CHECK(must(files.read_file("/logs/t-0/00000000000000000000.log")).size() == first_batch);
  CHECK(offsets() == (syncs_again ? Offsets{0, 1} : Offsets{0}));
}

}  // namespace
}  // namespace barnabas::log

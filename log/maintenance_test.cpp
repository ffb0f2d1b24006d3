// Reads with limits, timestamps, epochs, truncation, retention, rolling.
#include "base/memory_file_system.hpp"
#include "log/log_testing.hpp"

namespace barnabas::log {
namespace {

using namespace testing;

struct Maintenance {
  MemoryFileSystem files;
  StillClock clock;
  LogConfig config;
  std::unique_ptr<PartitionLog> log;

  Maintenance() { must(files.create_directories("/logs")); }
  void open(bool clean = true, std::int64_t log_start = 0) {
    log.reset();
    OpenLogOptions options = options_for("/logs", config);
    options.clean = clean;
    options.log_start_offset = Offset(log_start);
    log = must(open_log(files, clock, options));
  }
  /// `count` batches of one record, a minute apart, in segments of three.
  void fill(int count) {
    config.index_interval_bytes = 60;
    config.segment_bytes = static_cast<std::int32_t>(3 * make_batch().size());
    open();
    for (int i = 0; i < count; ++i) {
      BatchSpec spec;
      spec.timestamp = clock.now_ms + i * 60'000;
      must(append(*log, make_batch(spec), i / 4));
    }
    log->set_high_watermark(log->log_end_offset());
  }
  [[nodiscard]] std::size_t files_ending(const std::string& end) {
    std::size_t count = 0;
    for (const auto& entry : must(files.list("/logs/t-0"))) count += entry.name.ends_with(end) ? 1 : 0;
    return count;
  }
};

ReadOptions from_to(std::int64_t from, std::int64_t to, std::uint64_t max_bytes, bool one = false) {
  ReadOptions options;
  options.from = Offset(from);
  options.up_to = Offset(to);
  options.max_bytes = max_bytes;
  options.at_least_one_batch = one;
  return options;
}

TEST_CASE_METHOD(Maintenance, "a read stops at its bound and at its bytes, and gives the first batch whole") {
  open();
  std::uint64_t size = make_batch({2}).size();
  for (int i = 0; i < 5; ++i) must(append(*log, make_batch({2})));
  CHECK(must(log->read(from_to(0, 10, 10'000))).size_bytes == 5 * size);
  CHECK(must(log->read(from_to(0, 6, 10'000))).size_bytes == 3 * size);
  CHECK(must(log->read(from_to(0, 7, 10'000))).size_bytes == 3 * size);  // inside a batch: without it
  CHECK(must(log->read(from_to(3, 10, 10'000))).size_bytes == 4 * size);
  CHECK(must(log->read(from_to(3, 10, 10'000))).first_batch_offset == Offset(2));
  CHECK(must(log->read(from_to(0, 10, size + 10))).size_bytes == size + 10);
  CHECK(must(log->read(from_to(0, 10, 10))).slices.empty());
  CHECK(must(log->read(from_to(0, 10, 0, true))).size_bytes == size);
  CHECK(must(log->read(from_to(10, 10, 100, true))).slices.empty());
  CHECK(must(log->read(from_to(4, 4, 100, true))).slices.empty());
  CHECK(log->read(from_to(11, 12, 100)).error().code == ErrorCode::kOffsetOutOfRange);
  CHECK(log->read(from_to(-1, 12, 100)).error().code == ErrorCode::kOffsetOutOfRange);
}

TEST_CASE_METHOD(Maintenance, "a read goes on into the next segments") {
  fill(10);
  std::uint64_t size = make_batch().size();
  ReadResult all = must(log->read(from_to(1, 10, 100'000)));
  CHECK(all.slices.size() == 4);
  CHECK(all.size_bytes == 9 * size);
  CHECK(must(log->read(from_to(1, 8, 100'000))).size_bytes == 7 * size);
  CHECK(must(log->read(from_to(1, 10, 2 * size + 1))).size_bytes == 2 * size);
}

TEST_CASE_METHOD(Maintenance, "offsets are found by their timestamps") {
  fill(10);
  if (GENERATE(true, false)) open(GENERATE(true, false));
  std::int64_t start = clock.now_ms;
  for (int i = 0; i < 10; ++i) {
    auto found = must(log->find_by_timestamp(start + i * 60'000 - 5, Offset(10)));
    REQUIRE(found.has_value());
    CHECK(found->offset == Offset(i));
    CHECK(found->timestamp_ms == start + i * 60'000);
    CHECK(found->leader_epoch == LeaderEpoch(i / 4));
  }
  CHECK(!must(log->find_by_timestamp(start + 10 * 60'000, Offset(10))));
  CHECK(!must(log->find_by_timestamp(start + 7 * 60'000, Offset(7))));
  CHECK(must(log->find_by_timestamp(0, Offset(10)))->offset == Offset(0));
  CHECK(must(log->find_max_timestamp())->offset == Offset(9));
}

TEST_CASE_METHOD(Maintenance, "the largest timestamp is the first record that has it, also within a batch") {
  open();
  BatchSpec down{3};
  down.timestamp_step = -10;
  must(append(*log, make_batch({2})));
  must(append(*log, make_batch(down)));
  auto found = must(log->find_max_timestamp());
  REQUIRE(found.has_value());
  CHECK(found->offset == Offset(1));
  CHECK(found->timestamp_ms == clock.now_ms + 1);
}

TEST_CASE_METHOD(Maintenance, "epochs end where the next one begins") {
  fill(10);
  auto end_of = [&](int epoch) { return log->end_offset_for_epoch(LeaderEpoch(epoch)); };
  CHECK(end_of(0).end_offset == Offset(4));
  CHECK(end_of(1).end_offset == Offset(8));
  CHECK(end_of(2).end_offset == Offset(10));
  CHECK(end_of(3).epoch == kNoLeaderEpoch);
  CHECK(end_of(3).end_offset == kNoOffset);
  must(log->assign_epoch_start(LeaderEpoch(7), Offset(10)));
  CHECK(end_of(5).epoch == LeaderEpoch(2));
  CHECK(end_of(5).end_offset == Offset(10));
  CHECK(log->latest_epoch() == LeaderEpoch(7));
}

TEST_CASE_METHOD(Maintenance, "truncation takes records, epochs and producers back, and appending goes on") {
  fill(10);
  must(append(*log, make_produced(ProducerId(8), 0, 0), 2));
  int to = GENERATE(range(0, 11));
  must(log->truncate_to(Offset(to)));
  CHECK(log->log_end_offset() == Offset(to));
  CHECK(log->high_watermark() == Offset(to));
  CHECK(log->active_producers().empty());
  CHECK(base_offsets(*log).size() == static_cast<std::size_t>(to));
  CHECK(log->latest_epoch() == (to == 0 ? kNoLeaderEpoch : LeaderEpoch((to - 1) / 4)));
  CHECK(must(append(*log, make_batch(), 9)).base_offset == Offset(to));
  open(GENERATE(true, false));
  CHECK(base_offsets(*log).size() == static_cast<std::size_t>(to) + 1);
  CHECK(log->epoch_of(Offset(to)) == LeaderEpoch(9));
}

TEST_CASE_METHOD(Maintenance, "truncation at the end forgets an epoch in which nothing was written") {
  fill(10);
  const LeaderEpoch before = log->latest_epoch();
  must(log->assign_epoch_start(LeaderEpoch(30), Offset(10)));
  must(log->truncate_to(Offset(10)));
  CHECK(log->latest_epoch() == before);
  CHECK(log->log_end_offset() == Offset(10));
  open(GENERATE(true, false));
  CHECK(log->latest_epoch() == before);
}

TEST_CASE_METHOD(Maintenance, "a log that starts anew is empty at its new offset") {
  fill(10);
  must(log->truncate_fully_and_start_at(Offset(500)));
  CHECK(log->log_start_offset() == Offset(500));
  CHECK(log->log_end_offset() == Offset(500));
  CHECK(log->high_watermark() == Offset(500));
  CHECK(must(append(*log, make_batch())).base_offset == Offset(500));
  open(GENERATE(true, false));
  CHECK(log->log_start_offset() == Offset(500));
  CHECK(base_offsets(*log, 500) == std::vector<std::int64_t>{500});
}

TEST_CASE_METHOD(Maintenance,
                 "DeleteRecords moves the start and deletes whole segments, whose files go later") {
  fill(10);
  CHECK(log->delete_records_before(Offset(11)).error().code == ErrorCode::kOffsetOutOfRange);
  CHECK(must(log->delete_records_before(Offset(7))) == Offset(7));
  CHECK(log->segment_count() == 2);
  CHECK(log->read(from_to(6, 10, 100)).error().code == ErrorCode::kOffsetOutOfRange);
  CHECK(base_offsets(*log, 7) == std::vector<std::int64_t>{7, 8, 9});
  CHECK(log->epoch_of(Offset(7)) == LeaderEpoch(1));
  CHECK(log->epoch_of(Offset(6)) == kNoLeaderEpoch);
  CHECK(files_ending(".log.deleted") == 2);
  config.retention_ms = -1;
  log->set_config(config);
  must(log->remove_deleted_files(clock.now_ms + config.file_delete_delay_ms));
  CHECK(files_ending(".deleted") == 0);
  open(true, 7);
  CHECK(log->log_start_offset() == Offset(7));
  CHECK(must(log->delete_records_before(Offset(3))) == Offset(7));  // never back
}

TEST_CASE_METHOD(Maintenance, "a reader keeps what it found while the segment is deleted") {
  fill(10);
  ReadResult found = must(log->read(from_to(0, 3, 10'000)));
  must(log->delete_records_before(Offset(10)));
  Bytes bytes(found.slices[0].size);
  CHECK(must(found.slices[0].file->read_at(found.slices[0].position, bytes)) == bytes.size());
  CHECK(protocol::LogEntry(ByteView(bytes)).batch().crc_matches());
}

TEST_CASE_METHOD(Maintenance, "retention by time deletes old segments, the last one after rolling it") {
  fill(10);
  config.retention_ms = 3'600'000;
  log->set_config(config);
  std::int64_t last_of_first = clock.now_ms + 2 * 60'000;
  CHECK(must(log->apply_retention(last_of_first + config.retention_ms)) == 0);
  CHECK(must(log->apply_retention(last_of_first + config.retention_ms + 1)) == 1);
  CHECK(log->log_start_offset() == Offset(3));
  CHECK(must(log->apply_retention(clock.now_ms + 99 * 60'000)) == 3);
  CHECK(log->log_start_offset() == Offset(10));
  CHECK(log->log_end_offset() == Offset(10));
  CHECK(must(append(*log, make_batch())).base_offset == Offset(10));
  open(GENERATE(true, false), 10);
  CHECK(log->log_start_offset() == Offset(10));
  CHECK(log->log_end_offset() == Offset(11));
}

TEST_CASE_METHOD(
    Maintenance,
    "retention by size keeps at least that many bytes, and nothing above the high watermark goes") {
  fill(10);
  config.retention_ms = -1;
  config.retention_bytes = static_cast<std::int64_t>(4 * make_batch().size());
  open(true);
  log->set_config(config);
  log->set_high_watermark(Offset(4));
  CHECK(must(log->apply_retention(clock.now_ms)) == 1);
  CHECK(log->log_start_offset() == Offset(3));
  log->set_high_watermark(Offset(10));
  CHECK(must(log->apply_retention(clock.now_ms)) == 1);
  CHECK(log->log_start_offset() == Offset(6));
  CHECK(log->size_bytes() == 4 * make_batch().size());
}

TEST_CASE_METHOD(Maintenance, "segments roll by the time between their batches") {
  config.segment_ms = 1000;
  open();
  BatchSpec spec;
  must(append(*log, make_batch(spec)));
  spec.timestamp += 1000;
  CHECK(!must(append(*log, make_batch(spec))).rolled);
  spec.timestamp += 1;
  CHECK(must(append(*log, make_batch(spec))).rolled);
  CHECK(log->segment_count() == 2);
  must(log->roll());
  must(log->roll());  // an empty segment stays
  CHECK(log->segment_count() == 3);
}

TEST_CASE_METHOD(Maintenance, "a follower takes batches as they are and refuses what does not fit") {
  open();
  BatchSpec spec{3};
  spec.options.leader_epoch = LeaderEpoch(5);
  Bytes fetched = make_batch(spec);
  spec.options.base_offset = Offset(3);
  Bytes second = make_batch(spec);
  fetched.insert(fetched.end(), second.begin(), second.end() - 7);  // the fetch cut it
  AppendResult result = must(log->append_as_follower(fetched));
  CHECK(result.last_offset == Offset(2));
  CHECK(log->latest_epoch() == LeaderEpoch(5));
  must(log->append_as_follower(second));
  CHECK(log->append_as_follower(second).error().code == ErrorCode::kOffsetOutOfRange);
  spec.options.base_offset = Offset(6);
  Bytes broken = make_batch(spec);
  broken.back() ^= 1;
  CHECK(log->append_as_follower(broken).error().code == ErrorCode::kCorruptMessage);
  CHECK(base_offsets(*log) == std::vector<std::int64_t>{0, 3});
}

TEST_CASE_METHOD(Maintenance, "several batches of raft keep their epochs and fill segments one by one") {
  config.segment_bytes = static_cast<std::int32_t>(2 * make_batch({2}).size());
  open();
  Bytes batches;
  for (int i = 0; i < 5; ++i) {
    BatchSpec spec{2};
    spec.options.leader_epoch = LeaderEpoch(i);
    Bytes one = make_batch(spec);
    batches.insert(batches.end(), one.begin(), one.end());
  }
  AppendResult result = must(append(*log, batches, 0, AppendOrigin::kRaft));
  CHECK(result.base_offset == Offset(0));
  CHECK(result.last_offset == Offset(9));
  CHECK(log->segment_count() == 3);
  CHECK(base_offsets(*log) == std::vector<std::int64_t>{0, 2, 4, 6, 8});
  CHECK(log->epoch_of(Offset(5)) == LeaderEpoch(2));
}

}  // namespace
}  // namespace barnabas::log

// Rot: bits that flip in files that are found at the opening are told of and never served.
#include <set>

#include "base/memory_file_system.hpp"
#include "base/metrics.hpp"
#include "log/log_testing.hpp"

namespace barnabas::log {
namespace {

using namespace testing;

struct Rot {
  MemoryFileSystem files;
  StillClock clock;
  LogConfig config;
  MetricsRegistry metrics;
  std::unique_ptr<PartitionLog> log;
  std::uint64_t batch_size = make_batch().size();

  Rot() {
    must(files.create_directories("/logs"));
    config.index_interval_bytes = 150;
    config.segment_bytes = static_cast<std::int32_t>(8 * batch_size);
  }
  void open(bool clean = true) {
    log.reset();
    OpenLogOptions options = options_for("/logs", config);
    options.clean = clean;
    options.corruption = CorruptionCounters::of(&metrics);
    log = must(open_log(files, clock, options));
    log->set_high_watermark(log->log_end_offset());
  }
  void fill(int count) {
    for (int i = 0; i < count; ++i) must(append(*log, make_batch()));
    log->set_high_watermark(log->log_end_offset());
  }
  Result<ReadResult> read(std::int64_t from, std::uint64_t max_bytes = 1 << 20) {
    return log->read({Offset(from), log->high_watermark(), max_bytes, true, false});
  }
  std::uint64_t told() { return metrics.counter("barnabas_log_corrupt_places_total").value(); }
  /// Flips bits of the batch at `offset`, `at` bytes behind its begin.
  void corrupt(std::int64_t offset, std::uint64_t at) {
    const std::int64_t segment = offset / 8 * 8;
    const std::string name = "/logs/t-0/0000000000000000000" + std::to_string(segment) + ".log";
    must(files.corrupt(name, static_cast<std::uint64_t>(offset - segment) * batch_size + at, 1));
  }
};

TEST_CASE_METHOD(Rot, "a batch that rotted is not served, those beside it are") {
  open();
  fill(14);  // segments of 8 and of 6
  must(log->close());
  const auto at = GENERATE(0U, 7U, 8U, 11U, 16U, 17U, 21U, 26U, 40U, 62U);  // every part of a batch
  const auto rotten = GENERATE(3, 5, 10);
  CAPTURE(at, rotten);
  corrupt(rotten, at);
  open();
  auto before = must(read(rotten - 2));
  // Where a base offset is wrong the batch before it may be the wrong one.
  CHECK(before.size_bytes >= batch_size);
  CHECK(before.size_bytes <= 2 * batch_size);
  for (int i = 0; i < 3; ++i) {
    auto refused = read(rotten);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kCorruptMessage);
    CHECK(refused.error().detail.contains(".log"));
  }
  CHECK(told() >= 1);
  CHECK(told() <= 3);
  CHECK(must(read(0)).size_bytes >= batch_size);
  const int behind = rotten < 8 ? 8 : 13;
  CHECK(must(read(behind)).first_batch_offset == Offset(behind));
  CHECK(must(append(*log, make_batch())).base_offset == Offset(14));
}

TEST_CASE_METHOD(Rot, "what the process wrote itself is given without being read") {
  open();
  fill(6);
  const std::uint64_t calls = files.calls();
  CHECK(must(read(5)).size_bytes == batch_size);
  CHECK(files.calls() == calls);
  must(log->close());
  open();
  fill(1);
  const std::uint64_t calls_again = files.calls();
  CHECK(must(read(6)).size_bytes == batch_size);
  CHECK(files.calls() == calls_again);
  CHECK(must(read(0)).size_bytes == 7 * batch_size);  // the six found and the one written
}

TEST_CASE_METHOD(Rot, "what was verified once is not read again") {
  open();
  fill(6);
  must(log->close());
  open();
  must(read(0));
  const std::uint64_t calls = files.calls();
  must(read(0));
  const std::uint64_t search = files.calls() - calls;
  must(read(0));
  CHECK(files.calls() - calls == 2 * search);
  corrupt(2, 70);  // after the verification: unseen until the next opening or a scrub
  CHECK(must(read(0)).size_bytes == 6 * batch_size);
}

TEST_CASE_METHOD(Rot, "aborted transactions that an index does not tell soundly fail the fetch") {
  open();
  const ProducerId producer(7);
  must(append(*log, make_batch()));                                                    // 0
  must(append(*log, make_produced(producer, 0, 0, 1, true)));                          // 1
  must(append(*log, make_marker(producer, 0, false), 0, AppendOrigin::kCoordinator));  // 2
  must(log->close());
  const std::string index = "/logs/t-0/00000000000000000000.txnindex";
  const auto at = GENERATE(1U, 2U, 9U, 17U, 25U, 26U, 33U);
  CAPTURE(at);
  must(files.corrupt(index, at, 1));
  open();
  auto aborted = log->aborted_transactions(Offset(0), Offset(3));
  REQUIRE_FALSE(aborted);
  CHECK(aborted.error().code == ErrorCode::kCorruptMessage);
  CHECK(told() == 1);
  CHECK(read(0));  // read_uncommitted is served
  must(log->close());
  must(files.corrupt(index, at, 1));  // as it was
  open();
  CHECK(must(log->aborted_transactions(Offset(0), Offset(3))).size() == 1);
}

/// What a replica that did not rot has, and the repair of the first segment from it.
struct Repaired : Rot {
  Bytes sound;

  Repaired() {
    open();
    fill(20);  // segments of 8, 8 and 4
    sound = must(log->read_bytes({Offset(0), log->high_watermark(), 1 << 20, true, false}));
  }
  ScrubbedSegment segment(std::int64_t base = 0) { return *log->closed_segment_from(Offset(base)); }
  /// Whether the scrub finds it broken, and the log too.
  bool is_broken(const ScrubbedSegment& read) {
    const auto at = must(scrub_piece(read, 0, 1 << 20)).broken_at;
    return at && log->is_broken(read, *at);
  }
  /// The batches from `from` on, as a fetch gives them.
  ByteView fetched(std::int64_t from, std::uint64_t count) {
    return ByteView(sound).subspan(static_cast<std::size_t>(from) * batch_size, count * batch_size);
  }
};

TEST_CASE_METHOD(Repaired, "a segment that rotted is written anew from another replica, and served again") {
  const auto at = GENERATE(7U, 8U, 13U, 16U, 17U, 40U, 62U);
  corrupt(11, at);
  const ScrubbedSegment broken = segment(8);
  CHECK(is_broken(broken));
  CHECK_FALSE(read(11));
  const std::uint64_t told_once = told();
  auto repair = must(log->begin_repair(broken));
  REQUIRE(repair);
  CHECK(repair->next() == Offset(8));
  must(repair->append(fetched(8, 3)));
  CHECK(repair->next() == Offset(11));
  CHECK_FALSE(repair->is_whole());
  must(repair->append(fetched(11, 9)));  // more than belongs into it
  CHECK(repair->is_whole());
  must(repair->finish());
  CHECK(must(log->end_repair(*repair, true)));
  CHECK(must(log->read_bytes({Offset(0), log->high_watermark(), 1 << 20, true, false})) == sound);
  corrupt(11, at);  // and rots again: that is news
  CHECK(is_broken(segment(8)));
  CHECK(told() > told_once);
  corrupt(11, at);
  must(log->close());
  open();
  CHECK(must(log->read_bytes({Offset(0), log->high_watermark(), 1 << 20, true, false})) == sound);
  CHECK(must(append(*log, make_batch())).base_offset == Offset(20));
}

TEST_CASE_METHOD(Repaired, "a repair takes nothing that does not fit or is not sound") {
  corrupt(3, 40);
  const ScrubbedSegment broken = segment();
  CHECK(is_broken(broken));
  auto repair = must(log->begin_repair(broken));
  REQUIRE(repair);
  must(repair->append(fetched(0, 2)));
  CHECK(repair->append(fetched(0, 2)).error().code == ErrorCode::kOffsetOutOfRange);
  Bytes rotten = to_bytes(fetched(2, 2));
  rotten[40] ^= 1;
  CHECK(repair->append(rotten).error().code == ErrorCode::kCorruptMessage);
  CHECK_FALSE(must(log->end_repair(*repair, false)));
  CHECK_FALSE(read(3));
  CHECK(must(log->begin_repair(broken)));  // another try
}

TEST_CASE_METHOD(Repaired, "a log that is cut while a segment of it is repaired stays cut") {
  corrupt(3, 40);
  const ScrubbedSegment broken = segment();
  CHECK(is_broken(broken));
  auto repair = must(log->begin_repair(broken));
  REQUIRE(repair);
  must(repair->append(fetched(0, 8)));
  must(repair->finish());
  must(log->truncate_to(Offset(2)));
  CHECK_FALSE(repair->is_wanted());
  CHECK_FALSE(must(log->end_repair(*repair, true)));
  CHECK(log->log_end_offset() == Offset(2));
  for (const DirectoryEntry& entry : must(files.list("/logs/t-0")))
    CHECK_FALSE(entry.name.ends_with(".cleaned"));
}

TEST_CASE_METHOD(Repaired, "what is not committed, or not here any more, is not repaired") {
  const ScrubbedSegment first = segment();
  auto repair = must(log->begin_repair(first));
  REQUIRE(repair);
  CHECK_FALSE(must(log->begin_repair(first)));  // one at a time
  CHECK_FALSE(must(log->end_repair(*repair, false)));
  must(log->truncate_to(Offset(2)));
  CHECK_FALSE(must(log->begin_repair(first)));
  must(log->close());
  open();
  fill(8);
  must(log->close());
  log.reset();
  OpenLogOptions options = options_for("/logs", config);
  log = must(open_log(files, clock, options));
  CHECK(log->high_watermark() < segment().end);
  CHECK_FALSE(must(log->begin_repair(segment())));
}

TEST_CASE("a segment that is repaired keeps what it knows of aborted transactions") {
  Rot rot;
  rot.open();
  const ProducerId producer(7);
  must(append(*rot.log, make_produced(producer, 0, 0, 1, true)));
  must(append(*rot.log, make_marker(producer, 0, false), 0, AppendOrigin::kCoordinator));
  must(rot.log->roll());
  rot.fill(1);
  const Bytes sound = must(rot.log->read_bytes({Offset(0), Offset(2), 1 << 20, true, false}));
  rot.corrupt(0, 40);
  const ScrubbedSegment broken = *rot.log->closed_segment_from(Offset(0));
  CHECK(rot.log->is_broken(broken, 0));
  auto repair = must(rot.log->begin_repair(broken));
  REQUIRE(repair);
  must(repair->append(sound));
  must(repair->finish());
  CHECK(must(rot.log->end_repair(*repair, true)));
  const auto aborted = must(rot.log->aborted_transactions(Offset(0), Offset(2)));
  REQUIRE(aborted.size() == 1);
  CHECK(aborted[0].first_offset == Offset(0));
}

}  // namespace
}  // namespace barnabas::log

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

}  // namespace
}  // namespace barnabas::log

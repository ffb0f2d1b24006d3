#include "log/log_testing.hpp"

namespace barnabas::log {
namespace {

using namespace testing;

struct Fixture {
  TemporaryDirectory directory;
  PosixFileSystem files;
  StillClock clock;
  LogConfig config;
  std::unique_ptr<PartitionLog> log;

  void open(bool clean = false, std::int64_t recovery_point = 0) {
    log.reset();
    OpenLogOptions options = options_for(directory.path(), config);
    options.clean = clean;
    options.recovery_point = Offset(recovery_point);
    log = must(open_log(files, clock, options));
  }
  [[nodiscard]] std::string path(const std::string& name) const { return directory.path() + "/t-0/" + name; }
};

TEST_CASE_METHOD(Fixture, "what is appended is read back at its offsets, before and after a restart") {
  open();
  CHECK(must(append(*log, make_batch({.count = 3}))).base_offset == Offset(0));
  AppendResult second = must(append(*log, make_batch({.count = 2}), 4));
  CHECK(second.base_offset == Offset(3));
  CHECK(second.last_offset == Offset(4));
  CHECK(log->log_end_offset() == Offset(5));
  CHECK(log->latest_epoch() == LeaderEpoch(4));
  CHECK(base_offsets(*log) == std::vector<std::int64_t>{0, 3});
  bool clean = GENERATE(true, false);
  if (clean) must(log->close());
  open(clean);
  CHECK(log->log_end_offset() == Offset(5));
  CHECK(base_offsets(*log) == std::vector<std::int64_t>{0, 3});
  CHECK(log->epoch_of(Offset(2)) == LeaderEpoch(0));
  CHECK(log->epoch_of(Offset(3)) == LeaderEpoch(4));
  CHECK(must(append(*log, make_batch(), 4)).base_offset == Offset(5));
}

TEST_CASE_METHOD(Fixture, "a log of many segments reads at every offset and recovers") {
  config.segment_bytes = 2000;
  config.index_interval_bytes = 100;
  open();
  std::vector<std::int64_t> expected;
  for (int i = 0; i < 100; ++i) {
    expected.push_back(log->log_end_offset().value());
    must(append(*log, make_batch({.count = 1 + i % 3, .value = std::string(40, 'x')})));
  }
  CHECK(log->segment_count() > 5);
  CHECK(base_offsets(*log) == expected);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    Bytes bytes = read_bytes(*log, expected[i], 1);
    CHECK(protocol::LogEntry(ByteView(bytes)).batch().base_offset() == Offset(expected[i]));
  }
  std::int64_t end = log->log_end_offset().value();
  bool clean = GENERATE(true, false);
  if (clean) must(log->close());
  open(clean, clean ? end : 0);
  CHECK(base_offsets(*log) == expected);
  for (std::size_t i = 0; i < expected.size(); i += 7) {
    Bytes bytes = read_bytes(*log, expected[i], 1);
    CHECK(protocol::LogEntry(ByteView(bytes)).batch().base_offset() == Offset(expected[i]));
  }
}

TEST_CASE_METHOD(Fixture, "indexes that somebody removes from a log in use are made anew") {
  config.index_interval_bytes = 0;
  open();
  constexpr int kBatches = 300;  // more entries than wait in memory
  for (int half = 0; half < 2; ++half) {
    for (int i = 0; i < kBatches; ++i) must(append(*log, make_batch()));
    if (half == 0) must(log->roll());
  }
  const auto remove_indexes = [&] {
    for (const char* base : {"00000000000000000000", "00000000000000000300"}) {
      must(files.remove(path(base) + ".index"));
      must(files.remove(path(base) + ".timeindex"));
    }
  };
  (void)read_bytes(*log, 10, 1);
  remove_indexes();
  for (int i = 0; i < kBatches; ++i) must(append(*log, make_batch()));
  for (std::int64_t offset = 0; offset < 3 * kBatches; offset += 31) {
    Bytes bytes = read_bytes(*log, offset, 1);
    CHECK(protocol::LogEntry(ByteView(bytes)).batch().base_offset() == Offset(offset));
  }
  remove_indexes();
  CHECK(must(log->find_by_timestamp(0, log->log_end_offset())).has_value());
}

TEST_CASE_METHOD(Fixture, "a read that has no room for the next batch does not pass over it") {
  open();
  must(append(*log, make_batch({.value = std::string(500, 'x')})));
  must(log->roll());
  must(append(*log, make_batch()));
  auto none = must(log->read({Offset(0), log->log_end_offset(), 200, false}));
  CHECK(none.slices.empty());
  auto whole = must(log->read({Offset(0), log->log_end_offset(), 1000, false}));
  CHECK(whole.first_batch_offset == Offset(0));
  CHECK(whole.slices.size() == 2);
}

}  // namespace
}  // namespace barnabas::log

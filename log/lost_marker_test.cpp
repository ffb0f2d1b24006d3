// An abort marker that is lost leaves its transaction open: its records are never shown as committed, and the
// last stable offset waits for the next marker, which the coordinator writes again.
#include "base/memory_file_system.hpp"
#include "log/log_testing.hpp"

namespace barnabas::log {
namespace {

using namespace testing;

struct LostMarker {
  MemoryFileSystem files;
  StillClock clock;
  std::unique_ptr<PartitionLog> log;
  const ProducerId aborting = ProducerId(7);
  const ProducerId other = ProducerId(8);

  LostMarker() {
    must(files.create_directories("/logs"));
    must(files.sync_directory("/"));
  }
  void open(bool clean) {
    log.reset();
    OpenLogOptions options = options_for("/logs");
    options.clean = clean;
    log = must(open_log(files, clock, options));
    log->set_high_watermark(log->log_end_offset());
  }
  void produce(ProducerId producer, std::int32_t sequence) {
    must(append(*log, make_produced(producer, 0, sequence, 1, true)));
  }
  void mark(ProducerId producer, bool commit) {
    must(append(*log, make_marker(producer, 0, commit), 0, AppendOrigin::kCoordinator));
    log->set_high_watermark(log->log_end_offset());
  }
  /// 0 and 1 of the one, 2 of the other that commits at 3; the abort at 4.
  void fill() {
    open(true);
    produce(aborting, 0);
    produce(aborting, 1);
    produce(other, 0);
    mark(other, true);
    must(log->sync());
    mark(aborting, false);
  }
  /// What a consumer of committed records gets.
  std::vector<std::int64_t> committed() {
    const Offset stable = log->last_stable_offset();
    std::vector<std::int64_t> offsets;
    const auto aborted = must(log->aborted_transactions(Offset(0), stable));
    const Bytes bytes = must(log->read_bytes({Offset(0), stable, 1 << 20, true, false}));
    protocol::BatchCursor cursor(bytes);
    while (auto entry = must(cursor.next())) {
      const auto batch = entry->batch();
      bool is_aborted = batch.is_control();
      for (const AbortedTransaction& one : aborted)
        is_aborted =
            is_aborted || (one.producer_id == batch.producer_id() &&
                           one.first_offset <= batch.base_offset() && batch.base_offset() < one.last_offset);
      if (!is_aborted) offsets.push_back(batch.base_offset().value());
    }
    return offsets;
  }
  void check_open_transaction() {
    CHECK(log->log_end_offset() == Offset(4));
    CHECK(log->last_stable_offset() == Offset(0));
    CHECK(committed().empty());
    CHECK(must(log->aborted_transactions(Offset(0), Offset(4))).empty());
    const auto producers = log->active_producers();
    REQUIRE(producers.size() == 2);
    CHECK(producers[0].current_transaction_start == Offset(0));
    CHECK(producers[1].current_transaction_start == kNoOffset);
  }
  /// The coordinator, which got no answer or leads anew, writes its marker again.
  void check_ended() {
    mark(aborting, false);
    CHECK(log->last_stable_offset() == Offset(5));
    CHECK(committed() == std::vector<std::int64_t>{2});
    const auto aborted = must(log->aborted_transactions(Offset(0), Offset(5)));
    REQUIRE(aborted.size() == 1);
    CHECK(aborted[0].producer_id == aborting);
    CHECK(aborted[0].first_offset == Offset(0));
    CHECK(aborted[0].last_offset == Offset(4));
  }
};

TEST_CASE_METHOD(LostMarker,
                 "an abort marker that power loss took leaves its transaction open, not committed") {
  fill();
  CHECK(committed() == std::vector<std::int64_t>{2});
  log.reset();
  files.crash();
  open(false);
  check_open_transaction();
  SECTION("the next marker aborts it") {
    check_ended();
  }
  SECTION("and so after other starts, clean or not") {
    must(log->close());
    open(true);
    check_open_transaction();
    open(false);
    check_open_transaction();
    check_ended();
    open(false);
    CHECK(log->last_stable_offset() == Offset(5));
    CHECK(committed() == std::vector<std::int64_t>{2});
  }
}

TEST_CASE_METHOD(LostMarker, "an abort marker that is torn at any length leaves its transaction open") {
  fill();
  log.reset();
  const std::string path = "/logs/t-0/00000000000000000000.log";
  auto file = must(files.open(path, OpenMode::kReadWrite));
  const std::uint64_t whole = must(file->size());
  const std::uint64_t marker = make_marker(aborting, 0, false).size();
  const std::string content = must(files.read_file(path));
  for (std::uint64_t lost = 1; lost <= marker; ++lost) {
    CAPTURE(lost);
    must(file->truncate(0));
    must(file->write_at(0, as_bytes(content)));
    must(file->truncate(whole - lost));
    open(false);
    check_open_transaction();
  }
  check_ended();
}

TEST_CASE_METHOD(LostMarker,
                 "an abort marker that a truncation takes is taken out of the transaction index") {
  fill();
  must(log->truncate_to(Offset(4)));
  check_open_transaction();
  SECTION("the new leader's commit is what counts then") {
    mark(aborting, true);
    CHECK(log->last_stable_offset() == Offset(5));
    CHECK(committed() == std::vector<std::int64_t>{0, 1, 2});
    CHECK(must(log->aborted_transactions(Offset(0), Offset(5))).empty());
  }
  SECTION("or its abort") {
    check_ended();
  }
}

}  // namespace
}  // namespace barnabas::log

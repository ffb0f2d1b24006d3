// A disk that is full when a transaction's marker comes: the index of aborted transactions has no room for
// it.
#include <utility>
#include <vector>

#include "base/memory_file_system.hpp"
#include "log/log_testing.hpp"

namespace barnabas::log {
namespace {

using namespace testing;

struct Disk {
  MemoryFileSystem files;
  StillClock clock;
  LogConfig config;

  Disk() {
    config.segment_bytes = 700;
    must(files.create_directories("/logs"));
    must(files.sync_directory("/"));
  }
  Result<std::unique_ptr<PartitionLog>> open(bool clean) {
    OpenLogOptions options = options_for("/logs", config);
    options.clean = clean;
    return open_log(files, clock, options);
  }
};

/// A log in which every transaction is aborted, and what it must say of that.
struct AbortingWorkload : Disk {
  std::unique_ptr<PartitionLog> log;
  std::vector<std::int64_t> taken;  // base offsets
  std::vector<std::pair<std::int64_t, std::int64_t>> aborted;
  int refused = 0;

  /// Whoever is refused comes again.
  std::int64_t take(const Bytes& batch, AppendOrigin origin = AppendOrigin::kClient) {
    auto done = append(*log, batch, 0, origin);
    if (!done) {
      ++refused;
      done = append(*log, batch, 0, origin);
    }
    REQUIRE(done);
    taken.push_back(done->base_offset.value());
    return taken.back();
  }
  void run() {
    for (int i = 0; i < 12; ++i) {
      const ProducerId id(5 + i % 2);
      const std::int64_t first = take(make_produced(id, 0, i / 2, 1, true));
      aborted.emplace_back(first, take(make_marker(id, 0, false), AppendOrigin::kCoordinator));
    }
  }
  void check(PartitionLog& of) const {
    of.set_high_watermark(of.log_end_offset());
    CHECK(base_offsets(of) == taken);
    CHECK(of.last_stable_offset() == of.log_end_offset());
    std::vector<std::pair<std::int64_t, std::int64_t>> told;
    for (const AbortedTransaction& one : must(of.aborted_transactions(Offset(0), of.log_end_offset())))
      told.emplace_back(one.first_offset.value(), one.last_offset.value());
    CHECK(told == aborted);
  }
};

TEST_CASE("a disk that is full at any one call costs the marker that met it and nothing else") {
  for (bool clean : {true, false}) {
    bool struck = true;
    for (std::uint64_t n = 1; struck; ++n) {
      INFO("call " << n << (clean ? ", clean" : ", unclean"));
      AbortingWorkload work;
      work.log = must(work.open(true));
      work.files.fail_nth_call(n, ENOSPC);
      work.run();
      struck = work.files.fault_struck();
      work.files.fail_nth_call(0);
      CHECK(work.refused <= 1);
      work.check(*work.log);
      if (clean) must(work.log->close());
      work.log = must(work.open(clean));
      work.check(*work.log);
    }
  }
}

TEST_CASE("a follower whose disk is full at any one call goes on with what it did not take") {
  AbortingWorkload leader;
  leader.config.segment_bytes = 1 << 20;
  leader.log = must(leader.open(true));
  leader.run();
  bool struck = true;
  for (std::uint64_t n = 1; struck; ++n) {
    INFO("call " << n);
    Disk work;
    work.config.segment_bytes = 1 << 20;
    auto log = must(work.open(true));
    work.files.fail_nth_call(n, ENOSPC);
    for (int i = 0; i < 2 && log->log_end_offset() < leader.log->log_end_offset(); ++i)
      (void)log->append_as_follower(read_bytes(*leader.log, log->log_end_offset().value()));
    struck = work.files.fault_struck();
    work.files.fail_nth_call(0);
    leader.check(*log);
    must(log->close());
    log = must(work.open(true));
    leader.check(*log);
  }
}

}  // namespace
}  // namespace barnabas::log

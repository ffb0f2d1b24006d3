// The scrub over partitions on a disk in memory: what rots under a running node is found, told, and not
// served.
#include "broker/drivers/log_scrub.hpp"

#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"
#include "broker/drivers/segment_source.hpp"
#include "protocol/control_record.hpp"
#include "protocol/messages/api_fetch.hpp"

namespace barnabas::broker::testing {
namespace {

using std::chrono::hours;
using std::chrono::nanoseconds;

struct Scrubbed {
  ApiFixture node;
  std::unique_ptr<LogScrub> scrub;
  std::uint64_t batch_size = 0;

  explicit Scrubbed(std::uint64_t bytes_per_second = 1000) {
    (void)node.create_topic("t", 2, {{"segment.bytes", "1048576"}});
    LogScrub::Options options;
    options.bytes_per_second = bytes_per_second;
    scrub = std::make_unique<LogScrub>(node.clock, *node.replicas, node.metrics, options);
  }
  void roll(int partition = 0) {
    node.find("t", partition).with_log([](log::PartitionLog& log) { demand(log.roll()); });
  }
  /// Segments of three batches of a record each, the last one active.
  void fill(int partition, int segments) {
    for (int i = 0; i < segments; ++i) {
      if (i > 0) roll(partition);
      for (int n = 0; n < 3; ++n) (void)node.append("t", partition, 1);
    }
    batch_size = node.find("t", partition).with_log([](log::PartitionLog& log) { return log.size_bytes(); }) /
                 static_cast<std::uint64_t>(3 * segments);
  }
  void corrupt(int partition, std::int64_t offset, std::uint64_t at, std::string_view suffix = ".log") {
    const std::int64_t segment = offset / 3 * 3;
    node.find("t", partition).with_log([&](log::PartitionLog& log) {
      const std::string name = fmt::format("{}/{:020}{}", log.directory(), segment, suffix);
      demand(node.files.corrupt(name, static_cast<std::uint64_t>(offset - segment) * batch_size + at, 1));
    });
  }
  /// What a read from there gives: the offset of its first batch, or the error.
  std::int64_t read(int partition, std::int64_t offset) {
    return node.find("t", partition).with_log([&](log::PartitionLog& log) -> std::int64_t {
      const auto found = log.read({Offset(offset), log.log_end_offset(), 1, true, false});
      return found ? found->first_batch_offset.value() : -static_cast<std::int64_t>(found.error().code);
    });
  }
  nanoseconds pass() {
    const std::uint64_t before = passes();
    nanoseconds rested{0};
    while (passes() == before) {
      const nanoseconds rest = scrub->step();
      rested += rest;
      node.world.run_until(node.clock.monotonic() + rest);
    }
    return rested;
  }
  std::uint64_t passes() { return node.metrics.counter("barnabas_log_scrub_passes_total").value(); }
  std::uint64_t bytes() { return node.metrics.counter("barnabas_log_scrub_bytes_total").value(); }
  std::int64_t found() { return node.metrics.gauge("barnabas_log_scrub_corrupt_places").value(); }
};

TEST_CASE("a pass reads every closed segment once, at its rate, and the next begins a day later") {
  Scrubbed at;
  at.fill(0, 3);
  at.fill(1, 2);
  const nanoseconds begun = at.node.clock.monotonic();
  (void)at.pass();
  CHECK(at.bytes() == 9 * at.batch_size);  // two segments of the one and one of the other
  CHECK(at.found() == 0);
  CHECK(at.node.metrics.gauge("barnabas_log_scrub_last_pass_timestamp_seconds").value() > 0);
  CHECK(at.node.clock.monotonic() - begun == hours(24));
  (void)at.scrub->step();
  CHECK(at.bytes() > 9 * at.batch_size);
}

TEST_CASE("the scrub rests as long as what it read takes at its rate") {
  Scrubbed at(100);
  at.fill(0, 2);
  const nanoseconds rest = at.scrub->step();
  CHECK(rest == std::chrono::milliseconds(3 * at.batch_size * 10));
}

TEST_CASE("what rots under a running node is found, told and refused; what is beside it is served") {
  Scrubbed at;
  at.fill(0, 4);
  const auto where = GENERATE(0U, 7U, 9U, 14U, 16U, 20U, 40U, 62U);
  CAPTURE(where);
  at.corrupt(0, 4, where);
  (void)at.pass();
  CHECK(at.found() >= 1);
  for (std::int64_t offset = 0; offset < 12; ++offset) {
    CAPTURE(offset);
    const std::int64_t given = at.read(0, offset);
    if (offset < 3 || offset >= 6) CHECK(given == offset);
    // Beside a wrong base offset or epoch the batch before is held unsound, and behind a wrong length all.
    if (offset == 4) CHECK(given == -static_cast<std::int64_t>(ErrorCode::kCorruptMessage));
    CHECK((given == offset || given == -static_cast<std::int64_t>(ErrorCode::kCorruptMessage)));
  }
  at.corrupt(0, 4, where);  // as it was
  (void)at.pass();
  CHECK(at.found() == 0);
  for (std::int64_t offset = 0; offset < 12; ++offset) CHECK(at.read(0, offset) == offset);
}

/// Another replica: the batches as they were before they rotted.
struct OtherReplica final : SegmentSource {
  Bytes batches_of_log;
  std::uint64_t batch_size = 0;
  int asked = 0;
  std::optional<Error> refusal;

  Result<Bytes> batches(const TopicPartition&, TopicId, Offset from) override {
    ++asked;
    if (refusal) return std::unexpected(*refusal);
    // Two batches and a half at a time.
    ByteView rest = ByteView(batches_of_log).subspan(static_cast<std::size_t>(from.value()) * batch_size);
    return to_bytes(rest.first(std::min<std::size_t>(rest.size(), batch_size * 5 / 2)));
  }
  void give_up() override {}
};

TEST_CASE("what rots under a running node is written anew from another replica") {
  OtherReplica other;  // outlives the scrub
  Scrubbed at;
  at.fill(0, 4);
  other.batch_size = at.batch_size;
  other.batches_of_log = at.node.find("t", 0).with_log([](log::PartitionLog& log) {
    return demand(log.read_bytes({Offset(0), log.log_end_offset(), 1 << 20, true, false}));
  });
  LogScrub::Options options;
  options.bytes_per_second = 1000;
  at.scrub = std::make_unique<LogScrub>(at.node.clock, *at.node.replicas, at.node.metrics, options, &other);
  (void)at.pass();
  CHECK(other.asked == 0);

  at.corrupt(0, 4, 62);
  other.refusal = Error{ErrorCode::kReplicaNotAvailable, "no other replica is in sync"};
  (void)at.pass();
  CHECK(at.found() == 1);
  CHECK(at.read(0, 4) == -static_cast<std::int64_t>(ErrorCode::kCorruptMessage));
  Counter& repaired = at.node.metrics.counter("barnabas_log_repaired_segments_total");
  CHECK(repaired.value() == 0);

  other.refusal.reset();
  (void)at.pass();
  CHECK(at.found() == 0);
  CHECK(repaired.value() == 1);
  for (std::int64_t offset = 0; offset < 12; ++offset) CHECK(at.read(0, offset) == offset);
  other.asked = 0;
  (void)at.pass();
  CHECK(other.asked == 0);
}

TEST_CASE("a transaction index that rots under a running node is found") {
  Scrubbed at;
  const ProducerId producer(7);
  at.node.find("t", 0).with_log([&](log::PartitionLog& log) {
    protocol::BatchOptions how;
    how.producer_id = producer;
    how.producer_epoch = ProducerEpoch(0);
    how.base_sequence = 0;
    how.is_transactional = true;
    protocol::RecordBatchBuilder builder(how);
    builder.append({1'700'000'000'000, as_bytes("key"), as_bytes("value"), {}});
    (void)demand(log.append_as_follower(builder.build()));
    Bytes marker = protocol::make_end_txn_batch(how, 1'700'000'000'000, protocol::ControlType::kAbort, {0});
    protocol::set_base_offset(marker, Offset(1));
    (void)demand(log.append_as_follower(marker));
    demand(log.roll());
  });
  (void)at.pass();
  CHECK(at.found() == 0);
  at.corrupt(0, 0, 9, ".txnindex");
  (void)at.pass();
  CHECK(at.found() == 1);
  at.node.find("t", 0).with_log([&](log::PartitionLog& log) {
    const auto aborted = log.aborted_transactions(Offset(0), Offset(2));
    REQUIRE_FALSE(aborted);
    CHECK(aborted.error().code == ErrorCode::kCorruptMessage);
  });
}

TEST_CASE("a segment that is cut or deleted while it is read is not held broken") {
  Scrubbed at;
  at.fill(0, 3);
  const auto taken = at.node.find("t", 0).with_log(
      [](log::PartitionLog& log) { return *log.closed_segment_from(Offset(0)); });
  at.node.find("t", 0).with_log([&](log::PartitionLog& log) {
    demand(log.truncate_to(Offset(1)));
    CHECK_FALSE(log.is_broken(taken, at.batch_size));
    CHECK_FALSE(log.closed_segment_from(Offset(0)));
  });
  (void)at.pass();
  CHECK(at.found() == 0);
}

TEST_CASE("a scrub that is off starts no thread, one that is on stops when told") {
  Scrubbed off(0);
  off.fill(0, 2);
  off.scrub->start();
  off.scrub->stop();
  CHECK(off.bytes() == 0);
  Scrubbed on(1 << 20);
  on.fill(0, 2);
  on.scrub->start();
  while (on.passes() == 0) std::this_thread::yield();
  on.scrub->stop();
  CHECK(on.bytes() == 3 * on.batch_size);
}

}  // namespace
}  // namespace barnabas::broker::testing

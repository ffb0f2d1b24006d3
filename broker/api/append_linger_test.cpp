// group.coordinator.append.linger.ms: how long commits wait for others, to be written with them.
#include <catch2/catch.hpp>

#include "broker/api/transaction_fixture.hpp"
#include "protocol/messages/api_offset_commit.hpp"

namespace barnabas::broker::testing {
namespace {

using namespace std::chrono_literals;
using protocol::OffsetCommitRequest;
using protocol::OffsetCommitResponse;

struct Committing : TransactionNode {
  explicit Committing(const std::string& linger_ms)
      : TransactionNode(
            {{"group.coordinator.append.linger.ms", linger_ms}, {"offsets.topic.num.partitions", "1"}}) {}

  Call commit(std::int64_t offset) {
    OffsetCommitRequest request;
    request.group_id = "g";
    request.topics.emplace_back().name = "t";
    request.topics.back().partitions.emplace_back().committed_offset = offset;
    return start(request, 8);
  }
  void run(std::chrono::nanoseconds time) { world.run_until(clock.monotonic() + time); }
  std::int64_t batches() {
    return find("__consumer_offsets", 0).with_log([](log::PartitionLog& log) {
      std::int64_t count = 0;
      log::ReadOptions options;
      options.up_to = log.log_end_offset();
      options.max_bytes = 1 << 20;
      const Bytes bytes = demand(log.read_bytes(options));
      protocol::BatchCursor cursor(bytes);
      while (demand(cursor.next())) ++count;
      return count;
    });
  }
};

TEST_CASE("commits within the linger are one batch, and are answered when it is over") {
  Committing node("50");
  const Call first = node.commit(1);
  node.run(30ms);
  const Call second = node.commit(2);
  node.run(19ms);
  CHECK(first->answers + second->answers == 0);
  CHECK(node.batches() == 0);
  node.run(2ms);
  CHECK(first->answers == 1);
  CHECK(second->answers == 1);
  CHECK(node.batches() == 1);
  CHECK(node.committed(false).committed_offset == 2);
  // The next ones wait for themselves.
  const Call third = node.commit(3);
  node.run(49ms);
  CHECK(third->answers == 0);
  node.run(2ms);
  CHECK(third->answers == 1);
  CHECK(node.batches() == 2);
}

TEST_CASE("without a linger each commit is a batch of its own") {
  Committing node("0");
  const Call first = node.commit(1);
  const Call second = node.commit(2);
  node.run(1ms);
  CHECK(first->answers == 1);
  CHECK(second->answers == 1);
  CHECK(node.batches() == 2);
}

TEST_CASE("by default commits that have come are one batch, and none waits for those to come") {
  Committing node("-1");
  const Call first = node.commit(1);
  const Call second = node.commit(2);
  node.run(1ms);
  CHECK(first->answers == 1);
  CHECK(second->answers == 1);
  CHECK(node.batches() == 1);
}

}  // namespace
}  // namespace barnabas::broker::testing

#include "broker/replica/fetcher_state.hpp"

#include <catch2/catch.hpp>

#include "base/memory_file_system.hpp"
#include "base/simulated_clock.hpp"
#include "log/log_manager.hpp"
#include "protocol/record_batch_builder.hpp"

namespace barnabas::broker {
namespace {

using namespace std::chrono_literals;
using Ask = FetcherState::Ask;
using protocol::FetchRequest;
using protocol::FetchResponse;
using protocol::ListOffsetsResponse;

class NoBrokers final : public BrokerView {
 public:
  [[nodiscard]] std::int64_t epoch_of(BrokerId) const override { return -1; }
  [[nodiscard]] bool is_active(BrokerId) const override { return false; }
};

Bytes batch(std::int64_t offset, std::int32_t epoch, int count = 1) {
  protocol::BatchOptions options;
  options.base_offset = Offset(offset);
  options.leader_epoch = LeaderEpoch(epoch);
  protocol::RecordBatchBuilder builder(options);
  for (int i = 0; i < count; ++i) {
    protocol::RecordInput record;
    record.timestamp = 1000;
    record.value = as_bytes("value");
    builder.append(record);
  }
  return builder.build();
}

/// A fetcher of broker 2 from broker 1, of the partitions t-0, t-1, ...
struct Fetching {
  Fetching() { clock.advance_to(100s); }

  std::shared_ptr<Partition> follow(std::int32_t index, std::int32_t epoch) {
    std::shared_ptr<Partition>& partition = partitions[index];
    if (!partition) {
      log::OpenLogOptions options;
      options.topic_partition = {"t", PartitionIndex(index)};
      options.directory = "/logs/" + to_string(options.topic_partition);
      options.topic_id = topic;
      auto log = log::open_log(files, clock, options);
      REQUIRE(log.has_value());
      partition = std::make_shared<Partition>(std::move(*log), topic, surroundings);
    }
    kraft::PartitionRegistration metadata;
    metadata.replicas = metadata.isr = {BrokerId(1), BrokerId(2)};
    metadata.leader = BrokerId(1);
    metadata.leader_epoch = LeaderEpoch(epoch);
    metadata.partition_epoch = ++partition_epoch;
    REQUIRE(partition->become_follower(metadata));
    state.follow(partition, LeaderEpoch(epoch), clock.monotonic());
    return partition;
  }
  FetcherState::Next next() { return state.next(clock.monotonic(), 77); }
  FetchRequest::FetchPartition asked(const FetchRequest& request, std::int32_t index) {
    for (const auto& one : request.topics)
      for (const auto& partition : one.partitions)
        if (partition.partition == index) return partition;
    FAIL("partition " << index << " is not asked for");
    return {};
  }
  FetchResponse::PartitionData data(std::int32_t index, ByteView records = {},
                                    std::int64_t high_watermark = 0) {
    FetchResponse::PartitionData one;
    one.partition_index = index;
    one.high_watermark = high_watermark;
    one.log_start_offset = 0;
    one.records = protocol::Records{records};
    return one;
  }
  FetchResponse::PartitionData error(std::int32_t index, ErrorCode code) {
    auto one = data(index);
    one.error_code = static_cast<std::int16_t>(code);
    return one;
  }
  void answer(std::vector<FetchResponse::PartitionData> told) {
    FetchResponse response;
    response.session_id = 5;
    response.responses.emplace_back().topic_id = topic.value();
    response.responses[0].partitions = std::move(told);
    state.on_fetched(response, clock.monotonic());
  }
  void answer_offsets(std::vector<std::int64_t> offsets) {
    ListOffsetsResponse response;
    auto& told = response.topics.emplace_back();
    told.name = "t";
    for (std::size_t at = 0; at < offsets.size(); ++at) {
      auto& one = told.partitions.emplace_back();
      one.partition_index = static_cast<std::int32_t>(at);
      one.offset = offsets[at];
    }
    state.on_offsets(response, clock.monotonic());
  }
  static std::int64_t end(Partition& partition) {
    return partition.with_log([](log::PartitionLog& log) { return log.log_end_offset().value(); });
  }

  SimulatedClock clock;
  MemoryFileSystem files;
  NoBrokers brokers;
  PartitionSurroundings surroundings{BrokerId(2), clock, brokers, nullptr, 30s};
  ReplicationQuota quota{clock};
  FetcherState state{{.self = BrokerId(2), .leader = BrokerId(1), .backoff = 1s}, quota};
  TopicId topic{Uuid::of_low(200)};
  std::map<std::int32_t, std::shared_ptr<Partition>> partitions;
  std::int32_t partition_epoch = 0;
};

TEST_CASE("with nobody to follow nothing is asked") {
  Fetching at;
  const auto next = at.next();
  CHECK(next.ask == Ask::kNothing);
  CHECK_FALSE(next.until);
}

TEST_CASE("what is fetched is appended, and the next request goes on behind it") {
  Fetching at;
  const auto first = at.follow(0, 3);
  at.follow(1, 4);
  auto next = at.next();
  REQUIRE(next.ask == Ask::kFetch);
  CHECK(next.fetch.replica_state.replica_id == 2);
  CHECK(next.fetch.replica_state.replica_epoch == 77);
  CHECK(at.asked(next.fetch, 0).current_leader_epoch == 3);
  CHECK(at.asked(next.fetch, 1).current_leader_epoch == 4);
  CHECK(at.asked(next.fetch, 0).last_fetched_epoch == -1);
  const Bytes records = batch(0, 2, 5);
  at.answer({at.data(0, records, 3), at.data(1)});
  CHECK(at.end(*first) == 5);
  CHECK(first->with_log([](log::PartitionLog& log) { return log.high_watermark(); }) == Offset(3));
  CHECK(at.state.max_lag() == 0);
  next = at.next();
  REQUIRE(next.fetch.topics.size() == 1);
  REQUIRE(next.fetch.topics[0].partitions.size() == 1);
  CHECK(at.asked(next.fetch, 0).fetch_offset == 5);
  CHECK(at.asked(next.fetch, 0).last_fetched_epoch == 2);
}

TEST_CASE("where the logs part the follower's is cut, as often as it takes") {
  Fetching at;
  const auto partition = at.follow(0, 1);
  (void)at.next();
  Bytes records;
  for (const auto& [offset, epoch] : {std::pair(0, 1), std::pair(1, 3), std::pair(2, 5)}) {
    const Bytes one = batch(offset, epoch);
    records.insert(records.end(), one.begin(), one.end());
  }
  at.answer({at.data(0, records, 1)});
  CHECK(at.end(*partition) == 3);
  at.follow(0, 9);
  CHECK(at.asked(at.next().fetch, 0).last_fetched_epoch == 5);
  // The leader has epoch 4 up to 2, which this log never had: what is behind epoch 3 goes.
  auto diverging = at.data(0);
  diverging.diverging_epoch = {4, 2};
  at.answer({diverging});
  CHECK(at.end(*partition) == 2);
  auto next = at.next();
  CHECK(at.asked(next.fetch, 0).fetch_offset == 2);
  CHECK(at.asked(next.fetch, 0).last_fetched_epoch == 3);
  diverging.diverging_epoch = {1, 1};
  at.answer({diverging});
  CHECK(at.end(*partition) == 1);
  CHECK(at.asked(at.next().fetch, 0).last_fetched_epoch == 1);
}

TEST_CASE("an error that passes delays one replica, and the others go on") {
  for (const ErrorCode code : {ErrorCode::kNotLeaderOrFollower, ErrorCode::kUnknownLeaderEpoch,
                               ErrorCode::kUnknownTopicId, ErrorCode::kUnknownServerError}) {
    Fetching at;
    at.follow(0, 1);
    at.follow(1, 1);
    (void)at.next();
    at.answer({at.error(0, code), at.data(1)});
    auto next = at.next();
    REQUIRE(next.ask == Ask::kFetch);
    CHECK(next.fetch.topics.empty());
    REQUIRE(next.fetch.forgotten_topics_data.size() == 1);
    CHECK(next.fetch.forgotten_topics_data[0].partitions == std::vector<std::int32_t>{0});
    at.answer({});
    at.clock.advance_to(at.clock.monotonic() + 1s);
    CHECK(at.asked(at.next().fetch, 0).fetch_offset == 0);
    CHECK(at.state.failed_count() == 0);
  }
}

TEST_CASE("alone and delayed a replica is looked at again when its time has come") {
  Fetching at;
  at.follow(0, 1);
  (void)at.next();
  at.state.on_failure({ErrorCode::kNetworkException, "gone"}, at.clock.monotonic());
  const auto next = at.next();
  CHECK(next.ask == Ask::kNothing);
  REQUIRE(next.until);
  CHECK(*next.until > at.clock.monotonic());
  CHECK(*next.until <= at.clock.monotonic() + 1s);
  at.clock.advance_to(*next.until);
  CHECK(at.next().fetch.session_epoch == 0);
}

TEST_CASE("the time between tries grows up to the configured one, and is short again after a success") {
  Fetching at;
  at.follow(0, 1);
  const auto wait = [&] {
    (void)at.next();
    at.answer({at.error(0, ErrorCode::kUnknownLeaderEpoch)});
    auto next = at.next();
    if (next.ask == Ask::kFetch) {  // tells the leader to forget it
      at.answer({});
      next = at.next();
    }
    REQUIRE(next.until);
    const auto waited = *next.until - at.clock.monotonic();
    at.clock.advance_to(*next.until);
    return waited;
  };
  CHECK(wait() == 20ms);
  CHECK(wait() == 40ms);
  for (int i = 0; i < 20; ++i) (void)wait();
  CHECK(wait() == 1s);
  (void)at.next();
  at.answer({at.data(0)});
  CHECK(wait() == 20ms);
}

TEST_CASE("a leader epoch that is over waits for the metadata") {
  Fetching at;
  at.follow(0, 1);
  (void)at.next();
  at.answer({at.error(0, ErrorCode::kFencedLeaderEpoch)});
  CHECK(at.state.failed_count() == 1);
  (void)at.next();
  at.clock.advance_to(at.clock.monotonic() + 1h);
  at.answer({});
  CHECK(at.next().ask == Ask::kNothing);
  at.follow(0, 2);
  CHECK(at.state.failed_count() == 0);
  CHECK(at.asked(at.next().fetch, 0).current_leader_epoch == 2);
}

TEST_CASE("records that came damaged are not taken, and are asked for again") {
  Fetching at;
  const auto partition = at.follow(0, 1);
  (void)at.next();
  Bytes records = batch(0, 1);
  records.back() ^= 1;
  at.answer({at.data(0, records, 1)});
  CHECK(at.end(*partition) == 0);
  CHECK(at.state.failed_count() == 0);
  (void)at.next();
  at.answer({});
  at.clock.advance_to(at.clock.monotonic() + 1s);
  CHECK(at.asked(at.next().fetch, 0).fetch_offset == 0);
}

TEST_CASE("an answer to what was asked before another leader was followed is void") {
  Fetching at;
  const auto partition = at.follow(0, 1);
  (void)at.next();
  at.follow(0, 2);
  const Bytes records = batch(0, 1);
  at.answer({at.data(0, records, 1)});
  CHECK(at.end(*partition) == 0);
  at.state.forget(*partition);
  at.answer({at.data(0, records, 1)});
  CHECK(at.state.empty());
}

TEST_CASE("a replica out of range is fitted into the leader's log") {
  struct Case {
    std::int64_t leader_start;
    std::int64_t leader_end;
    std::int64_t expected_end;
  };
  for (const Case& one : {Case{0, 3, 3}, Case{20, 30, 20}, Case{2, 30, 5}}) {
    Fetching at;
    const auto partition = at.follow(0, 1);
    (void)at.next();
    Bytes records;
    for (int i = 0; i < 5; ++i) {
      const Bytes next = batch(i, 1);
      records.insert(records.end(), next.begin(), next.end());
    }
    at.answer({at.data(0, records, 0)});
    (void)at.next();
    at.answer({at.error(0, ErrorCode::kOffsetOutOfRange)});
    auto next = at.next();
    REQUIRE(next.ask == Ask::kOffsets);
    CHECK(next.offsets.replica_id == 2);
    CHECK(next.offsets.topics.at(0).partitions.at(0).timestamp == -1);
    CHECK(next.offsets.topics[0].partitions[0].current_leader_epoch == 1);
    at.answer_offsets({one.leader_end});
    next = at.next();
    REQUIRE(next.ask == Ask::kOffsets);
    CHECK(next.offsets.topics.at(0).partitions.at(0).timestamp == -2);
    at.answer_offsets({one.leader_start});
    CHECK(at.end(*partition) == one.expected_end);
    CHECK(at.asked(at.next().fetch, 0).fetch_offset == one.expected_end);
  }
}

TEST_CASE("an empty log may begin in the middle of the leader's first batch") {
  Fetching at;
  const auto partition = at.follow(0, 1);
  (void)partition->follow_range(LeaderEpoch(1), Offset(7), Offset(30));
  at.follow(0, 2);
  CHECK(at.asked(at.next().fetch, 0).fetch_offset == 7);
  const Bytes records = batch(5, 1, 4);
  auto told = at.data(0, records, 9);
  told.log_start_offset = 7;
  at.answer({told});
  CHECK(at.end(*partition) == 9);
  CHECK(partition->with_log([](log::PartitionLog& log) { return log.log_start_offset(); }) == Offset(7));
}

TEST_CASE("a throttled replica that is not in sync is left out while the quota is exceeded") {
  Fetching at;
  at.quota.set_limit(10);
  at.quota.set_throttled("t", {.all = false, .partitions = {PartitionIndex(0)}});
  at.follow(0, 1);
  at.follow(1, 1);
  (void)at.next();
  const Bytes records = batch(0, 1);
  at.answer({at.data(0, records, 100), at.data(1, records, 100)});
  auto next = at.next();
  REQUIRE(next.ask == Ask::kFetch);
  REQUIRE(next.fetch.topics.size() == 1);
  REQUIRE(next.fetch.topics[0].partitions.size() == 1);
  CHECK(next.fetch.topics[0].partitions[0].partition == 1);
  at.answer({});
  at.clock.advance_to(at.clock.monotonic() + 30s);
  CHECK(at.asked(at.next().fetch, 0).fetch_offset == 1);
}

TEST_CASE("a dead disk sets its replica aside") {
  Fetching at;
  const auto partition = at.follow(0, 1);
  (void)at.next();
  at.files.break_path("/logs");
  const Bytes records = batch(0, 1);
  at.answer({at.data(0, records, 0)});
  CHECK(at.state.failed_count() == 1);
}

}  // namespace
}  // namespace barnabas::broker

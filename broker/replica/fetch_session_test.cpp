#include "broker/replica/fetch_session.hpp"

#include <catch2/catch.hpp>

#include "base/memory_file_system.hpp"
#include "log/log_manager.hpp"
#include "protocol/record_batch_builder.hpp"

namespace barnabas::broker {
namespace {

using protocol::FetchRequest;

class TestClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { return 0; }
  [[nodiscard]] std::chrono::nanoseconds monotonic() const override { return now; }
  std::chrono::nanoseconds now{};
};

using Indexes = std::vector<std::int32_t>;

FetchRequest request_of(std::int32_t session_id, std::int32_t epoch, std::vector<std::int32_t> partitions,
                        const std::string& topic = "t") {
  FetchRequest request;
  request.session_id = session_id;
  request.session_epoch = epoch;
  if (partitions.empty()) return request;
  auto& asked = request.topics.emplace_back();
  asked.topic = topic;
  for (std::int32_t index : partitions) {
    FetchRequest::FetchPartition partition;
    partition.partition = index;
    partition.fetch_offset = 10 * index;
    asked.partitions.push_back(partition);
  }
  return request;
}

std::vector<std::int32_t> indexes(const std::vector<FetchedPartition*>& partitions) {
  std::vector<std::int32_t> found;
  for (const FetchedPartition* partition : partitions) found.push_back(partition->partition.value());
  return found;
}

struct Fixture {
  static constexpr std::size_t kSlots = 8;  // one in each shard
  TestClock clock;
  SeededRandom random{1};
  FetchSessionCache cache{clock, random, kSlots};

  FetchPlan fetch(const FetchRequest& request, std::int16_t version = 12) {
    FetchPlan plan = cache.begin(request, version);
    cache.finish(plan);
    return plan;
  }
};

TEST_CASE("versions below 7 and the final epoch have no session") {
  Fixture f;
  CHECK(f.fetch(request_of(0, kInitialFetchEpoch, {0}), 6).session_id() == kNoFetchSession);
  CHECK(f.fetch(request_of(0, kFinalFetchEpoch, {0})).session_id() == kNoFetchSession);
  CHECK(f.cache.size() == 0);
}

TEST_CASE("a session remembers its partitions and takes over changes") {
  Fixture f;
  FetchPlan first = f.fetch(request_of(0, kInitialFetchEpoch, {0, 1, 2}));
  REQUIRE(first.session_id() != kNoFetchSession);
  CHECK_FALSE(first.incremental);
  FetchRequest change = request_of(first.session_id(), 1, {1, 3});
  change.topics[0].partitions[0].fetch_offset = 99;
  change.forgotten_topics_data.push_back({"t", {}, {0}});
  FetchPlan second = f.fetch(change);
  CHECK(second.error == ErrorCode::kNone);
  CHECK(second.incremental);
  CHECK(indexes(second.session->all()) == std::vector<std::int32_t>{1, 2, 3});
  CHECK(second.session->all().front()->fetch_offset == 99);
}

TEST_CASE("an unknown session and a wrong epoch are told apart") {
  Fixture f;
  CHECK(f.fetch(request_of(77, 1, {})).error == ErrorCode::kFetchSessionIdNotFound);
  const std::int32_t id = f.fetch(request_of(0, kInitialFetchEpoch, {0})).session_id();
  CHECK(f.fetch(request_of(id, 2, {})).error == ErrorCode::kInvalidFetchSessionEpoch);
  CHECK(f.fetch(request_of(id, 1, {})).error == ErrorCode::kNone);
  CHECK(f.fetch(request_of(id, 1, {})).error == ErrorCode::kInvalidFetchSessionEpoch);
  CHECK(f.fetch(request_of(id, 2, {})).error == ErrorCode::kNone);
}

TEST_CASE("a session of topic names refuses a request with topic ids") {
  Fixture f;
  const std::int32_t id = f.fetch(request_of(0, kInitialFetchEpoch, {0}), 12).session_id();
  CHECK(f.fetch(request_of(id, 1, {}), 13).error == ErrorCode::kFetchSessionTopicIdError);
}

TEST_CASE("a session in use is not handed out a second time") {
  Fixture f;
  const std::int32_t id = f.fetch(request_of(0, kInitialFetchEpoch, {0})).session_id();
  FetchPlan held = f.cache.begin(request_of(id, 1, {}), 12);
  CHECK(f.cache.begin(request_of(id, 2, {}), 12).error == ErrorCode::kInvalidFetchSessionEpoch);
  f.cache.finish(held);
  CHECK(f.fetch(request_of(id, 2, {})).error == ErrorCode::kNone);
}

/// A cache with a slot in each shard: a new session competes with the eighth before it, and with no other.
struct Crowded : Fixture {
  Crowded() : ids(kSlots) {}

  /// A first fetch of so many partitions; what became of it is its session, or none.
  std::int32_t begin(std::int32_t partitions, BrokerId follower = kNoBroker) {
    std::vector<std::int32_t> indexes;
    for (std::int32_t index = 0; index < partitions; ++index) indexes.push_back(index);
    FetchRequest request = request_of(0, kInitialFetchEpoch, indexes);
    request.replica_state.replica_id = follower.value();
    const std::int32_t id = fetch(request).session_id();
    if (id != kNoFetchSession) ids[turn] = id;
    turn = (turn + 1) % kSlots;
    return id;
  }
  /// In every shard the same.
  void begin_everywhere(std::int32_t partitions, BrokerId follower = kNoBroker) {
    for (std::size_t i = 0; i < kSlots; ++i) REQUIRE(begin(partitions, follower) != kNoFetchSession);
    epoch = 1;
  }
  void use_all(const FetchRequest& what = {}) {
    for (const std::int32_t id : ids) {
      FetchRequest request = what;
      request.session_id = id;
      request.session_epoch = epoch;
      REQUIRE(fetch(request).error == ErrorCode::kNone);
    }
    ++epoch;
  }
  void pass(std::chrono::nanoseconds time) { clock.now += time; }

  std::vector<std::int32_t> ids;  // the sessions that are there, by shard
  std::size_t turn = 0;
  std::int32_t epoch = 1;
};

constexpr BrokerId kFollower{2};
constexpr std::chrono::nanoseconds kAge = std::chrono::minutes(2);

TEST_CASE("sessions go to the shards in turn, and who comes when its shard is full has none") {
  Crowded at;
  at.begin_everywhere(3);
  CHECK(at.cache.size() == Fixture::kSlots);
  CHECK(at.begin(100) == kNoFetchSession);
  // The place of a session that was closed goes to the one new session whose turn it is.
  at.fetch(request_of(at.ids[5], kFinalFetchEpoch, {}));
  for (std::size_t shard = 1; shard < Fixture::kSlots; ++shard) {
    INFO(shard);
    CHECK((at.begin(1) != kNoFetchSession) == (shard == 5));
  }
}

TEST_CASE("with fewer slots than shards there are no sessions") {
  Fixture f;
  FetchSessionCache cache(f.clock, f.random, 7);
  for (int i = 0; i < 16; ++i)
    CHECK(cache.begin(request_of(0, kInitialFetchEpoch, {0}), 12).session_id() == kNoFetchSession);
}

TEST_CASE("a session that forgets its last partition is over, and its slot is free") {
  Crowded at;
  at.begin_everywhere(2);
  FetchRequest change = request_of(at.ids[3], 1, {});
  change.forgotten_topics_data.push_back({"t", {}, {0, 1}});
  const FetchPlan last = at.fetch(change);
  CHECK(last.error == ErrorCode::kNone);
  CHECK(last.session_id() == kNoFetchSession);
  CHECK(last.session->size() == 0);
  CHECK_FALSE(last.incremental);
  CHECK(at.fetch(request_of(at.ids[3], 2, {})).error == ErrorCode::kFetchSessionIdNotFound);
  CHECK(at.cache.size() == Fixture::kSlots - 1);
  for (std::size_t shard = 0; shard < Fixture::kSlots; ++shard) {
    INFO(shard);
    CHECK((at.begin(1) != kNoFetchSession) == (shard == 3));
  }
}

TEST_CASE("a session may begin with nothing, and is over when the next request names nothing either") {
  Fixture f;
  const std::int32_t first = f.fetch(request_of(0, kInitialFetchEpoch, {})).session_id();
  REQUIRE(first != kNoFetchSession);
  CHECK(f.fetch(request_of(first, 1, {})).session_id() == kNoFetchSession);
  CHECK(f.fetch(request_of(first, 2, {})).error == ErrorCode::kFetchSessionIdNotFound);
  const std::int32_t second = f.fetch(request_of(0, kInitialFetchEpoch, {})).session_id();
  CHECK(f.fetch(request_of(second, 1, {4})).session_id() == second);
}

TEST_CASE("a session that was not used for two minutes gives way, the one that was used least lately first") {
  Fixture f;
  FetchSessionCache cache(f.clock, f.random, 2 * Fixture::kSlots);
  const auto begin = [&](std::vector<std::int32_t> partitions) {
    const FetchPlan plan = cache.begin(request_of(0, kInitialFetchEpoch, std::move(partitions)), 12);
    cache.finish(plan);
    return plan.session_id();
  };
  const auto is_there = [&](std::int32_t id, std::int32_t epoch) {
    const FetchPlan plan = cache.begin(request_of(id, epoch, {}), 12);
    cache.finish(plan);
    return plan.error == ErrorCode::kNone;
  };
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < 2 * Fixture::kSlots; ++i) {
    f.clock.now += std::chrono::seconds(1);
    ids.push_back(begin({0, 1, 2}));
  }
  // In the first shard the session that came first is used once more.
  REQUIRE(is_there(ids[0], 1));
  f.clock.now = std::chrono::seconds(9) + kAge;
  REQUIRE(begin({0}) == kNoFetchSession);
  for (std::size_t i = 1; i < Fixture::kSlots; ++i) {
    INFO(i);
    CHECK(begin({0}) != kNoFetchSession);
    CHECK_FALSE(is_there(ids[i], 1));
    CHECK(is_there(ids[i + Fixture::kSlots], 1));
  }
  f.clock.now += std::chrono::nanoseconds(1);
  CHECK(begin({0}) != kNoFetchSession);
  CHECK_FALSE(is_there(ids[8], 1));
  CHECK(is_there(ids[0], 2));
}

TEST_CASE("a follower's session takes the place of a consumer's, whatever their age and size") {
  Crowded at;
  at.begin_everywhere(5);
  const std::vector<std::int32_t> consumers = at.ids;
  at.begin_everywhere(1, kFollower);
  for (const std::int32_t id : consumers)
    CHECK(at.fetch(request_of(id, 1, {})).error == ErrorCode::kFetchSessionIdNotFound);
  at.use_all();
  CHECK(at.begin(100, kFollower) == kNoFetchSession);
  at.pass(kAge);
  at.use_all();
  at.pass(std::chrono::seconds(1));
  at.use_all();
  CHECK(at.begin(100) == kNoFetchSession);
  CHECK(at.begin(1, kFollower) == kNoFetchSession);
  CHECK(at.begin(2, kFollower) != kNoFetchSession);
}

TEST_CASE("of the consumers the one with the fewest partitions gives way to a follower") {
  Fixture f;
  FetchSessionCache cache(f.clock, f.random, 2 * Fixture::kSlots);
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < 2 * Fixture::kSlots; ++i) {
    const bool is_small = (i < Fixture::kSlots) == (i % 2 == 0);
    const FetchPlan plan =
        cache.begin(request_of(0, kInitialFetchEpoch, is_small ? Indexes{0} : Indexes{0, 1}), 12);
    cache.finish(plan);
    ids.push_back(plan.session_id());
  }
  for (std::size_t i = 0; i < Fixture::kSlots; ++i) {
    FetchRequest request = request_of(0, kInitialFetchEpoch, {0});
    request.replica_id = kFollower.value();
    REQUIRE(cache.begin(request, 12).session_id() != kNoFetchSession);
  }
  for (std::size_t i = 0; i < 2 * Fixture::kSlots; ++i) {
    INFO(i);
    const bool is_small = (i < Fixture::kSlots) == (i % 2 == 0);
    CHECK((cache.begin(request_of(ids[i], 1, {}), 12).error == ErrorCode::kNone) == !is_small);
  }
}

TEST_CASE("a session that is used gives way to a larger one once it is two minutes old, and not before") {
  Crowded at;
  at.begin_everywhere(3);
  at.pass(kAge);
  at.use_all();
  CHECK(at.begin(4) == kNoFetchSession);
  // Its age is that of its last use.
  at.pass(std::chrono::seconds(1));
  CHECK(at.begin(4) == kNoFetchSession);
  at.use_all();
  CHECK(at.begin(2) == kNoFetchSession);
  CHECK(at.begin(3) == kNoFetchSession);
  CHECK(at.begin(4) != kNoFetchSession);
  CHECK(at.begin(4) != kNoFetchSession);
  at.pass(std::chrono::seconds(1));
  CHECK(at.begin(4) != kNoFetchSession);
  for (int i = 0; i < 5; ++i) CHECK(at.begin(1) == kNoFetchSession);
  // The one that took its place is young again.
  CHECK(at.begin(100) == kNoFetchSession);
}

TEST_CASE("a session has as many partitions as it was left with") {
  Crowded at;
  at.begin_everywhere(3);
  at.use_all(request_of(0, 0, {3, 4}));  // five now
  at.pass(kAge + std::chrono::seconds(1));
  at.use_all();
  CHECK(at.begin(5) == kNoFetchSession);
  FetchRequest fewer;
  fewer.forgotten_topics_data.push_back({"t", {}, {0, 1, 2, 3}});
  at.use_all(fewer);
  CHECK(at.begin(1) == kNoFetchSession);
  CHECK(at.begin(2) != kNoFetchSession);
}

TEST_CASE("a request whose session gave way meanwhile is answered, and the next one is told") {
  Crowded at;
  at.begin_everywhere(2);
  const std::int32_t id = at.ids[0];
  const FetchPlan held = at.cache.begin(request_of(id, 1, {}), 12);
  at.begin_everywhere(1, kFollower);
  CHECK(held.session->size() == 2);
  at.cache.finish(held);
  CHECK(at.fetch(request_of(id, 2, {})).error == ErrorCode::kFetchSessionIdNotFound);
  at.use_all();
}

TEST_CASE("a partition that was served moves behind the others") {
  Fixture f;
  FetchPlan plan = f.fetch(request_of(0, kInitialFetchEpoch, {0, 1, 2}));
  plan.session->move_to_back(*plan.session->all().front());
  CHECK(indexes(plan.session->all()) == std::vector<std::int32_t>{1, 2, 0});
}

class NoBrokers final : public BrokerView {
 public:
  [[nodiscard]] std::int64_t epoch_of(BrokerId) const override { return -1; }
  [[nodiscard]] bool is_active(BrokerId) const override { return false; }
};

/// A session of the partitions t-0, t-1 and t-2, which this node leads alone, and which have told everything.
struct Settled : Fixture {
  Settled() {
    for (std::int32_t index = 0; index < 3; ++index) {
      log::OpenLogOptions options;
      options.topic_partition = {"t", PartitionIndex(index)};
      options.directory = "/logs/" + to_string(options.topic_partition);
      auto log = log::open_log(files, clock, options);
      REQUIRE(log.has_value());
      partitions.push_back(std::make_shared<Partition>(std::move(*log), TopicId(), surroundings));
      kraft::PartitionRegistration metadata;
      metadata.replicas = metadata.isr = {BrokerId(1)};
      metadata.leader = BrokerId(1);
      partitions.back()->become_leader(metadata);
    }
    session = cache.begin(request_of(0, kInitialFetchEpoch, {0, 1, 2}), 12).session;
    REQUIRE(indexes(session->due()) == std::vector<std::int32_t>{0, 1, 2});
    settle();
  }
  /// As a fetch does that found nothing more.
  void settle() {
    for (FetchedPartition* one : std::vector(session->due())) {
      Partition& partition = *partitions.at(static_cast<std::size_t>(one->partition.value()));
      session->watch(*one, partition, partition.changes(), true);
    }
  }
  void append(std::size_t index) {
    protocol::RecordBatchBuilder builder({});
    protocol::RecordInput record;
    record.value = as_bytes("value");
    builder.append(record);
    Bytes batch = builder.build();
    REQUIRE(partitions[index]->append(batch, {}));
  }
  std::vector<std::int32_t> due() { return indexes(session->due()); }

  MemoryFileSystem files;
  NoBrokers brokers;
  PartitionSurroundings surroundings{BrokerId(1), clock, brokers, nullptr, {}};
  std::vector<std::shared_ptr<Partition>> partitions;
  std::shared_ptr<FetchSession> session;
};

TEST_CASE("only what changed or was named is due, in the session's order, until it has told everything") {
  Settled at;
  CHECK(at.due().empty());
  at.append(2);
  at.append(0);
  CHECK(at.due() == Indexes{0, 2});
  CHECK(at.due() == Indexes{0, 2});
  at.session->move_to_back(*at.session->due().front());
  CHECK(at.due() == Indexes{2, 0});
  at.session->update(request_of(0, 1, {1}));
  CHECK(at.due() == Indexes{1, 2, 0});
  at.settle();
  CHECK(at.due().empty());
  at.session->update(request_of(0, 2, {1}));
  at.append(1);
  CHECK(at.due() == Indexes{1});
  CHECK(indexes(at.session->all()) == Indexes{1, 2, 0});
}

TEST_CASE("what changed between the look and the watch is due at once") {
  Settled at;
  at.append(1);
  FetchedPartition& asked = *at.session->due().at(0);
  const PartitionChanges seen = at.partitions[1]->changes();
  at.append(1);
  int calls = 0;
  at.session->await(PartitionChange::kCommitted, [&] { ++calls; });
  at.session->watch(asked, *at.partitions[1], seen, true);
  CHECK(calls == 1);
  CHECK(at.due() == Indexes{1});
}

TEST_CASE("who waits is called once, also for what came since the last look") {
  Settled at;
  int calls = 0;
  at.append(0);
  at.session->await(PartitionChange::kCommitted, [&] { ++calls; });
  CHECK(calls == 1);
  at.settle();
  at.session->await(PartitionChange::kAppended, [&] { ++calls; });
  at.append(0);
  CHECK(calls == 1);  // a consumer's partitions tell of what is committed
  at.settle();
  at.session->await(PartitionChange::kCommitted, [&] { ++calls; });
  at.append(0);
  at.append(1);
  CHECK(calls == 2);
  at.settle();
  at.session->await(PartitionChange::kCommitted, [&] { ++calls; });
  at.session->await(PartitionChange::kCommitted, nullptr);
  at.append(0);
  CHECK(calls == 2);
}

TEST_CASE("a partition that was forgotten is not due, whatever it tells") {
  Settled at;
  at.append(0);
  at.append(1);
  FetchRequest change = request_of(0, 1, {});
  change.forgotten_topics_data.push_back({"t", {}, {0, 2}});
  at.session->update(change);
  CHECK(at.session->size() == 1);
  at.append(2);
  CHECK(at.due() == Indexes{1});
  at.session->update(request_of(0, 2, {0}));
  CHECK(at.due() == Indexes{1, 0});
}

TEST_CASE("all is due to who sees it from elsewhere, or otherwise") {
  Settled at;
  FetchView view;
  view.principal_name = "alice";
  at.session->look_from(view, {});
  CHECK(at.due() == Indexes{0, 1, 2});
  at.settle();
  at.session->look_from(view, {});
  CHECK(at.due().empty());
  view.permissions = 1;
  at.session->look_from(view, {});
  CHECK(at.due() == Indexes{0, 1, 2});
}

}  // namespace
}  // namespace barnabas::broker

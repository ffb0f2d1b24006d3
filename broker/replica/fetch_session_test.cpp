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
  TestClock clock;
  SeededRandom random{1};
  FetchSessionCache cache{clock, random, 2};

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

TEST_CASE("a full cache makes room only for who has been idle long enough") {
  Fixture f;
  const std::int32_t oldest = f.fetch(request_of(0, kInitialFetchEpoch, {0})).session_id();
  f.clock.now += std::chrono::seconds(1);
  f.fetch(request_of(0, kInitialFetchEpoch, {0}));
  CHECK(f.fetch(request_of(0, kInitialFetchEpoch, {0})).session_id() == kNoFetchSession);
  f.clock.now += std::chrono::minutes(2);
  CHECK(f.fetch(request_of(0, kInitialFetchEpoch, {0})).session_id() != kNoFetchSession);
  CHECK(f.fetch(request_of(oldest, 1, {})).error == ErrorCode::kFetchSessionIdNotFound);
  CHECK(f.cache.size() == 2);
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

using Indexes = std::vector<std::int32_t>;

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

#include "broker/replica/fetch_session.hpp"

#include <catch2/catch.hpp>

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

std::vector<std::int32_t> indexes(FetchedPartitions& partitions) {
  std::vector<std::int32_t> found;
  for (const FetchedPartition& partition : partitions) found.push_back(partition.partition.value());
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
  CHECK(indexes(second.to_fetch()) == std::vector<std::int32_t>{1, 2, 3});
  CHECK(second.to_fetch().front().fetch_offset == 99);
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
  plan.session->move_to_back(plan.to_fetch().begin());
  CHECK(indexes(plan.to_fetch()) == std::vector<std::int32_t>{1, 2, 0});
}

}  // namespace
}  // namespace barnabas::broker

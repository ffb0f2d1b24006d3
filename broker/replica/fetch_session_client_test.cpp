#include "broker/replica/fetch_session_client.hpp"

#include <catch2/catch.hpp>

#include "base/random.hpp"
#include "base/simulated_clock.hpp"
#include "broker/replica/fetch_session.hpp"

namespace barnabas::broker {
namespace {

ReplicaKey key(std::uint64_t topic, std::int32_t partition) {
  return {TopicId(Uuid::of_low(topic)), PartitionIndex(partition)};
}
FetchedFrom from(std::int64_t offset) {
  FetchedFrom wanted;
  wanted.leader_epoch = LeaderEpoch(1);
  wanted.from = Offset(offset);
  wanted.max_bytes = 100;
  return wanted;
}
protocol::FetchRequest written(FetchSessionClient& client) {
  protocol::FetchRequest request;
  client.write(request);
  return request;
}
protocol::FetchResponse answer(std::int32_t session, ErrorCode error = ErrorCode::kNone) {
  protocol::FetchResponse response;
  response.session_id = session;
  response.error_code = static_cast<std::int16_t>(error);
  return response;
}

TEST_CASE("the first request names everything, the next ones what changed") {
  FetchSessionClient client;
  CHECK_FALSE(client.has_request());
  client.set(key(1, 0), from(5));
  client.set(key(1, 1), from(6));
  client.set(key(2, 0), from(7));
  auto request = written(client);
  CHECK(request.session_id == 0);
  CHECK(request.session_epoch == 0);
  REQUIRE(request.topics.size() == 2);
  CHECK(request.topics[0].partitions.size() == 2);
  CHECK(client.on_response(answer(77)));
  request = written(client);
  CHECK(request.session_id == 77);
  CHECK(request.session_epoch == 1);
  CHECK(request.topics.empty());
  CHECK(client.on_response(answer(77)));
  client.set(key(1, 1), from(9));
  client.set(key(2, 0), from(7));
  client.remove(key(1, 0));
  request = written(client);
  CHECK(request.session_epoch == 2);
  REQUIRE(request.topics.size() == 1);
  CHECK(request.topics[0].partitions.at(0).fetch_offset == 9);
  REQUIRE(request.forgotten_topics_data.size() == 1);
  CHECK(request.forgotten_topics_data[0].partitions == std::vector<std::int32_t>{0});
}

TEST_CASE("after an error or without an answer everything is named again") {
  FetchSessionClient client;
  client.set(key(1, 0), from(5));
  (void)written(client);
  CHECK(client.on_response(answer(77)));
  (void)written(client);
  client.on_failure();
  auto request = written(client);
  CHECK(request.session_id == 77);  // that the leader may end it
  CHECK(request.session_epoch == 0);
  CHECK(request.topics.size() == 1);
  CHECK(client.on_response(answer(78)));
  CHECK_FALSE(client.on_response(answer(0, ErrorCode::kFetchSessionIdNotFound)));
  request = written(client);
  CHECK(request.session_id == 0);
  CHECK(request.session_epoch == 0);
  CHECK(request.topics.size() == 1);
}

TEST_CASE("a leader that gives no session is told everything each time") {
  FetchSessionClient client;
  client.set(key(1, 0), from(5));
  for (int i = 0; i < 3; ++i) {
    const auto request = written(client);
    CHECK(request.session_epoch == 0);
    CHECK(request.topics.size() == 1);
    CHECK(client.on_response(answer(0)));
  }
}

TEST_CASE("whatever happens, the leader's session holds what the follower wants") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    SeededRandom random(seed);
    SimulatedClock clock;
    FetchSessionCache cache(clock, random, random.below(4) == 0 ? 0 : 5);
    FetchSessionClient client;
    std::map<ReplicaKey, std::int64_t> wanted;
    for (int step = 0; step < 60; ++step) {
      for (std::uint64_t i = random.below(4); i > 0; --i) {
        const ReplicaKey one = key(1 + random.below(3), static_cast<std::int32_t>(random.below(3)));
        if (random.below(3) == 0) {
          client.remove(one);
          wanted.erase(one);
        } else {
          wanted[one] = static_cast<std::int64_t>(random.below(50));
          client.set(one, from(wanted[one]));
        }
      }
      if (!client.has_request()) continue;
      const auto request = written(client);
      FetchPlan plan = cache.begin(request, 13);
      std::map<ReplicaKey, std::int64_t> fetched;
      for (const auto* one : plan.session->all())
        fetched[{one->topic_id, one->partition}] = one->fetch_offset;
      if (plan.error == ErrorCode::kNone) CHECK(fetched == wanted);
      for (const auto& [one, offset] : wanted) CHECK(client.asked(one)->from == Offset(offset));
      cache.finish(plan);
      const auto fate = random.below(10);
      if (fate == 0)
        client.on_failure();
      else if (fate == 1)
        (void)client.on_response(answer(0, ErrorCode::kFetchSessionIdNotFound));
      else
        (void)client.on_response(answer(plan.session_id(), plan.error));
    }
  }
}

}  // namespace
}  // namespace barnabas::broker

#include "broker/replica/leader_state.hpp"

#include <catch2/catch.hpp>
#include <map>

namespace barnabas::broker {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

constexpr nanoseconds kLag = 30s;

class Brokers final : public BrokerView {
 public:
  [[nodiscard]] std::int64_t epoch_of(BrokerId broker) const override {
    const auto found = epochs.find(broker);
    return found == epochs.end() ? -1 : found->second;
  }
  [[nodiscard]] bool is_active(BrokerId broker) const override { return active.contains(broker); }
  std::map<BrokerId, std::int64_t> epochs = {{BrokerId(1), 11}, {BrokerId(2), 12}, {BrokerId(3), 13}};
  std::map<BrokerId, bool> active = {{BrokerId(1), true}, {BrokerId(2), true}, {BrokerId(3), true}};
};

std::vector<BrokerId> ids(std::initializer_list<std::int32_t> values) {
  std::vector<BrokerId> found;
  for (const std::int32_t value : values) found.emplace_back(value);
  return found;
}

kraft::PartitionRegistration registration(std::vector<BrokerId> isr, std::int32_t epoch = 3,
                                          std::int32_t partition_epoch = 7) {
  kraft::PartitionRegistration partition;
  partition.replicas = ids({1, 2, 3});
  partition.isr = std::move(isr);
  partition.leader = BrokerId(1);
  partition.leader_epoch = LeaderEpoch(epoch);
  partition.partition_epoch = partition_epoch;
  return partition;
}

/// Broker 1 leads from offset 10 on.
struct Leading {
  Brokers brokers;
  LeaderState state{{TopicId(Uuid::of_low(9)), 4, BrokerId(1)}, kLag};
  Offset end{10};
  nanoseconds now = 1000s;

  explicit Leading(std::vector<BrokerId> isr = ids({1, 2, 3})) {
    state.lead(registration(std::move(isr)), end, false, now);
  }
  bool fetch(std::int32_t broker, std::int64_t from, std::int64_t epoch = 0) {
    FollowerFetch fetch;
    fetch.broker = BrokerId(broker);
    fetch.broker_epoch = epoch == 0 ? brokers.epoch_of(BrokerId(broker)) : epoch;
    fetch.from = Offset(from);
    fetch.log_start = Offset(0);
    fetch.leader_end = end;
    fetch.time = now;
    const auto noted = state.note(fetch, brokers);
    REQUIRE(noted.has_value());
    return noted->log_end;
  }
  std::int64_t committed() {
    const auto found = state.committed_end(end, now, brokers);
    return found ? found->value() : -100;
  }
  static Result<AcceptedIsr> accepted(const LeaderState::Wanted& wanted) {
    AcceptedIsr answer;
    answer.leader = BrokerId(1);
    answer.leader_epoch = wanted.change.leader_epoch;
    for (const IsrMember& member : wanted.change.isr) answer.isr.push_back(member.broker);
    answer.partition_epoch = wanted.change.partition_epoch + 1;
    return answer;
  }
};

TEST_CASE("committed is what every in-sync replica has") {
  Leading at;
  CHECK(at.committed() == -1);  // nobody has fetched yet
  CHECK(at.fetch(2, 8));
  CHECK(at.committed() == -1);
  CHECK(at.fetch(3, 9));
  CHECK(at.committed() == 8);
  CHECK_FALSE(at.fetch(3, 9));
  CHECK(at.fetch(2, 10));
  CHECK(at.committed() == 9);
  at.end = Offset(20);
  (void)at.fetch(3, 15);
  CHECK(at.committed() == 10);
}

TEST_CASE(
    "a lone replica commits its log end, and so does one that is alone in sync with the others far behind") {
  LeaderState lone({TopicId(), 0, BrokerId(1)}, kLag);
  kraft::PartitionRegistration partition = registration(ids({1}));
  partition.replicas = ids({1});
  lone.lead(partition, Offset(0), false, 0s);
  CHECK(lone.is_alone());
  Leading at(ids({1}));
  CHECK(at.committed() == 10);
  at.now += 1h;
  (void)at.fetch(2, 3);
  CHECK(at.committed() == 10);
}

TEST_CASE("with too few in sync nothing is committed") {
  Leading at(ids({1}));
  at.state.set_min_insync_replicas(2);
  CHECK(at.state.is_under_min_isr());
  CHECK(at.committed() == -100);
  at.state.set_min_insync_replicas(100);  // capped by the number of replicas
  CHECK(at.state.is_under_min_isr());
  at.state.lead(registration(ids({1, 2, 3}), 3, 8), std::nullopt, true, at.now);
  CHECK(at.state.is_at_min_isr());
}

TEST_CASE("who has reached the high watermark and the leader's first offset joins, with its epoch") {
  Leading at(ids({1, 2}));
  (void)at.fetch(2, 10);
  (void)at.fetch(3, 9);
  CHECK_FALSE(at.state.expand(BrokerId(3), Offset(8), at.brokers));  // behind the epoch's start
  (void)at.fetch(3, 10);
  CHECK_FALSE(at.state.expand(BrokerId(3), Offset(11), at.brokers));  // behind the high watermark
  CHECK_FALSE(at.state.expand(BrokerId(2), Offset(8), at.brokers));   // is in sync
  const auto wanted = at.state.expand(BrokerId(3), Offset(10), at.brokers);
  REQUIRE(wanted);
  CHECK(wanted->change.topic == TopicId(Uuid::of_low(9)));
  CHECK(wanted->change.partition == 4);
  CHECK(wanted->change.leader_epoch == LeaderEpoch(3));
  CHECK(wanted->change.partition_epoch == 7);
  CHECK(wanted->change.isr ==
        std::vector<IsrMember>{{BrokerId(1), 11}, {BrokerId(2), 12}, {BrokerId(3), 13}});
  CHECK_FALSE(at.state.expand(BrokerId(3), Offset(10), at.brokers));  // one at a time
  CHECK(at.state.on_answer(wanted->number, Leading::accepted(*wanted)) == LeaderState::Outcome::kChanged);
  CHECK(at.state.isr() == ids({1, 2, 3}));
  CHECK(at.state.partition_epoch() == 8);
}

TEST_CASE("who is fenced, shutting down or of another life does not join") {
  Leading at(ids({1, 2}));
  (void)at.fetch(3, 10);
  at.brokers.active.erase(BrokerId(3));
  CHECK_FALSE(at.state.expand(BrokerId(3), Offset(10), at.brokers));
  at.brokers.active[BrokerId(3)] = true;
  at.brokers.epochs[BrokerId(3)] = 99;
  CHECK_FALSE(at.state.expand(BrokerId(3), Offset(10), at.brokers));
  (void)at.fetch(3, 10, -1);  // it does not tell its epoch
  CHECK(at.state.expand(BrokerId(3), Offset(10), at.brokers));
}

TEST_CASE("a fetch of an earlier life is refused") {
  Leading at;
  at.brokers.epochs[BrokerId(2)] = 50;
  FollowerFetch fetch;
  fetch.broker = BrokerId(2);
  fetch.broker_epoch = 12;
  fetch.from = Offset(10);
  const auto noted = at.state.note(fetch, at.brokers);
  REQUIRE_FALSE(noted.has_value());
  CHECK(noted.error().code == ErrorCode::kNotLeaderOrFollower);
}

TEST_CASE("one that joins counts before the controller has said yes, and no more when it says no") {
  Leading at(ids({1}));
  at.state.set_min_insync_replicas(2);
  (void)at.fetch(2, 10);
  CHECK_FALSE(at.state.has_enough_copies());
  const auto wanted = at.state.expand(BrokerId(2), Offset(10), at.brokers);
  REQUIRE(wanted);
  CHECK(at.state.has_enough_copies());
  CHECK(at.committed() == -100);  // but nothing is committed before
  at.state.set_min_insync_replicas(1);
  at.end = Offset(30);
  at.now += 1h;
  CHECK(at.committed() == 10);
  CHECK(at.state.on_answer(wanted->number, fail(ErrorCode::kIneligibleReplica)) ==
        LeaderState::Outcome::kChanged);
  CHECK(at.committed() == 30);
}

TEST_CASE("one that leaves counts until the controller has said yes") {
  Leading at;
  (void)at.fetch(2, 10);
  (void)at.fetch(3, 10);
  at.end = Offset(20);
  (void)at.fetch(2, 20);
  at.now += kLag;
  (void)at.fetch(2, 20);
  CHECK_FALSE(at.state.shrink(at.end, at.now, at.brokers));
  at.now += 1ns;
  const auto wanted = at.state.shrink(at.end, at.now, at.brokers);
  REQUIRE(wanted);
  CHECK(wanted->change.isr == std::vector<IsrMember>{{BrokerId(1), 11}, {BrokerId(2), 12}});
  CHECK(at.committed() == 10);
  CHECK(at.state.on_answer(wanted->number, Leading::accepted(*wanted)) == LeaderState::Outcome::kChanged);
  CHECK(at.committed() == 20);
}

TEST_CASE("a follower at the log end never leaves, nor one that always has what was the end before") {
  Leading at(ids({1, 2}));
  (void)at.fetch(2, 10);
  at.now += 10 * kLag;
  CHECK_FALSE(at.state.shrink(at.end, at.now, at.brokers));
  (void)at.fetch(2, 10);
  for (int i = 0; i < 20; ++i) {
    at.end = at.end + 100;
    at.now += kLag / 2;
    (void)at.fetch(2, at.end.value() - 100);
    CHECK_FALSE(at.state.shrink(at.end, at.now, at.brokers));
  }
}

TEST_CASE("who has just become the leader gives those in sync their time, and the others none") {
  Leading at(ids({1, 2}));
  at.now += kLag;
  CHECK_FALSE(at.state.shrink(Offset(11), at.now, at.brokers));
  at.now += 1ns;
  CHECK(at.state.shrink(Offset(11), at.now, at.brokers));
}

TEST_CASE("what the controller answers decides what comes next") {
  const auto outcome = [](ErrorCode error) {
    Leading at(ids({1, 2}));
    (void)at.fetch(3, 10);
    const auto wanted = at.state.expand(BrokerId(3), Offset(10), at.brokers);
    REQUIRE(wanted);
    const auto found = at.state.on_answer(wanted->number, fail(error));
    return std::pair(found, at.state.is_pending());
  };
  using Outcome = LeaderState::Outcome;
  for (const ErrorCode error : {ErrorCode::kIneligibleReplica, ErrorCode::kOperationNotAttempted})
    CHECK(outcome(error) == std::pair(Outcome::kChanged, false));
  for (const ErrorCode error :
       {ErrorCode::kFencedLeaderEpoch, ErrorCode::kInvalidUpdateVersion, ErrorCode::kInvalidRequest,
        ErrorCode::kUnknownTopicId, ErrorCode::kUnknownTopicOrPartition, ErrorCode::kNewLeaderElected})
    CHECK(outcome(error) == std::pair(Outcome::kUnchanged, true));
  for (const ErrorCode error : {ErrorCode::kNotController, ErrorCode::kUnknownServerError})
    CHECK(outcome(error) == std::pair(Outcome::kAgain, true));
}

TEST_CASE("an answer that comes after the metadata have moved on is void") {
  Leading at(ids({1, 2}));
  (void)at.fetch(3, 10);
  const auto wanted = at.state.expand(BrokerId(3), Offset(10), at.brokers);
  REQUIRE(wanted);
  at.state.lead(registration(ids({1}), 3, 9), std::nullopt, true, at.now);
  CHECK_FALSE(at.state.is_pending());
  CHECK(at.state.on_answer(wanted->number, Leading::accepted(*wanted)) == LeaderState::Outcome::kUnchanged);
  CHECK(at.state.isr() == ids({1}));
}

TEST_CASE("followers keep their places in a new epoch of the same leader, and have none under a new one") {
  Leading at;
  (void)at.fetch(2, 10);
  (void)at.fetch(3, 10);
  at.state.lead(registration(ids({1, 2, 3}), 4, 8), Offset(10), true, at.now);
  CHECK(at.committed() == 10);
  at.state.follow(registration(ids({1, 2, 3}), 5, 9));
  at.state.lead(registration(ids({1, 2, 3}), 6, 10), Offset(10), false, at.now);
  CHECK(at.committed() == -1);
}

TEST_CASE("a leader that was elected uncleanly says once that it has recovered") {
  Leading at(ids({1}));
  CHECK_FALSE(at.state.recover(at.brokers));
  kraft::PartitionRegistration unclean = registration(ids({1}), 4, 8);
  unclean.leader_recovery_state = 1;
  at.state.lead(unclean, Offset(10), false, at.now);
  const auto wanted = at.state.recover(at.brokers);
  REQUIRE(wanted);
  CHECK(wanted->change.leader_recovery_state == LeaderRecoveryState::kRecovered);
  CHECK(wanted->change.isr == std::vector<IsrMember>{{BrokerId(1), 11}});
  (void)at.state.on_answer(wanted->number, Leading::accepted(*wanted));
  CHECK_FALSE(at.state.recover(at.brokers));
}

TEST_CASE("a consumer may read from who is in sync and has its offset") {
  Leading at(ids({1, 2}));
  (void)at.fetch(2, 10);
  (void)at.fetch(3, 10);
  REQUIRE(at.state.readable_at(Offset(10)).size() == 1);
  CHECK(at.state.readable_at(Offset(10))[0].broker == BrokerId(2));
  CHECK(at.state.readable_at(Offset(11)).empty());
}

TEST_CASE("records are deleted everywhere once every live replica has moved its start") {
  Leading at;
  (void)at.fetch(2, 10);
  (void)at.fetch(3, 10);
  CHECK(at.state.low_watermark(Offset(5), at.brokers) == Offset(0));
  at.brokers.active.erase(BrokerId(2));
  at.brokers.active.erase(BrokerId(3));
  CHECK(at.state.low_watermark(Offset(5), at.brokers) == Offset(5));
}

TEST_CASE("a follower at rest has fetched when its session was used last, not when it was noted") {
  Leading at;
  (void)at.fetch(2, 10);
  (void)at.fetch(3, 10);
  const auto pulse = std::make_shared<FetchPulse>(at.now);
  const auto rest = std::make_shared<FollowerRest>(pulse);
  CHECK(at.state.rest(BrokerId(2), at.end, rest));
  at.now += 60s;
  pulse->store(at.now - 1s);
  // What was appended after a minute of rest is not a minute's lag; broker 3 has been away all that time.
  at.state.end_rests();
  at.end = Offset(12);
  const auto wanted = at.state.shrink(at.end, at.now, at.brokers);
  REQUIRE(wanted);
  CHECK(wanted->change.isr == std::vector<IsrMember>{{BrokerId(1), 11}, {BrokerId(2), 12}});
  at.now += 30s;
  (void)at.state.on_answer(wanted->number, Leading::accepted(*wanted));
  // From then on only what is noted counts.
  pulse->store(at.now);
  CHECK(at.state.shrink(at.end, at.now, at.brokers));
}

TEST_CASE("a follower rests only in sync and at the end, and no longer than until it is noted again") {
  Leading at(ids({1, 2}));
  (void)at.fetch(2, 9);
  (void)at.fetch(3, 10);
  const auto pulse = std::make_shared<FetchPulse>(at.now);
  const auto rest = std::make_shared<FollowerRest>(pulse);
  CHECK_FALSE(at.state.rest(BrokerId(2), at.end, rest));
  CHECK_FALSE(at.state.rest(BrokerId(3), at.end, rest));
  CHECK_FALSE(at.state.rest(BrokerId(4), at.end, rest));
  (void)at.fetch(2, 10);
  CHECK(at.state.rest(BrokerId(2), at.end, rest));
  const auto caught_up = [&] { return at.state.readable_at(Offset(9)).at(0).caught_up_at; };
  pulse->store(at.now + 5s);
  CHECK(caught_up() == at.now + 5s);
  (void)at.fetch(2, 9);  // behind again, which takes back nothing
  CHECK(caught_up() == at.now + 5s);
  pulse->store(at.now + 7s);
  CHECK(caught_up() == at.now + 5s);
}

/// Broker 2 has rested for five seconds.
struct Resting : Leading {
  std::shared_ptr<FetchPulse> pulse = std::make_shared<FetchPulse>(now);
  std::shared_ptr<FollowerRest> rest = std::make_shared<FollowerRest>(pulse);

  Resting() : Leading(ids({1, 2})) {
    (void)fetch(2, 10);
    CHECK(state.rest(BrokerId(2), end, rest));
    pulse->store(now + 5s);
  }
};

TEST_CASE("a session that goes on without a partition does not fetch it") {
  Resting at;
  at.rest->end(at.pulse->load());
  at.pulse->store(at.now + 100s);
  CHECK(at.state.readable_at(Offset(10)).at(0).caught_up_at == at.now + 5s);
}

TEST_CASE("a rest ends with the leader epoch") {
  Resting at;
  at.state.lead(registration(ids({1, 2}), 4, 8), at.end, true, at.now);
  at.state.end_rests();
  CHECK(at.state.readable_at(Offset(10)).at(0).caught_up_at == at.now);
}

}  // namespace
}  // namespace barnabas::broker

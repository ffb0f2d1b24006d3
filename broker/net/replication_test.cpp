#include <catch2/catch.hpp>

#include "broker/net/cluster_fixture.hpp"
#include "protocol/messages/api_delete_records.hpp"

namespace barnabas::broker::testing {
namespace {

using namespace std::chrono_literals;
using Ids = std::vector<std::int32_t>;

constexpr const char* kLag = "replica.lag.time.max.ms";

TEST_CASE("what a leader has is copied to its followers to the byte, and acknowledged by all") {
  ClusterFixture cluster({});
  cluster.create_topic("t", {{1, 2, 3}, {2, 3, 1}, {3, 1, 2}});
  for (int i = 0; i < 30; ++i) {
    const auto produced = cluster.produce_and_wait("t", std::string(100 * i, 'x'), -1, i % 3);
    CHECK(produced.error == ErrorCode::kNone);
    CHECK(produced.offset == i / 3);
  }
  for (std::int32_t at = 0; at < 3; ++at) {
    CHECK(cluster.eventually([&] { return cluster.are_equal("t", {1, 2, 3}, at); }));
    CHECK(cluster.log(1, "t", at).end == 10);
    CHECK(cluster.isr("t", at) == Ids{1, 2, 3});
  }
}

TEST_CASE("acks=all waits for the followers, acks=1 does not") {
  ClusterFixture cluster({.brokers = 2});
  cluster.create_topic("t", {{1, 2}});
  cluster.run_for(100ms);
  cluster.world.separate(ApiFixture::host_of(1), ApiFixture::host_of(2));
  const Call one = cluster.produce(1, "t", "a", 1);
  CHECK(one->answers == 1);
  const Call all = cluster.produce(1, "t", "b", -1, 60000);
  const Call brief = cluster.produce(1, "t", "c", -1, 200);
  cluster.run_for(150ms);
  CHECK(all->answers == 0);
  CHECK(brief->answers == 0);
  cluster.run_for(100ms);
  REQUIRE(brief->answers == 1);
  CHECK(cluster.outcome(1, brief).error == ErrorCode::kRequestTimedOut);
  CHECK(cluster.outcome(1, brief).offset == 2);
  CHECK(cluster.log(1, "t").high_watermark == 0);
  cluster.world.reunite(ApiFixture::host_of(1), ApiFixture::host_of(2));
  REQUIRE(cluster.eventually([&] { return all->answers == 1; }));
  CHECK(cluster.outcome(1, all).error == ErrorCode::kNone);
  CHECK(cluster.eventually([&] { return cluster.are_equal("t", {1, 2}); }));
}

TEST_CASE("a follower that falls behind leaves the in-sync set, and joins it when it has caught up") {
  ClusterFixture cluster({.brokers = 3, .properties = {{kLag, "2000"}}});
  cluster.create_topic("t", {{1, 2, 3}});
  CHECK(cluster.produce_and_wait("t", "a").error == ErrorCode::kNone);
  cluster.kill(3);
  const Call call = cluster.produce(1, "t", "b");
  cluster.run_for(1s);
  CHECK(call->answers == 0);
  REQUIRE(cluster.eventually([&] { return call->answers == 1; }, 5s));
  CHECK(cluster.outcome(1, call).error == ErrorCode::kNone);
  CHECK(cluster.isr("t") == Ids{1, 2});
  for (int i = 0; i < 20; ++i) CHECK(cluster.produce_and_wait("t", "c").error == ErrorCode::kNone);
  cluster.start(3);
  CHECK(cluster.eventually([&] { return cluster.isr("t") == Ids{1, 2, 3}; }));
  CHECK(cluster.eventually([&] { return cluster.are_equal("t", {1, 2, 3}); }));
}

TEST_CASE("a follower that only reads slowly stays in sync as long as it reads what was the end") {
  ClusterFixture cluster({.brokers = 2, .properties = {{kLag, "1000"}}});
  cluster.create_topic("t", {{1, 2}});
  for (int i = 0; i < 300; ++i) {
    (void)cluster.produce(1, "t", "x", 1);
    cluster.run_for(10ms);
  }
  CHECK(cluster.isr("t") == Ids{1, 2});
}

TEST_CASE("too few in-sync replicas refuse acks=all before, and do not acknowledge it after the append") {
  ClusterFixture cluster({.brokers = 2, .properties = {{kLag, "1000"}}});
  cluster.create_topic("t", {{1, 2}}, {{"min.insync.replicas", "2"}});
  CHECK(cluster.produce_and_wait("t", "a").error == ErrorCode::kNone);
  cluster.kill(2);
  const Call call = cluster.produce(1, "t", "b", -1, 20000);
  REQUIRE(cluster.eventually([&] { return cluster.isr("t") == Ids{1}; }));
  cluster.run_for(50ms);
  // Nothing is committed with too few copies: who waits goes on waiting (KIP-966).
  CHECK(call->answers == 0);
  CHECK(cluster.log(1, "t").high_watermark == 1);
  CHECK(cluster.produce_and_wait("t", "c").error == ErrorCode::kNotEnoughReplicas);
  CHECK(cluster.produce_and_wait("t", "d", 1).error == ErrorCode::kNone);
  cluster.start(2);
  REQUIRE(cluster.eventually([&] { return call->answers == 1; }));
  CHECK(cluster.outcome(1, call).error == ErrorCode::kNone);
  CHECK(cluster.log(1, "t").end == 3);
  CHECK(cluster.eventually([&] { return cluster.are_equal("t", {1, 2}); }));
}

TEST_CASE("what only a dead leader had goes when it comes back, also over several epochs") {
  ClusterFixture cluster({.brokers = 3});
  cluster.create_topic("t", {{1, 2, 3}});
  for (int i = 0; i < 5; ++i) (void)cluster.produce_and_wait("t", "common");
  // Broker 1 takes what nobody else gets.
  for (const int other : {2, 3}) cluster.world.separate(ApiFixture::host_of(1), ApiFixture::host_of(other));
  for (int i = 0; i < 4; ++i) (void)cluster.produce(1, "t", "lost", 1);
  cluster.run_for(50ms);
  CHECK(cluster.log(1, "t").end == 9);
  cluster.kill(1);
  cluster.fence(1);
  cluster.run_for(50ms);
  CHECK(cluster.leader("t") == 2);
  for (int i = 0; i < 2; ++i) (void)cluster.produce_and_wait("t", "second");
  cluster.elect("t", 0, 3);
  cluster.run_for(50ms);
  for (int i = 0; i < 2; ++i) (void)cluster.produce_and_wait("t", "third");
  for (const int other : {2, 3}) cluster.world.reunite(ApiFixture::host_of(1), ApiFixture::host_of(other));
  cluster.start(1);
  CHECK(cluster.eventually([&] { return cluster.isr("t") == Ids{1, 2, 3}; }));
  CHECK(cluster.eventually([&] { return cluster.are_equal("t", {1, 2, 3}); }));
  CHECK(cluster.log(1, "t").end == 9);
}

TEST_CASE("a leader that wrote nothing in its epoch follows an older one's log without end") {
  ClusterFixture cluster({.brokers = 2});
  cluster.create_topic("t", {{1, 2}});
  (void)cluster.produce_and_wait("t", "a");
  // Broker 2 leads for a moment, cut off from the other, and writes nothing.
  cluster.elect("t", 0, 2);
  cluster.run_for(50ms);
  cluster.elect("t", 0, 1);
  cluster.run_for(50ms);
  CHECK(cluster.produce_and_wait("t", "b").error == ErrorCode::kNone);
  CHECK(cluster.eventually([&] { return cluster.are_equal("t", {1, 2}); }));
}

TEST_CASE("a follower whose log ends before the leader's begins starts anew there") {
  ClusterFixture cluster({.brokers = 2, .properties = {{kLag, "1000"}}});
  cluster.create_topic("t", {{1, 2}});
  for (int i = 0; i < 3; ++i) (void)cluster.produce_and_wait("t", "old");
  cluster.kill(2);
  (void)cluster.produce(1, "t", "new", 1);
  REQUIRE(cluster.eventually([&] { return cluster.isr("t") == Ids{1}; }));
  for (int i = 0; i < 6; ++i) (void)cluster.produce_and_wait("t", "new");
  const auto deleted = cluster.node(1).find("t", 0).with_log(
      [](log::PartitionLog& log) { return log.delete_records_before(Offset(8)); });
  REQUIRE(deleted.has_value());
  cluster.start(2);
  CHECK(cluster.eventually([&] { return cluster.isr("t") == Ids{1, 2}; }));
  CHECK(cluster.eventually([&] { return cluster.log(2, "t").start == 8; }));
  CHECK(cluster.log(2, "t").end == 10);
}

TEST_CASE("a follower moves its log start after the leader's") {
  ClusterFixture cluster({.brokers = 2});
  cluster.create_topic("t", {{1, 2}});
  for (int i = 0; i < 5; ++i) (void)cluster.produce_and_wait("t", "x");
  (void)cluster.node(1).find("t", 0).with_log(
      [](log::PartitionLog& log) { return log.delete_records_before(Offset(3)); });
  CHECK(cluster.eventually([&] { return cluster.log(2, "t").start == 3; }));
}

TEST_CASE("deleted records are reported as deleted once the followers have let them go") {
  ClusterFixture cluster({.brokers = 2});
  cluster.create_topic("t", {{1, 2}});
  for (int i = 0; i < 5; ++i) (void)cluster.produce_and_wait("t", "x");
  cluster.run_for(1s);
  protocol::DeleteRecordsRequest request;
  request.timeout_ms = 10000;
  auto& topic = request.topics.emplace_back();
  topic.name = "t";
  topic.partitions.push_back({0, 3});
  const Call call = cluster.node(1).start(request, 2);
  CHECK(call->answers == 0);
  REQUIRE(cluster.eventually([&] { return call->answers == 1; }, 5s));
  CHECK(cluster.log(2, "t").start == 3);
  const auto response = cluster.node(1).decode<protocol::DeleteRecordsResponse>(call, 2);
  CHECK(response.topics.at(0).partitions.at(0).low_watermark == 3);
  // A broker that is gone is waited for until the time is over, one that is fenced is not.
  cluster.kill(2);
  request.topics[0].partitions[0].offset = 4;
  request.timeout_ms = 500;
  const Call late = cluster.node(1).start(request, 2);
  cluster.run_for(501ms);
  REQUIRE(late->answers == 1);
  CHECK(cluster.node(1)
            .decode<protocol::DeleteRecordsResponse>(late, 2)
            .topics.at(0)
            .partitions.at(0)
            .error_code == static_cast<std::int16_t>(ErrorCode::kRequestTimedOut));
  cluster.fence(2);
  cluster.run_for(50ms);
  CHECK(cluster.node(1).start(request, 2)->answers == 1);
}

TEST_CASE("a change of the in-sync set that waits for the controller counts at once where it is stricter") {
  ClusterFixture cluster({.brokers = 2, .properties = {{kLag, "1000"}}});
  cluster.create_topic("t", {{1, 2}});
  (void)cluster.produce_and_wait("t", "a");
  cluster.hold_isr_changes(true);
  cluster.kill(2);
  const Call call = cluster.produce(1, "t", "b");
  REQUIRE(cluster.eventually([&] { return cluster.held_isr_changes() == 1; }));
  cluster.run_for(1s);
  CHECK(call->answers == 0);  // the shrink is not confirmed
  cluster.hold_isr_changes(false);
  REQUIRE(cluster.eventually([&] { return call->answers == 1; }));
  cluster.hold_isr_changes(true);
  cluster.start(2);
  REQUIRE(cluster.eventually([&] { return cluster.held_isr_changes() == 1; }));
  cluster.world.separate(ApiFixture::host_of(1), ApiFixture::host_of(2));
  const Call next = cluster.produce(1, "t", "c");
  cluster.run_for(500ms);
  CHECK(next->answers == 0);  // the one that joins is waited for
  cluster.world.reunite(ApiFixture::host_of(1), ApiFixture::host_of(2));
  cluster.hold_isr_changes(false);
  REQUIRE(cluster.eventually([&] { return next->answers == 1; }));
  CHECK(cluster.outcome(1, next).error == ErrorCode::kNone);
  CHECK(cluster.eventually([&] { return cluster.isr("t") == Ids{1, 2}; }));
}

TEST_CASE("a fenced broker does not join the in-sync set however far it is") {
  ClusterFixture cluster({.brokers = 2});
  cluster.create_topic("t", {{1, 2}});
  (void)cluster.produce_and_wait("t", "a");
  cluster.fence(2);
  cluster.run_for(50ms);
  CHECK(cluster.isr("t") == Ids{1});
  (void)cluster.produce_and_wait("t", "b");
  cluster.run_for(2s);
  CHECK(cluster.are_equal("t", {1, 2}));
  CHECK(cluster.isr("t") == Ids{1});
  cluster.unfence(2);
  CHECK(cluster.eventually([&] { return cluster.isr("t") == Ids{1, 2}; }));
}

TEST_CASE("a reassignment moves the data, and the replica that is left over goes with its log") {
  ClusterFixture cluster({.brokers = 3});
  cluster.create_topic("t", {{1, 2}});
  for (int i = 0; i < 10; ++i) (void)cluster.produce_and_wait("t", "x");
  protocol::PartitionChangeRecord record;
  record.replicas = {1, 2, 3};
  record.adding_replicas = {3};
  record.removing_replicas = {2};
  record.directories = std::vector<Uuid>(3, Uuid::of_low(1));
  cluster.change("t", 0, record);
  // The controller completes it with the change of the in-sync set.
  REQUIRE(cluster.eventually([&] { return cluster.partition("t").adding_replicas.empty(); }));
  CHECK(cluster.isr("t") == Ids{1, 3});
  CHECK(cluster.eventually([&] { return cluster.are_equal("t", {1, 3}); }));
  cluster.run_for(50ms);
  CHECK(cluster.log(2, "t").end == -1);
  CHECK(cluster.node(2).logs->find({"t", PartitionIndex(0)}) == nullptr);
}

TEST_CASE("a topic that is deleted is fetched no more, and one of its name begins anew") {
  ClusterFixture cluster({.brokers = 2});
  cluster.create_topic("t", {{1, 2}});
  (void)cluster.produce_and_wait("t", "old");
  cluster.remove_topic("t");
  cluster.run_for(50ms);
  CHECK(cluster.log(2, "t").end == -1);
  cluster.create_topic("t", {{2, 1}});
  CHECK(cluster.produce_and_wait("t", "new").offset == 0);
  CHECK(cluster.eventually([&] { return cluster.are_equal("t", {1, 2}); }));
}

TEST_CASE("what a follower may copy is limited while it is not in sync") {
  ClusterFixture cluster(
      {.brokers = 2, .properties = {{kLag, "1000"}, {"replica.fetch.max.bytes", "20000"}}});
  cluster.create_topic(
      "t", {{1, 2}},
      {{"leader.replication.throttled.replicas", "0:1"}, {"follower.replication.throttled.replicas", "0:2"}});
  (void)cluster.produce_and_wait("t", "a");
  cluster.kill(2);
  (void)cluster.produce(1, "t", "new", 1);
  REQUIRE(cluster.eventually([&] { return cluster.isr("t") == Ids{1}; }));
  for (int i = 0; i < 50; ++i) (void)cluster.produce_and_wait("t", std::string(10000, 'x'));
  const std::int32_t limited = GENERATE(1, 2);
  protocol::ConfigRecord rate;
  rate.resource_type = static_cast<std::int8_t>(kraft::ConfigResourceType::kBroker);
  rate.resource_name = std::to_string(limited);
  rate.name = limited == 1 ? "leader.replication.throttled.rate" : "follower.replication.throttled.rate";
  rate.value = "50000";
  cluster.apply({rate});
  cluster.start(2);
  cluster.run_for(4s);
  const auto after_a_while = cluster.log(2, "t").end;
  CHECK(after_a_while > 5);
  CHECK(after_a_while < 45);
  CHECK(cluster.eventually([&] { return cluster.isr("t") == Ids{1, 2}; }, 60s));
  CHECK(cluster.eventually([&] { return cluster.are_equal("t", {1, 2}); }));
}

TEST_CASE("the same seed gives the same history") {
  const auto run = [](std::uint64_t seed) {
    ClusterFixture cluster({.brokers = 3, .seed = seed});
    cluster.create_topic("t", {{1, 2, 3}});
    for (int i = 0; i < 10; ++i) (void)cluster.produce_and_wait("t", "x");
    cluster.kill(2);
    cluster.run_for(1s);
    cluster.start(2);
    cluster.run_for(1s);
    return cluster.world.trace_hash();
  };
  CHECK(run(5) == run(5));
  CHECK(run(5) != run(6));
}

/// Producers, deaths, cuts and elections at random; then the checks of what must hold.
class Storm {
 public:
  explicit Storm(std::uint64_t seed)
      : cluster_({.brokers = 3, .properties = {{kLag, "1500"}}, .seed = seed}), chance_(seed * 7919 + 1) {
    cluster_.create_topic("t", {{1, 2, 3}}, {{"min.insync.replicas", "2"}});
  }
  void rage(int steps) {
    for (int i = 0; i < steps; ++i) {
      step();
      cluster_.run_for(std::chrono::milliseconds(chance_.below(60)));
      note_answers();
      check_high_watermarks();
    }
  }
  void settle() {
    for (int one = 1; one <= 3; ++one)
      for (int other = one + 1; other <= 3; ++other)
        cluster_.world.reunite(ApiFixture::host_of(one), ApiFixture::host_of(other));
    for (int id = 1; id <= 3; ++id) {
      if (!cluster_.is_alive(id)) cluster_.start(id);
      if (cluster_.is_fenced(id)) cluster_.unfence(id);
    }
    REQUIRE(cluster_.eventually([&] { return cluster_.isr("t") == Ids{1, 2, 3}; }, 120s));
    REQUIRE(cluster_.eventually([&] { return cluster_.are_equal("t", {1, 2, 3}); }, 60s));
    note_answers();
  }
  /// Every acknowledged value stands at its offset.
  void check_acknowledged() {
    const Bytes bytes = cluster_.log(1, "t").bytes;
    std::map<std::int64_t, std::string> found;
    protocol::BatchCursor cursor(bytes);
    while (auto entry = demand(cursor.next())) {
      protocol::RecordScratch scratch;
      protocol::RecordCursor records(entry->batch(), scratch);
      protocol::RecordView record;
      while (demand(records.next(record))) found[record.offset.value()] = std::string(as_text(*record.value));
    }
    for (const auto& [offset, value] : acknowledged_) CHECK(found[offset] == value);
  }
  [[nodiscard]] std::size_t acknowledged() const { return acknowledged_.size(); }

 private:
  void step() {
    const auto what = chance_.below(100);
    const auto id = static_cast<std::int32_t>(1 + chance_.below(3));
    if (what < 70) return produce();
    if (what < 76 && cluster_.is_alive(id) && alive() > 1) return die(id);
    if (what < 84 && !cluster_.is_alive(id)) return cluster_.start(id);
    if (what < 88) return cluster_.world.separate(ApiFixture::host_of(id), ApiFixture::host_of(id % 3 + 1));
    if (what < 94) return cluster_.world.reunite(ApiFixture::host_of(id), ApiFixture::host_of(id % 3 + 1));
    if (what < 97) return move_leader(id);
    if (cluster_.is_alive(id) && cluster_.is_fenced(id)) cluster_.unfence(id);
  }
  void produce() {
    const std::int32_t leader = cluster_.leader("t");
    if (leader < 1 || !cluster_.is_alive(leader)) return;
    const std::string value = "value " + std::to_string(++produced_);
    const std::int16_t acks = chance_.below(5) == 0 ? 1 : -1;
    const Call call = cluster_.produce(leader, "t", value, acks, 3000);
    if (acks == -1) waiting_.push_back({call, leader, lives_[leader], value});
  }
  void die(std::int32_t id) {
    note_answers();
    ++lives_[id];
    cluster_.kill(id);
    if (chance_.below(2) == 0) cluster_.fence(id);
  }
  /// Only to one that is in sync: the controller would not choose another.
  void move_leader(std::int32_t id) {
    const auto isr = cluster_.isr("t");
    if (cluster_.is_fenced(id) || !cluster_.is_alive(id) || std::ranges::find(isr, id) == isr.end()) return;
    cluster_.elect("t", 0, id);
  }
  [[nodiscard]] int alive() {
    int count = 0;
    for (int id = 1; id <= 3; ++id) count += cluster_.is_alive(id) ? 1 : 0;
    return count;
  }
  void note_answers() {
    std::erase_if(waiting_, [this](const Waiting& one) {
      if (one.life != lives_[one.broker]) return true;
      if (one.call->answers == 0) return false;
      if (one.call->response.kind != EncodedResponse::Kind::kSend) return true;
      const auto produced = cluster_.outcome(one.broker, one.call);
      if (produced.error == ErrorCode::kNone) acknowledged_[produced.offset] = one.value;
      return true;
    });
  }
  /// Within the life of a leader epoch, and below it nothing is ever cut off that was acknowledged.
  void check_high_watermarks() {
    const std::int32_t leader = cluster_.leader("t");
    if (leader < 1 || !cluster_.is_alive(leader)) return;
    const auto& replica = cluster_.node(leader).find("t", 0);
    if (!replica.is_leader()) return;
    const std::int32_t epoch = replica.leader_epoch().value();
    const std::int64_t now = cluster_.log(leader, "t").high_watermark;
    const std::pair life{epoch, lives_[leader]};  // one that comes back begins with its checkpoint
    if (life == told_life_) CHECK(now >= told_high_watermark_);
    told_life_ = life;
    told_high_watermark_ = now;
  }

  struct Waiting {
    Call call;
    std::int32_t broker;
    int life;
    std::string value;
  };
  ClusterFixture cluster_;
  SeededRandom chance_;
  std::vector<Waiting> waiting_;
  std::map<std::int64_t, std::string> acknowledged_;
  std::map<std::int32_t, int> lives_;
  int produced_ = 0;
  std::pair<std::int32_t, int> told_life_{-1, 0};
  std::int64_t told_high_watermark_ = -1;
};

TEST_CASE(
    "in a storm of deaths, cuts and elections no acknowledged record is lost, and all logs become equal") {
  std::size_t acknowledged = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    Storm storm(seed);
    storm.rage(150);
    storm.settle();
    storm.check_acknowledged();
    acknowledged += storm.acknowledged();
  }
  CHECK(acknowledged > 500);
}

}  // namespace
}  // namespace barnabas::broker::testing

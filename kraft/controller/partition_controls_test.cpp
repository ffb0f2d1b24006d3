// AlterPartition, elections, reassignments, directories and placement among several brokers. Measured on
// Kafka 4.3.1; compat-tests/controller_answers.py asks Apache Kafka the same and more.
#include <catch2/catch.hpp>

#include "kraft/controller/alter_partition_control.hpp"
#include "kraft/controller/broker_ids.hpp"
#include "kraft/controller/directory_control.hpp"
#include "kraft/controller/election_control.hpp"
#include "kraft/controller/partition_change.hpp"
#include "kraft/controller/reassignment_control.hpp"
#include "kraft/controller/replica_placement.hpp"
#include "kraft/controller_testing.hpp"

using namespace barnabas;
using namespace barnabas::kraft;

namespace {

BrokerIds ids(const std::vector<std::int32_t>& numbers) {
  return to_broker_ids(numbers);
}

struct Three : ControllerFixture {
  explicit Three(const ClusterOptions& cluster = {}) : ControllerFixture(cluster) {
    start_brokers(3);
    create_topic("t", {{1, 2, 3}});
  }
  std::int16_t ask(const protocol::AlterPartitionRequest& request, std::int16_t version = 3) {
    const auto response = take(alter_partition(context(), request, version));
    return response.error_code != 0 ? response.error_code : response.topics.at(0).partitions.at(0).error_code;
  }
};

}  // namespace

TEST_CASE("a leader tells its ISR, and is told what became of it") {
  Three controller;
  const auto answer =
      controller.take(alter_partition(controller.context(), controller.isr_request("t", {1, 3}), 3));
  const auto& partition = answer.topics.at(0).partitions.at(0);
  CHECK(partition.error_code == 0);
  CHECK(partition.isr == std::vector<std::int32_t>{1, 3});
  CHECK(partition.leader_id == 1);
  CHECK(partition.leader_epoch == 0);
  CHECK(partition.partition_epoch == 1);
  CHECK(controller.partition("t").isr == ids({1, 3}));
  CHECK(controller.partition("t").partition_epoch == 1);
}

TEST_CASE("an ISR is refused when the leader is behind, ahead, or not the leader") {
  Three controller;
  REQUIRE(controller.alter_isr("t", {1, 2}) == 0);
  const auto error = [&](auto change) {
    auto request = controller.isr_request("t", {1, 2, 3});
    change(request, request.topics[0].partitions[0]);
    return controller.ask(request);
  };
  CHECK(error([](auto&, auto& p) { p.partition_epoch = 0; }) == 95);
  CHECK(error([](auto&, auto& p) { p.partition_epoch = 2; }) == 41);
  CHECK(error([](auto&, auto& p) { p.leader_epoch = 1; }) == 41);
  CHECK(error([](auto&, auto& p) { p.leader_epoch = -1; }) == 74);
  CHECK(error([](auto& r, auto&) { r.broker_epoch = 1; }) == 77);
  CHECK(error([&](auto& r, auto&) {
          r.broker_id = 2;
          r.broker_epoch = controller.image().broker(BrokerId(2))->epoch;
        }) == 42);
  CHECK(error([](auto&, auto& p) { p.partition_index = 4; }) == 3);
  CHECK(error([](auto& r, auto&) { r.topics[0].topic_id = Uuid(); }) == 100);
  CHECK(error([](auto&, auto& p) { p.new_isr_with_epochs.clear(); }) == 42);
  CHECK(error([](auto&, auto& p) { p.new_isr_with_epochs.erase(p.new_isr_with_epochs.begin()); }) == 42);
  CHECK(error([](auto&, auto& p) { p.new_isr_with_epochs.push_back(p.new_isr_with_epochs[0]); }) == 42);
  CHECK(error([](auto&, auto& p) { p.leader_recovery_state = kRecovering; }) == 42);
  CHECK(error([](auto&, auto& p) { p.new_isr_with_epochs[2].broker_epoch += 1; }) == 107);
  CHECK(error([](auto&, auto& p) { p.new_isr_with_epochs[2].broker_epoch = -1; }) == 0);
}

TEST_CASE("a replica that is fenced or shutting down does not enter an ISR, in the words of each version") {
  Three controller;
  controller.let_die(3);
  auto request = controller.isr_request("t", {1, 2, 3});
  CHECK(controller.ask(request) == 107);
  request.topics[0].partitions[0].new_isr = {1, 2, 3};
  CHECK(controller.ask(request, 2) == 107);
  request.topics[0].topic_name = "t";
  CHECK(controller.ask(request, 1) == 55);
  request.topics[0].topic_name = "absent";
  CHECK(controller.ask(request, 0) == 3);
}

TEST_CASE("before metadata.version 3.6 a shrunken ISR begins an epoch") {
  Three controller({.metadata_version = 11, .elr = false, .min_isr = "1", .seed = 7});
  REQUIRE(controller.alter_isr("t", {1, 2}) == 0);
  CHECK(controller.partition("t").leader_epoch == LeaderEpoch(1));
  REQUIRE(controller.alter_isr("t", {1, 2, 3}) == 0);
  CHECK(controller.partition("t").leader_epoch == LeaderEpoch(1));
}

TEST_CASE("the preferred leader is elected when it is asked for, and by itself from time to time") {
  for (const bool by_itself : {false, true}) {
    Three controller;
    controller.let_die(1);
    controller.restart(1, false);
    CHECK(controller.elect("t", 0) == 80);  // not in sync
    REQUIRE(controller.alter_isr("t", {2, 3, 1}) == 0);
    CHECK(controller.partition("t").leader == BrokerId(2));
    if (by_itself)
      controller.pass(controller.options.leader_imbalance_check_interval_ms);
    else
      CHECK(controller.elect("t", 0) == 0);
    CHECK(controller.partition("t").leader == BrokerId(1));
    CHECK(controller.elect("t", 0) == 84);
  }
}

TEST_CASE("an unclean election happens when it is asked for, or by itself where the topic allows it") {
  for (const bool by_itself : {false, true}) {
    Three controller({.metadata_version = 30, .elr = false, .min_isr = "1", .seed = 7});
    REQUIRE(controller.alter_isr("t", {1}) == 0);
    controller.let_die(1);
    CHECK(controller.partition("t").leader == kNoBroker);
    CHECK(controller.partition("t").isr == ids({1}));
    if (by_itself) {
      controller.set_config(ConfigResourceType::kTopic, "t", "unclean.leader.election.enable", "true");
      controller.pass(controller.options.unclean_election_interval_ms);
    } else {
      CHECK(controller.elect("t", 1) == 0);
    }
    CHECK(controller.partition("t").leader == BrokerId(2));
    CHECK(controller.partition("t").isr == ids({2}));
    CHECK(controller.partition("t").leader_recovery_state == kRecovering);
    REQUIRE(controller.alter_isr("t", {2}) == 0);  // recovered
    CHECK(controller.partition("t").leader_recovery_state == kRecovered);
  }
}

TEST_CASE("a reassignment adds the new replicas, and drops the old ones when the new are in sync") {
  ControllerFixture controller;
  controller.start_brokers(4);
  controller.create_topic("t", {{1, 2}});
  CHECK(controller.reassign("t", {{3, 4}}) == 0);
  CHECK(controller.partition("t").replicas == ids({3, 4, 1, 2}));
  CHECK(controller.partition("t").adding_replicas == ids({3, 4}));
  CHECK(controller.partition("t").removing_replicas == ids({1, 2}));
  CHECK(controller.partition("t").leader == BrokerId(1));
  const auto listed = list_partition_reassignments(controller.image(), {});
  REQUIRE(listed.topics.size() == 1);
  CHECK(listed.topics[0].partitions.at(0).adding_replicas == std::vector<std::int32_t>{3, 4});
  REQUIRE(controller.alter_isr("t", {1, 2, 3}) == 0);
  CHECK(controller.partition("t").replicas == ids({3, 4, 1, 2}));
  CHECK(controller.alter_isr("t", {1, 2, 3, 4}) == 108);  // the leader has to go
  CHECK(controller.partition("t").replicas == ids({3, 4}));
  CHECK(controller.partition("t").isr == ids({3, 4}));
  CHECK(controller.partition("t").leader == BrokerId(3));
  CHECK(controller.partition("t").adding_replicas.empty());
  CHECK(controller.partition("t").removing_replicas.empty());
}

TEST_CASE("a reassignment is cancelled, unless nobody from before is in sync") {
  ControllerFixture controller;
  controller.start_brokers(3);
  controller.create_topic("t", {{1, 2}});
  CHECK(controller.reassign("t", std::nullopt) == 85);
  CHECK(controller.reassign("t", {{3}}) == 0);
  CHECK(controller.reassign("t", std::nullopt) == 0);
  CHECK(controller.partition("t").replicas == ids({1, 2}));
  CHECK(controller.partition("t").adding_replicas.empty());
  CHECK(controller.reassign("t", {{9}}) == 39);
  CHECK(controller.reassign("t", {{3, 3}}) == 39);
  protocol::AlterPartitionReassignmentsRequest request;
  request.allow_replication_factor_change = false;
  request.topics.push_back({"t", {{0, std::vector<std::int32_t>{3}}}});
  const auto refused = controller.take(alter_partition_reassignments(controller.context(), request));
  CHECK(refused.responses.at(0).partitions.at(0).error_code == 38);
  CHECK(refused.responses.at(0).partitions.at(0).error_message ==
        "The replication factor is changed from 2 to 1");
}

TEST_CASE("replicas are assigned to directories; one that is not online takes the replica out of the ISR") {
  Three controller;
  const auto assign = [&](std::int32_t broker, const Uuid& directory, std::int32_t index) {
    protocol::AssignReplicasToDirsRequest request;
    request.broker_id = broker;
    request.broker_epoch = controller.image().broker(BrokerId(broker))->epoch;
    request.directories.push_back({directory, {{controller.image().topic("t")->id.value(), {{index}}}}});
    const auto response = controller.take(assign_replicas_to_dirs(controller.context(), request));
    return response.directories.at(0).topics.at(0).partitions.at(0).error_code;
  };
  CHECK(assign(1, Uuid::of_low(1000), 0) == 0);
  CHECK(controller.last_records.empty());  // it was there
  CHECK(assign(1, Uuid::of_low(1000), 7) == 3);
  CHECK(assign(1, kLostDirectory.value(), 0) == 0);
  CHECK(controller.partition("t").directories[0] == kLostDirectory);
  CHECK(controller.partition("t").isr == ids({2, 3}));
  CHECK(controller.partition("t").leader == BrokerId(2));
}

TEST_CASE("replicas are spread over racks and brokers alike") {
  ControllerFixture controller;
  controller.start_brokers(6, {"a", "a", "b", "b", "c", "c"});
  const auto placed = place_replicas(controller.image(), {60, 3}, controller.random);
  REQUIRE(placed);
  std::map<BrokerId, int> leads;
  std::map<BrokerId, int> has;
  for (const BrokerIds& replicas : *placed) {
    std::set<std::string> racks;
    for (const BrokerId id : replicas) {
      racks.insert(*controller.image().broker(id)->rack);
      ++has[id];
    }
    CHECK(racks.size() == 3);
    ++leads[replicas.front()];
  }
  for (std::int32_t id = 1; id <= 6; ++id) {
    CHECK(has[BrokerId(id)] >= 25);
    CHECK(has[BrokerId(id)] <= 35);
    CHECK(leads[BrokerId(id)] >= 5);
  }
}

TEST_CASE("fenced brokers follow when there are not enough others; those that go or are cordoned do not") {
  ControllerFixture controller;
  controller.start_brokers(2);
  (void)controller.register_broker(controller.registration(3));
  const auto place = [&](std::int16_t factor) {
    return place_replicas(controller.image(), {1, factor}, controller.random);
  };
  const auto three = place(3);
  REQUIRE(three);
  CHECK(three->at(0).front() != BrokerId(3));
  CHECK(contains(three->at(0), BrokerId(3)));
  CHECK(place(4).error().code == ErrorCode::kInvalidReplicationFactor);
  auto beat = controller.beat(2);
  beat.cordoned_log_dirs = {Uuid::of_low(2000)};
  (void)controller.heartbeat(beat);
  CHECK(
      place(3).error().detail ==
      "The target replication factor of 3 cannot be reached because only 2 broker(s) are registered or some "
      "brokers have all their log directories cordoned.");
  auto bye = controller.beat(1);
  bye.want_fence = true;
  (void)controller.heartbeat(bye);
  CHECK(place(1).error().detail ==
        "All brokers are currently fenced, or have all their log directories cordoned.");
}

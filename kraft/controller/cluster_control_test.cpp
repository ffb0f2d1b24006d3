// Brokers come, go and lose directories, several of them at a time. Measured on Kafka 4.3.1.
#include "kraft/controller/cluster_control.hpp"

#include <catch2/catch.hpp>

#include "kraft/controller/partition_change.hpp"
#include "kraft/controller_testing.hpp"

using namespace barnabas;
using namespace barnabas::kraft;

namespace {

BrokerIds ids(const std::vector<std::int32_t>& numbers) {
  return to_broker_ids(numbers);
}
const protocol::RegisterBrokerRecord* registration_in(const MetadataRecords& records) {
  for (const MetadataRecord& record : records)
    if (const auto* found = std::get_if<protocol::RegisterBrokerRecord>(&record)) return found;
  return nullptr;
}

}  // namespace

TEST_CASE(
    "a broker is registered fenced, with the offset of its record as epoch, and unfenced when it has read "
    "it") {
  ControllerFixture controller;
  const std::int64_t next = controller.context().next_offset.value();
  auto request = controller.registration(1);
  request.rack = "a";
  CHECK(controller.register_broker(request).broker_epoch == next);
  const BrokerRegistration& broker = *controller.image().broker(BrokerId(1));
  CHECK(broker.fenced);
  CHECK(broker.epoch == next);
  CHECK(broker.rack == "a");
  auto beat = controller.beat(1);
  beat.current_metadata_offset = next - 1;
  auto answer = controller.heartbeat(beat);
  CHECK_FALSE(answer.is_caught_up);
  CHECK(answer.is_fenced);
  beat.current_metadata_offset = next;
  beat.want_fence = true;
  answer = controller.heartbeat(beat);
  CHECK(answer.is_caught_up);
  CHECK(answer.is_fenced);
  beat.want_fence = false;
  answer = controller.heartbeat(beat);
  CHECK_FALSE(answer.is_fenced);
  CHECK_FALSE(controller.image().broker(BrokerId(1))->fenced);
  ++beat.broker_epoch;
  CHECK(controller.heartbeat(beat).error_code == 77);
  beat.broker_id = 2;
  CHECK(controller.heartbeat(beat).error_code == 77);
}

TEST_CASE("registrations that cannot be are refused, each with its error") {
  ControllerFixture controller;
  controller.start_brokers(1);
  const auto error = [&](auto change) {
    auto request = controller.registration(2);
    change(request);
    return controller.register_broker(request).error_code;
  };
  CHECK(error([](auto& r) { r.cluster_id = "another"; }) == 104);
  CHECK(error([](auto& r) { r.broker_id = 1; }) == 101);
  CHECK(error([](auto& r) { r.is_migrating_zk_broker = true; }) == 102);
  CHECK(error([](auto& r) { r.log_dirs.clear(); }) == 119);
  CHECK(error([](auto& r) { r.log_dirs = {kLostDirectory.value()}; }) == 119);
  CHECK(error([](auto& r) { r.log_dirs.push_back(r.log_dirs[0]); }) == 119);
  CHECK(error([](auto& r) { r.log_dirs = {Uuid::of_low(1000)}; }) == 119);  // broker 1 has it
  const auto range = [](auto& r, const std::string& name, std::int16_t min, std::int16_t max) {
    for (auto& feature : r.features)
      if (feature.name == name) feature = {name, min, max};
  };
  CHECK(error([&](auto& r) { range(r, kMetadataVersionFeature, 7, 29); }) == 35);
  CHECK(error([&](auto& r) { range(r, "group.version", 1, 1); }) == 35);  // finalized is 0
  CHECK(error([](auto& r) {
          std::erase_if(r.features, [](auto& f) { return f.name == "eligible.leader.replicas.version"; });
        }) == 35);
  CHECK(error([](auto& r) {
          std::erase_if(r.features, [](auto& f) { return f.name == kMetadataVersionFeature; });
        }) == 119);
  CHECK(error([](auto&) {}) == 0);
}

TEST_CASE("another life of a broker waits for the session of the one before, unless that said good-bye") {
  ControllerFixture controller;
  controller.start_brokers(2);
  CHECK(controller.register_broker(controller.registration(2)).error_code == 101);
  controller.pass(8000, {2});
  CHECK(controller.register_broker(controller.registration(2)).error_code == 101);
  controller.let_die(2);
  CHECK(controller.register_broker(controller.registration(2)).error_code == 0);

  auto bye = controller.beat(1);
  bye.want_shut_down = true;
  CHECK(controller.heartbeat(bye).should_shut_down);
  CHECK(controller.image().broker(BrokerId(1))->fenced);
  CHECK(controller.register_broker(controller.registration(1)).error_code == 0);
}

TEST_CASE("a new leader gives brokers a whole session, and does not wait for its own former life") {
  ControllerFixture controller;
  controller.start_brokers(2);
  controller.now_ms += 100000;
  controller.sessions.start_all(controller.image(), BrokerId(2), controller.now_ms);
  auto elsewhere = controller.registration(1);
  elsewhere.log_dirs = {Uuid::of_low(777)};
  CHECK(controller.register_broker(elsewhere).error_code == 101);
  CHECK(controller.register_broker(controller.registration(2)).error_code == 0);
  CHECK(controller.sessions.expired(controller.image(), controller.now_ms + 8999).empty());
  CHECK(controller.sessions.expired(controller.image(), controller.now_ms + 9000) == ids({1}));
}

TEST_CASE("who brings the log directories of a life that may be over need not wait for its session") {
  ControllerFixture controller;
  controller.start_brokers(2);
  auto elsewhere = controller.registration(2);
  elsewhere.log_dirs = {Uuid::of_low(777)};
  const auto disconnect = [&](std::int32_t id) {
    controller.sessions.disconnected(BrokerId(id), controller.image().broker(BrokerId(id))->epoch,
                                     controller.now_ms + 2500);
  };
  CHECK(controller.register_broker(controller.registration(2)).error_code == 101);  // it is connected
  disconnect(2);
  CHECK(controller.register_broker(elsewhere).error_code == 101);
  CHECK(controller.register_broker(controller.registration(2)).error_code == 0);

  disconnect(1);
  CHECK(controller.heartbeat(controller.beat(1)).error_code == 0);  // over another connection
  CHECK(controller.register_broker(controller.registration(1)).error_code == 101);
  controller.sessions.start_all(controller.image(), kNoBroker, controller.now_ms);
  CHECK(controller.register_broker(controller.registration(1)).error_code == 0);
}

TEST_CASE("a silent broker is fenced when its session ends and leads nothing any more") {
  ControllerFixture controller;
  controller.start_brokers(3);
  controller.create_topic("t", {{1, 2, 3}, {2, 3, 1}});
  controller.let_die(1);
  CHECK(controller.partition("t", 0).leader == BrokerId(2));
  CHECK(controller.partition("t", 0).isr == ids({2, 3}));
  CHECK(controller.partition("t", 0).leader_epoch == LeaderEpoch(1));
  CHECK(controller.partition("t", 1).leader == BrokerId(2));
  CHECK(controller.partition("t", 1).isr == ids({2, 3}));
  CHECK(controller.partition("t", 1).leader_epoch == LeaderEpoch(0));
  auto back = controller.beat(1);
  CHECK_FALSE(controller.heartbeat(back).is_fenced);
  CHECK(controller.partition("t", 0).isr == ids({2, 3}));
}

TEST_CASE("a broker shuts down when it leads nothing and the others know that") {
  ControllerFixture controller;
  controller.start_brokers(3);
  controller.create_topic("t", {{1, 2}});
  auto bye = controller.beat(1);
  bye.want_shut_down = true;
  auto answer = controller.heartbeat(bye);
  CHECK_FALSE(answer.should_shut_down);
  CHECK_FALSE(answer.is_fenced);
  CHECK(controller.image().broker(BrokerId(1))->in_controlled_shutdown);
  CHECK(controller.partition("t").leader == BrokerId(2));
  CHECK(controller.partition("t").isr == ids({2}));
  CHECK_FALSE(controller.heartbeat(bye).should_shut_down);
  (void)controller.heartbeat(controller.beat(2));
  CHECK_FALSE(controller.heartbeat(bye).should_shut_down);
  (void)controller.heartbeat(controller.beat(3));
  answer = controller.heartbeat(bye);
  CHECK(answer.should_shut_down);
  CHECK(answer.is_fenced);
  // Clean: the same life's epoch in the next registration.
  controller.restart(1, true);
  CHECK_FALSE(controller.image().broker(BrokerId(1))->in_controlled_shutdown);
}

TEST_CASE("the same life may tell other addresses and racks; its epoch and state stay") {
  ControllerFixture controller;
  auto request = controller.registration(1);
  const auto epoch = controller.register_broker(request).broker_epoch;
  (void)controller.heartbeat(controller.beat(1));
  request.rack = "b";
  request.listeners[0].host = "elsewhere";
  CHECK(controller.register_broker(request).broker_epoch == epoch);
  const auto* record = registration_in(controller.last_records);
  REQUIRE(record != nullptr);
  CHECK_FALSE(record->fenced);
  CHECK(controller.image().broker(BrokerId(1))->rack == "b");
  CHECK_FALSE(controller.image().broker(BrokerId(1))->fenced);
}

TEST_CASE("an unclean life's replicas leave the ELR, a clean one's stay") {
  for (const bool clean : {true, false}) {
    ControllerFixture controller({.metadata_version = 30, .elr = true, .min_isr = "2", .seed = 7});
    controller.start_brokers(2);
    controller.create_topic("t", {{1, 2}});
    controller.let_die(2);
    CHECK(controller.partition("t").eligible_leader_replicas == ids({2}));
    controller.let_die(1);
    CHECK(controller.partition("t").leader == kNoBroker);
    CHECK(controller.partition("t").isr.empty());
    CHECK(controller.partition("t").eligible_leader_replicas == ids({1, 2}));
    CHECK(controller.partition("t").last_known_elr == ids({1}));
    controller.restart(2, clean);
    CHECK(controller.partition("t").leader == (clean ? BrokerId(2) : kNoBroker));
    CHECK(controller.partition("t").eligible_leader_replicas == ids({1}));
    if (!clean) continue;
    CHECK(controller.partition("t").isr == ids({2}));
    CHECK(controller.partition("t").last_known_elr.empty());
    CHECK(controller.partition("t").leader_recovery_state == kRecovered);
  }
}

TEST_CASE("the last known leader is elected uncleanly when nobody else is eligible") {
  ControllerFixture controller({.metadata_version = 30, .elr = true, .min_isr = "2", .seed = 7});
  controller.start_brokers(2);
  controller.create_topic("t", {{1, 2}});
  controller.let_die(2);
  controller.let_die(1);
  controller.restart(2, false);
  CHECK(controller.partition("t").leader == kNoBroker);
  controller.restart(1, false);
  CHECK(controller.partition("t").leader == BrokerId(1));
  CHECK(controller.partition("t").isr == ids({1}));
  CHECK(controller.partition("t").leader_recovery_state == kRecovering);
  CHECK(controller.partition("t").last_known_elr.empty());
}

TEST_CASE("without ELR the last ISR is kept and only its members come back as leaders") {
  ControllerFixture controller({.metadata_version = 30, .elr = false, .min_isr = "2", .seed = 7});
  controller.start_brokers(2);
  controller.create_topic("t", {{1, 2}});
  controller.let_die(2);
  controller.let_die(1);
  CHECK(controller.partition("t").leader == kNoBroker);
  CHECK(controller.partition("t").isr == ids({1}));
  controller.restart(2, false);
  CHECK(controller.partition("t").leader == kNoBroker);
  controller.restart(1, false);
  CHECK(controller.partition("t").leader == BrokerId(1));
  CHECK(controller.partition("t").leader_recovery_state == kRecovered);
}

TEST_CASE("partitions in a directory that goes offline are led elsewhere, the others stay") {
  ControllerFixture controller;
  controller.start_brokers(2);
  auto request = controller.registration(3);
  const Uuid first = Uuid::of_low(3001);
  const Uuid second = Uuid::of_low(3002);
  request.log_dirs = {first, second};
  CHECK(controller.register_broker(request).error_code == 0);
  (void)controller.heartbeat(controller.beat(3));
  controller.create_topic("t", {{3, 1}, {3, 2}});
  CHECK(controller.partition("t", 0).directories[0] == kUnassignedDirectory);
  protocol::PartitionChangeRecord assigned;
  assigned.topic_id = controller.image().topic("t")->id.value();
  for (const Uuid& directory : {first, second}) {
    assigned.partition_id = directory == first ? 0 : 1;
    assigned.directories = {directory,
                            controller.partition("t", assigned.partition_id).directories[1].value()};
    MetadataRecords records;
    records.emplace_back(assigned);
    controller.apply(records);
  }
  auto beat = controller.beat(3);
  beat.offline_log_dirs = {first};
  (void)controller.heartbeat(beat);
  CHECK(controller.partition("t", 0).leader == BrokerId(1));
  CHECK(controller.partition("t", 0).isr == ids({1}));
  CHECK(controller.partition("t", 1).leader == BrokerId(3));
  CHECK(controller.image().broker(BrokerId(3))->directories == std::vector{DirectoryId(second)});
  CHECK(controller.take(broker_heartbeat(controller.context(), controller.sessions, beat)).error_code == 0);
  CHECK(controller.last_records.empty());
}

TEST_CASE("cordoned directories are told once, and again when they change") {
  ControllerFixture controller;
  controller.start_brokers(1);
  auto beat = controller.beat(1);
  beat.cordoned_log_dirs.emplace();
  (void)controller.heartbeat(beat);
  CHECK(controller.last_records.size() == 1);
  (void)controller.heartbeat(beat);
  CHECK(controller.last_records.empty());
  beat.cordoned_log_dirs->push_back(Uuid::of_low(1000));
  (void)controller.heartbeat(beat);
  CHECK(controller.image().broker(BrokerId(1))->cordoned_directories ==
        std::vector{DirectoryId(Uuid::of_low(1000))});
}

TEST_CASE("an unregistered broker leaves its partitions and is forgotten") {
  ControllerFixture controller;
  controller.start_brokers(2);
  controller.create_topic("t", {{1, 2}});
  protocol::UnregisterBrokerRequest request;
  request.broker_id = 1;
  const auto unregister = [&] {
    return controller.take(unregister_broker(controller.context(), controller.sessions, request)).error_code;
  };
  CHECK(unregister() == 0);
  CHECK(controller.image().broker(BrokerId(1)) == nullptr);
  CHECK(controller.partition("t").leader == BrokerId(2));
  CHECK(unregister() == 102);
}

TEST_CASE("controllers register from metadata.version 3.7 on") {
  protocol::ControllerRegistrationRequest request;
  request.controller_id = 3000;
  request.features.push_back({kMetadataVersionFeature, 7, 30});
  ControllerFixture old({.metadata_version = 14, .elr = false, .min_isr = "1", .seed = 7});
  CHECK(old.take(register_controller(old.context(), request)).error_code == 35);
  ControllerFixture controller;
  CHECK(controller.take(register_controller(controller.context(), request)).error_code == 0);
  CHECK(controller.image().cluster->controllers.contains(BrokerId(3000)));
}

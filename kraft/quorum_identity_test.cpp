// Who belongs to a quorum: nodes of another cluster, of another directory, or with a node.id that is taken
// are told so and harm nobody.
#include <catch2/catch.hpp>

#include "kraft/quorum_testing.hpp"

using namespace barnabas;
using namespace barnabas::kraft;

namespace {

/// As a controller of this id and incarnation registers itself.
void register_as(QuorumFixture& quorum, int id, const Uuid& incarnation) {
  protocol::ControllerRegistrationRequest request;
  request.controller_id = id;
  request.incarnation_id = incarnation;
  request.listeners.push_back({"CONTROLLER", "elsewhere", 9093, 0});
  bool is_registered = false;
  quorum.node(quorum.leader())
      .submit(std::move(request),
              ReplyTo<protocol::ControllerRegistrationResponse>(
                  [&](const auto& response) { is_registered = response.error_code == 0; }));
  REQUIRE(quorum.run_until([&] { return is_registered; }));
}

const ControllerRegistration& registration_of(QuorumFixture& quorum, int id) {
  return quorum.node(quorum.leader()).image()->cluster->controllers.at(BrokerId(id));
}

}  // namespace

TEST_CASE("other static voters than those of the directory are refused, and nothing is touched") {
  QuorumFixture quorum;
  quorum.start_all();
  (void)quorum.wait_for_leader();
  quorum.stop(1);
  const auto before = *quorum.member(1).files.list("/data/__cluster_metadata-0");
  quorum.member(1).options.static_voters = *parse_static_voters("1@node-1:9093,2@node-2:9093", "CONTROLLER");
  const auto opened = quorum.start(1);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ErrorCode::kInvalidConfig);
  CHECK(opened.error().detail.find("controller.quorum.voters names the nodes 1, 2") != std::string::npos);
  CHECK(quorum.member(1).files.list("/data/__cluster_metadata-0")->size() == before.size());
}

TEST_CASE("a sole voter whose directory is another one is refused") {
  QuorumFixture quorum(dynamic_quorum(1, 1));
  quorum.start_all();
  REQUIRE(quorum.wait_for_leader() == 1);
  quorum.stop(1);
  quorum.move_to_another_disk(1);
  const auto opened = quorum.start(1);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ErrorCode::kInvalidConfig);
  CHECK(opened.error().detail.find("directory.id") != std::string::npos);
}

TEST_CASE("a node that was formatted for another cluster fails with what to do") {
  QuorumFixture quorum;
  quorum.stranger = 2;
  quorum.start_all();
  REQUIRE(quorum.run_until([&] { return quorum.member(2).failure.has_value(); }));
  CHECK(quorum.member(2).failure->code == ErrorCode::kInvalidConfig);
  CHECK(quorum.member(2).failure->detail.find("is of another cluster") != std::string::npos);
  REQUIRE(quorum.run_until([&] { return quorum.leader() != 0; }));
  CHECK_FALSE(quorum.member(quorum.leader()).failure);
}

TEST_CASE("a node of another cluster that first reaches only itself fails as well") {
  // controller.quorum.bootstrap.servers names every controller, itself among them.
  QuorumFixture quorum(dynamic_quorum(3, 3));
  quorum.stranger = 3;
  for (const int other : {1, 2}) quorum.cut(other);
  quorum.start_all();
  quorum.run_ms(500);
  REQUIRE_FALSE(quorum.member(3).failure);
  for (const int other : {1, 2}) quorum.join(other);
  REQUIRE(quorum.run_until([&] { return quorum.member(3).failure.has_value(); }));
  CHECK(quorum.member(3).failure->detail.find("is of another cluster") != std::string::npos);
  REQUIRE(quorum.run_until([&] { return quorum.leader() != 0; }));
  CHECK_FALSE(quorum.member(quorum.leader()).failure);
}

TEST_CASE("a single voter of another cluster does not end those that are right") {
  // Node 3 is asked as a voter and as a bootstrap server while node 2 is down.
  QuorumFixture quorum(dynamic_quorum(3, 3));
  quorum.stranger = 3;
  REQUIRE(quorum.start(3));
  REQUIRE(quorum.start(1));
  quorum.run_ms(20000);
  CHECK_FALSE(quorum.member(1).failure);
  REQUIRE(quorum.start(2));
  REQUIRE(quorum.run_until([&] { return quorum.leader() != 0; }));
  CHECK(quorum.run_until([&] { return quorum.member(3).failure.has_value(); }));
  for (const int right : {1, 2}) CHECK_FALSE(quorum.member(right).failure);
}

TEST_CASE(
    "a broker whose bootstrap servers are another cluster's fails, unless it finds the voters it knows") {
  QuorumFixture quorum(dynamic_quorum(1, 1, 1));
  quorum.start_all();
  REQUIRE(quorum.set_quota_now(quorum.wait_for_leader(), "u") == ErrorCode::kNone);
  REQUIRE(quorum.wait_until_equal());
  quorum.stop(2);
  quorum.bootstrap_is_elsewhere = true;
  REQUIRE(quorum.start(2));
  quorum.run_ms(20000);
  CHECK_FALSE(quorum.member(2).failure);
  CHECK(quorum.has_quota(2, "u"));
  quorum.stop(2);
  quorum.stop(1);
  REQUIRE(quorum.start(2));
  REQUIRE(quorum.run_until([&] { return quorum.member(2).failure.has_value(); }));
  CHECK(quorum.member(2).failure->detail.find("is of another cluster") != std::string::npos);
}

TEST_CASE("a controller whose node.id another one has had before it, and still uses, fails with what to do") {
  QuorumFixture quorum;
  quorum.start_all();
  const int leader = quorum.wait_for_leader();
  const int newcomer = other_than(leader);
  quorum.stop(newcomer);
  const Uuid first = Uuid::of_low(4711);
  register_as(quorum, newcomer, first);
  REQUIRE(quorum.start(newcomer));
  REQUIRE(quorum.wait_until_equal());
  const auto wanted = quorum.node(newcomer).wanted_registration();
  REQUIRE(wanted);
  register_as(quorum, newcomer, wanted->incarnation_id);
  REQUIRE(quorum.wait_until_equal());
  CHECK_FALSE(quorum.member(newcomer).failure);

  SECTION("the one before it registers again") {
    register_as(quorum, newcomer, first);
    REQUIRE(quorum.run_until([&] { return quorum.member(newcomer).failure.has_value(); }));
    CHECK(quorum.member(newcomer).failure->code == ErrorCode::kInvalidConfig);
    CHECK(quorum.member(newcomer).failure->detail.find("is alive at elsewhere:9093") != std::string::npos);
  }
  SECTION("one that came after it registers: that one is to go") {
    register_as(quorum, newcomer, Uuid::of_low(4712));
    REQUIRE(quorum.wait_until_equal());
    CHECK_FALSE(quorum.member(newcomer).failure);
    CHECK(quorum.node(newcomer).wanted_registration());
  }
}

TEST_CASE("a controller with a voter's node.id fails when the voter registers after it, if only then") {
  // As a voter of Apache Kafka may that was started before it: its registration takes some seconds.
  QuorumFixture quorum(dynamic_quorum(3, 3));
  quorum.start_all();
  const int leader = quorum.wait_for_leader();
  const int used = other_than(leader);
  REQUIRE(quorum.wait_until_equal());
  quorum.stop(used);
  quorum.move_to_another_disk(used);
  REQUIRE(quorum.start(used));
  REQUIRE(quorum.wait_until_equal());
  const auto wanted = quorum.node(used).wanted_registration();
  REQUIRE(wanted);
  register_as(quorum, used, wanted->incarnation_id);
  REQUIRE(quorum.run_until([&] { return !quorum.node(used).wanted_registration(); }));
  CHECK_FALSE(quorum.member(used).failure);
  register_as(quorum, used, Uuid::of_low(4711));
  REQUIRE(quorum.run_until([&] { return quorum.member(used).failure.has_value(); }));
  CHECK(quorum.member(used).failure->detail.find("is alive at elsewhere:9093") != std::string::npos);
}

TEST_CASE("a leader whose registration another node takes registers again") {
  QuorumFixture quorum;
  quorum.start_all();
  const int leader = quorum.wait_for_leader();
  REQUIRE(quorum.run_until(
      [&] { return quorum.node(leader).image()->cluster->controllers.contains(BrokerId(leader)); }));
  const Uuid own = registration_of(quorum, leader).incarnation_id;
  register_as(quorum, leader, Uuid::of_low(4711));
  REQUIRE(quorum.run_until([&] { return registration_of(quorum, leader).incarnation_id == own; }));
  CHECK_FALSE(quorum.member(leader).failure);
}

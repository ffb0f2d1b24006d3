#include "broker/drivers/controller_channel.hpp"

#include <catch2/catch.hpp>

#include "broker/drivers/controller_testing.hpp"

namespace barnabas::broker {
namespace {

using namespace std::chrono_literals;
using protocol::BrokerHeartbeatRequest;
using protocol::BrokerHeartbeatResponse;
using testing::FakeController;
using testing::ToldDriver;

/// A broker that asks, and two controllers.
struct Channel {
  explicit Channel(std::uint64_t seed = 1)
      : world(seed),
        one(world, "one"),
        two(world, "two"),
        channel(world.node("broker"), world.clock(), world.random(), driver, options()) {
    for (FakeController* controller : {&one, &two})
      controller->serve<BrokerHeartbeatRequest, BrokerHeartbeatResponse>(
          [this, controller](const BrokerHeartbeatRequest&) -> std::optional<BrokerHeartbeatResponse> {
            if (silent) return std::nullopt;
            BrokerHeartbeatResponse response;
            if (controller != leader)
              response.error_code = static_cast<std::int16_t>(ErrorCode::kNotController);
            return response;
          });
  }
  static ControllerChannelOptions options() {
    ControllerChannelOptions options;
    options.attempt_timeout = 2s;
    return options;
  }

  void ask(std::chrono::nanoseconds timeout = 10s) {
    channel.ask<BrokerHeartbeatResponse>(BrokerHeartbeatRequest(), timeout, [this](auto answer) {
      answers.push_back(answer ? static_cast<ErrorCode>(answer->error_code) : answer.error().code);
    });
  }
  void run_for(std::chrono::nanoseconds time) { world.run_until(world.clock().monotonic() + time); }

  SimulatedWorld world;
  FakeController one, two;
  FakeController* leader = &one;
  bool silent = false;
  ToldDriver driver;
  ControllerChannel channel;
  std::vector<ErrorCode> answers;
};

using Codes = std::vector<ErrorCode>;

TEST_CASE("a request waits until an active controller is known") {
  Channel c;
  c.ask();
  c.run_for(1s);
  CHECK(c.answers.empty());
  CHECK(c.one.connections() == 0);
  c.driver.tell(1, c.one.endpoint());
  c.run_for(1s);
  CHECK(c.answers == Codes{ErrorCode::kNone});
  REQUIRE(c.channel.controller_versions());
  CHECK(c.channel.controller_versions()->size() == 2);
  c.ask();
  c.run_for(1s);
  CHECK(c.one.connections() == 1);
  CHECK(c.answers.size() == 2);
}

TEST_CASE("a request that no controller answers in time says so") {
  Channel c;
  c.ask(3s);
  c.run_for(2s);
  CHECK(c.answers.empty());
  c.run_for(2s);
  CHECK(c.answers == Codes{ErrorCode::kRequestTimedOut});
  c.silent = true;
  c.driver.tell(1, c.one.endpoint());
  c.ask(3s);
  c.run_for(4s);
  CHECK(c.answers == Codes{ErrorCode::kRequestTimedOut, ErrorCode::kRequestTimedOut});
  CHECK(c.one.asked.size() == 2);  // the first attempt was given up after two seconds
}

TEST_CASE("a request follows the leadership, whoever tells of it first") {
  Channel c;
  c.leader = &c.two;
  SECTION("the old leader says that it is none") {
    c.driver.tell(1, c.one.endpoint());
    c.ask();
    c.run_for(1s);
    CHECK(c.answers.empty());
    CHECK(c.one.asked.size() > 5);
    CHECK(c.one.asked.size() < 30);
  }
  SECTION("the old leader is silent") {
    c.silent = true;
    c.driver.tell(1, c.one.endpoint());
    c.ask();
    c.run_for(500ms);
    c.silent = false;
  }
  SECTION("the old leader is dead") {
    c.driver.tell(1, c.one.endpoint());
    c.one.crash();
    c.ask();
    c.run_for(3s);
    CHECK(c.answers.empty());
  }
  SECTION("nobody was known for a while") {
    c.driver.tell(1, c.one.endpoint());
    c.one.crash();
    c.ask();
    c.driver.tell(-1, std::nullopt);
    c.run_for(3s);
    CHECK(c.answers.empty());
  }
  c.driver.tell(2, c.two.endpoint());
  c.run_for(200ms);
  CHECK(c.answers == Codes{ErrorCode::kNone});
  CHECK(c.two.asked.size() == 1);
}

TEST_CASE("a leader that restarts is asked again") {
  Channel c;
  c.driver.tell(1, c.one.endpoint());
  c.ask();
  c.run_for(100ms);
  c.one.crash();
  c.ask();
  c.run_for(1s);
  CHECK(c.answers.size() == 1);
  c.one.restart();
  c.run_for(3s);
  CHECK(c.answers == Codes{ErrorCode::kNone, ErrorCode::kNone});
}

TEST_CASE("what the controller does not speak is told at once") {
  Channel c;
  c.driver.tell(1, c.one.endpoint());
  Result<protocol::AllocateProducerIdsResponse> told = fail(ErrorCode::kNone);
  c.channel.ask<protocol::AllocateProducerIdsResponse>(protocol::AllocateProducerIdsRequest(), 10s,
                                                       [&told](auto answer) { told = std::move(answer); });
  c.run_for(1s);
  REQUIRE_FALSE(told.has_value());
  CHECK(told.error().code == ErrorCode::kUnsupportedVersion);
}

TEST_CASE("a controller in this process is asked by the driver, at once or when it becomes one") {
  Channel c;
  SECTION("at once") {
    c.driver.tell(7, std::nullopt, true);
    c.ask();
    CHECK(c.driver.tasks.size() == 1);
    CHECK(c.channel.is_local());
  }
  SECTION("later") {
    c.driver.tell(1, c.one.endpoint());
    c.silent = true;
    c.ask();
    c.run_for(100ms);
    CHECK(c.one.asked.size() == 1);
    c.driver.tell(7, std::nullopt, true);
    c.run_for(100ms);
    CHECK(c.driver.tasks.size() == 1);
    CHECK_FALSE(c.channel.controller_versions());
  }
}

TEST_CASE("an envelope brings its content back, and its error") {
  Channel c;
  ErrorCode error = ErrorCode::kNone;
  int refusals = 0;
  const Bytes content{1, 2, 3};
  c.one.serve<protocol::EnvelopeRequest, protocol::EnvelopeResponse>(
      [&](const protocol::EnvelopeRequest& request) -> std::optional<protocol::EnvelopeResponse> {
        CHECK(to_bytes(request.request_data) == Bytes{9, 9});
        CHECK(to_bytes(*request.request_principal) == Bytes{8});
        CHECK(to_bytes(request.client_host_address) == Bytes{127, 0, 0, 1});
        protocol::EnvelopeResponse response;
        if (refusals-- > 0) {
          response.error_code = static_cast<std::int16_t>(ErrorCode::kNotController);
        } else if (error != ErrorCode::kNone) {
          response.error_code = static_cast<std::int16_t>(error);
        } else {
          response.response_data = ByteView(content);
        }
        return response;
      });
  c.driver.tell(1, c.one.endpoint());
  std::vector<Result<Bytes>> told;
  int local = 0;
  const auto forward = [&] {
    c.channel.forward(
        {{9, 9}, {8}, {127, 0, 0, 1}}, 10s, [&local] { ++local; },
        [&told](Result<Bytes> answer) { told.push_back(std::move(answer)); });
    c.run_for(1s);
  };
  SECTION("content") {
    forward();
    REQUIRE(told.size() == 1);
    REQUIRE(told[0].has_value());
    CHECK(*told[0] == content);
  }
  SECTION("an error") {
    error = ErrorCode::kPrincipalDeserializationFailure;
    forward();
    REQUIRE(told.size() == 1);
    REQUIRE_FALSE(told[0].has_value());
    CHECK(told[0].error().code == error);
  }
  SECTION("NOT_CONTROLLER is tried again") {
    refusals = 3;
    forward();
    REQUIRE(told.size() == 1);
    CHECK(told[0].has_value());
    CHECK(c.one.asked.size() == 4);
  }
  SECTION("the controller does not know envelopes") {
    c.driver.tell(2, c.two.endpoint());
    forward();
    REQUIRE(told.size() == 1);
    REQUIRE_FALSE(told[0].has_value());
    CHECK(told[0].error().code == ErrorCode::kUnknownServerError);
  }
  SECTION("this node became the controller") {
    c.driver.tell(7, std::nullopt, true);
    forward();
    CHECK(told.empty());
    CHECK(local == 1);
  }
}

TEST_CASE("whatever the network does, each request is answered once") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    INFO("seed " << seed);
    Channel c(seed);
    SeededRandom chance(seed);
    int asked = 0;
    for (int round = 0; round < 40; ++round) {
      if (chance.below(2) == 0) {
        c.ask(20s);
        ++asked;
      }
      switch (chance.below(6)) {
        case 0:
          c.world.break_connections("broker", "one");
          break;
        case 1:
          c.world.break_connections("broker", "two");
          break;
        case 2:
          c.leader = chance.below(2) == 0 ? &c.one : &c.two;
          break;
        case 3:
          c.driver.tell(c.leader == &c.one ? 1 : 2, c.leader->endpoint());
          break;
        case 4:
          c.driver.tell(-1, std::nullopt);
          break;
        default:
          break;
      }
      c.run_for(std::chrono::milliseconds(chance.below(300)));
    }
    c.driver.tell(c.leader == &c.one ? 1 : 2, c.leader->endpoint());
    c.run_for(25s);
    CHECK(static_cast<int>(c.answers.size()) == asked);
    CHECK(std::ranges::count(c.answers, ErrorCode::kNone) == asked);
  }
}

}  // namespace
}  // namespace barnabas::broker

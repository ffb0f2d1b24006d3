#include "broker/drivers/broker_lifecycle.hpp"

#include <catch2/catch.hpp>

namespace barnabas::broker {
namespace {

using namespace std::chrono_literals;
using protocol::BrokerHeartbeatRequest;
using protocol::BrokerHeartbeatResponse;
using protocol::BrokerRegistrationRequest;
using protocol::BrokerRegistrationResponse;
using State = BrokerLifecycle::State;

constexpr std::int64_t kEpoch = 40;  // the offset of the registration's record

/// A broker's life with the controller's part played by the test.
struct Life {
  explicit Life(BrokerLifecycleOptions options = {})
      : life((options.id = BrokerId(7), options), {"cluster", {}, {}, "rack", 12}, Uuid(), now) {}

  std::optional<BrokerRegistrationRequest> registration() {
    const auto work = life.next(now);
    REQUIRE(work.has_value());
    const auto* request = std::get_if<BrokerRegistrationRequest>(&*work);
    return request ? std::optional(*request) : std::nullopt;
  }
  std::optional<BrokerHeartbeatRequest> heartbeat() {
    const auto work = life.next(now);
    REQUIRE(work.has_value());
    const auto* request = std::get_if<BrokerHeartbeatRequest>(&*work);
    return request ? std::optional(*request) : std::nullopt;
  }
  /// Until the next request is due.
  void wait() { now = std::max(now, life.deadline()); }
  void answer_registration(ErrorCode error = ErrorCode::kNone, std::int64_t epoch = kEpoch) {
    BrokerRegistrationResponse response;
    response.error_code = static_cast<std::int16_t>(error);
    response.broker_epoch = error == ErrorCode::kNone ? epoch : -1;
    life.on_registration(response, now);
  }
  void beat(bool fenced, bool shut_down = false, ErrorCode error = ErrorCode::kNone) {
    BrokerHeartbeatResponse response;
    response.error_code = static_cast<std::int16_t>(error);
    response.is_fenced = fenced;
    response.should_shut_down = shut_down;
    life.on_heartbeat(response, now);
  }
  void run_up() {
    REQUIRE(registration());
    answer_registration();
    life.on_metadata(Offset(kEpoch), now);
    life.serve(now);
    REQUIRE(heartbeat());
    beat(false);
    REQUIRE(life.state() == State::kRunning);
  }

  std::chrono::nanoseconds now = 1s;
  BrokerLifecycle life;
};

TEST_CASE("a broker registers, reads the metadata up to there, serves, and is unfenced") {
  Life broker;
  const auto registration = broker.registration();
  REQUIRE(registration);
  CHECK(registration->broker_id == 7);
  CHECK(registration->rack == "rack");
  CHECK(registration->previous_broker_epoch == 12);
  CHECK_FALSE(broker.registration());  // one request at a time
  broker.answer_registration();
  CHECK(broker.life.epoch() == kEpoch);
  CHECK(broker.life.state() == State::kCatchingUp);

  const auto first = broker.heartbeat();
  REQUIRE(first);
  CHECK(first->want_fence);
  broker.beat(true);
  broker.life.on_metadata(Offset(kEpoch - 1), broker.now);
  CHECK_FALSE(broker.life.is_caught_up());
  CHECK_FALSE(broker.heartbeat());
  broker.life.on_metadata(Offset(kEpoch), broker.now);
  CHECK(broker.life.is_caught_up());
  broker.life.serve(broker.now);
  const auto second = broker.heartbeat();
  REQUIRE(second);
  CHECK_FALSE(second->want_fence);
  CHECK(second->current_metadata_offset == kEpoch);
  broker.beat(false);
  CHECK(broker.life.state() == State::kRunning);
  CHECK_FALSE(broker.heartbeat());
  CHECK(broker.life.deadline() == broker.now + 2s);
}

TEST_CASE("a life before this one that the controller thinks alive is waited for") {
  Life broker;
  for (int i = 0; i < 20; ++i) {
    REQUIRE(broker.registration());
    broker.answer_registration(ErrorCode::kDuplicateBrokerRegistration);
    CHECK(broker.life.deadline() <= broker.now + 500ms);
    broker.wait();
  }
  CHECK(broker.now < 12s);
  REQUIRE(broker.registration());
  broker.answer_registration();
  CHECK(broker.life.state() == State::kCatchingUp);
}

TEST_CASE("a registration that cannot succeed ends the broker with its reason") {
  for (const ErrorCode error : {ErrorCode::kInconsistentClusterId, ErrorCode::kInvalidRegistration,
                                ErrorCode::kUnsupportedVersion, ErrorCode::kKafkaStorageError}) {
    Life broker;
    REQUIRE(broker.registration());
    broker.answer_registration(error);
    CHECK(broker.life.deadline() <= broker.now);
    const auto work = broker.life.next(broker.now);
    REQUIRE_FALSE(work.has_value());
    CHECK(work.error().code == error);
    CHECK(work.error().detail.starts_with("the controller refused this broker: "));
  }
}

TEST_CASE("a broker that cannot register in time ends and says what it was told last") {
  Life broker;
  REQUIRE(broker.registration());
  SECTION("nobody answered") {
    broker.now += 60s;
    const auto work = broker.life.next(broker.now);
    REQUIRE_FALSE(work.has_value());
    CHECK(work.error().detail.ends_with("no active controller was found"));
  }
  SECTION("another one is alive") {
    broker.answer_registration(ErrorCode::kDuplicateBrokerRegistration);
    broker.now += 60s;
    const auto work = broker.life.next(broker.now);
    REQUIRE_FALSE(work.has_value());
    CHECK(work.error().detail.find("node.id") != std::string::npos);
  }
}

TEST_CASE("a heartbeat without an answer is repeated soon, and a fenced broker asks at once") {
  Life broker;
  broker.run_up();
  broker.wait();
  REQUIRE(broker.heartbeat());
  broker.life.on_heartbeat(fail(ErrorCode::kRequestTimedOut), broker.now);
  CHECK(broker.life.deadline() == broker.now + 100ms);
  broker.wait();
  REQUIRE(broker.heartbeat());
  broker.beat(true);
  CHECK(broker.life.state() == State::kFenced);
  CHECK(broker.life.deadline() == broker.now);
  REQUIRE(broker.heartbeat());
  broker.beat(true);  // the controller wants it to have read more
  CHECK(broker.life.deadline() == broker.now + 1ms);
  broker.wait();
  REQUIRE(broker.heartbeat());
  broker.beat(false);
  CHECK(broker.life.state() == State::kRunning);
}

TEST_CASE("a broker that the controller does not know any more registers again") {
  for (const ErrorCode error : {ErrorCode::kStaleBrokerEpoch, ErrorCode::kBrokerIdNotRegistered}) {
    Life broker;
    broker.run_up();
    broker.wait();
    REQUIRE(broker.heartbeat());
    broker.beat(true, false, error);
    CHECK(broker.life.state() == State::kRegistering);
    broker.wait();
    REQUIRE(broker.registration());
    broker.answer_registration(ErrorCode::kInvalidRegistration);  // not final any more
    broker.wait();
    REQUIRE(broker.registration());
    broker.answer_registration(ErrorCode::kNone, 90);
    CHECK(broker.life.epoch() == 90);
    CHECK_FALSE(broker.life.is_caught_up());
    broker.life.on_metadata(Offset(95), broker.now);
    const auto heartbeat = broker.heartbeat();
    REQUIRE(heartbeat);
    CHECK(heartbeat->broker_epoch == 90);
    CHECK_FALSE(heartbeat->want_fence);
    broker.beat(false);
    CHECK(broker.life.state() == State::kRunning);
  }
}

TEST_CASE("a broker leaves when it is let go, or when nobody answers") {
  Life broker;
  broker.run_up();
  broker.life.leave(broker.now);
  auto heartbeat = broker.heartbeat();
  REQUIRE(heartbeat);
  CHECK(heartbeat->want_shut_down);
  SECTION("granted, after a while") {
    broker.beat(false);
    CHECK(broker.life.state() == State::kLeaving);
    CHECK(broker.life.deadline() == broker.now + 20ms);
    broker.wait();
    REQUIRE(broker.heartbeat());
    broker.beat(true, true);
    CHECK(broker.life.state() == State::kLeft);
  }
  SECTION("the controller is silent") {
    CHECK(broker.life.deadline() == broker.now + 10s);
    broker.wait();
    CHECK_FALSE(broker.heartbeat());
    CHECK(broker.life.state() == State::kLeft);
  }
  SECTION("the controller does not know it") {
    broker.beat(true, false, ErrorCode::kBrokerIdNotRegistered);
    CHECK(broker.life.state() == State::kLeft);
  }
  SECTION("it was said to be patient for less") {
    broker.life.leave_within(700ms);
    broker.beat(false);
    while (broker.life.state() == State::kLeaving) {
      broker.wait();
      if (broker.heartbeat()) broker.beat(false);
    }
    CHECK(broker.now <= 1s + 720ms);
  }
}

TEST_CASE("a broker that was never registered leaves at once") {
  Life broker;
  broker.life.leave(broker.now);
  CHECK(broker.life.state() == State::kLeft);
}

TEST_CASE("a failed directory is told at once, with every heartbeat, and must be heard in time") {
  BrokerLifecycleOptions options;
  options.directory_failure_timeout = 3s;
  Life broker(options);
  broker.run_up();
  broker.wait();
  REQUIRE(broker.heartbeat());
  const DirectoryId lost{Uuid{{1}}};
  broker.life.lose_directory(lost, broker.now);
  broker.beat(false);  // to the heartbeat that did not tell yet
  auto heartbeat = broker.heartbeat();
  REQUIRE(heartbeat);
  CHECK(heartbeat->offline_log_dirs == std::vector<Uuid>{lost.value()});
  SECTION("heard") {
    broker.beat(false);
    broker.wait();
    broker.now += 5s;
    heartbeat = broker.heartbeat();
    REQUIRE(heartbeat);
    CHECK(heartbeat->offline_log_dirs.size() == 1);
  }
  SECTION("not heard") {
    broker.now += 3s;
    CHECK_FALSE(broker.life.next(broker.now).has_value());
  }
}

TEST_CASE("other addresses are registered in the same life") {
  Life broker;
  broker.run_up();
  broker.life.announce({{"PLAINTEXT", {"elsewhere", 9092}, 0}}, broker.now);
  const auto registration = broker.registration();
  REQUIRE(registration);
  REQUIRE(registration->listeners.size() == 1);
  CHECK(registration->listeners[0].host == "elsewhere");
  broker.answer_registration();
  CHECK(broker.life.state() == State::kRunning);
  REQUIRE(broker.heartbeat());
}

}  // namespace
}  // namespace barnabas::broker

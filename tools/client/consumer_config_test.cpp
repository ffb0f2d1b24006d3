#include "tools/client/consumer_config.hpp"

#include <catch2/catch.hpp>

using namespace barnabas;
using namespace barnabas::tools;
using namespace std::chrono_literals;

TEST_CASE("offsets may be reset by a duration") {
  const auto reset = [](const std::string& text) -> Result<OffsetReset> {
    return TRY(consumer_config_of({{"auto.offset.reset", text}})).reset;
  };
  CHECK(reset("by_duration:P1DT2H3M4.5S")->duration == 24h + 2h + 3min + 4500ms);
  CHECK(reset("earliest")->kind == OffsetReset::Kind::kEarliest);
  for (const char* bad : {"by_duration:", "by_duration:P", "by_duration:1D", "by_duration:PT1D", "foo"}) {
    CHECK(!reset(bad).has_value());
  }
}

TEST_CASE("assignors are named by their classes, choices by their words") {
  const auto config = consumer_config_of({{"partition.assignment.strategy",
                                           "org.apache.kafka.clients.consumer.RoundRobinAssignor, "
                                           "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"},
                                          {"isolation.level", "read_committed"},
                                          {"group.id", "g"}});
  REQUIRE(config.has_value());
  CHECK(config->strategies ==
        std::vector{AssignmentStrategy::kRoundRobin, AssignmentStrategy::kCooperativeSticky});
  CHECK(config->read_committed);
  CHECK(config->auto_commit);
  CHECK(!consumer_config_of({})->auto_commit);  // nothing to commit for
  CHECK(!consumer_config_of({{"partition.assignment.strategy", "foo"}}).has_value());
  CHECK(consumer_config_of({{"isolation.level", "foo"}}).error().detail ==
        "Invalid value foo for configuration isolation.level: String must be one of: read_committed, "
        "read_uncommitted");
}

TEST_CASE("each group protocol has properties that the other refuses") {
  const auto error_of = [](Properties properties) { return consumer_config_of(properties).error().detail; };
  const auto config =
      consumer_config_of({{"group.protocol", "CONSUMER"}, {"group.remote.assignor", "range"}});
  REQUIRE(config.has_value());
  CHECK(config->is_new_protocol);
  CHECK(config->remote_assignor == "range");
  for (const std::string key : {"session.timeout.ms", "heartbeat.interval.ms"}) {
    CHECK(error_of({{"group.protocol", "consumer"}, {key, "9000"}}) ==
          key + " cannot be set when group.protocol=CONSUMER");
  }
  CHECK(error_of({{"group.remote.assignor", "range"}}) ==
        "group.remote.assignor cannot be set when group.protocol=CLASSIC");
}

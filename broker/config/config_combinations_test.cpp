#include "broker/config/config_combinations.hpp"

#include <catch2/catch.hpp>

namespace barnabas::broker {
namespace {

std::string refusal_of(const ConfigMap& more) {
  ConfigMap properties = {{"node.id", "1"},
                          {"process.roles", "broker,controller"},
                          {"controller.listener.names", "CONTROLLER"},
                          {"listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"},
                          {"log.dirs", "/a,/b"},
                          {"controller.quorum.voters", "1@localhost:9093"}};
  for (const auto& [name, value] : more) properties[name] = value;
  const auto config = BrokerConfig::make(properties);
  return config ? "" : config.error().detail;
}

TEST_CASE("the bounds of groups stand in their order, and so does each group's value") {
  for (const std::string kind : {"consumer", "share", "streams"}) {
    const std::string group = "group." + kind + ".";
    CHECK(refusal_of({{group + "max.heartbeat.interval.ms", "4999"}}) ==
          group + "max.heartbeat.interval.ms must be greater than or equal to " + group +
              "min.heartbeat.interval.ms");
    CHECK(refusal_of({{group + "session.timeout.ms", "44000"}}) ==
          group + "session.timeout.ms must be greater than or equal to " + group + "min.session.timeout.ms");
    CHECK(refusal_of({{group + "assignment.interval.ms", "16000"}}) ==
          group + "assignment.interval.ms must be less than or equal to " + group +
              "max.assignment.interval.ms");
    CHECK(refusal_of(
              {{group + "heartbeat.interval.ms", "45000"}, {group + "max.heartbeat.interval.ms", "60000"}}) ==
          group + "heartbeat.interval.ms must be less than " + group + "session.timeout.ms");
  }
  CHECK(refusal_of({{"group.share.max.share.sessions", "7"}}) ==
        "group.share.max.share.sessions must be greater than or equal to group.share.max.size");
  CHECK(
      refusal_of({{"group.streams.num.standby.replicas", "3"}}) ==
      "group.streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas");
}

TEST_CASE("assignors are those that are there, and classic groups always are") {
  CHECK(refusal_of({{"group.consumer.assignors", "range,mine"}}) == "Class mine cannot be found");
  CHECK(refusal_of({{"group.share.assignors", "range"}}) == "Class range cannot be found");
  CHECK(refusal_of({{"group.coordinator.rebalance.protocols", "consumer"}}) ==
        "Disabling the 'classic' protocol is not supported.");
  CHECK(refusal_of({{"group.coordinator.rebalance.protocols", "classic"}}).empty());
}

TEST_CASE("directories that take no new partitions are the node's own") {
  CHECK(refusal_of({{"cordoned.log.dirs", "/b"}}).empty());
  CHECK(refusal_of({{"cordoned.log.dirs", "*"}}).empty());
  CHECK(refusal_of({{"cordoned.log.dirs", "*,/a"}}) ==
        "When cordoned.log.dirs is set to *, it must not contain other values");
  CHECK(refusal_of({{"cordoned.log.dirs", "/c,/a,/d,/c"}}) ==
        "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : /c, /d");
}

TEST_CASE("timeouts, buffers and limits fit each other") {
  CHECK(refusal_of({{"connections.max.idle.ms", "100"}})
            .find("connection.failed.authentication.delay.ms=100") == 0);
  CHECK(refusal_of({{"connections.max.idle.ms", "-1"}}).empty());
  CHECK(refusal_of({{"replica.socket.timeout.ms", "7"}}).find("replica.socket.timeout.ms should") == 0);
  CHECK(refusal_of({{"replica.lag.time.max.ms", "7"}}).find("replica.fetch.wait.max.ms should") == 0);
  CHECK(refusal_of({{"log.cleaner.dedupe.buffer.size", "1048576"}}).find("log.cleaner.dedupe.buffer.size") ==
        0);
  CHECK(refusal_of({{"log.cleaner.dedupe.buffer.size", "1048577"}}).empty());
  CHECK(refusal_of({{"max.connections.per.ip", "0"}}).find("max.connections.per.ip can be set to zero") == 0);
  CHECK(refusal_of({{"max.connections.per.ip", "0"}, {"max.connections.per.ip.overrides", "::1:5"}}).empty());
  CHECK(refusal_of({{"early.start.listeners", "CONTROLLER,X"}})
            .find("early.start.listeners contains listener X") == 0);
}

}  // namespace
}  // namespace barnabas::broker

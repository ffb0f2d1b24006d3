#include "broker/config/dynamic_update.hpp"

#include <catch2/catch.hpp>

#include "broker/config/unserved_settings.hpp"

namespace barnabas::broker {
namespace {

ConfigLayers started() {
  ConfigLayers layers;
  layers.static_values = {{"node.id", "1"},
                          {"process.roles", "broker,controller"},
                          {"controller.listener.names", "CONTROLLER"},
                          {"listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"},
                          {"listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"},
                          {"controller.quorum.voters", "1@localhost:9093"}};
  return layers;
}

std::string refusal_of(std::string_view broker, const ConfigMap& overrides,
                       const ConfigLayers& layers = started()) {
  const auto checked = check_dynamic_update(layers, broker, overrides);
  if (!checked) CHECK(checked.error().code == ErrorCode::kInvalidRequest);
  return checked ? "" : checked.error().detail;
}

TEST_CASE("a pool of threads at most doubles or halves at a time, from what is in force") {
  CHECK(refusal_of("1", {{"num.io.threads", "16"}}).empty());
  CHECK(
      refusal_of("1", {{"num.io.threads", "17"}}) ==
      "Dynamic thread count update validation failed for num.io.threads=17, value should not be greater than "
      "double the current value 8");
  CHECK(refusal_of("1", {{"num.io.threads", "3"}}).find("should be at least half the current value 8") !=
        std::string::npos);
  ConfigLayers layers = started();
  layers.dynamic_default["num.io.threads"] = "16";
  CHECK(refusal_of("1", {{"num.io.threads", "17"}}, layers).empty());
  CHECK(refusal_of("1", {{"log.cleaner.threads", "3"}}) ==
        "Log cleaner threads cannot be increased to more than double the current value 1");
}

TEST_CASE("a listener's own value is checked as the value of its name") {
  const std::string name = "listener.name.plaintext.";
  CHECK(refusal_of("1", {{name + "max.connections", "5"}}).empty());
  CHECK(refusal_of("1", {{name + "max.connections", "0"}}) == "Invalid max.connections 0");
  CHECK(refusal_of("1", {{name + "max.connections", "x"}}) ==
        "Invalid value x for configuration max.connections: Not a number of type INT");
  CHECK(refusal_of("1", {{name + "num.network.threads", "50"}}).find("num.network.threads=50") !=
        std::string::npos);
  CHECK(refusal_of("", {{name + "ssl.keystore.location", "/x"}}) ==
        "Cannot update these configs at default cluster level, broker id must be specified: "
        "[listener.name.plaintext.ssl.keystore.location]");
  CHECK(without_listener_prefix("listener.name.plaintext") == "listener.name.plaintext");
}

TEST_CASE("what stays here of a tiered log is no more than what stays at all") {
  CHECK(refusal_of("1", {{"log.local.retention.ms", "-1"}}) ==
        "Invalid value -1 for configuration log.local.retention.ms: Value must not be -1 as log.retention.ms "
        "value "
        "is set as 604800000.");
  CHECK(refusal_of("1", {{"log.local.retention.bytes", "5"}, {"log.retention.bytes", "4"}}) ==
        "Invalid value 5 for configuration log.local.retention.bytes: Value must not be more than "
        "log.retention.bytes property value: 4");
  CHECK(refusal_of("1", {{"log.local.retention.ms", "-1"}, {"log.retention.ms", "-1"}}).empty());
}

TEST_CASE("what a listener speaks stays, and throttles of replication are numbers") {
  CHECK(refusal_of("1", {{"listener.security.protocol.map", "PLAINTEXT:SSL,CONTROLLER:PLAINTEXT"}}) ==
        "Security protocol cannot be updated for existing listener ListenerName(PLAINTEXT)");
  CHECK(refusal_of("1", {{"leader.replication.throttled.rate", "-5"}}) ==
        "Invalid value -5 for configuration leader.replication.throttled.rate: Value must be at least 0");
  CHECK(refusal_of("1", {{"metric.reporters", "mine"}}) == "Class mine cannot be found");
}

TEST_CASE("what has no effect yet is told by its function, unless it is set to its default") {
  CHECK(unserved_settings({{"num.partitions", "3"}, {"transaction.max.timeout.ms", "1"}}).empty());
  CHECK(unserved_settings({{"transaction.two.phase.commit.enable", "true"},
                           {"listener.name.plaintext.ssl.keystore.type", "PKCS12"},
                           {"super.users", "User:a"},
                           {"sasl.enabled.mechanisms", "PLAIN"}}) ==
        "SASL (sasl.enabled.mechanisms); TLS (listener.name.plaintext.ssl.keystore.type); two-phase commit "
        "(transaction.two.phase.commit.enable)");
}

}  // namespace
}  // namespace barnabas::broker

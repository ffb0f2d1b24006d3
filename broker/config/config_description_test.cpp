#include "broker/config/config_description.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

namespace barnabas::broker {
namespace {

/// What Apache Kafka 4.3.1 answered, one line a configuration.
struct GoldenRow {
  std::string name, value, type, source, sensitive, read_only, is_default, synonyms;
};

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  for (auto at = text.find(separator); at != std::string::npos; at = text.find(separator, from)) {
    parts.push_back(text.substr(from, at - from));
    from = at + separator.size();
  }
  parts.push_back(text.substr(from));
  return parts;
}

std::vector<GoldenRow> golden(const std::string& name) {
  std::ifstream file(std::string(BARNABAS_SOURCE_DIR "/broker/config/testdata/") + name + ".tsv");
  REQUIRE(file.good());
  std::vector<GoldenRow> rows;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    const auto f = split(line, "\t");
    REQUIRE(f.size() == 8);
    rows.push_back({f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]});
  }
  return rows;
}

std::string name_of(ConfigSource source) {
  switch (source) {
    case ConfigSource::kTopic:
      return "DYNAMIC_TOPIC_CONFIG";
    case ConfigSource::kDynamicBroker:
      return "DYNAMIC_BROKER_CONFIG";
    case ConfigSource::kDynamicDefaultBroker:
      return "DYNAMIC_DEFAULT_BROKER_CONFIG";
    case ConfigSource::kStaticBroker:
      return "STATIC_BROKER_CONFIG";
    case ConfigSource::kDefault:
      return "DEFAULT_CONFIG";
    case ConfigSource::kDynamicBrokerLogger:
      return "DYNAMIC_BROKER_LOGGER_CONFIG";
    case ConfigSource::kClientMetrics:
      return "DYNAMIC_CLIENT_METRICS_CONFIG";
    case ConfigSource::kGroup:
      return "DYNAMIC_GROUP_CONFIG";
    default:
      return "UNKNOWN";
  }
}

std::string flag(bool value) {
  return value ? "true" : "false";
}

std::string synonyms_text(const ConfigDescription& description) {
  std::string text;
  for (const auto& synonym : description.synonyms) {
    if (!text.empty()) text += " | ";
    text += name_of(synonym.source) + ":" + synonym.name + "=" + synonym.value.value_or("null");
  }
  return text.empty() ? "-" : text;
}

void compare(const std::vector<ConfigDescription>& ours, const std::vector<GoldenRow>& theirs) {
  REQUIRE(ours.size() == theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const auto& row = theirs[i];
    INFO(row.name);
    CHECK(ours[i].name == row.name);
    const std::string value = !ours[i].value ? "<null>" : ours[i].value->empty() ? "\"\"" : *ours[i].value;
    CHECK(value == row.value);
    CHECK(std::string(to_string(ours[i].type)) == row.type);
    CHECK(name_of(ours[i].source) == row.source);
    CHECK(flag(ours[i].sensitive) == row.sensitive);
    CHECK(flag(ours[i].read_only) == row.read_only);
    CHECK(flag(ours[i].is_default()) == row.is_default);
    CHECK(synonyms_text(ours[i]) == row.synonyms);
  }
}

/// The node that the golden answers came from.
ConfigLayers golden_layers() {
  ConfigLayers layers;
  layers.static_values = {
      {"process.roles", "broker,controller"},
      {"node.id", "1"},
      {"broker.id", "1"},
      {"controller.quorum.voters", "1@127.0.0.1:49293"},
      {"listeners", "PLAINTEXT://127.0.0.1:49292,CONTROLLER://127.0.0.1:49293"},
      {"advertised.listeners", "PLAINTEXT://127.0.0.1:49292"},
      {"controller.listener.names", "CONTROLLER"},
      {"inter.broker.listener.name", "PLAINTEXT"},
      {"log.dirs", "/kafka/D/data"},
      {"offsets.topic.replication.factor", "1"},
      {"transaction.state.log.replication.factor", "1"},
      {"transaction.state.log.min.isr", "1"},
      {"share.coordinator.state.topic.replication.factor", "1"},
      {"share.coordinator.state.topic.min.isr", "1"},
      {"group.initial.rebalance.delay.ms", "0"},
      {"log.retention.hours", "24"},
      {"ssl.keystore.password", "secretpw"},
  };
  layers.dynamic_default = {{"message.max.bytes", "2000000"}, {"min.insync.replicas", "1"}};
  layers.dynamic_broker = {{"log.cleaner.threads", "2"}};
  return layers;
}

TEST_CASE("a broker's configuration is described as Kafka describes it") {
  compare(describe_broker(golden_layers()), golden("broker-1"));
}

TEST_CASE("the cluster-wide default names only what was set") {
  compare(describe_broker_default(golden_layers()), golden("broker-default"));
  CHECK(describe_broker_default({}).empty());
}

TEST_CASE("a topic's configuration is described with its overrides above the broker's layers") {
  ConfigLayers layers = golden_layers();
  layers.static_values.erase("log.retention.hours");
  compare(describe_topic(layers, {{"cleanup.policy", "compact,delete"}, {"retention.ms", "3600000"}}),
          golden("topic-2-overrides"));
}

TEST_CASE(
    "retention given to the broker in hours is a topic's value, of source default and without synonyms") {
  const auto entries = describe_topic(golden_layers(), {});
  const auto retention = std::ranges::find(entries, "retention.ms", &ConfigDescription::name);
  REQUIRE(retention != entries.end());
  CHECK(retention->value == "86400000");
  CHECK(retention->source == ConfigSource::kDefault);
  CHECK(retention->synonyms.empty());
}

TEST_CASE("a topic's minimum of in-sync replicas shows all broker layers, the cluster-wide default first") {
  ConfigLayers layers;
  layers.static_values["min.insync.replicas"] = "2";
  layers.dynamic_default["min.insync.replicas"] = "2";
  const auto entries = describe_topic(layers, {});
  const auto entry = std::ranges::find(entries, "min.insync.replicas", &ConfigDescription::name);
  CHECK(synonyms_text(*entry) ==
        "DYNAMIC_DEFAULT_BROKER_CONFIG:min.insync.replicas=2 | STATIC_BROKER_CONFIG:min.insync.replicas=2 | "
        "DEFAULT_CONFIG:min.insync.replicas=1");
}

TEST_CASE("a group's configuration is described whether or not it was ever set") {
  compare(describe_group(golden_layers(), {}), golden("group-unconfigured"));
  compare(describe_group(golden_layers(), {{"consumer.session.timeout.ms", "46000"}}), golden("group"));
}

TEST_CASE("a client metrics subscription is described with its interval") {
  compare(describe_client_metrics({{"interval.ms", "10000"}}), golden("client-metrics"));
}

TEST_CASE("the value of a password is never told, nor that of its synonyms") {
  const auto entries = describe_broker(golden_layers());
  for (const auto& entry : entries) {
    CHECK(entry.value.value_or("").find("secretpw") == std::string::npos);
    for (const auto& synonym : entry.synonyms)
      CHECK(synonym.value.value_or("").find("secretpw") == std::string::npos);
  }
}

}  // namespace
}  // namespace barnabas::broker

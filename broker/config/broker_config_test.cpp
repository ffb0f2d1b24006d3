#include "broker/config/broker_config.hpp"

#include <catch2/catch.hpp>

#include "broker/config/config_validator.hpp"

namespace barnabas::broker {
namespace {

ConfigMap node_properties(ConfigMap more = {}) {
  ConfigMap properties = {{"node.id", "1"},
                          {"process.roles", "broker,controller"},
                          {"controller.listener.names", "CONTROLLER"},
                          {"listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"},
                          {"controller.quorum.voters", "1@localhost:9093"}};
  for (auto& [name, value] : more) properties[name] = value;
  return properties;
}

std::unique_ptr<BrokerConfig> make(ConfigMap more = {}) {
  auto config = BrokerConfig::make(node_properties(std::move(more)));
  INFO((config ? std::string() : config.error().detail));
  REQUIRE(config);
  return std::move(*config);
}

std::string error_of(ConfigMap more) {
  const auto config = BrokerConfig::make(node_properties(std::move(more)));
  return config ? "no error" : config.error().detail;
}

kraft::MetadataImage image_with(kraft::ConfigsImage configs) {
  kraft::MetadataImage image;
  image.configs = std::make_shared<const kraft::ConfigsImage>(std::move(configs));
  return image;
}

using kraft::ConfigResourceType;

TEST_CASE("all names of Kafka 4.3 are known") {
  CHECK(broker_config_definitions().size() == 360);
  CHECK(topic_config_definitions().size() == 34);
  CHECK(group_config_definitions().size() == 17);
  CHECK(client_metrics_config_definitions().size() == 3);
}

TEST_CASE("every default is a value that its own definition allows") {
  for (const auto table : {broker_config_definitions(), topic_config_definitions(),
                           group_config_definitions(), client_metrics_config_definitions()}) {
    for (const auto& definition : table) {
      if (!definition.has_default) continue;
      INFO(definition.name);
      const auto normal = normalize_value(definition, definition.default_value);
      REQUIRE(normal);
      CHECK(*normal == definition.default_value);
    }
  }
}

TEST_CASE("a wrong value is refused in Kafka's words") {
  const auto topic_error = [](std::string_view name, std::string_view value) {
    const auto normal = normalize_value(*find_definition(topic_config_definitions(), name), value);
    return normal ? "ok " + *normal : normal.error().detail;
  };
  const std::vector<std::array<std::string, 3>> cases = {
      {"retention.ms", "x", "Invalid value x for configuration retention.ms: Not a number of type LONG"},
      {"retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"},
      {"retention.ms", " 5 ", "ok 5"},
      {"retention.ms", "", "Invalid value  for configuration retention.ms: Not a number of type LONG"},
      {"segment.bytes", "3000000000",
       "Invalid value 3000000000 for configuration segment.bytes: Not a number of type INT"},
      {"segment.bytes", "10",
       "Invalid value 10 for configuration segment.bytes: Value must be at least 1048576"},
      {"segment.bytes", "+1048576", "ok 1048576"},
      {"segment.bytes", "0x10",
       "Invalid value 0x10 for configuration segment.bytes: Not a number of type INT"},
      {"cleanup.policy", "foo",
       "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete"},
      {"cleanup.policy", "delete,", "Configuration 'cleanup.policy' values must not be empty."},
      {"cleanup.policy", "compact, delete", "ok compact,delete"},
      {"cleanup.policy", "delete,delete", "ok delete"},
      {"cleanup.policy", "", "ok "},
      {"compression.gzip.level", "10",
       "Invalid value 10 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to "
       "-1"},
      {"compression.gzip.level", "-1", "ok -1"},
      {"compression.lz4.level", "18",
       "Invalid value 18 for configuration compression.lz4.level: Value must be no more than 17"},
      {"compression.zstd.level", "-131073",
       "Invalid value -131073 for configuration compression.zstd.level: Value must be at least -131072"},
      {"preallocate", "yes",
       "Invalid value yes for configuration preallocate: Expected value to be either true or false"},
      {"preallocate", "TRUE", "ok true"},
      {"min.cleanable.dirty.ratio", "2",
       "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"},
      {"min.cleanable.dirty.ratio", "abc",
       "Invalid value abc for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE"},
      {"min.cleanable.dirty.ratio", "0.50", "ok 0.5"},
      {"min.cleanable.dirty.ratio", "1", "ok 1.0"},
      {"min.cleanable.dirty.ratio", "0.0001", "ok 1.0E-4"},
      {"message.timestamp.type", "createtime",
       "Invalid value createtime for configuration message.timestamp.type: String must be one of: "
       "CreateTime, "
       "LogAppendTime"},
      {"leader.replication.throttled.replicas", "0:1,x",
       "Invalid value [0:1, x] for configuration leader.replication.throttled.replicas: "
       "leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following "
       "format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
      {"leader.replication.throttled.replicas", "*", "ok *"},
      {"compression.type", "bzip",
       "Invalid value bzip for configuration compression.type: String must be one of: uncompressed, zstd, "
       "lz4, "
       "snappy, gzip, producer"},
  };
  for (const auto& [name, value, expected] : cases) CHECK(topic_error(name, value) == expected);
}

TEST_CASE("a node's properties are refused in Kafka's words") {
  const std::vector<std::pair<ConfigMap, std::string>> cases = {
      {{{"num.partitions", "0"}},
       "Invalid value 0 for configuration num.partitions: Value must be at least 1"},
      {{{"listeners", "PLAINTEXT://:9092,"}}, "Configuration 'listeners' values must not be empty."},
      {{{"listeners", "PLAINTEXT:9092"}},
       "Error creating broker listeners from '[PLAINTEXT:9092]': Unable to parse PLAINTEXT:9092 to a broker "
       "endpoint"},
      {{{"listeners", "PLAINTEXT://:9092,CONTROLLER://:9092"}},
       "Error creating broker listeners from '[PLAINTEXT://:9092, CONTROLLER://:9092]': Each listener must "
       "have "
       "a different port, listeners: [PLAINTEXT://:9092, CONTROLLER://:9092]"},
      {{{"listeners", "PLAINTEXT://:9092,PLAINTEXT://:9094,CONTROLLER://:9093"}},
       "Error creating broker listeners from '[PLAINTEXT://:9092, PLAINTEXT://:9094, CONTROLLER://:9093]': "
       "Each "
       "listener must have a different name, listeners: [PLAINTEXT://:9092, PLAINTEXT://:9094, "
       "CONTROLLER://:9093]"},
      {{{"listeners", "PLAINTEXT://0.0.0.0:9092,CONTROLLER://:9093"}},
       "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address."},
      {{{"process.roles", "foo"}},
       "Invalid value foo for configuration process.roles: String must be one of: broker, controller"},
      {{{"process.roles", ""}},
       "Configuration 'process.roles' must not be empty. Valid values include: [broker, controller]"},
      {{{"inter.broker.listener.name", "X"}},
       "Listener with name X defined in inter.broker.listener.name not found in "
       "listener.security.protocol.map."},
      {{{"inter.broker.listener.name", "CONTROLLER"}},
       "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid "
       "options "
       "based on currently configured listeners are PLAINTEXT"},
      {{{"broker.id", "2"}}, "You must set `node.id` to the same value as `broker.id`."},
      {{{"controller.quorum.voters", "x"}},
       "Invalid configuration value for controller.quorum.voters. Each entry should be in the form "
       "`{id}@{host}:{port}`."},
      {{{"controller.quorum.voters", "1@0.0.0.0:9093"}}, "Host string (0.0.0.0) is not routeable"},
      {{{"log.dirs", ""}},
       "Configuration 'log.dirs' must not be empty. Valid values include: any non-empty value"},
      {{{"log.retention.hours", "0"}},
       "log.retention.ms must be unlimited (-1) or, greater than or equal to 1"},
      {{{"log.roll.ms", "0"}}, "log.roll.ms must be greater than or equal to 1"},
      {{{"listener.security.protocol.map", "PLAINTEXT:FOO,CONTROLLER:PLAINTEXT"}},
       "Invalid security protocol `FOO` defined in listener.security.protocol.map"},
      {{{"queued.max.request.bytes", "5"}},
       "queued.max.request.bytes must be larger or equal to socket.request.max.bytes"},
      {{{"offsets.topic.compression.codec", "9"}}, "Unknown compression type id: 9"},
      {{{"process.roles", "controller"}},
       "The listeners config must only contain KRaft controller listeners from controller.listener.names "
       "when "
       "process.roles=controller"},
      {{{"process.roles", "broker"}, {"controller.quorum.voters", "2@h:1"}},
       "controller.listener.names must not contain a value appearing in the 'listeners' configuration when "
       "running KRaft with just the broker role"},
  };
  for (const auto& [properties, expected] : cases) CHECK(error_of(properties) == expected);
}

TEST_CASE("what is required and missing is named") {
  for (const std::string name : {"node.id", "process.roles", "controller.listener.names"}) {
    ConfigMap properties = node_properties();
    properties.erase(name);
    const auto config = BrokerConfig::make(properties);
    REQUIRE_FALSE(config);
    CHECK(config.error().detail ==
          "Missing required configuration \"" + name + "\" which has no default value.");
  }
}

TEST_CASE("broker.id alone is the node's id, and a name that nobody knows is only reported") {
  ConfigMap properties = node_properties({{"zookeeper.connect", "z:2181"}});
  properties.erase("node.id");
  properties["broker.id"] = "1";
  const auto config = BrokerConfig::make(properties);
  REQUIRE(config);
  CHECK((*config)->settings()->node_id == BrokerId(1));
  CHECK((*config)->unknown_names() == std::vector<std::string>{"zookeeper.connect"});
}

TEST_CASE("listeners carry their protocol, their role and what is advertised for them") {
  const auto settings =
      make({{"listeners", "plaintext://[::1]:9092,INTERNAL://localhost:0,CONTROLLER://:9093"},
            {"advertised.listeners", "PLAINTEXT://broker.example:19092,INTERNAL://localhost:1,"},
            {"listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,INTERNAL:ssl,CONTROLLER:PLAINTEXT"},
            {"inter.broker.listener.name", "INTERNAL"}})
          ->settings();
  REQUIRE(settings->listeners.size() == 3);
  const auto& client = settings->listeners[0];
  CHECK(client.name == "PLAINTEXT");
  CHECK(client.bind == Endpoint{"::1", 9092});
  CHECK(client.advertised == Endpoint{"broker.example", 19092});
  CHECK_FALSE(client.controller);
  CHECK(settings->listeners[1].inter_broker);
  CHECK(settings->listeners[1].security_protocol == 1);
  CHECK(settings->listeners[2].controller);
  CHECK(settings->listeners[2].bind == Endpoint{"", 9093});
}

TEST_CASE("a topic's setting is its override, then dynamic of the broker, dynamic default, static, default") {
  const auto config = make({{"log.retention.ms", "5000"}, {"log.segment.bytes", "2097152"}});
  const auto retention = [&](const kraft::MetadataImage& image) {
    config->apply(image);
    return config->log_config_for(image, "t").retention_ms;
  };
  kraft::ConfigsImage configs;
  CHECK(retention(image_with(configs)) == 5000);
  configs[{ConfigResourceType::kBroker, ""}] = {{"log.retention.ms", "6000"}};
  CHECK(retention(image_with(configs)) == 6000);
  configs[{ConfigResourceType::kBroker, "1"}] = {{"log.retention.ms", "7000"}};
  configs[{ConfigResourceType::kBroker, "2"}] = {{"log.retention.ms", "1"}};
  CHECK(retention(image_with(configs)) == 7000);
  configs[{ConfigResourceType::kTopic, "t"}] = {{"retention.ms", "8000"}};
  CHECK(retention(image_with(configs)) == 8000);
  CHECK(config->log_config_for(image_with(configs), "u").retention_ms == 7000);
  CHECK(config->default_log_config().segment_bytes == 2097152);
}

TEST_CASE("of retention in milliseconds, minutes and hours the finest unit counts") {
  CHECK(make()->default_log_config().retention_ms == 168LL * 3600000);
  CHECK(make({{"log.retention.hours", "2"}})->default_log_config().retention_ms == 7200000);
  CHECK(make({{"log.retention.hours", "2"}, {"log.retention.minutes", "3"}})
            ->default_log_config()
            .retention_ms == 180000);
  CHECK(
      make({{"log.retention.minutes", "3"}, {"log.retention.ms", "4"}})->default_log_config().retention_ms ==
      4);
  CHECK(make({{"log.retention.hours", "-1"}})->default_log_config().retention_ms == -1);
  CHECK(make({{"log.flush.scheduler.interval.ms", "77"}})->default_log_config().flush_ms == 77);
  CHECK(make({{"log.roll.hours", "1"}})->default_log_config().segment_ms == 3600000);
}

TEST_CASE("settings of a node change with its dynamic configuration and not with another's") {
  const auto config = make();
  const auto before = config->settings();
  CHECK(before->message_max_bytes == 1048588);
  config->apply(image_with({{{ConfigResourceType::kBroker, "1"}, {{"message.max.bytes", "2000"}}},
                            {{ConfigResourceType::kBroker, "7"}, {{"message.max.bytes", "3000"}}}}));
  CHECK(config->settings()->message_max_bytes == 2000);
  CHECK(before->message_max_bytes == 1048588);
  config->apply(image_with({}));
  CHECK(config->settings()->message_max_bytes == 1048588);
}

TEST_CASE("compaction and compression of a topic reach its log") {
  const auto config = make();
  const auto image = image_with({{{ConfigResourceType::kTopic, "t"},
                                  {{"cleanup.policy", "compact"},
                                   {"compression.type", "zstd"},
                                   {"message.timestamp.type", "LogAppendTime"},
                                   {"max.message.bytes", "99"},
                                   {"delete.retention.ms", "5"},
                                   {"min.compaction.lag.ms", "6"},
                                   {"max.compaction.lag.ms", "7"},
                                   {"min.cleanable.dirty.ratio", "0.25"}}}});
  const auto log = config->log_config_for(image, "t");
  CHECK(log.cleanup_compact);
  CHECK_FALSE(log.cleanup_delete);
  CHECK(log.compression == log::CompressionSetting::kZstd);
  CHECK(log.message_timestamp_type == log::TimestampType::kLogAppendTime);
  CHECK(log.max_message_bytes == 99);
  CHECK(log.delete_retention_ms == 5);
  CHECK(log.min_compaction_lag_ms == 6);
  CHECK(log.max_compaction_lag_ms == 7);
  CHECK(log.min_cleanable_dirty_ratio == 0.25);
  CHECK(log.max_segment_ms() == 7);
}

TEST_CASE("the controller is told which changes are allowed") {
  const auto config = make();
  const NodeConfigValidator validator(*config);
  const auto verdict = [&](ConfigResourceType type, std::string name, ConfigMap overrides) {
    const auto result = validator.validate({type, std::move(name)}, overrides);
    return result ? std::string("ok")
                  : std::to_string(static_cast<int>(result.error().code)) + " " + result.error().detail;
  };
  using enum ConfigResourceType;
  CHECK(verdict(kTopic, "t", {{"zz", "1"}}) == "40 Unknown topic config name: zz");
  CHECK(verdict(kTopic, "t", {{"retention.ms", "5"}}) == "ok");
  CHECK(
      verdict(kTopic, "t", {{"remote.storage.enable", "true"}}) ==
      "40 Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log "
      "storage.");
  CHECK(verdict(kBroker, "1", {{"num.partitions", "3"}}) ==
        "42 Cannot update these configs dynamically: [num.partitions]");
  CHECK(verdict(kBroker, "1", {{"zz", "3"}}) == "ok");
  CHECK(verdict(kBroker, "1", {{"log.cleaner.threads", "x"}}) ==
        "42 Invalid value x for configuration log.cleaner.threads: Not a number of type INT");
  CHECK(verdict(kBroker, "", {{"listeners", "PLAINTEXT://:1"}}) ==
        "42 Cannot update these configs at default cluster level, broker id must be specified: [listeners]");
  CHECK(verdict(kBroker, "1", {{"ssl.keystore.location", "/nope"}}) ==
        "42 These security configs can be dynamically updated only per-listener using the listener prefix: "
        "[ssl.keystore.location]");
  CHECK(verdict(kBroker, "1", {{"log.retention.ms", "0"}}) ==
        "42 log.retention.ms must be unlimited (-1) or, greater than or equal to 1");
  CHECK(verdict(kGroup, "g", {{"consumer.session.timeout.ms", "1"}}) ==
        "40 consumer.session.timeout.ms must be greater than or equal to "
        "group.consumer.min.session.timeout.ms");
  CHECK(verdict(kGroup, "g", {{"streams.num.standby.replicas", "5"}}) ==
        "40 streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas");
  CHECK(verdict(kGroup, "g", {{"zz", "1"}}) == "40 Unknown group config name: zz");
  CHECK(verdict(kGroup, "", {}) == "42 Default group resources are not allowed.");
  CHECK(verdict(kGroup, "g", {{"share.auto.offset.reset", "by_duration:P1DT2H"}}) == "ok");
  CHECK(verdict(kClientMetrics, "m", {{"interval.ms", "1"}}) ==
        "42 Invalid value 1 for interval.ms, interval must be between 100 and 3600000 (1 hour)");
  CHECK(verdict(kClientMetrics, "m", {{"match", "client_id=*"}}) ==
        "40 Illegal client matching pattern: client_id=*");
  CHECK(verdict(kClientMetrics, "m", {{"zz", "1"}}) == "42 Unknown client metrics configuration: zz");
  CHECK(validator.is_list(kTopic, "cleanup.policy"));
  CHECK_FALSE(validator.is_list(kTopic, "retention.ms"));
  CHECK(validator.default_value(kTopic, "retention.ms") == "604800000");
  CHECK(validator.default_value(kTopic, "nope") == std::nullopt);
}

}  // namespace
}  // namespace barnabas::broker

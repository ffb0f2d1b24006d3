// The controller's answers, error by error, as measured on Kafka 4.3.1.
#include <catch2/catch.hpp>

#include "kraft/node_testing.hpp"

using namespace barnabas;
using namespace barnabas::kraft;

namespace {

struct Started : NodeFixture {
  Started() {
    REQUIRE(format());
    REQUIRE(open());
    REQUIRE(run());
    REQUIRE(register_broker());
    REQUIRE(heartbeat());
  }

  protocol::CreateTopicsResponse create(protocol::CreateTopicsRequest request) {
    auto answer = ask<protocol::CreateTopicsResponse>(std::move(request));
    REQUIRE(answer);
    return *answer;
  }
  std::int16_t create_error(const std::string& name, std::int32_t partitions = 1, std::int16_t factor = 1) {
    return create(request_for(name, partitions, factor)).topics.at(0).error_code;
  }
  static protocol::CreateTopicsRequest request_for(const std::string& name, std::int32_t partitions = 1,
                                                   std::int16_t factor = 1) {
    protocol::CreateTopicsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = name;
    topic.num_partitions = partitions;
    topic.replication_factor = factor;
    return request;
  }

  std::int16_t alter(std::int8_t type, const std::string& resource, const std::string& name,
                     std::int8_t operation, std::optional<std::string> value) {
    protocol::IncrementalAlterConfigsRequest request;
    auto& to = request.resources.emplace_back();
    to.resource_type = type;
    to.resource_name = resource;
    auto& config = to.configs.emplace_back();
    config.name = name;
    config.config_operation = operation;
    config.value = std::move(value);
    auto answer = ask<protocol::IncrementalAlterConfigsResponse>(std::move(request));
    REQUIRE(answer);
    return answer->responses.at(0).error_code;
  }
};

}  // namespace

TEST_CASE("names that cannot be a topic's are refused") {
  Started node;
  CHECK(node.create_error("") == 17);
  CHECK(node.create_error(".") == 17);
  CHECK(node.create_error("..") == 17);
  CHECK(node.create_error("a b") == 17);
  CHECK(node.create_error(std::string(250, 'x')) == 17);
  CHECK(node.create_error(std::string(249, 'x')) == 0);
  CHECK(node.create_error("__cluster_metadata") == 42);
  CHECK(node.create_error("a.b") == 0);
  CHECK(node.create_error("a_b") == 17);
  CHECK(node.create_error("a.b") == 36);
}

TEST_CASE("numbers of partitions and replicas that cannot be are refused") {
  Started node;
  CHECK(node.create_error("p", 0) == 37);
  CHECK(node.create_error("p", -2) == 37);
  CHECK(node.create_error("p", 1, 0) == 38);
  CHECK(node.create_error("p", 1, 2) == 38);
  CHECK(node.create_error("p", 10001) == 44);
  CHECK(node.create_error("defaults", -1, -1) == 0);
}

TEST_CASE("a topic asked for twice in one request is answered once, and not made") {
  Started node;
  auto request = Started::request_for("twice");
  request.topics.push_back(request.topics[0]);
  const auto answer = node.create(request);
  REQUIRE(answer.topics.size() == 1);
  CHECK(answer.topics[0].error_code == 42);
  CHECK(node.node->image()->topic("twice") == nullptr);
}

TEST_CASE("a manual assignment needs the counts left open, and brokers that exist") {
  Started node;
  auto request = Started::request_for("manual", -1, -1);
  auto& assignment = request.topics[0].assignments.emplace_back();
  assignment.broker_ids = {1};
  request.topics[0].num_partitions = 1;
  CHECK(node.create(request).topics[0].error_code == 42);
  request.topics[0].num_partitions = -1;
  request.topics[0].assignments[0].broker_ids = {7};
  CHECK(node.create(request).topics[0].error_code == 39);
  request.topics[0].assignments[0].broker_ids = {1, 1};
  CHECK(node.create(request).topics[0].error_code == 39);
  request.topics[0].assignments[0].broker_ids = {1};
  CHECK(node.create(request).topics[0].error_code == 0);
}

TEST_CASE("configurations of a new topic are checked, and a validated topic is not made") {
  Started node;
  auto request = Started::request_for("configured");
  auto& config = request.topics[0].configs.emplace_back();
  config.name = "retention.ms";
  config.value = std::nullopt;
  CHECK(node.create(request).topics[0].error_code == 40);
  request.topics[0].configs[0].value = "soon";
  CHECK(node.create(request).topics[0].error_code == 40);
  request.topics[0].configs[0].value = "5000";
  request.validate_only = true;
  const auto validated = node.create(request);
  CHECK(validated.topics[0].error_code == 0);
  CHECK_FALSE(validated.topics[0].topic_id.is_zero());
  CHECK(node.node->image()->topic("configured") == nullptr);
  request.validate_only = false;
  CHECK(node.create(request).topics[0].error_code == 0);
  CHECK(node.node->image()->config(ConfigResourceType::kTopic, "configured").at("retention.ms") == "5000");
}

TEST_CASE("topics are deleted by name or by id, and their configurations go with them") {
  Started node;
  REQUIRE(node.create_error("gone") == 0);
  REQUIRE(node.alter(2, "gone", "retention.ms", 0, "1") == 0);
  protocol::DeleteTopicsRequest request;
  request.topics.emplace_back().topic_id = Uuid::random(node.random);
  auto unknown = node.ask<protocol::DeleteTopicsResponse>(request);
  REQUIRE(unknown);
  CHECK(unknown->responses.at(0).error_code == 100);
  request.topics[0] = {};
  request.topics[0].name = "absent";
  CHECK(node.ask<protocol::DeleteTopicsResponse>(request)->responses.at(0).error_code == 3);
  request.topics[0].name = "gone";
  auto deleted = node.ask<protocol::DeleteTopicsResponse>(request);
  CHECK(deleted->responses.at(0).error_code == 0);
  CHECK_FALSE(deleted->responses.at(0).topic_id.is_zero());
  CHECK(node.node->image()->topic("gone") == nullptr);
  CHECK(node.node->image()->config(ConfigResourceType::kTopic, "gone").empty());
}

TEST_CASE("partitions are added, never taken away") {
  Started node;
  REQUIRE(node.create_error("grows", 2) == 0);
  protocol::CreatePartitionsRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = "grows";
  topic.assignments = std::nullopt;
  const auto error = [&](std::int32_t count) {
    request.topics[0].count = count;
    return node.ask<protocol::CreatePartitionsResponse>(request)->results.at(0).error_code;
  };
  CHECK(error(2) == 37);
  CHECK(error(1) == 37);
  CHECK(error(4) == 0);
  CHECK(node.node->image()->topic("grows")->partitions.size() == 4);
}

TEST_CASE("more than 10000 records of topics in one request are refused as a whole, of partitions by topic") {
  Started node;
  auto request = Started::request_for("large", 9998);  // 9999 records with its own
  auto other = Started::request_for("a b").topics[0];
  request.topics.push_back(other);
  other.name = "small";
  request.topics.push_back(other);
  for (const bool only : {true, false}) {
    request.validate_only = only;
    const auto answer = node.create(request);
    REQUIRE(answer.topics.size() == 3);
    for (const auto& topic : answer.topics) {
      CHECK(topic.error_code == 44);
      CHECK(topic.error_message == "Unable to perform excessively large batch operation.");
      CHECK(topic.topic_id == Uuid());
      CHECK(topic.num_partitions == -1);
    }
    CHECK(node.node->image()->topic("large") == nullptr);
  }
  request.topics.pop_back();
  CHECK(node.create(request).topics.at(0).error_code == 0);
  REQUIRE(node.create_error("small") == 0);

  protocol::CreatePartitionsRequest more;
  for (const char* name : {"large", "small"}) {
    auto& topic = more.topics.emplace_back();
    topic.name = name;
    topic.assignments = std::nullopt;
  }
  more.topics[0].count = 9998 + 5000;
  more.topics[1].count = 1 + 5001;
  const auto answer = node.ask<protocol::CreatePartitionsResponse>(more);
  CHECK(answer->results.at(0).error_code == 0);
  CHECK(answer->results.at(1).error_code == -1);
  CHECK(node.node->image()->topic("large")->partitions.size() == 9998 + 5000);
  CHECK(node.node->image()->topic("small")->partitions.size() == 1);
}

TEST_CASE("configurations are set, appended to and deleted") {
  Started node;
  REQUIRE(node.create_error("t") == 0);
  CHECK(node.alter(2, "absent", "retention.ms", 0, "1") == 3);
  CHECK(node.alter(2, "t", "retention.ms", 0, std::nullopt) == 42);
  CHECK(node.alter(2, "t", "retention.ms", 2, "1") == 40);
  CHECK(node.alter(2, "t", "retention.ms", 9, "1") == -1);
  CHECK(node.alter(2, "t", "no.such.name", 0, "1") == 40);
  // The controller's own answer; a broker refuses such a resource with 42 before it asks.
  CHECK(node.alter(3, "t", "retention.ms", 0, "1") == 35);
  CHECK(node.alter(2, "t", "retention.ms", 0, "1") == 0);
  CHECK(node.alter(2, "t", "cleanup.policy", 2, "compact") == 0);
  const ConfigMap now = node.node->image()->config(ConfigResourceType::kTopic, "t");
  CHECK(now.at("retention.ms") == "1");
  CHECK(now.at("cleanup.policy") == "delete,compact");
  CHECK(node.alter(2, "t", "cleanup.policy", 3, "delete") == 0);
  CHECK(node.node->image()->config(ConfigResourceType::kTopic, "t").at("cleanup.policy") == "compact");
  CHECK(node.alter(2, "t", "retention.ms", 1, std::nullopt) == 0);
  CHECK_FALSE(node.node->image()->config(ConfigResourceType::kTopic, "t").contains("retention.ms"));
  CHECK(node.alter(4, "", "min.insync.replicas", 1, std::nullopt) == 40);
}

TEST_CASE("blocks of producer ids follow each other, for brokers of the right epoch") {
  Started node;
  protocol::AllocateProducerIdsRequest request;
  request.broker_id = 1;
  request.broker_epoch = node.broker_epoch;
  auto first = node.ask<protocol::AllocateProducerIdsResponse>(request);
  auto second = node.ask<protocol::AllocateProducerIdsResponse>(request);
  CHECK(first->producer_id_start == 0);
  CHECK(first->producer_id_len == 1000);
  CHECK(second->producer_id_start == 1000);
  request.broker_epoch += 1;
  CHECK(node.ask<protocol::AllocateProducerIdsResponse>(request)->error_code == 77);
}

TEST_CASE("a broker that is not heard for a session is fenced and its partitions have no leader") {
  Started node;
  REQUIRE(node.create_error("t") == 0);
  node.clock.now_ms += 8999;
  REQUIRE(node.run());
  CHECK_FALSE(node.node->image()->broker(BrokerId(1))->fenced);
  node.clock.now_ms += 1;
  REQUIRE(node.run());
  CHECK(node.node->image()->broker(BrokerId(1))->fenced);
  CHECK(node.node->image()->partition("t", PartitionIndex(0))->leader == kNoBroker);
  REQUIRE(node.heartbeat());
  CHECK(node.node->image()->partition("t", PartitionIndex(0))->leader == BrokerId(1));
}

TEST_CASE("a living broker may tell other addresses, and nothing else of it changes") {
  Started node;
  const BrokerRegistration before = *node.node->image()->broker(BrokerId(1));
  protocol::BrokerRegistrationRequest request;
  request.broker_id = 1;
  request.cluster_id = kTestClusterId;
  request.incarnation_id = before.incarnation_id;
  request.listeners.push_back({"PLAINTEXT", "mapped", 32768, 0});
  for (const auto& [name, range] : before.features) request.features.push_back({name, range.min, range.max});
  for (const auto& directory : before.directories) request.log_dirs.push_back(directory.value());
  const auto answer = node.ask<protocol::BrokerRegistrationResponse>(request);
  REQUIRE(answer);
  CHECK(answer->error_code == 0);
  CHECK(answer->broker_epoch == before.epoch);
  BrokerRegistration expected = before;
  expected.endpoints = {{"PLAINTEXT", {"mapped", 32768}, 0}};
  CHECK(*node.node->image()->broker(BrokerId(1)) == expected);
  REQUIRE(node.ask<protocol::BrokerRegistrationResponse>(request));
  CHECK(*node.node->image()->broker(BrokerId(1)) == expected);
}

TEST_CASE("registrations of another cluster, and of a second living broker, are refused") {
  Started node;
  auto duplicate = node.register_broker();
  REQUIRE(duplicate);
  CHECK(duplicate->error_code == 101);
  protocol::BrokerRegistrationRequest request;
  request.broker_id = 2;
  request.cluster_id = "another";
  CHECK(node.ask<protocol::BrokerRegistrationResponse>(request)->error_code == 104);
}

TEST_CASE("a quota is set, kept over a restart and removed; an entity named twice gets none") {
  Started node;
  const auto alter = [&](std::vector<std::tuple<std::string, std::string, double>> quotas,
                         bool remove = false) {
    protocol::AlterClientQuotasRequest request;
    for (const auto& [user, key, value] : quotas) {
      auto& entry = request.entries.emplace_back();
      entry.entity.push_back({"user", user});
      entry.ops.push_back({key, value, remove});
    }
    auto answer = node.ask<protocol::AlterClientQuotasResponse>(std::move(request));
    REQUIRE(answer);
    return answer->entries;
  };
  const QuotaEntity alice{{"user", "alice"}};
  CHECK(alter({{"alice", "producer_byte_rate", 1000}}).at(0).error_code == 0);
  CHECK(node.node->image()->quotas->at(alice).at("producer_byte_rate") == 1000);
  const auto twice = alter({{"bob", "producer_byte_rate", 1}, {"bob", "producer_byte_rate", 2}});
  REQUIRE(twice.size() == 1);
  CHECK(twice[0].error_code == 42);
  CHECK_FALSE(node.node->image()->quotas->contains({{"user", "bob"}}));
  CHECK(alter({{"alice", "producer_byte_rate", 0}}).at(0).error_code == 42);
  CHECK(alter({{"alice", "request_percentage", 1.5}}).at(0).error_code == 0);
  CHECK(alter({{"alice", "consumer_byte_rate", 1.5}}).at(0).error_code == 42);
  CHECK(alter({{"alice", "producer_byte_rate", 0}, {"carol", "producer_byte_rate", 0}}, true).size() == 2);
  CHECK(node.node->image()->quotas->at(alice) == QuotaLimits{{"request_percentage", 1.5}});
}

TEST_CASE("a SCRAM credential is kept as keys, changed and deleted") {
  Started node;
  const auto alter = [&](ScramAlterations alterations) {
    auto answer = node.ask<protocol::AlterUserScramCredentialsResponse>(std::move(alterations));
    REQUIRE(answer);
    return answer->results;
  };
  const auto upsertion = [](std::string name, std::int32_t iterations) {
    const Bytes salted(32, 7);
    protocol::AlterUserScramCredentialsRequest request;
    auto& asked = request.upsertions.emplace_back();
    asked.name = std::move(name);
    asked.mechanism = 1;
    asked.iterations = iterations;
    asked.salted_password = salted;
    return to_alterations(request);
  };
  const ScramUser alice{1, "alice"};
  CHECK(alter(upsertion("alice", 4096)).at(0).error_code == 0);
  CHECK(node.node->image()->scram->at(alice).stored_key.size() == 32);
  CHECK(alter(upsertion("alice", 8192)).at(0).error_code == 0);
  CHECK(node.node->image()->scram->at(alice).iterations == 8192);
  CHECK(alter(upsertion("alice", 4095)).at(0).error_code == 93);
  CHECK(alter(upsertion("", 4096)).at(0).error_code == 93);
  ScramAlterations both = upsertion("alice", 4096);
  both.deletions.push_back(alice);
  CHECK(alter(both).at(0).error_code == 92);
  ScramAlterations deletion;
  deletion.deletions = {alice, {1, "nobody"}};
  const auto deleted = alter(deletion);
  REQUIRE(deleted.size() == 2);
  CHECK(deleted[0].error_code == 0);
  CHECK(deleted[1].error_code == 91);
  CHECK_FALSE(node.node->image()->scram->contains(alice));
}

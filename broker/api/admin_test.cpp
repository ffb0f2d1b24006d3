#include <algorithm>
#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"
#include "protocol/messages/api_api_versions.hpp"
#include "protocol/messages/api_delete_records.hpp"
#include "protocol/messages/api_describe_cluster.hpp"
#include "protocol/messages/api_describe_configs.hpp"
#include "protocol/messages/api_describe_log_dirs.hpp"
#include "protocol/messages/api_describe_producers.hpp"
#include "protocol/messages/api_describe_topic_partitions.hpp"
#include "protocol/messages/api_find_coordinator.hpp"
#include "protocol/messages/api_init_producer_id.hpp"
#include "protocol/messages/api_list_config_resources.hpp"
#include "protocol/messages/api_metadata.hpp"

namespace barnabas::broker::testing {
namespace {

using namespace protocol;

constexpr std::int16_t code(ErrorCode error) {
  return static_cast<std::int16_t>(error);
}

MetadataRequest metadata_of(std::vector<std::string> names, bool allow_auto_creation = true) {
  MetadataRequest request;
  request.topics.emplace();
  for (std::string& name : names) request.topics->push_back({{}, std::move(name)});
  request.allow_auto_topic_creation = allow_auto_creation;
  return request;
}

TEST_CASE("ApiVersions tells the table at every version") {
  ApiFixture node;
  for (std::int16_t version = 0; version <= 4; ++version) {
    ApiVersionsRequest request;
    request.client_software_name = "apache-kafka-java";
    request.client_software_version = "4.3.1";
    const auto response = node.ask<ApiVersionsResponse>(request, version);
    CHECK(response.error_code == 0);
    const auto is_for_clients = [](const ApiRow& row) { return is_served_on(row, false); };
    CHECK(std::ssize(response.api_keys) == std::ranges::count_if(api_table(), is_for_clients));
    CHECK(response.supported_features.size() == (version < 3 ? 0 : version == 3 ? 1 : 7));
    CHECK(response.finalized_features.empty() == (version < 3));
    CHECK(std::ranges::count(response.finalized_features, "kraft.version",
                             [](const auto& feature) { return feature.name; }) == (version < 3 ? 0 : 1));
  }
  for (const char* name : {"", "-bad!", "bad-", "with space"}) {
    ApiVersionsRequest request;
    request.client_software_name = name;
    request.client_software_version = "1";
    const auto response = node.ask<ApiVersionsResponse>(request, 3);
    CHECK(response.error_code == code(ErrorCode::kInvalidRequest));
    CHECK(response.api_keys.empty());
  }
}

TEST_CASE("metadata describes topics, brokers and cluster at every version") {
  ApiFixture node;
  const Uuid id = node.create_topic("t", 2);
  for (std::int16_t version = 0; version <= 13; ++version) {
    INFO("version " << version);
    const auto response = node.ask<MetadataResponse>(metadata_of({"t", "t"}), version);
    REQUIRE(response.brokers.size() == 1);
    CHECK(response.brokers[0].host == kBrokerHost);
    CHECK(response.brokers[0].port == 9092);
    if (version >= 1) CHECK(response.controller_id == 1);
    if (version >= 2) CHECK(response.cluster_id == kClusterId);
    REQUIRE(response.topics.size() == 1);
    CHECK(response.topics[0].error_code == 0);
    CHECK(response.topics[0].topic_id == (version >= 10 ? id : Uuid{}));
    REQUIRE(response.topics[0].partitions.size() == 2);
    for (const auto& partition : response.topics[0].partitions) {
      CHECK(partition.leader_id == 1);
      CHECK(partition.replica_nodes == std::vector<std::int32_t>{1});
      CHECK(partition.isr_nodes == std::vector<std::int32_t>{1});
      CHECK(partition.offline_replicas.empty());
    }
  }
}

TEST_CASE("no topics mean all in version 0 and none from version 1 on, null means all") {
  ApiFixture node;
  (void)node.create_topic("a");
  (void)node.create_topic("b");
  for (std::int16_t version = 0; version <= 13; ++version) {
    INFO("version " << version);
    CHECK(node.ask<MetadataResponse>(metadata_of({}), version).topics.size() == (version == 0 ? 2 : 0));
    if (version == 0) continue;
    MetadataRequest all;
    all.topics.reset();
    CHECK(node.ask<MetadataResponse>(all, version).topics.size() == 2);
  }
}

TEST_CASE("a topic that is not there is created for the next request, where that is allowed") {
  ApiFixture node;
  for (std::int16_t version = 0; version <= 13; ++version) {
    INFO("version " << version);
    const std::string name = "auto" + std::to_string(version);
    auto answer = node.ask<MetadataResponse>(metadata_of({name}, version < 4), version).topics.at(0);
    CHECK(answer.error_code == code(ErrorCode::kUnknownTopicOrPartition));
    CHECK(answer.topic_id.is_zero());
    node.world.run_until_idle();
    // Versions below 4 cannot say that it must not be.
    CHECK((node.cache.image()->topic(name) != nullptr) == (version < 4));
    answer = node.ask<MetadataResponse>(metadata_of({name}, true), version).topics.at(0);
    node.world.run_until_idle();
    answer = node.ask<MetadataResponse>(metadata_of({name}, true), version).topics.at(0);
    CHECK(answer.error_code == 0);
    CHECK(answer.partitions.size() == 1);
  }
  ApiFixtureOptions options;
  options.properties = {{"auto.create.topics.enable", "false"}};
  ApiFixture strict(options);
  for (const char* name : {"nope", "__consumer_offsets"}) {
    CHECK(strict.ask<MetadataResponse>(metadata_of({name}, true), 12).topics.at(0).error_code == 3);
    strict.world.run_until_idle();
    CHECK(strict.cache.image()->topic(name) == nullptr);
  }
}

TEST_CASE("metadata of invalid names, of ids and of hidden topics") {
  ApiFixture node;
  const Uuid id = node.create_topic("t");
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string("bad/name"),
                                  std::string(250, 'a'), std::string("ok:colon")}) {
    CHECK(node.ask<MetadataResponse>(metadata_of({name}, true), 12).topics.at(0).error_code ==
          code(ErrorCode::kInvalidTopicException));
  }
  MetadataRequest by_id;
  by_id.topics.emplace().push_back({id, "x"});
  for (const std::int16_t version : {10, 11}) {
    const auto answer = node.ask<MetadataResponse>(by_id, version).topics.at(0);
    CHECK(answer.error_code == code(ErrorCode::kInvalidRequest));
    CHECK(answer.name == "x");
  }
  by_id.topics->push_back({Uuid{}, "t"});
  for (const std::int16_t version : {12, 13}) {
    const auto response = node.ask<MetadataResponse>(by_id, version);
    REQUIRE(response.topics.size() == 1);
    CHECK(response.topics[0].name == "t");
  }
  by_id.topics = {{Uuid::of_low(4711), std::nullopt}};
  auto answer = node.ask<MetadataResponse>(by_id, 12).topics.at(0);
  CHECK(answer.error_code == code(ErrorCode::kUnknownTopicId));
  CHECK_FALSE(answer.name);
  // Who may not describe a topic cannot tell whether it is there.
  node.authorizer.refused = {{Operation::kDescribe, ResourceKind::kTopic, "t"},
                             {Operation::kDescribe, ResourceKind::kTopic, "nope"}};
  for (const char* name : {"t", "nope"}) {
    answer = node.ask<MetadataResponse>(metadata_of({name}, true), 12).topics.at(0);
    CHECK(answer.error_code == code(ErrorCode::kTopicAuthorizationFailed));
    CHECK(answer.topic_id.is_zero());
  }
  by_id.topics = {{id, std::nullopt}};
  const auto unnamed = node.ask<MetadataResponse>(by_id, 12).topics.at(0);
  CHECK(unnamed.error_code == code(ErrorCode::kTopicAuthorizationFailed));
  CHECK(unnamed.name == std::nullopt);
  CHECK(node.ask<MetadataResponse>(metadata_of({}), 0).topics.empty());
}

TEST_CASE("partitions of topics are described page by page, as Kafka cuts the pages") {
  ApiFixture node;
  (void)node.create_topic("a", 3);
  (void)node.create_topic("b", 2);
  (void)node.create_topic("t", 1);
  using Page = std::vector<std::pair<std::string, std::size_t>>;
  using Cursor = std::optional<std::pair<std::string, std::int32_t>>;
  const auto describe = [&](std::vector<std::string> names, std::int32_t limit, Cursor from = {}) {
    DescribeTopicPartitionsRequest request;
    for (auto& name : names) request.topics.emplace_back().name = std::move(name);
    request.response_partition_limit = limit;
    if (from) {
      request.cursor.emplace();
      request.cursor->topic_name = from->first;
      request.cursor->partition_index = from->second;
    }
    const auto response = node.ask<DescribeTopicPartitionsResponse>(request, 0);
    Page page;
    for (const auto& topic : response.topics) {
      page.emplace_back(*topic.name + (topic.error_code != 0 ? "!" + std::to_string(topic.error_code) : ""),
                        topic.partitions.size());
    }
    Cursor next;
    if (response.next_cursor)
      next = {response.next_cursor->topic_name, response.next_cursor->partition_index};
    return std::pair(page, next);
  };
  using Answer = std::pair<Page, Cursor>;
  CHECK(describe({"a", "b", "t"}, 2) == Answer{{{"a", 2}}, {{"a", 2}}});
  CHECK(describe({"a", "b", "t"}, 3) == Answer{{{"a", 3}}, {{"b", 0}}});
  CHECK(describe({"a", "b", "t"}, 5) == Answer{{{"a", 3}, {"b", 2}}, {{"t", 0}}});
  CHECK(describe({"b", "a", "a"}, 100) == Answer{{{"a", 3}, {"b", 2}}, {}});
  CHECK(describe({"a", "nope", "t"}, 3) == Answer{{{"a", 3}}, {{"nope", 0}}});
  CHECK(describe({"a", "b"}, 0) == Answer{{{"a", 1}}, {{"a", 1}}});
  CHECK(describe({"a", "b"}, -1) == Answer{{{"a", 1}}, {{"a", 1}}});
  CHECK(describe({}, 3) == Answer{{{"a", 3}}, {{"b", 0}}});
  CHECK(describe({"a", "b", "t"}, 100, {{"a", 2}}) == Answer{{{"a", 1}, {"b", 2}, {"t", 1}}, {}});
  CHECK(describe({"a", "b", "t"}, 100, {{"aa", 1}}) == Answer{{{"a!42", 0}, {"b!42", 0}, {"t!42", 0}}, {}});
  CHECK(describe({"a", "b"}, 100, {{"a", -1}}) == Answer{{{"a!42", 0}, {"b!42", 0}}, {}});
  CHECK(describe({"a", "b"}, 100, {{"a", 7}}) == Answer{{{"a", 0}, {"b", 2}}, {}});
  CHECK(describe({"bad/name"}, 100) == Answer{{{"bad/name!17", 0}}, {}});
  CHECK(describe({"nope"}, 100) == Answer{{{"nope!3", 0}}, {}});
  DescribeTopicPartitionsRequest unknown;
  unknown.topics.emplace_back().name = "nope";
  unknown.response_partition_limit = 10;
  CHECK(node.ask<DescribeTopicPartitionsResponse>(unknown, 0).topics.at(0).topic_authorized_operations ==
        3576);
}

TEST_CASE("records are deleted at every version") {
  for (std::int16_t version = 0; version <= 2; ++version) {
    ApiFixture node;
    (void)node.create_topic("t");
    (void)node.create_topic("compacted", 1, {{"cleanup.policy", "compact"}});
    (void)node.append("t", 0, 3);
    const auto remove = [&](const std::string& topic, std::int64_t offset) {
      DeleteRecordsRequest request;
      auto& asked = request.topics.emplace_back();
      asked.name = topic;
      asked.partitions.push_back({0, offset});
      const auto answer = node.ask<DeleteRecordsResponse>(request, version).topics.at(0).partitions.at(0);
      return std::pair(answer.error_code, answer.low_watermark);
    };
    using Answer = std::pair<std::int16_t, std::int64_t>;
    CHECK(remove("t", 1) == Answer{0, 1});
    CHECK(remove("t", 4) == Answer{1, -1});
    CHECK(remove("t", -2) == Answer{1, -1});
    CHECK(remove("t", -1) == Answer{0, 3});
    CHECK(remove("t", 0) == Answer{0, 3});
    CHECK(remove("nope", 0) == Answer{3, -1});
    CHECK(remove("compacted", 0) == Answer{44, -1});
  }
}

TEST_CASE("producer ids are given out, one after the other, at every version") {
  ApiFixture node;
  std::int64_t expected = -1;
  for (std::int16_t version = 0; version <= 5; ++version) {
    InitProducerIdRequest request;
    request.transactional_id.reset();
    const auto response = node.ask<InitProducerIdResponse>(request, version);
    CHECK(response.error_code == 0);
    CHECK(response.producer_epoch == 0);
    if (expected >= 0) CHECK(response.producer_id == expected);
    expected = response.producer_id + 1;
  }
  InitProducerIdRequest half;
  half.transactional_id.reset();
  half.producer_id = 5;
  CHECK(node.ask<InitProducerIdResponse>(half, 4).error_code == code(ErrorCode::kInvalidRequest));
}

TEST_CASE("the cluster is described at every version; controllers are a gap of docs/gaps.md") {
  ApiFixture node;
  for (std::int16_t version = 0; version <= 2; ++version) {
    DescribeClusterRequest request;
    auto response = node.ask<DescribeClusterResponse>(request, version);
    CHECK(response.error_code == 0);
    CHECK(response.cluster_id == kClusterId);
    CHECK(response.controller_id == 1);
    CHECK(response.brokers.size() == 1);
    CHECK(response.cluster_authorized_operations == INT32_MIN);
    if (version == 0) continue;
    request.endpoint_type = 2;
    response = node.ask<DescribeClusterResponse>(request, version);
    CHECK(response.error_code == code(ErrorCode::kMismatchedEndpointType));
    CHECK(response.endpoint_type == 1);
    request.endpoint_type = 3;
    response = node.ask<DescribeClusterResponse>(request, version);
    CHECK(response.error_code == code(ErrorCode::kUnsupportedEndpointType));
    CHECK(response.error_message == "Unsupported endpoint type 3");
    CHECK(response.brokers.empty());
  }
}

TEST_CASE("configurations are described at every version, refusals in Kafka's words") {
  ApiFixture node;
  (void)node.create_topic("t", 1, {{"retention.ms", "1234"}});
  for (std::int16_t version = 0; version <= 4; ++version) {
    INFO("version " << version);
    const auto describe = [&](std::int8_t type, const std::string& name) {
      DescribeConfigsRequest request;
      auto& asked = request.resources.emplace_back();
      asked.resource_type = type;
      asked.resource_name = name;
      asked.configuration_keys.reset();
      return node.ask<DescribeConfigsResponse>(request, version).results.at(0);
    };
    const auto topic = describe(2, "t");
    CHECK(topic.error_code == 0);
    CHECK(topic.configs.size() == 33);
    const auto retention =
        std::ranges::find(topic.configs, "retention.ms", [](const auto& config) { return config.name; });
    REQUIRE(retention != topic.configs.end());
    CHECK(retention->value == "1234");
    if (version >= 1) CHECK(retention->config_source == 1);
    if (version >= 3) CHECK_FALSE(retention->documentation.has_value());
    CHECK(describe(4, "1").configs.size() > 300);
    CHECK(describe(16, "nocm").configs.size() == 3);
    const std::vector<std::tuple<int, std::string, int, std::string>> refused = {
        {2, "nope", 3, ""},
        {2, "", 17, "Topic name is invalid: the empty string is not allowed"},
        {4, "99", 42, "Unexpected broker id, expected 1 or empty string, but received 99"},
        {4, "abc", 42, "Broker id must be an integer, but it is: abc"},
        {8, "", 42, "Broker id must not be empty"},
        {32, "", 42, "Group name must not be empty"},
        {16, "", 42, "Client metrics subscription name must not be empty"}};
    for (const auto& [type, name, error, message] : refused) {
      const auto result = describe(static_cast<std::int8_t>(type), name);
      CHECK(result.error_code == error);
      CHECK(result.error_message == message);
      CHECK(result.configs.empty());
    }
    CHECK(describe(9, "x").error_code == 42);
  }
}

TEST_CASE("log directories and producers are described at every version") {
  ApiFixture node;
  (void)node.create_topic("t", 2);
  (void)node.append("t", 0);
  for (std::int16_t version = 0; version <= 5; ++version) {
    DescribeLogDirsRequest request;
    request.topics.reset();
    auto response = node.ask<DescribeLogDirsResponse>(request, version);
    REQUIRE(response.results.size() == 1);
    CHECK(response.results[0].log_dir == "/data");
    REQUIRE(response.results[0].topics.size() == 1);
    CHECK(response.results[0].topics[0].partitions.size() == 2);
    CHECK(response.results[0].topics[0].partitions[0].partition_size > 0);
    request.topics.emplace();
    auto& asked = request.topics->emplace_back();
    asked.topic = "t";
    asked.partitions = {1, 5};
    response = node.ask<DescribeLogDirsResponse>(request, version);
    CHECK(response.results.at(0).topics.at(0).partitions.size() == 1);
  }
  DescribeProducersRequest request;
  auto& known = request.topics.emplace_back();
  known.name = "t";
  known.partition_indexes = {0, 9};
  auto& unknown = request.topics.emplace_back();
  unknown.name = "nope";
  unknown.partition_indexes = {0};
  const auto response = node.ask<DescribeProducersResponse>(request, 0);
  CHECK(response.topics.at(0).partitions.at(0).error_code == 0);
  CHECK(response.topics[0].partitions.at(1).error_code == 3);
  CHECK_FALSE(response.topics[0].partitions[1].error_message);
  CHECK(response.topics.at(1).partitions.at(0).error_message ==
        "This server does not host this topic-partition.");
}

TEST_CASE("resources with configurations are listed") {
  ApiFixture node;
  (void)node.create_topic("t");
  ListConfigResourcesRequest request;
  CHECK(node.ask<ListConfigResourcesResponse>(request, 0).config_resources.empty());
  CHECK(node.ask<ListConfigResourcesResponse>(request, 1).config_resources.size() >= 3);
  request.resource_types = {2, 2};
  CHECK(node.ask<ListConfigResourcesResponse>(request, 1).config_resources.size() >= 1);
  request.resource_types = {2, 77};
  const auto refused = node.ask<ListConfigResourcesResponse>(request, 1);
  CHECK(refused.error_code == code(ErrorCode::kUnsupportedVersion));
  CHECK(refused.config_resources.empty());
}

}  // namespace
}  // namespace barnabas::broker::testing

// A client's request to a broker whose controller is another node: through the broker's listener, in an
// envelope to the controller's, and back.
#include <catch2/catch.hpp>

#include "broker/drivers/controller_testing.hpp"
#include "broker/net/net_fixture.hpp"
#include "protocol/messages/api_api_versions.hpp"
#include "protocol/messages/api_create_topics.hpp"
#include "protocol/messages/api_incremental_alter_configs.hpp"
#include "protocol/messages/api_metadata.hpp"

namespace barnabas::broker::testing {
namespace {

using namespace std::chrono_literals;
using protocol::CreateTopicsRequest;
using protocol::CreateTopicsResponse;

constexpr std::int16_t kVersion = 7;

/// A controller with its listener, and another node's listener whose services know that controller.
struct Forwarding : NetFixture {
  Forwarding()
      : channel(node.world.node("other"), node.world.clock(), node.random, driver, {}),
        services{node.clock,         node.random,          *node.config,
                 node.cache,         node.driver,          channel,
                 *node.replicas,     *node.fetch_sessions, *node.groups,
                 *node.transactions, *node.producer_ids,   node.authorizer,
                 node.metrics,       node.flusher,         node.cold_reads},
        broker(services, ServerOptions{}) {
    ListenerOptions controller;
    controller.name = "CONTROLLER";
    controller.bind = {kBrokerHost, 9093};
    controller.privileged = true;
    controller.controller = true;
    (void)demand(server->listen(node.reactor, controller));
    ListenerOptions listener;
    listener.name = "PLAINTEXT";
    listener.bind = {"other", 9092};
    (void)demand(broker.listen(node.world.node("other"), listener));
    driver.tell(1, Endpoint{kBrokerHost, 9093});
  }
  ~Forwarding() { node.world.crash_node("other"); }

  std::shared_ptr<WireClient> client() {
    auto client = std::make_shared<WireClient>();
    node.world.node("client").connect({"other", 9092},
                                      [client](Result<std::shared_ptr<Connection>> connection) {
                                        client->attach(demand(std::move(connection)));
                                      });
    run_for(50ms);
    return client;
  }

  ToldDriver driver;
  ControllerChannel channel;
  Services services;
  Server broker;
};

CreateTopicsRequest one_topic(const std::string& name) {
  CreateTopicsRequest request;
  request.timeout_ms = 1000;
  auto& topic = request.topics.emplace_back();
  topic.name = name;
  topic.num_partitions = 2;
  topic.replication_factor = 1;
  return request;
}

template <class Response>
Response response_in(const Bytes& frame, std::int16_t version, std::int32_t correlation_id) {
  protocol::Reader reader(frame);
  CHECK(reader.int32() == correlation_id);
  if (Response::kApiKey != 18 && Response::is_flexible(version)) CHECK(reader.uvarint() == 0);
  Response response;
  response.read(reader, version);
  CHECK(reader.ok());
  CHECK(reader.remaining() == 0);
  return response;
}

TEST_CASE("an admin request reaches the controller through another node") {
  Forwarding net;
  auto client = net.client();
  client->send(frame_of(one_topic("forwarded"), kVersion, 5));
  client->send(frame_of(one_topic("forwarded"), kVersion, 6));
  net.run_for(1s);
  const auto frames = client->frames();
  REQUIRE(frames.size() == 2);
  const auto created = response_in<CreateTopicsResponse>(frames[0], kVersion, 5);
  REQUIRE(created.topics.size() == 1);
  CHECK(created.topics[0].error_code == 0);
  CHECK(created.topics[0].num_partitions == 2);
  const auto again = response_in<CreateTopicsResponse>(frames[1], kVersion, 6);
  CHECK(again.topics.at(0).error_code == static_cast<std::int16_t>(ErrorCode::kTopicAlreadyExists));
  CHECK(net.node.cache.image()->topic("forwarded") != nullptr);
}

TEST_CASE("configurations of topics are forwarded, what a broker refuses is not") {
  Forwarding net;
  (void)net.node.create_topic("configured");
  auto client = net.client();
  protocol::IncrementalAlterConfigsRequest request;
  const auto add = [&request](std::int8_t type, const char* name, const char* key, const char* value) {
    auto& resource = request.resources.emplace_back();
    resource.resource_type = type;
    resource.resource_name = name;
    resource.configs.push_back({key, 0, value});
  };
  add(2, "configured", "retention.ms", "12345");
  add(4, "99", "log.cleaner.threads", "2");
  client->send(frame_of(request, 1, 5));
  net.run_for(1s);
  const auto frames = client->frames();
  REQUIRE(frames.size() == 1);
  const auto response = response_in<protocol::IncrementalAlterConfigsResponse>(frames[0], 1, 5);
  REQUIRE(response.responses.size() == 2);
  for (const auto& result : response.responses)
    CHECK((result.error_code == 0) == (result.resource_name == "configured"));
  const auto& config = net.node.cache.image()->config(kraft::ConfigResourceType::kTopic, "configured");
  CHECK(config.at("retention.ms") == "12345");
}

TEST_CASE("a topic that a client's Metadata asks for is created by the controller") {
  Forwarding net;
  auto client = net.client();
  protocol::MetadataRequest request;
  request.topics.emplace().emplace_back().name = "automatic";
  request.allow_auto_topic_creation = true;
  client->send(frame_of(request, 9, 5));
  net.run_for(1s);
  CHECK(client->frames().size() == 1);
  CHECK(net.node.cache.image()->topic("automatic") != nullptr);
}

TEST_CASE("a client is told that no controller answered, and one that cannot be understood is cut off") {
  Forwarding net;
  auto client = net.client();
  SECTION("nobody leads") {
    net.driver.tell(-1, std::nullopt);
    client->send(frame_of(one_topic("late"), kVersion, 5));
    net.run_for(59s);
    CHECK(client->frames().empty());
    net.run_for(2s);
    REQUIRE(client->frames().size() == 1);
    const auto response = response_in<CreateTopicsResponse>(client->frames()[0], kVersion, 5);
    CHECK(response.topics.at(0).error_code == static_cast<std::int16_t>(ErrorCode::kRequestTimedOut));
  }
  SECTION("its body is cut short") {
    Bytes frame = frame_of(one_topic("cut"), kVersion, 5);
    frame.resize(frame.size() - 4);
    frame[3] = static_cast<std::uint8_t>(frame.size() - 4);
    client->send(frame);
    net.run_for(1s);
    CHECK(client->frames().empty());
    CHECK(client->ended);
  }
}

TEST_CASE("a broker tells of a forwarded API what the controller has too") {
  Forwarding net;
  FakeController old(net.node.world, "old");
  old.serve<CreateTopicsRequest, CreateTopicsResponse>(
      [](const CreateTopicsRequest&) { return std::optional<CreateTopicsResponse>(); }, 5);
  old.serve<protocol::EnvelopeRequest, protocol::EnvelopeResponse>([](const protocol::EnvelopeRequest&) {
    protocol::EnvelopeResponse response;
    response.error_code = static_cast<std::int16_t>(ErrorCode::kUnsupportedVersion);
    return std::optional(response);
  });
  net.driver.tell(2, old.endpoint());
  auto first = net.client();
  first->send(frame_of(one_topic("newer"), kVersion, 5));
  net.run_for(1s);
  CHECK(first->ended);  // the controller does not have the version, so the client must look again
  auto client = net.client();
  client->send(frame_of(protocol::ApiVersionsRequest(), 0, 6));
  net.run_for(1s);
  REQUIRE(client->frames().size() == 1);
  const auto versions = response_in<protocol::ApiVersionsResponse>(client->frames()[0], 0, 6);
  bool has_produce = false;
  for (const auto& api : versions.api_keys) {
    if (api.api_key == CreateTopicsRequest::kApiKey) CHECK(api.max_version == 5);
    CHECK(api.api_key != 20);  // DeleteTopics: the controller does not have it
    has_produce = has_produce || api.api_key == 0;
  }
  CHECK(has_produce);
}

}  // namespace
}  // namespace barnabas::broker::testing

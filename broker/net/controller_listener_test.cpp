// What is served on a controller's listener, and what on a broker's.
#include <catch2/catch.hpp>

#include "broker/net/net_fixture.hpp"
#include "protocol/messages/api_api_versions.hpp"
#include "protocol/messages/api_broker_heartbeat.hpp"
#include "protocol/messages/api_broker_registration.hpp"
#include "protocol/messages/api_describe_cluster.hpp"
#include "protocol/messages/api_metadata.hpp"

namespace barnabas::broker::testing {
namespace {

using namespace std::chrono_literals;

struct TwoListeners : NetFixture {
  TwoListeners() {
    ListenerOptions listener;
    listener.name = "CONTROLLER";
    listener.bind = {kBrokerHost, 9093};
    listener.privileged = true;
    listener.controller = true;
    (void)demand(server->listen(node.reactor, listener));
  }
};

std::vector<std::int16_t> advertised(TwoListeners& net, std::uint16_t port) {
  auto client = net.connect("client", port);
  client->send(frame_of(protocol::ApiVersionsRequest(), 0, 1));
  net.run_for(1s);
  const auto frames = client->frames();
  demand(frames.size() == 1, "ApiVersions is answered");
  protocol::Reader reader(frames[0]);
  (void)reader.int32();
  protocol::ApiVersionsResponse response;
  response.read(reader, 0);
  std::vector<std::int16_t> keys;
  for (const auto& api : response.api_keys) keys.push_back(api.api_key);
  return keys;
}

TEST_CASE("each kind of listener lists its own APIs") {
  TwoListeners net;
  const auto of_broker = advertised(net, 9092);
  const auto of_controller = advertised(net, 9093);
  const auto has = [](const auto& keys, std::int16_t key) {
    return std::ranges::find(keys, key) != keys.end();
  };
  for (const std::int16_t key : {0, 3, 11, 22, 75}) {
    INFO("API " << key);
    CHECK(has(of_broker, key));
    CHECK_FALSE(has(of_controller, key));
  }
  for (const std::int16_t key : {18, 19, 32, 44, 60}) {
    INFO("API " << key);
    CHECK(has(of_broker, key));
    CHECK(has(of_controller, key));
  }
}

TEST_CASE("a broker's API ends a connection to a controller's listener without an answer") {
  TwoListeners net;
  protocol::MetadataRequest request;
  request.topics.emplace();
  const Bytes frame = frame_of(request, 12, 7);
  auto refused = net.connect("client", 9093);
  refused->send(frame);
  auto served = net.connect("client", 9092);
  served->send(frame);
  net.run_for(1s);
  CHECK(refused->frames().empty());
  CHECK(refused->ended);
  CHECK(served->correlations() == std::vector<std::int32_t>{7});
  CHECK_FALSE(served->ended);
}

TEST_CASE("DescribeCluster tells the kind of endpoint that its listener is") {
  const auto ask = [](bool controller, std::int8_t type, std::int16_t version) {
    ApiFixture node;
    node.connection->controller_listener = controller;
    protocol::DescribeClusterRequest request;
    request.endpoint_type = type;
    return node.ask<protocol::DescribeClusterResponse>(request, version);
  };
  const auto code = [](ErrorCode error) { return static_cast<std::int16_t>(error); };
  CHECK(ask(false, 1, 2).error_code == 0);
  CHECK(ask(true, 2, 2).error_code == 0);
  CHECK(ask(true, 2, 2).endpoint_type == 2);
  const auto mismatch = ask(false, 2, 1);
  CHECK(mismatch.error_code == code(ErrorCode::kMismatchedEndpointType));
  CHECK(mismatch.endpoint_type == 1);
  CHECK(mismatch.error_message ==
        "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER");
  CHECK(ask(true, 1, 2).error_code == code(ErrorCode::kMismatchedEndpointType));
  CHECK(ask(true, 1, 0).error_code == code(ErrorCode::kInvalidRequest));
  const auto unknown = ask(true, 9, 1);
  CHECK(unknown.error_code == code(ErrorCode::kUnsupportedEndpointType));
  CHECK(unknown.error_message == "Unsupported endpoint type 9");
}

/// Another broker, that the fixture's controller knows by its requests alone.
struct OtherBroker : TwoListeners {
  OtherBroker() {
    connection = connect("other", 9093);
    listener = *node.world.node("other").listen({"other", 9092},
                                                [](std::shared_ptr<Connection> stream) { stream->close(); });
    protocol::BrokerRegistrationRequest request;
    request.broker_id = 2;
    request.cluster_id = kClusterId;
    request.incarnation_id = Uuid::random(node.random);
    request.listeners.push_back({"PLAINTEXT", "other", 9092, 0});
    for (const auto& [name, range] : kraft::supported_features())
      request.features.push_back({name, range.min, range.max});
    request.log_dirs.push_back(Uuid::random(node.random));
    connection->send(frame_of(request, 4, 1));
    run_for(1s);
    beat();
    demand(!registered().fenced, "the other broker is unfenced");
  }
  void beat() {
    protocol::BrokerHeartbeatRequest request;
    request.broker_id = 2;
    request.broker_epoch = registered().epoch;
    request.current_metadata_offset = std::int64_t{1} << 40;
    connection->send(frame_of(request, 1, 2));
    run_for(100ms);
  }
  [[nodiscard]] kraft::BrokerRegistration registered() const {
    const auto image = node.cache.image();
    const auto* broker = image->broker(BrokerId(2));
    demand(broker != nullptr, "the other broker is registered");
    return *broker;
  }

  std::shared_ptr<WireClient> connection;
  std::unique_ptr<Listener> listener;
};

TEST_CASE("a broker whose process is gone is fenced within half a second") {
  OtherBroker net;
  net.node.world.crash_node("other");
  net.run_for(200ms);
  CHECK_FALSE(net.registered().fenced);
  net.run_for(300ms);
  CHECK(net.registered().fenced);
}

TEST_CASE("a broker that loses its connection and listens still is not fenced") {
  OtherBroker net;
  net.node.world.break_connections("other", kBrokerHost);
  net.run_for(2s);
  CHECK_FALSE(net.registered().fenced);
  net.connection = net.connect("other", 9093);
  net.beat();
  net.run_for(2s);
  CHECK_FALSE(net.registered().fenced);
}

TEST_CASE("a broker that cannot be reached at all is left to its session") {
  OtherBroker net;
  net.node.world.separate("other", kBrokerHost);
  net.node.world.crash_node("other");
  net.run_for(2s);
  CHECK_FALSE(net.registered().fenced);
}

}  // namespace
}  // namespace barnabas::broker::testing

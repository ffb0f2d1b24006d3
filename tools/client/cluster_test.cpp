#include "tools/client/cluster.hpp"

#include <catch2/catch.hpp>

#include "protocol/messages/api_find_coordinator.hpp"
#include "tools/client/scripted_server.hpp"

using namespace barnabas;
using namespace barnabas::tools;
using namespace barnabas::protocol;
using namespace std::chrono_literals;

namespace {

constexpr ServedApi kVersions{18, 0, 4};
constexpr ServedApi kMetadata{3, 0, 13};

/// A broker with the id, which names itself and `other`.
struct Broker {
  std::int32_t id;
  Address other = {};
  int coordinator_refusals = 0;
  ScriptedServer server;

  explicit Broker(std::int32_t broker_id, std::int16_t find_coordinator_max = 6)
      : id(broker_id),
        server({kVersions, kMetadata, {10, 0, find_coordinator_max}},
               [this](const RequestPrefix& header, Reader& reader, Writer& writer) {
                 header.api_key == 3 ? metadata(header, writer) : coordinator(header, reader, writer);
                 return true;
               }) {}

  void metadata(const RequestPrefix& header, Writer& writer) const {
    MetadataResponse answer;
    answer.controller_id = 1;
    answer.brokers.push_back({id, "127.0.0.1", server.address().port, std::nullopt});
    if (other.port != 0) answer.brokers.push_back({1 - id, other.host, other.port, "rack"});
    answer.write(writer, header.api_version);
  }
  void coordinator(const RequestPrefix& header, Reader& reader, Writer& writer) {
    const auto request = read_request<FindCoordinatorRequest>(reader, header);
    FindCoordinatorResponse answer;
    const std::int16_t error = coordinator_refusals-- > 0 ? 15 : 0;
    const Address at = error == 0 ? server.address() : Address{"", 0};
    answer.error_code = error;
    answer.host = at.host;
    answer.port = at.port;
    for (const auto& key : request.coordinator_keys) {
      answer.coordinators.push_back({key, id, at.host, at.port, error, std::nullopt});
    }
    if (header.api_version >= 4) {
      answer.error_code = 0;
      answer.host.clear();
      answer.port = 0;
    } else {
      answer.coordinators.clear();
    }
    answer.write(writer, header.api_version);
  }
};

ClientConfig impatient() {
  ClientConfig config;
  config.retry_backoff = 1ms;
  config.default_api_timeout = 300ms;
  return config;
}

}  // namespace

TEST_CASE("a cluster finds its nodes and the controller through any bootstrap address that answers") {
  Broker zero(0);
  Broker one(1);
  zero.other = one.server.address();
  const Address gone = [] { return ScriptedServer({}, {}).address(); }();
  Cluster cluster({gone, zero.server.address()}, {});
  const auto nodes = cluster.nodes();
  REQUIRE(nodes.has_value());
  REQUIRE(nodes->size() == 2);
  CHECK(nodes->at(0).address == zero.server.address());
  CHECK(nodes->at(1).rack == "rack");
  const auto controller = cluster.controller();
  REQUIRE(controller.has_value());
  CHECK((*controller)->address() == one.server.address());
  CHECK(cluster.node(BrokerId(7)).error().code == ErrorCode::kNetworkException);
}

TEST_CASE("a coordinator is waited for, and remembered until it is forgotten") {
  for (const std::int16_t version : {6, 3, 0}) {
    Broker broker(0, version);
    broker.coordinator_refusals = 2;
    Cluster cluster({broker.server.address()}, impatient());
    const auto found = cluster.coordinator(CoordinatorType::kGroup, "g");
    REQUIRE(found.has_value());
    CHECK((*found)->address() == broker.server.address());
    const std::size_t asked = broker.server.requests().size();
    CHECK(cluster.coordinator(CoordinatorType::kGroup, "g").has_value());
    CHECK(broker.server.requests().size() == asked);
    cluster.forget_coordinator(CoordinatorType::kGroup, "g");
    CHECK(cluster.coordinator(CoordinatorType::kGroup, "g").has_value());
    CHECK(broker.server.requests().size() == asked + 1);
  }
}

TEST_CASE("retries end with the time of the call, and an error that no retry mends ends them at once") {
  Broker broker(0);
  Cluster cluster({broker.server.address()}, impatient());
  int attempts = 0;
  const auto timed_out = cluster.retrying<int>([&]() -> Result<int> {
    ++attempts;
    return fail(ErrorCode::kCoordinatorLoadInProgress, "loading");
  });
  CHECK(timed_out.error().code == ErrorCode::kRequestTimedOut);
  CHECK(timed_out.error().detail == "loading");
  CHECK(attempts > 2);
  attempts = 0;
  const auto refused = cluster.retrying<int>([&]() -> Result<int> {
    ++attempts;
    return fail(ErrorCode::kInvalidRequest);
  });
  CHECK(refused.error().code == ErrorCode::kInvalidRequest);
  CHECK(attempts == 1);
}

TEST_CASE("a connection that broke is opened again") {
  Broker broker(0);
  Cluster cluster({broker.server.address()}, {});
  Connection* connection = *cluster.any();
  connection->close();
  const auto again = cluster.any();
  REQUIRE(again.has_value());
  CHECK((*again)->is_open());
}

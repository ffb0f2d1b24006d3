// What a broker refuses of AlterConfigs and IncrementalAlterConfigs, and what it leaves to the controller.
// Measured on Kafka 4.3.1.
#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"
#include "protocol/messages/api_alter_configs.hpp"
#include "protocol/messages/api_incremental_alter_configs.hpp"

namespace barnabas::broker::testing {
namespace {

using protocol::AlterConfigsRequest;
using protocol::AlterConfigsResponse;
using protocol::IncrementalAlterConfigsRequest;
using protocol::IncrementalAlterConfigsResponse;

struct Told {
  ErrorCode code;
  std::string message;
  bool operator==(const Told&) const = default;
};

template <class Request, class Response>
std::vector<Told> alter(ApiFixture& node, const std::vector<std::pair<std::int8_t, std::string>>& resources) {
  Request request;
  for (const auto& [type, name] : resources) {
    auto& asked = request.resources.emplace_back();
    asked.resource_type = type;
    asked.resource_name = name;
    auto& config = asked.configs.emplace_back();
    config.name = type == 2 ? "retention.ms" : "log.cleaner.threads";
    config.value = "2";
  }
  std::vector<Told> told;
  for (const auto& answer : node.ask<Response>(request).responses)
    told.push_back({static_cast<ErrorCode>(answer.error_code), answer.error_message.value_or("")});
  return told;
}

Told incremental(ApiFixture& node, std::int8_t type, const std::string& name) {
  return alter<IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse>(node, {{type, name}}).at(0);
}

TEST_CASE("a broker alters its own configuration and no other's") {
  ApiFixture node;
  const auto refused = [](const char* message) { return Told{ErrorCode::kInvalidRequest, message}; };
  CHECK(incremental(node, 4, "99") == refused("Unexpected broker id, expected 1, but received 99"));
  CHECK(incremental(node, 4, "abc") == refused("Node id must be an integer, but it is: abc"));
  CHECK(incremental(node, 8, "99") == refused("Unexpected node id. Expected 1, but received 99"));
  CHECK(incremental(node, 8, "") == refused("Node id must be an integer, but it is: "));
  CHECK(incremental(node, 99, "x") == refused("Unknown resource type 99"));
  CHECK(incremental(node, 4, "1") == Told{ErrorCode::kNone, ""});
  CHECK(incremental(node, 4, "") == Told{ErrorCode::kNone, ""});
}

TEST_CASE("the whole replacement knows no log levels and no other broker either") {
  ApiFixture node;
  const auto told = alter<AlterConfigsRequest, AlterConfigsResponse>(node, {{4, "99"}, {8, "1"}, {99, "x"}});
  CHECK(told ==
        std::vector<Told>{{ErrorCode::kInvalidRequest, "Unexpected broker id, expected 1, but received 99"},
                          {ErrorCode::kInvalidRequest, "Unknown resource type 8"},
                          {ErrorCode::kInvalidRequest, "Unknown resource type 99"}});
}

TEST_CASE("a resource named twice is refused each time, the others are altered") {
  ApiFixture node;
  node.create_topic("t");
  const auto told = alter<IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse>(
      node, {{4, "1"}, {4, "1"}, {2, "t"}});
  REQUIRE(told.size() == 3);
  const Told twice{ErrorCode::kInvalidRequest, "Each resource must appear at most once."};
  CHECK(std::ranges::count(told, twice) == 2);
  CHECK(std::ranges::count(told, Told{ErrorCode::kNone, ""}) == 1);
}

TEST_CASE("on its own listener the controller answers in its own words") {
  ApiFixture node;
  node.connection->controller_listener = true;
  CHECK(incremental(node, 4, "99") == Told{ErrorCode::kBrokerIdNotRegistered, "No node with id 99 found."});
  CHECK(incremental(node, 4, "abc") ==
        Told{ErrorCode::kInvalidRequest, "Unable to parse broker name as a base 10 number."});
  CHECK(incremental(node, 99, "x") == Told{ErrorCode::kUnsupportedVersion, "Unknown resource type 99."});
}

}  // namespace
}  // namespace barnabas::broker::testing

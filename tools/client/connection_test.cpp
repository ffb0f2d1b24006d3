#include "tools/client/connection.hpp"

#include <catch2/catch.hpp>

#include "protocol/messages/api_api_versions.hpp"
#include "protocol/messages/api_heartbeat.hpp"
#include "protocol/messages/api_list_groups.hpp"
#include "protocol/messages/api_metadata.hpp"
#include "tools/client/scripted_server.hpp"

using namespace barnabas;
using namespace barnabas::tools;
using namespace barnabas::protocol;
using namespace std::chrono_literals;

namespace {

using Requests = std::vector<std::pair<std::int16_t, std::int16_t>>;

bool answer_heartbeat(const RequestPrefix& header, Reader& reader, Writer& writer) {
  const auto request = read_request<HeartbeatRequest>(reader, header);
  HeartbeatResponse answer;
  // So that answers can be told apart.
  answer.error_code = static_cast<std::int16_t>(request.generation_id);
  answer.write(writer, header.api_version);
  return true;
}
HeartbeatRequest heartbeat(std::int32_t generation) {
  HeartbeatRequest request;
  request.generation_id = generation;
  return request;
}
Deadline soon() {
  return deadline_after(5s);
}

}  // namespace

TEST_CASE("a connection uses the highest version that both sides have") {
  ScriptedServer server({{18, 0, 4}, {12, 0, 2}}, answer_heartbeat);
  auto connection = Connection::open(server.address(), {}, soon());
  REQUIRE(connection.has_value());
  CHECK(connection->version_of<HeartbeatRequest>() == 2);
  CHECK(connection->version_of<HeartbeatRequest>(1) == 1);
  const auto answer = connection->call<HeartbeatResponse>(heartbeat(7), soon());
  REQUIRE(answer.has_value());
  CHECK((*answer)->error_code == 7);
  CHECK(server.requests() == Requests{{18, 4}, {12, 2}});
}

TEST_CASE("a broker that is older than our ApiVersions is asked again") {
  ScriptedServer newer({{18, 0, 3}, {12, 0, 4}}, answer_heartbeat);
  CHECK(Connection::open(newer.address(), {}, soon()).has_value());
  CHECK(newer.requests() == Requests{{18, 4}, {18, 3}});
  ScriptedServer older({{18, 0, 1}, {12, 0, 0}}, answer_heartbeat);
  auto connection = Connection::open(older.address(), {}, soon());
  REQUIRE(connection.has_value());
  CHECK(older.requests() == Requests{{18, 4}, {18, 0}});
  CHECK(connection->version_of<HeartbeatRequest>() == 0);
}

TEST_CASE("an API or version that the broker does not have is an error, and the connection goes on") {
  ScriptedServer server({{18, 0, 4}, {12, 4, 4}, {3, 1, 1}}, answer_heartbeat);
  auto connection = Connection::open(server.address(), {}, soon());
  REQUIRE(connection.has_value());
  const auto missing = connection->call<ListGroupsResponse>(ListGroupsRequest{}, soon());
  REQUIRE(!missing.has_value());
  CHECK(missing.error().code == ErrorCode::kUnsupportedVersion);
  CHECK(missing.error().detail == "The node does not support LIST_GROUPS");
  MetadataRequest request;
  request.allow_auto_topic_creation = false;  // which version 1 cannot say
  CHECK(connection->call<MetadataResponse>(request, soon()).error().code == ErrorCode::kUnsupportedVersion);
  CHECK(connection->call<HeartbeatResponse>(heartbeat(1), soon()).has_value());
}

TEST_CASE("several requests may be on their way, answers come in their order") {
  ScriptedServer server({{18, 0, 4}, {12, 0, 4}}, answer_heartbeat);
  auto connection = Connection::open(server.address(), {}, soon());
  REQUIRE(connection.has_value());
  for (int i = 1; i <= 3; ++i) REQUIRE(connection->send(heartbeat(i), soon()).has_value());
  CHECK(connection->in_flight() == 3);
  for (int i = 1; i <= 3; ++i) {
    CHECK(connection->readable(5s));
    CHECK((*connection->receive<HeartbeatResponse>(soon()))->error_code == i);
  }
  CHECK(!connection->readable(0ms));
}

TEST_CASE("a broker that hangs, hangs up or is not there is told apart") {
  ScriptedServer hangs_up({{18, 0, 4}, {12, 0, 4}}, [](auto&, auto&, auto&) { return false; });
  auto connection = Connection::open(hangs_up.address(), {}, soon());
  REQUIRE(connection.has_value());
  const auto lost = connection->call<HeartbeatResponse>(heartbeat(1), soon());
  CHECK(lost.error().code == ErrorCode::kNetworkException);
  CHECK(!connection->is_open());
  CHECK(connection->call<HeartbeatResponse>(heartbeat(1), soon()).error().code ==
        ErrorCode::kNetworkException);

  ScriptedServer hangs({{18, 0, 4}, {12, 0, 4}}, [](auto&, auto&, Writer& writer) {
    std::this_thread::sleep_for(200ms);
    writer.raw(Bytes(6));
    return true;
  });
  connection = Connection::open(hangs.address(), {}, soon());
  REQUIRE(connection.has_value());
  const auto late = connection->call<HeartbeatResponse>(heartbeat(1), deadline_after(20ms));
  CHECK(late.error().code == ErrorCode::kRequestTimedOut);
  CHECK(!connection->is_open());

  const Address gone = [] { return ScriptedServer({}, answer_heartbeat).address(); }();
  const auto unreachable = Connection::open(gone, {}, soon());
  REQUIRE(!unreachable.has_value());
  CHECK(unreachable.error().code == ErrorCode::kNetworkException);
  CHECK(unreachable.error().detail.find("Connection refused") != std::string::npos);
}

// What a controller makes of envelopes, and what a broker puts into them.
#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"
#include "broker/api/forwarding.hpp"
#include "protocol/messages/api_add_raft_voter.hpp"
#include "protocol/messages/api_metadata.hpp"
#include "protocol/messages/api_remove_raft_voter.hpp"

namespace barnabas::broker::testing {
namespace {

using protocol::CreateTopicsRequest;
using protocol::CreateTopicsResponse;
using protocol::EnvelopeRequest;
using protocol::EnvelopeResponse;

constexpr std::int16_t kVersion = 7;

struct Controller : ApiFixture {
  explicit Controller(ApiFixtureOptions options = {}) : ApiFixture(std::move(options)) {
    connection->controller_listener = true;
    connection->privileged_listener = true;
  }

  template <class Request>
  static Bytes embedded(const Request& request, std::int16_t version) {
    protocol::Writer writer;
    protocol::write_request_header(writer, {.api_key = Request::kApiKey,
                                            .api_version = version,
                                            .correlation_id = 77,
                                            .client_id = "admin",
                                            .header_version = 0});
    request.write(writer, version);
    return writer.take();
  }
  EnvelopeResponse send(const Bytes& request, const Bytes& principal = serialize_principal({"User", "alice"}),
                        const Bytes& address = serialize_address("10.1.2.3")) {
    EnvelopeRequest envelope;
    envelope.request_data = request;
    envelope.request_principal = ByteView(principal);
    envelope.client_host_address = address;
    return ask<EnvelopeResponse>(envelope, 0);
  }
  ErrorCode error_of(const EnvelopeResponse& response) { return static_cast<ErrorCode>(response.error_code); }
};

CreateTopicsRequest one_topic(const std::string& name) {
  CreateTopicsRequest request;
  request.timeout_ms = 1000;
  auto& topic = request.topics.emplace_back();
  topic.name = name;
  topic.num_partitions = 1;
  topic.replication_factor = 1;
  return request;
}

CreateTopicsResponse content_of(const EnvelopeResponse& envelope) {
  REQUIRE(envelope.error_code == 0);
  REQUIRE(envelope.response_data.has_value());
  protocol::Reader reader(*envelope.response_data);
  CHECK(reader.int32() == 77);
  CHECK(reader.uvarint() == 0);
  CreateTopicsResponse response;
  response.read(reader, kVersion);
  REQUIRE(reader.ok());
  CHECK(reader.remaining() == 0);
  return response;
}

TEST_CASE("a request in an envelope is served as its client's") {
  Controller controller;
  const auto response = content_of(controller.send(Controller::embedded(one_topic("wrapped"), kVersion)));
  REQUIRE(response.topics.size() == 1);
  CHECK(response.topics[0].error_code == 0);
  CHECK(controller.cache.image()->topic("wrapped") != nullptr);
}

TEST_CASE("the broker must be allowed to send envelopes, the client what is in them") {
  Controller controller;
  SECTION("the broker") {
    controller.authorizer.refused.push_back(
        {Operation::kClusterAction, ResourceKind::kCluster, std::string(kClusterResource)});
    const auto envelope = controller.send(Controller::embedded(one_topic("refused"), kVersion));
    CHECK(controller.error_of(envelope) == ErrorCode::kClusterAuthorizationFailed);
  }
  SECTION("the client") {
    controller.authorizer.refused.push_back(
        {Operation::kCreate, ResourceKind::kCluster, std::string(kClusterResource)});
    controller.authorizer.refused.push_back({Operation::kCreate, ResourceKind::kTopic, "refused"});
    const auto response = content_of(controller.send(Controller::embedded(one_topic("refused"), kVersion)));
    REQUIRE(response.topics.size() == 1);
    CHECK(response.topics[0].error_code == static_cast<std::int16_t>(ErrorCode::kTopicAuthorizationFailed));
  }
}

TEST_CASE("an envelope that makes no sense is refused with Kafka's errors") {
  Controller controller;
  const Bytes request = Controller::embedded(one_topic("never"), kVersion);
  const Bytes principal = serialize_principal({});
  CHECK(controller.error_of(controller.send(request, Bytes{1})) ==
        ErrorCode::kPrincipalDeserializationFailure);
  CHECK(controller.error_of(controller.send(request, Bytes{0, 9, 0, 0})) ==
        ErrorCode::kPrincipalDeserializationFailure);
  CHECK(controller.error_of(controller.send(request, principal, Bytes{1, 2, 3})) ==
        ErrorCode::kInvalidRequest);
  CHECK(controller.error_of(controller.send(Bytes{0})) == ErrorCode::kUnsupportedVersion);
  CHECK(controller.error_of(controller.send(Controller::embedded(protocol::MetadataRequest(), 9))) ==
        ErrorCode::kInvalidRequest);
  Bytes newer = request;
  newer[3] = 99;
  CHECK(controller.error_of(controller.send(newer)) == ErrorCode::kUnsupportedVersion);
  Bytes cut = request;
  cut.resize(cut.size() - 3);
  CHECK(controller.error_of(controller.send(cut)) == ErrorCode::kUnsupportedVersion);
  CHECK(controller.cache.image()->topic("never") == nullptr);
}

TEST_CASE("principals and addresses come out of an envelope as they went in") {
  const auto principal = parse_principal(serialize_principal({"User", "CN=alice,O=example"}));
  REQUIRE(principal.has_value());
  CHECK(principal->type == "User");
  CHECK(principal->name == "CN=alice,O=example");
  // The version, then the flexible form: two compact strings, a boolean, no tagged fields.
  CHECK(serialize_principal({"User", "bob"}) == Bytes{0, 0, 5, 'U', 's', 'e', 'r', 4, 'b', 'o', 'b', 0, 0});
  for (const char* host : {"10.1.2.3", "127.0.0.1", "2001:db8::17", "::1"}) {
    const auto parsed = parse_address(serialize_address(host));
    REQUIRE(parsed.has_value());
    CHECK(*parsed == host);
  }
  CHECK(serialize_address("10.1.2.3") == Bytes{10, 1, 2, 3});
  CHECK(*parse_address(serialize_address("no address")) == "0.0.0.0");
}

TEST_CASE("a node that does not lead the quorum says in any words that it is not the controller") {
  const auto tells = []<class Response>(const Response& response, std::int16_t version) {
    protocol::Writer writer;
    response.write(writer, version);
    const Bytes body = writer.take();
    protocol::Reader reader(body);
    return find_forwardable(Response::kApiKey)->tells_not_controller(reader, version);
  };
  constexpr auto kNotLeader = static_cast<std::int16_t>(ErrorCode::kNotLeaderOrFollower);
  protocol::DescribeQuorumResponse described;
  described.topics.emplace_back().partitions.emplace_back();
  protocol::AddRaftVoterResponse added;
  protocol::RemoveRaftVoterResponse removed;
  CHECK_FALSE(tells(described, 2));
  CHECK_FALSE(tells(added, 0));
  CHECK_FALSE(tells(removed, 0));
  described.topics[0].partitions[0].error_code = added.error_code = removed.error_code = kNotLeader;
  CHECK(tells(described, 0));
  CHECK(tells(described, 2));
  CHECK(tells(added, 1));
  CHECK(tells(removed, 0));
}

TEST_CASE("every API that may be forwarded can be refused in its own form") {
  ApiFixture fixture;
  int checked = 0;
  for (const ApiRow& row : api_table()) {
    const ForwardableApi* api = find_forwardable(row.key);
    if (api == nullptr || row.key != CreateTopicsRequest::kApiKey) continue;
    const Bytes body = [] {
      protocol::Writer writer;
      one_topic("late").write(writer, kVersion);
      return writer.take();
    }();
    RequestContext context;
    context.api_key = row.key;
    context.api_version = kVersion;
    protocol::Reader reader(body);
    const EncodedResponse refused = api->refuse(context, reader, ErrorCode::kRequestTimedOut);
    REQUIRE(refused.kind == EncodedResponse::Kind::kSend);
    protocol::Reader answer(refused.bytes);
    answer.skip(9);
    CreateTopicsResponse response;
    response.read(answer, kVersion);
    REQUIRE(answer.ok());
    CHECK(response.topics.at(0).error_code == static_cast<std::int16_t>(ErrorCode::kRequestTimedOut));
    ++checked;
  }
  CHECK(checked == 1);
  for (std::int16_t key = 0; key < 100; ++key) {
    const ForwardableApi* api = find_forwardable(key);
    if (api != nullptr) CHECK(api->key == key);
  }
  CHECK(find_forwardable(19) != nullptr);
  CHECK(find_forwardable(81) != nullptr);
  CHECK(find_forwardable(18) == nullptr);
}

}  // namespace
}  // namespace barnabas::broker::testing

#include "broker/net/session.hpp"

#include <catch2/catch.hpp>

#include "broker/net/net_fixture.hpp"
#include "protocol/api_keys.hpp"
#include "protocol/messages/api_api_versions.hpp"
#include "protocol/messages/api_create_topics.hpp"
#include "protocol/messages/api_fetch.hpp"
#include "protocol/messages/api_incremental_alter_configs.hpp"
#include "protocol/messages/api_list_offsets.hpp"
#include "protocol/messages/api_metadata.hpp"
#include "protocol/messages/api_produce.hpp"

namespace barnabas::broker::testing {
namespace {

using namespace std::chrono_literals;
using Correlations = std::vector<std::int32_t>;

Bytes api_versions(std::int32_t correlation, std::int16_t version = 3) {
  protocol::ApiVersionsRequest request;
  request.client_software_name = "test";
  request.client_software_version = "1.0";
  return frame_of(request, version, correlation);
}
Bytes metadata(std::int32_t correlation, const std::string& topic = "t") {
  protocol::MetadataRequest request;
  request.topics.emplace().push_back({{}, topic});
  request.allow_auto_topic_creation = false;
  return frame_of(request, 12, correlation);
}
Bytes fetch(const Uuid& topic_id, std::int32_t correlation, std::int64_t offset, std::int32_t max_wait_ms,
            std::int16_t version = 13) {
  protocol::FetchRequest request;
  request.max_wait_ms = max_wait_ms;
  request.min_bytes = 1;
  request.max_bytes = 1 << 20;
  request.session_epoch = -1;
  auto& topic = request.topics.emplace_back();
  topic.topic_id = topic_id;
  auto& partition = topic.partitions.emplace_back();
  partition.fetch_offset = offset;
  partition.partition_max_bytes = 1 << 20;
  return frame_of(request, version, correlation);
}
Bytes produce(const Bytes& batch, std::int32_t correlation, std::int16_t acks = 1,
              const std::string& topic = "t") {
  protocol::ProduceRequest request;
  request.acks = acks;
  request.timeout_ms = 1000;
  auto& data = request.topic_data.emplace_back();
  data.name = topic;
  data.partition_data.push_back({0, protocol::Records{batch}});
  return frame_of(request, 9, correlation);
}
Bytes header_only(std::int16_t key, std::int16_t version, std::int32_t correlation) {
  protocol::Writer writer;
  writer.int16(key);
  writer.int16(version);
  writer.int32(correlation);
  writer.string("c", false);
  return frame_around(writer.buffer());
}
Bytes int32_bytes(std::int32_t value) {
  protocol::Writer writer;
  writer.int32(value);
  return writer.take();
}

TEST_CASE("a request is answered with its correlation id") {
  NetFixture net;
  auto client = net.connect();
  client->send(api_versions(7));
  net.run_for(100ms);
  CHECK(client->correlations() == Correlations{7});
  CHECK_FALSE(client->ended);
  CHECK(net.server->session_count() == 1);
}

TEST_CASE("frames that arrive byte by byte are put together") {
  NetFixture net;
  auto client = net.connect();
  const Bytes bytes = joined({api_versions(1), metadata(2)});
  for (const std::uint8_t byte : bytes) {
    client->send({byte});
    net.run_for(3ms);
  }
  net.run_for(100ms);
  CHECK(client->correlations() == Correlations{1, 2});
}

TEST_CASE("many frames in one read are answered in their order") {
  NetFixture net;
  auto client = net.connect();
  std::vector<Bytes> frames;
  Correlations expected;
  for (std::int32_t i = 0; i < 600; ++i) {
    frames.push_back(i % 3 == 0 ? metadata(i) : api_versions(i));
    expected.push_back(i);
  }
  client->send(joined(frames));
  net.run_for(5s);
  CHECK(client->correlations() == expected);
}

TEST_CASE("a wrong size closes the connection") {
  const std::int32_t max = SessionLimits{}.max_request_bytes;
  for (const std::int32_t size : {0, -1, INT32_MIN, max + 1, INT32_MAX}) {
    INFO("size " << size);
    NetFixture net;
    auto client = net.connect();
    auto other = net.connect();
    client->send(int32_bytes(size));
    net.run_for(100ms);
    CHECK(client->ended);
    CHECK(client->received.empty());
    CHECK(net.server->session_count() == 1);
    other->send(api_versions(1));
    net.run_for(100ms);
    CHECK(other->correlations() == Correlations{1});
  }
}

TEST_CASE("the buffer grows with the bytes that arrive, not with the size that was announced") {
  NetFixture net;
  auto budget = std::make_shared<MemoryBudget>(-1);
  const Endpoint address{kBrokerHost, 9999};
  auto listener = demand(net.node.reactor.listen(address, [&](std::shared_ptr<Connection> stream) {
    std::make_shared<Session>(*net.node.services, budget, SessionLimits{}, std::move(stream),
                              std::make_shared<ClientConnection>(), [] {})
        ->start();
  }));
  auto client = net.connect("client", 9999);
  client->send(joined({int32_bytes(SessionLimits{}.max_request_bytes), Bytes(10)}));
  net.run_for(1s);
  CHECK(budget->used() == 0);
  client->send(Bytes(20'000));
  net.run_for(1s);
  CHECK(budget->used() > 20'000);
  CHECK(budget->used() < 50'000);
  // Bytes that come in small pieces do not make it grow each time: it would copy the frame over and over.
  std::int64_t growths = 0;
  for (int i = 0; i < 500; ++i) {
    const std::int64_t before = budget->used();
    client->send(Bytes(1000));
    net.run_for(10ms);
    growths += budget->used() != before ? 1 : 0;
  }
  CHECK(growths <= 6);
  client->stream->close();
  net.run_for(1s);
  CHECK(budget->used() == 0);
}

TEST_CASE("headers that are cut, unknown APIs and versions close the connection") {
  protocol::Writer cut;
  cut.int16(3);
  cut.int16(12);
  Bytes no_client_id = header_only(3, 12, 1);
  no_client_id.resize(no_client_id.size() - 3);
  no_client_id[3] = static_cast<std::uint8_t>(no_client_id.size() - 4);
  const std::vector<std::pair<const char*, Bytes>> bad = {
      {"four bytes", frame_around(cut.buffer())},
      {"no client id", no_client_id},
      {"API 999", header_only(999, 0, 1)},
      {"API -1", header_only(-1, 0, 1)},
      {"Produce 2, advertised and not served", header_only(0, 2, 1)},
      {"Fetch 3", header_only(1, 3, 1)},
      {"Metadata 99", header_only(3, 99, 1)},
      {"Metadata -1", header_only(3, -1, 1)},
      {"LeaderAndIsr 0", header_only(4, 0, 1)},
      {"Vote 0, the controller's", header_only(52, 0, 1)},
      {"BrokerHeartbeat 0", header_only(63, 0, 1)},
      {"GetTelemetrySubscriptions 0", header_only(71, 0, 1)},
      {"InitProducerId 6, unstable", header_only(22, 6, 1)},
      {"a body cut short", header_only(3, 1, 1)},
      {"HTTP", to_bytes(as_bytes("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))}};
  for (const auto& [what, bytes] : bad) {
    INFO(what);
    NetFixture net;
    auto client = net.connect();
    client->send(bytes);
    net.run_for(100ms);
    CHECK(client->ended);
    CHECK(client->received.empty());
    CHECK(net.server->session_count() == 0);
  }
}

TEST_CASE("an API without a row in the table is not advertised and closes the connection") {
  std::size_t refused = 0;
  for (const protocol::ApiInfo& api : protocol::all_apis()) {
    const auto key = static_cast<std::int16_t>(api.key);
    if (find_api(key)) continue;
    INFO(protocol::api_name(key));
    NetFixture net;
    auto client = net.connect();
    client->send(header_only(key, 0, 1));
    net.run_for(100ms);
    CHECK(client->ended);
    CHECK(client->received.empty());
    ++refused;
  }
  CHECK(refused + api_table().size() == protocol::all_apis().size());
}

TEST_CASE("what was asked before a bad frame is still answered") {
  NetFixture net;
  auto client = net.connect();
  client->send(joined({api_versions(1), metadata(2), header_only(999, 0, 3), api_versions(4)}));
  net.run_for(100ms);
  CHECK(client->correlations() == Correlations{1, 2});
  CHECK(client->ended);
}

TEST_CASE("ApiVersions of an unknown version is answered in version 0 and the connection stays usable") {
  NetFixture net;
  auto client = net.connect();
  for (const std::int16_t version : {99, 5, -1}) {
    client->received.clear();
    client->send(header_only(18, version, 7));
    net.run_for(100ms);
    const Bytes expected = {0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4};
    REQUIRE(client->frames().size() == 1);
    CHECK(client->frames()[0] == expected);
  }
  client->received.clear();
  client->send(api_versions(8, 0));
  net.run_for(100ms);
  CHECK(client->correlations() == Correlations{8});
}

TEST_CASE("trailing bytes after a body and a null client id are accepted") {
  NetFixture net;
  auto client = net.connect();
  protocol::Writer writer;
  writer.int16(18);
  writer.int16(0);
  writer.int32(75);
  writer.null_string(false);
  writer.raw(as_bytes("trailing"));
  client->send(frame_around(writer.buffer()));
  net.run_for(100ms);
  CHECK(client->correlations() == Correlations{75});
}

TEST_CASE("a waiting fetch delays the requests behind it") {
  NetFixture net;
  const Uuid id = net.node.create_topic("t");
  auto client = net.connect();
  client->send(joined({fetch(id, 1, 0, 500), metadata(2), produce(net.node.make_batch(), 3)}));
  net.run_for(400ms);
  CHECK(client->correlations().empty());
  net.run_for(200ms);
  CHECK(client->correlations() == Correlations{1, 2, 3});
}

TEST_CASE("pipelined produces are answered in order, a fetch among them in its place") {
  NetFixture net;
  const Uuid id = net.node.create_topic("t");
  auto client = net.connect();
  std::vector<Bytes> frames;
  for (std::int32_t i = 0; i < 50; ++i) frames.push_back(produce(net.node.make_batch(), i));
  frames.push_back(fetch(id, 50, 50, 300));
  for (std::int32_t i = 51; i < 60; ++i) frames.push_back(produce(net.node.make_batch(), i));
  client->send(joined(frames));
  net.run_for(100ms);
  CHECK(client->correlations().size() == 50);
  net.run_for(1s);
  Correlations expected;
  for (std::int32_t i = 0; i < 60; ++i) expected.push_back(i);
  CHECK(client->correlations() == expected);
  // The batches behind the fetch took no earlier offset than those before it.
  protocol::ProduceResponse last;
  const Bytes frame = client->frames().back();
  protocol::Reader reader(ByteView(frame).subspan(5));
  last.read(reader, 9);
  CHECK(last.responses[0].partition_responses[0].base_offset == 58);
}

TEST_CASE("what follows a produce is looked at when that is acknowledged, not when it arrives") {
  NetFixture net;
  (void)net.node.create_topic("t");
  Partition& partition = net.node.find("t", 0);
  kraft::PartitionRegistration registration;
  registration.replicas = registration.isr = {BrokerId(1), BrokerId(2)};
  registration.leader = BrokerId(1);
  registration.leader_epoch = LeaderEpoch(5);
  registration.partition_epoch = 9;
  partition.become_leader(registration);
  auto client = net.connect();
  client->send(joined({produce(net.node.make_batch(), 1, -1), metadata(2, "later"), metadata(3, "later")}));
  net.run_for(100ms);
  CHECK(client->correlations().empty());
  (void)net.node.create_topic("later");
  registration.isr = {BrokerId(1)};
  ++registration.partition_epoch;
  partition.become_leader(registration);
  net.run_for(100ms);
  REQUIRE(client->correlations() == Correlations{1, 2, 3});
  protocol::MetadataResponse answer;
  const Bytes frame = client->frames().at(1);
  protocol::Reader reader(ByteView(frame).subspan(5));
  answer.read(reader, 12);
  CHECK(answer.topics.at(0).error_code == 0);
}

TEST_CASE("acks=0 is not answered, in any number, and what follows is") {
  NetFixture net;
  (void)net.node.create_topic("t");
  auto client = net.connect();
  // A large frame first, so that the buffer holds hundreds of small ones afterwards.
  client->send(produce(net.node.make_batch(1, std::string(200000, 'x')), 0, 0));
  net.run_for(1s);
  std::vector<Bytes> frames;
  for (std::int32_t i = 1; i <= 700; ++i) frames.push_back(produce(net.node.make_batch(), i, 0));
  frames.push_back(metadata(701));
  client->send(joined(frames));
  net.run_for(2s);
  CHECK(client->correlations() == Correlations{701});
  CHECK(net.node.find("t", 0).with_log([](auto& log) { return log.log_end_offset(); }) == Offset(701));
}

TEST_CASE("a failure with acks=0 closes the connection") {
  NetFixture net;
  auto client = net.connect();
  client->send(produce(net.node.make_batch(), 1, 0, "nope"));
  net.run_for(100ms);
  CHECK(client->ended);
  CHECK(client->received.empty());
}

TEST_CASE("a silent connection is closed after its idle time, a waiting one is not") {
  ServerOptions options;
  options.session.max_idle = 1s;
  NetFixture net(options);
  const Uuid id = net.node.create_topic("t");
  auto silent = net.connect();
  auto waiting = net.connect();
  auto active = net.connect();
  waiting->send(fetch(id, 1, 0, 5000));
  for (int i = 0; i < 10; ++i) {
    active->send(api_versions(i));
    net.run_for(300ms);
  }
  CHECK(silent->ended);
  CHECK_FALSE(waiting->ended);
  CHECK_FALSE(active->ended);
  net.run_for(10s);
  CHECK(waiting->correlations() == Correlations{1});
  CHECK(waiting->ended);
  CHECK(active->ended);
  CHECK(net.server->session_count() == 0);
}

TEST_CASE("a negative idle time means none, a huge one does not overflow") {
  for (const std::int64_t idle : {std::int64_t{-1}, INT64_MAX}) {
    ServerOptions options;
    options.session.max_idle = std::chrono::milliseconds(idle);
    NetFixture net(options);
    auto client = net.connect();
    net.run_for(std::chrono::hours(1));
    client->send(api_versions(1));
    net.run_for(100ms);
    CHECK(client->correlations() == Correlations{1});
  }
}

TEST_CASE("draining answers what was taken, takes nothing more and ends") {
  NetFixture net;
  const Uuid id = net.node.create_topic("t");
  auto waiting = net.connect();
  auto idle = net.connect();
  waiting->send(joined({fetch(id, 1, 0, 500), metadata(2)}));
  net.run_for(100ms);
  net.server->drain();
  net.run_for(100ms);
  CHECK(idle->ended);
  CHECK_FALSE(waiting->ended);
  net.run_for(1s);
  CHECK(waiting->correlations() == Correlations{1});
  CHECK(waiting->ended);
  CHECK(net.server->session_count() == 0);
}

TEST_CASE("stop ends every session at once") {
  NetFixture net;
  const Uuid id = net.node.create_topic("t");
  auto waiting = net.connect();
  auto idle = net.connect();
  waiting->send(fetch(id, 1, 0, 60000));
  net.run_for(100ms);
  net.server->stop();
  net.run_for(100ms);
  CHECK(waiting->ended);
  CHECK(idle->ended);
  CHECK(waiting->received.empty());
  CHECK(net.server->session_count() == 0);
}

TEST_CASE("a peer that goes away in the middle of a long poll harms nobody") {
  NetFixture net;
  const Uuid id = net.node.create_topic("t");
  auto leaving = net.connect();
  auto staying = net.connect("other");
  leaving->send(fetch(id, 1, 0, 1000));
  staying->send(fetch(id, 1, 0, 1000));
  net.run_for(100ms);
  leaving->stream->close();
  net.run_for(100ms);
  (void)net.node.append("t", 0);
  net.run_for(100ms);
  CHECK(staying->correlations() == Correlations{1});
  net.run_for(2s);
  CHECK(net.server->session_count() == 1);
}

TEST_CASE("a reset in the middle of a frame, of a write and of a long poll ends the session") {
  NetFixture net;
  const Uuid id = net.node.create_topic("t");
  auto half = net.connect();
  auto polling = net.connect();
  half->send(Bytes{0, 0, 1});
  polling->send(fetch(id, 1, 0, 1000));
  net.run_for(100ms);
  net.node.world.break_connections("client", kBrokerHost);
  net.run_for(2s);
  CHECK(net.server->session_count() == 0);
}

TEST_CASE("connections beyond the limits are refused, which may be set while the node runs") {
  NetFixture net;
  protocol::IncrementalAlterConfigsRequest limits;
  auto& resource = limits.resources.emplace_back();
  resource.resource_type = 4;
  for (const auto& [name, limit] : {std::pair{"max.connections", "3"}, {"max.connections.per.ip", "2"}}) {
    auto& config = resource.configs.emplace_back();
    config.name = name;
    config.value = limit;
  }
  const auto set = net.node.ask<protocol::IncrementalAlterConfigsResponse>(limits);
  REQUIRE(set.responses.at(0).error_code == 0);
  auto one = net.connect("a");
  auto two = net.connect("a");
  auto three = net.connect("a");
  net.run_for(50ms);
  CHECK(three->ended);
  auto four = net.connect("b");
  auto five = net.connect("c");
  net.run_for(50ms);
  CHECK_FALSE(four->ended);
  CHECK(five->ended);
  one->stream->close();
  net.run_for(50ms);
  auto six = net.connect("c");
  six->send(api_versions(1));
  net.run_for(50ms);
  CHECK(six->correlations() == Correlations{1});
}

TEST_CASE("a large frame goes through a buffer that grows, and its memory is given back") {
  ServerOptions options;
  options.max_request_memory_bytes = 1 << 30;
  NetFixture net(options);
  (void)net.node.create_topic("t", 1, {{"max.message.bytes", "20000000"}});
  auto client = net.connect();
  client->send(joined({produce(net.node.make_batch(1, std::string(5'000'000, 'x')), 1), metadata(2)}));
  net.run_for(60s);
  CHECK(client->correlations() == Correlations{1, 2});
  CHECK(net.node.find("t", 0).with_log([](auto& log) { return log.log_end_offset(); }) == Offset(1));
}

TEST_CASE("sessions that share a small budget all get through") {
  ServerOptions options;
  options.max_request_memory_bytes = 100'000;
  NetFixture net(options);
  (void)net.node.create_topic("t");
  std::vector<std::shared_ptr<WireClient>> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(net.connect());
  const Bytes frame = produce(net.node.make_batch(1, std::string(90'000, 'x')), 1);
  // Each has sent half: together more than the budget, and none is whole.
  for (auto& client : clients) client->send(Bytes(frame.begin(), frame.begin() + 45'000));
  net.run_for(1s);
  for (auto& client : clients) client->send(Bytes(frame.begin() + 45'000, frame.end()));
  net.run_for(5s);
  for (auto& client : clients) CHECK(client->correlations() == Correlations{1});
}

}  // namespace
}  // namespace barnabas::broker::testing

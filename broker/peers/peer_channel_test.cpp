#include "broker/peers/peer_channel.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "base/simulated_network.hpp"
#include "broker/peers/frame_server_testing.hpp"
#include "protocol/headers.hpp"
#include "protocol/messages/api_api_versions.hpp"
#include "protocol/messages/api_heartbeat.hpp"

namespace barnabas::broker {
namespace {

using namespace std::chrono_literals;
using protocol::ApiVersionsRequest;
using protocol::ApiVersionsResponse;
using protocol::HeartbeatRequest;
using protocol::HeartbeatResponse;

/// A node that tells its versions and answers heartbeats as it is told to.
class Peer {
 public:
  explicit Peer(SimulatedWorld& world)
      : server(world, {"peer", 9092}, [this](ByteView frame) { return serve(frame); }) {}

  std::int16_t newest_api_versions = ApiVersionsRequest::kMaxVersion;
  std::int16_t newest_heartbeat = 3;
  bool has_heartbeat = true, is_silent = false;
  std::size_t padding = 0;          // of the answers
  std::vector<std::string> groups;  // of the heartbeats, as they came
  std::vector<std::int16_t> versions;
  std::function<Bytes(const Bytes&)> spoil;
  testing::FrameServer server;

 private:
  Bytes serve(ByteView frame) {
    protocol::Reader reader(frame);
    const protocol::RequestPrefix header = protocol::read_request_header(reader);
    protocol::Writer answer;
    answer.int32(0);
    answer.int32(header.correlation_id);
    if (header.api_key == ApiVersionsRequest::kApiKey) {
      tell_versions(answer, header.api_version);
    } else {
      HeartbeatRequest request;
      request.read(reader, header.api_version);
      groups.push_back(request.group_id);
      versions.push_back(header.api_version);
      if (is_silent) return {};
      HeartbeatResponse response;
      response.throttle_time_ms = static_cast<std::int32_t>(groups.size());
      if (header.api_version >= HeartbeatResponse::kFirstFlexibleVersion) answer.uvarint(0);
      response.write(answer, header.api_version);
    }
    answer.patch_int32(0, static_cast<std::int32_t>(answer.size() - 4));
    return spoil ? spoil(answer.take()) : answer.take();
  }
  void tell_versions(protocol::Writer& answer, std::int16_t asked) const {
    ApiVersionsResponse response;
    response.api_keys.push_back({ApiVersionsRequest::kApiKey, 0, newest_api_versions});
    if (has_heartbeat) response.api_keys.push_back({HeartbeatRequest::kApiKey, 0, newest_heartbeat});
    for (std::size_t i = 0; i < padding; ++i)
      response.api_keys.push_back({static_cast<std::int16_t>(1000 + i), 0, 0});
    const bool known = asked <= newest_api_versions;
    if (!known) response.error_code = static_cast<std::int16_t>(ErrorCode::kUnsupportedVersion);
    response.write(answer, known ? asked : std::int16_t{0});
  }
};

struct ChannelFixture {
  SimulatedWorld world{7};
  Peer peer{world};
  std::optional<PeerChannel> channel;
  std::vector<std::string> told;

  ChannelFixture() {
    PeerChannelOptions options;
    options.peer = {"peer", 9092};
    options.client_id = "test";
    options.request_timeout = 5s;
    channel.emplace(world.node("us"), world.clock(), world.random(), options);
  }
  void ask(const std::string& group, PeerChannel::Versions within = {0, 4}) {
    HeartbeatRequest request;
    request.group_id = group;
    channel->call<HeartbeatResponse>(
        std::move(request), within, [this, group](Result<PeerAnswer<HeartbeatResponse>> answer) {
          told.push_back(group +
                         (answer ? " ok" : " " + std::to_string(static_cast<int>(answer.error().code))));
        });
  }
  void run_for(std::chrono::nanoseconds time) { world.run_until(world.clock().monotonic() + time); }
};
using Told = std::vector<std::string>;

TEST_CASE_METHOD(ChannelFixture, "requests go over one connection, and are answered in order") {
  ask("a");
  ask("b");
  CHECK(told.empty());
  run_for(1s);
  ask("c");
  CHECK(told.size() == 2);
  run_for(1s);
  CHECK(told == Told{"a ok", "b ok", "c ok"});
  CHECK(peer.server.connections == 1);
  CHECK(peer.groups == Told{"a", "b", "c"});
  CHECK(peer.versions == std::vector<std::int16_t>{3, 3, 3});
}

TEST_CASE_METHOD(ChannelFixture,
                 "an older node is asked again for its versions, and a large answer is read") {
  peer.newest_api_versions = 2;
  peer.padding = 30000;
  ask("a", {1, 2});
  run_for(2s);
  CHECK(told == Told{"a ok"});
  CHECK(peer.versions == std::vector<std::int16_t>{2});
  CHECK(peer.server.connections == 1);
}

TEST_CASE_METHOD(ChannelFixture,
                 "what both sides have no version of is refused, and the connection is kept") {
  ask("a", {4, 4});
  ask("b");
  run_for(1s);
  CHECK(told == Told{"a 35", "b ok"});
  peer.has_heartbeat = false;
  channel->disconnect();
  run_for(1s);
  ask("c");
  run_for(1s);
  CHECK(told.back() == "c 35");
  CHECK(peer.server.connections == 2);
}

TEST_CASE_METHOD(ChannelFixture, "what was sent fails with its connection, what was not waits for the next") {
  ask("a");
  run_for(1s);
  peer.is_silent = true;
  ask("b");
  run_for(100ms);
  peer.server.crash();
  run_for(10ms);
  CHECK(told == Told{"a ok", "b 13"});
  ask("c");
  run_for(1s);
  peer.is_silent = false;
  peer.server.restart();
  run_for(2s);
  CHECK(told == Told{"a ok", "b 13", "c ok"});
  CHECK(peer.groups == Told{"a", "b", "c"});
}

TEST_CASE_METHOD(ChannelFixture, "a request that is not answered in time takes the connection with it") {
  peer.is_silent = true;
  ask("a");
  run_for(3s);
  ask("b");
  run_for(2500ms);
  CHECK(told == Told{"a 7", "b 13"});
  peer.is_silent = false;
  ask("c");
  run_for(1s);
  CHECK(told.back() == "c ok");
  CHECK(peer.server.connections == 2);
}

TEST_CASE_METHOD(ChannelFixture,
                 "attempts that fail are made ever more seldom, and requests time out meanwhile") {
  peer.server.closes_at_once = true;
  ask("a");
  run_for(4900ms);
  CHECK(told.empty());
  // 50, 100, 200, 400, 800 ms and then a second each, give or take a fifth.
  CHECK(peer.server.connections >= 7);
  CHECK(peer.server.connections <= 11);
  run_for(200ms);
  CHECK(told == Told{"a 7"});
  const int connections = peer.server.connections;
  run_for(10s);
  CHECK(peer.server.connections <= connections + 1);  // nobody asks any more
}

TEST_CASE_METHOD(ChannelFixture, "malformed answers end the connection") {
  ask("a");
  run_for(1s);
  const auto [name, spoil] = GENERATE(table<std::string, std::function<Bytes(const Bytes&)>>({
      {"another correlation id", [](Bytes bytes) { return bytes[7] ^= 1, bytes; }},
      {"an impossible size", [](Bytes bytes) { return bytes[0] = 0xff, bytes; }},
      {"a size of three", [](Bytes) { return Bytes{0, 0, 0, 3, 1, 2, 3}; }},
  }));
  CAPTURE(name);
  peer.spoil = spoil;
  ask("b");
  run_for(1s);
  CHECK(told.back() == "b 13");
  peer.spoil = nullptr;
  ask("c");
  run_for(2s);
  CHECK(told.back() == "c ok");
}

TEST_CASE_METHOD(ChannelFixture, "a short answer fails its request alone") {
  ask("a");
  run_for(1s);
  peer.spoil = [](const Bytes& whole) {
    Bytes bytes(whole.begin(), whole.end() - 1);
    bytes[3] = static_cast<std::uint8_t>(bytes.size() - 4);
    return bytes;
  };
  ask("b");
  run_for(1s);
  CHECK(told.back() == "b 13");
  peer.spoil = nullptr;
  ask("c");
  run_for(1s);
  CHECK(told.back() == "c ok");
  CHECK(peer.server.connections == 1);
}

TEST_CASE_METHOD(ChannelFixture, "a channel that ends calls nobody, also from within an answer") {
  ask("a");
  channel.reset();
  run_for(6s);
  CHECK(told.empty());
  PeerChannelOptions options;
  options.peer = {"peer", 9092};
  channel.emplace(world.node("us"), world.clock(), world.random(), options);
  HeartbeatRequest request;
  channel->call<HeartbeatResponse>(std::move(request), [this](const Result<PeerAnswer<HeartbeatResponse>>&) {
    told.emplace_back("last");
    channel.reset();
  });
  ask("b");
  run_for(6s);
  CHECK(told == Told{"last"});
}

}  // namespace
}  // namespace barnabas::broker

#include "broker/drivers/quorum_network.hpp"

#include <catch2/catch.hpp>

#include "broker/net/net_fixture.hpp"

namespace barnabas::broker::testing {
namespace {

using namespace std::chrono_literals;

/// A node that asks a whole controller, over a simulated network.
struct AskedController : NetFixture {
  AskedController() {
    ListenerOptions listener;
    listener.name = "CONTROLLER";
    listener.bind = {kBrokerHost, 9093};
    listener.privileged = true;
    listener.controller = true;
    (void)demand(server->listen(node.reactor, listener));
    make_network(kClusterId);
  }
  ~AskedController() { node.world.crash_node("asker"); }

  void make_network(const std::string& cluster_id) {
    QuorumNetworkOptions options;
    options.wire.cluster_id = cluster_id;
    options.controller_listener = "CONTROLLER";
    options.bootstrap_servers = {{kBrokerHost, 9093}};
    network = std::make_unique<QuorumNetwork>(
        node.world.node("asker"), node.clock, node.random,
        [this](BrokerId from, std::uint64_t request, kraft::QuorumOutcome told) {
          ++answers;
          peer = from;
          answered = request;
          if (told)
            answer = *std::move(told);
          else
            failure = told.error();
        },
        options);
  }

  /// Of a node, or of a bootstrap server. The answer, if there is one.
  template <class Answer>
  std::optional<Answer> ask(BrokerId to, kraft::RaftMessage message,
                            Endpoint endpoint = {kBrokerHost, 9093}) {
    answers = 0;
    answer.reset();
    failure.reset();
    kraft::QuorumRequest request{to, {}, ++correlation, std::move(message)};
    if (to >= BrokerId(0))
      request.endpoints = {{"OTHER", {"nowhere", 1}}, {"CONTROLLER", std::move(endpoint)}};
    network->ask(std::move(request));
    run_for(3s);
    demand(answers == 1 && peer == to && answered == correlation, "each request is heard of once");
    if (!answer) return std::nullopt;
    return std::get<Answer>(answer->message);
  }

  std::unique_ptr<QuorumNetwork> network;
  std::uint64_t correlation = 100;
  int answers = 0;
  BrokerId peer;
  std::uint64_t answered = 0;
  std::optional<kraft::QuorumAnswer> answer;
  std::optional<kraft::QuorumFailure> failure;
};

kraft::FetchRequest fetch_from_begin() {
  kraft::FetchRequest request;
  request.replica = {BrokerId(7), DirectoryId(Uuid::of_low(700))};
  request.epoch = LeaderEpoch(1);
  request.position = {Offset(0), LeaderEpoch(0)};
  return request;
}

TEST_CASE("a fetch over the network brings the leader's records") {
  AskedController controller;
  for (const BrokerId to : {BrokerId(1), kraft::bootstrap_peer(0)}) {
    const auto fetched = controller.ask<kraft::FetchResponse>(to, fetch_from_begin());
    REQUIRE(fetched);
    CHECK(fetched->error == ErrorCode::kNone);
    CHECK(fetched->leader == BrokerId(1));
    CHECK(fetched->epoch == LeaderEpoch(1));
    CHECK(fetched->records_from == Offset(0));
    CHECK(fetched->high_watermark > Offset(5));
    CHECK(controller.answer->bytes.size() > 100);
  }
}

TEST_CASE("a snapshot that is not there, a vote, and kraft.version are answered") {
  AskedController controller;
  kraft::FetchSnapshotRequest snapshot;
  snapshot.replica = {BrokerId(7), DirectoryId()};
  snapshot.epoch = LeaderEpoch(1);
  snapshot.id = {Offset(5), LeaderEpoch(1)};
  const auto piece = controller.ask<kraft::FetchSnapshotResponse>(BrokerId(1), snapshot);
  REQUIRE(piece);
  CHECK(piece->error == ErrorCode::kSnapshotNotFound);
  kraft::VoteRequest vote;
  vote.candidate = {BrokerId(7), DirectoryId()};
  vote.epoch = LeaderEpoch(1);
  vote.pre_vote = true;
  vote.voter = {BrokerId(1), DirectoryId()};
  const auto voted = controller.ask<kraft::VoteResponse>(BrokerId(1), vote);
  REQUIRE(voted);
  CHECK_FALSE(voted->granted);
  const auto versions =
      controller.ask<kraft::KraftVersionsResponse>(BrokerId(1), kraft::KraftVersionsRequest());
  REQUIRE(versions);
  CHECK(versions->max == 1);
}

TEST_CASE("a controller tells a node of another cluster so") {
  AskedController controller;
  controller.make_network("AAAAAAAAAAAAAAAAAAAAAQ");
  const auto fetched = controller.ask<kraft::FetchResponse>(BrokerId(1), fetch_from_begin());
  REQUIRE(fetched);
  CHECK(fetched->error == ErrorCode::kInconsistentClusterId);
}

TEST_CASE("a request fails when there is no way to its peer") {
  AskedController controller;
  CHECK_FALSE(controller.ask<kraft::FetchResponse>(BrokerId(2), fetch_from_begin(), {kBrokerHost, 9999}));
  CHECK(controller.failure == kraft::QuorumFailure::kRefused);
  CHECK_FALSE(controller.ask<kraft::FetchResponse>(kraft::bootstrap_peer(3), fetch_from_begin()));
}

}  // namespace
}  // namespace barnabas::broker::testing

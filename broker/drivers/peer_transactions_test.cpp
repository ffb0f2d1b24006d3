#include "broker/drivers/peer_transactions.hpp"

#include <catch2/catch.hpp>

#include "broker/drivers/controller_testing.hpp"
#include "broker/drivers/metadata_cache.hpp"

namespace barnabas::broker {
namespace {

using namespace std::chrono_literals;
using protocol::WriteTxnMarkersRequest;
using protocol::WriteTxnMarkersResponse;

constexpr BrokerId kPeer{2};

/// A broker that asks, and one that is at either of two addresses.
struct Peers {
  Peers() : world(1), old_place(world, "old"), new_place(world, "new"), cache(BrokerId(1), "cluster") {
    old_place.serve<WriteTxnMarkersRequest, WriteTxnMarkersResponse>(
        [](const WriteTxnMarkersRequest&) { return std::nullopt; });
    new_place.serve<WriteTxnMarkersRequest, WriteTxnMarkersResponse>(
        [](const WriteTxnMarkersRequest&) { return WriteTxnMarkersResponse(); });
    cache.publish(kraft::MetadataImage::empty(), 1);
    peers.emplace(world.node("broker"), world.clock(), world.random(), cache,
                  PeerTransactionsOptions{.listener = "PLAINTEXT", .client_id = "test"});
  }

  void move_to(const Endpoint& endpoint) {
    kraft::MetadataImage image = *cache.image();
    kraft::ClusterImage cluster = *image.cluster;
    cluster.brokers[kPeer].endpoints = {{"PLAINTEXT", endpoint, 0}};
    image.cluster = std::make_shared<const kraft::ClusterImage>(std::move(cluster));
    cache.publish(std::make_shared<const kraft::MetadataImage>(std::move(image)), 1);
  }
  void ask() {
    peers->write_markers(kPeer, {}, [this](Result<WriteTxnMarkersResponse> answer) {
      answers.push_back(answer ? ErrorCode::kNone : answer.error().code);
    });
    world.run_until(world.clock().monotonic() + 1s);
  }

  SimulatedWorld world;
  testing::FakeController old_place, new_place;
  MetadataCache cache;
  std::optional<PeerTransactions> peers;
  std::vector<ErrorCode> answers;
};

using Codes = std::vector<ErrorCode>;

TEST_CASE(
    "who waits for a broker that is at another address now is answered, and the next question goes there") {
  Peers at;
  at.ask();
  CHECK(at.answers == Codes{ErrorCode::kBrokerNotAvailable});
  at.move_to(at.old_place.endpoint());
  at.ask();
  CHECK(at.answers.size() == 1);  // it keeps silent
  at.move_to(at.new_place.endpoint());
  at.ask();
  CHECK(at.answers == Codes{ErrorCode::kBrokerNotAvailable, ErrorCode::kNetworkException, ErrorCode::kNone});
}

TEST_CASE("with the node go the questions, unanswered") {
  Peers at;
  at.move_to(at.old_place.endpoint());
  at.ask();
  at.peers.reset();
  CHECK(at.answers.empty());
}

}  // namespace
}  // namespace barnabas::broker

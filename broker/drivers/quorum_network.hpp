// QuorumNetwork: the metadata quorum's requests on their way to other nodes, and the answers back.
//
// Owned by the node. One PeerChannel a peer (voter, leader or bootstrap server), made when it is first asked,
// all on one reactor. Thread safety: ask() from any thread; channels and conversion live on the reactor's
// thread, from which what comes of a request is handed on. It is destroyed when the reactor runs no more.
//
// What raft hears
//   An answer        as kraft/raft/wire.hpp reads it, with its records or snapshot bytes.
//   UNSUPPORTED_VERSION   as the answer to a pre-vote, from a peer without Vote 2.
//   kRefused         when the peer's host refused the connection: nobody listens there.
//   kLost            when no connection could be made otherwise, it broke, or the request timeout passed.
// What was not sent is not sent later: raft asks anew by what it knows then.
// Source: KIP-595, KIP-853; Kafka's KafkaNetworkChannel.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/network.hpp"
#include "base/random.hpp"
#include "kraft/quorum_peers.hpp"
#include "kraft/raft/wire.hpp"

namespace barnabas::broker {

class PeerChannel;

struct QuorumNetworkOptions {
  kraft::WireContext wire;
  std::string controller_listener;          // by which nodes are reached that name several
  std::vector<Endpoint> bootstrap_servers;  // controller.quorum.bootstrap.servers
  std::string client_id = "raft-client";
  std::chrono::nanoseconds request_timeout = std::chrono::seconds(2);
};

class QuorumNetwork final : public kraft::QuorumPeers {
 public:
  using Received =
      std::function<void(BrokerId peer, std::uint64_t correlation, kraft::QuorumOutcome outcome)>;

  /// The reactor, the clock and the chance outlive the network.
  QuorumNetwork(Reactor& reactor, Clock& clock, Random& random, Received received,
                QuorumNetworkOptions options);
  ~QuorumNetwork() override;

  void ask(kraft::QuorumRequest request) override;

 private:
  [[nodiscard]] const Endpoint* endpoint_of(const kraft::QuorumRequest& request) const;
  PeerChannel& channel_to(BrokerId peer, const Endpoint& endpoint);
  void send(kraft::QuorumRequest request);
  template <class Response, class Request>
  void call(PeerChannel& channel, const kraft::QuorumRequest& request, const Request& message);
  void tell_failure(BrokerId peer, const Error& error);

  Reactor& reactor_;
  Clock& clock_;
  Random& random_;
  Received received_;
  QuorumNetworkOptions options_;
  // The reactor's thread.
  std::map<BrokerId, std::unique_ptr<PeerChannel>> channels_;
  std::set<BrokerId> unreachable_;  // of which a line was written
};

}  // namespace barnabas::broker

// The seam between MetadataNode and the network: what replicas of the metadata log say to each other, with
// the bytes that travel along. Implemented by broker/drivers/quorum_network, and by tests.
//
// A call comes from within MetadataNode::run_once(), on its strand, and must not call back into the node:
// what becomes of the request comes later, to MetadataNode::receive_answer() or receive_failure(), at most
// once and in any order. Not answering at all is allowed: raft asks again.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <vector>

#include "base/bytes.hpp"
#include "kraft/raft/messages.hpp"

namespace barnabas::kraft {

/// An answer of one replica to another.
struct QuorumAnswer {
  RaftMessage message;
  Bytes bytes;  // record batches of a FetchResponse, a piece of the file of a FetchSnapshotResponse
};
/// What a request came to that has no answer.
enum class QuorumFailure : std::uint8_t {
  kLost,
  kRefused,  // nobody listens where the peer does
};
using QuorumOutcome = std::expected<QuorumAnswer, QuorumFailure>;
/// Dropped uncalled when the node ends before it can answer.
using QuorumReply = std::move_only_function<void(QuorumAnswer)>;

struct QuorumRequest {
  /// A node, or one of controller.quorum.bootstrap.servers (bootstrap_peer).
  BrokerId peer;
  /// Where a node listens, by its listeners' names; empty for a bootstrap server.
  std::vector<VoterEndpoint> endpoints;
  std::uint64_t correlation = 0;  // to be given back
  RaftMessage message;
};

class QuorumPeers {
 public:
  virtual ~QuorumPeers() = default;
  virtual void ask(QuorumRequest request) = 0;
};

}  // namespace barnabas::kraft

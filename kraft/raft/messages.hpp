// What replicas of __cluster_metadata say to each other, as plain values.
//
// One struct a request and a response of KIP-595, KIP-630, KIP-853 and KIP-996; wire.hpp maps them to the
// generated messages of the protocol. Record and snapshot bytes are not in them: the driver attaches and
// takes them as Ready says. Thread safety: none needed.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "kraft/voters.hpp"

namespace barnabas::kraft {

struct LogPosition {
  Offset end;  // next offset
  LeaderEpoch last_epoch = kNoLeaderEpoch;
  auto operator<=>(const LogPosition&) const = default;
};

/// A snapshot contains everything before `end`; `epoch` is that of the last record it contains.
struct SnapshotId {
  Offset end;
  LeaderEpoch epoch;
  auto operator<=>(const SnapshotId&) const = default;
};

inline constexpr ReplicaKey kNoReplica{kNoBroker, DirectoryId()};

struct VoteRequest {
  ReplicaKey candidate;
  LeaderEpoch epoch;
  LogPosition last;
  bool pre_vote = false;
  /// Who is asked: a replica whose disk was replaced must not answer for the one that was.
  ReplicaKey voter = kNoReplica;
};
struct VoteResponse {
  ErrorCode error = ErrorCode::kNone;
  BrokerId leader = kNoBroker;
  LeaderEpoch epoch;
  bool granted = false;
  std::optional<Endpoint> leader_endpoint;
};

struct BeginQuorumEpochRequest {
  BrokerId leader;
  LeaderEpoch epoch;
  ReplicaKey voter = kNoReplica;
  std::vector<VoterEndpoint> leader_endpoints;
};
struct BeginQuorumEpochResponse {
  ErrorCode error = ErrorCode::kNone;
  BrokerId leader = kNoBroker;
  LeaderEpoch epoch;
  std::optional<Endpoint> leader_endpoint;
};

struct EndQuorumEpochRequest {
  BrokerId leader;
  LeaderEpoch epoch;
  /// The first should stand at once, each later one some time after.
  std::vector<ReplicaKey> preferred_successors;
  std::vector<VoterEndpoint> leader_endpoints;
};
struct EndQuorumEpochResponse {
  ErrorCode error = ErrorCode::kNone;
  BrokerId leader = kNoBroker;
  LeaderEpoch epoch;
  std::optional<Endpoint> leader_endpoint;
};

struct FetchRequest {
  ReplicaKey replica;
  LeaderEpoch epoch;
  LogPosition position;
  /// What the replica knows to be committed: a leader that knows more answers at once (KIP-1166). A replica
  /// of an older version says the largest offset there is.
  Offset high_watermark;
  std::chrono::milliseconds max_wait{0};
};
struct FetchResponse {
  ErrorCode error = ErrorCode::kNone;
  BrokerId leader = kNoBroker;
  LeaderEpoch epoch;
  /// What the leader knows to be committed; kNoOffset before it knows (RaftNode::announced_high_watermark()).
  Offset high_watermark;
  /// Where the leader's log leaves the follower's: truncate to there.
  std::optional<LogPosition> diverging;
  /// What was asked for is in this snapshot only.
  std::optional<SnapshotId> snapshot;
  /// Sending: the driver attaches what the log holds from here on. Receiving: where the attached records
  /// begin.
  std::optional<Offset> records_from;
  std::optional<Endpoint> leader_endpoint;
};

struct FetchSnapshotRequest {
  ReplicaKey replica;
  LeaderEpoch epoch;
  SnapshotId id;
  std::int64_t position = 0;
};
struct FetchSnapshotResponse {
  ErrorCode error = ErrorCode::kNone;
  BrokerId leader = kNoBroker;
  LeaderEpoch epoch;
  SnapshotId id;
  std::int64_t size = 0;
  std::int64_t position = 0;
  /// Sending: the driver attaches as many as it likes and sets this. Receiving: how many are attached.
  std::int64_t bytes = 0;
  std::optional<Endpoint> leader_endpoint;
};

struct AddRaftVoterRequest {
  Voter voter;
  std::chrono::milliseconds timeout{0};
  bool ack_when_committed = true;
};
struct RemoveRaftVoterRequest {
  ReplicaKey voter;
};
struct UpdateRaftVoterRequest {
  LeaderEpoch epoch;
  Voter voter;
};
/// The answer to AddRaftVoter and RemoveRaftVoter.
struct ChangeRaftVoterResponse {
  ErrorCode error = ErrorCode::kNone;
  std::string message;
};
struct UpdateRaftVoterResponse {
  ErrorCode error = ErrorCode::kNone;
  BrokerId leader = kNoBroker;
  LeaderEpoch epoch;
  std::optional<Endpoint> leader_endpoint;
};

/// ApiVersions, of which raft wants to know the versions of kraft.version only.
struct KraftVersionsRequest {};
struct KraftVersionsResponse {
  ErrorCode error = ErrorCode::kNone;
  std::int16_t min = 0;
  std::int16_t max = 0;
};

using RaftMessage = std::variant<VoteRequest, VoteResponse, BeginQuorumEpochRequest, BeginQuorumEpochResponse,
                                 EndQuorumEpochRequest, EndQuorumEpochResponse, FetchRequest, FetchResponse,
                                 FetchSnapshotRequest, FetchSnapshotResponse, AddRaftVoterRequest,
                                 RemoveRaftVoterRequest, UpdateRaftVoterRequest, ChangeRaftVoterResponse,
                                 UpdateRaftVoterResponse, KraftVersionsRequest, KraftVersionsResponse>;

struct AddressedMessage {
  /// From or to. A number below -1 stands for a bootstrap server (bootstrap_peer) whose node is not known.
  BrokerId peer;
  /// Of a request received: the driver's, given back with its answer. Of a request sent: raft's, which the
  /// driver gives back with the answer.
  std::uint64_t correlation = 0;
  RaftMessage message;
};

/// The peer that is the `index`th of controller.quorum.bootstrap.servers.
[[nodiscard]] constexpr BrokerId bootstrap_peer(std::size_t index) {
  return BrokerId(-2 - static_cast<std::int32_t>(index));
}

// Raft's own records in the log.
struct LeaderChangeControl {
  BrokerId leader;
  std::vector<BrokerId> voters;
  std::vector<BrokerId> granting_voters;
};
struct KraftVersionControl {
  std::int16_t version = 0;
};
struct VotersControl {
  VoterSet voters;
};
using RaftControlRecord = std::variant<LeaderChangeControl, KraftVersionControl, VotersControl>;

}  // namespace barnabas::kraft

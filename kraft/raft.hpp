// RaftNode: the state machine of one replica of __cluster_metadata.
//
// Pure: it does no I/O and knows no clock. A driver (MetadataNode) feeds it inputs and carries out what the
// returned Ready asks for, in the order of its fields. Owned by the driver. Thread safety: none.
//
// This version leads a quorum of one. Its inputs, outputs and persistent state are those of many voters
// (KIP-595, KIP-853, KIP-996); a voter set that is not just the local replica is refused by create(), and
// requests of strangers are answered INCONSISTENT_VOTER_SET, until election and replication are built.
//
// Invariants (check_invariants)
//  1. The epoch never decreases; within an epoch the vote is given at most once and the leader never changes.
//  2. high_watermark <= synced end <= log end, and the high watermark never decreases.
//  3. A leader's high watermark covers its own epoch's LeaderChange record before anything is reported
//     committed.
//  4. Nothing is appended or sent in an epoch before the quorum state of that epoch is durable. A sole
//  voter's
//     may follow later: the epoch's first batch carries it, nobody else votes or hears of an epoch whose
//     first batch is not durable, and a start takes the later of the two epochs.
// Units: offsets count records, deadlines are on Clock::monotonic()'s scale.
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

enum class RaftRole { kUnattached, kProspective, kCandidate, kLeader, kFollower, kResigned, kObserver };
[[nodiscard]] const char* to_string(RaftRole role);

/// What must survive a crash: the quorum-state file.
struct QuorumState {
  BrokerId leader = kNoBroker;
  LeaderEpoch epoch = kNoLeaderEpoch;
  ReplicaKey voted{kNoBroker, DirectoryId()};
  bool operator==(const QuorumState&) const = default;
};

struct LogPosition {
  Offset end;  // next offset
  LeaderEpoch last_epoch = kNoLeaderEpoch;
  auto operator<=>(const LogPosition&) const = default;
};

// Messages between replicas. The driver maps them to the requests Vote, BeginQuorumEpoch, EndQuorumEpoch,
// Fetch.
struct VoteRequest {
  ReplicaKey candidate;
  LeaderEpoch epoch;
  LogPosition last;
  bool pre_vote = false;
};
struct VoteResponse {
  ErrorCode error = ErrorCode::kNone;
  BrokerId leader = kNoBroker;
  LeaderEpoch epoch;
  bool granted = false;
};
struct BeginQuorumEpochRequest {
  BrokerId leader;
  LeaderEpoch epoch;
};
struct BeginQuorumEpochResponse {
  ErrorCode error = ErrorCode::kNone;
  BrokerId leader = kNoBroker;
  LeaderEpoch epoch;
};
struct EndQuorumEpochRequest {
  BrokerId leader;
  LeaderEpoch epoch;
  std::vector<ReplicaKey> preferred_successors;
};
struct FetchRequest {
  ReplicaKey replica;
  LeaderEpoch epoch;
  LogPosition position;
};
struct FetchResponse {
  ErrorCode error = ErrorCode::kNone;
  BrokerId leader = kNoBroker;
  LeaderEpoch epoch;
  Offset high_watermark;
};
using RaftMessage = std::variant<VoteRequest, VoteResponse, BeginQuorumEpochRequest, BeginQuorumEpochResponse,
                                 EndQuorumEpochRequest, FetchRequest, FetchResponse>;
struct AddressedMessage {
  BrokerId peer;  // from or to
  std::uint64_t correlation = 0;
  RaftMessage message;
};

// Inputs.
struct Tick {};  // time passed
struct StatePersisted {
  QuorumState state;
};
struct LogAppended {
  LogPosition position;
};
struct LogSynced {
  Offset end;
};  // everything below is on disk
struct MessageReceived {
  AddressedMessage message;
};
struct Resign {};  // a clean stop
using RaftInput = std::variant<Tick, StatePersisted, LogAppended, LogSynced, MessageReceived, Resign>;

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

/// What the driver must do now, from the first field to the last.
struct Ready {
  /// Make durable, then say StatePersisted.
  std::optional<QuorumState> persist;
  /// StatePersisted may be said at once, and the state made durable some time after the log's next sync.
  bool persist_may_wait = false;
  /// Append as one control batch of the current epoch, then say LogAppended; syncing may follow later.
  std::vector<RaftControlRecord> append;
  std::vector<AddressedMessage> messages;
  /// Everything below is committed.
  Offset high_watermark;
  /// Call again with Tick at the latest then.
  std::optional<std::chrono::nanoseconds> deadline;
};

struct RaftOptions {
  ReplicaKey local;
  VoterSet voters;                 // as the log, the snapshot or controller.quorum.voters say
  std::int16_t kraft_version = 0;  // 1: voters come from the log (KIP-853)
  /// The voters are not yet in the log (they stand in the 0-0 checkpoint), so a first leader writes them.
  bool write_voters = false;
};

class RaftNode {
 public:
  /// UNSUPPORTED_VERSION when the voter set is not exactly the local replica.
  static Result<RaftNode> create(RaftOptions options, QuorumState state, LogPosition log);

  /// The effects of one input.
  [[nodiscard]] Ready step(const RaftInput& input, std::chrono::nanoseconds now);

  [[nodiscard]] RaftRole role() const { return role_; }
  [[nodiscard]] const QuorumState& quorum_state() const { return state_; }
  [[nodiscard]] LeaderEpoch epoch() const { return state_.epoch; }
  [[nodiscard]] BrokerId leader() const { return state_.leader; }
  [[nodiscard]] Offset high_watermark() const { return high_watermark_; }
  [[nodiscard]] const VoterSet& voters() const { return options_.voters; }
  [[nodiscard]] std::int16_t kraft_version() const { return options_.kraft_version; }
  [[nodiscard]] const LogPosition& log() const { return log_; }
  /// Leading, and its own LeaderChange record is committed: requests may be served.
  [[nodiscard]] bool is_active_leader() const;

  /// Null when all hold, else the one that is broken.
  [[nodiscard]] const char* check_invariants() const;

 private:
  RaftNode(RaftOptions options, QuorumState state, LogPosition log);

  void on(const Tick&, Ready& ready);
  void on(const StatePersisted& input, Ready& ready);
  void on(const LogAppended& input, Ready& ready);
  void on(const LogSynced& input, Ready& ready);
  void on(const MessageReceived& input, Ready& ready);
  void on(const Resign&, Ready& ready);
  void answer(const VoteRequest& request, const AddressedMessage& from, Ready& ready);
  void begin_election(Ready& ready);
  void become_leader(Ready& ready);
  void advance_high_watermark();

  RaftOptions options_;
  QuorumState state_;
  LogPosition log_;
  RaftRole role_ = RaftRole::kUnattached;
  bool state_durable_ = true;
  Offset synced_end_;
  Offset high_watermark_;
  Offset epoch_start_ = kNoOffset;  // of this leader's LeaderChange record
};

}  // namespace barnabas::kraft

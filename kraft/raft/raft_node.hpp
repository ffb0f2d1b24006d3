// RaftNode: the state machine of one replica of __cluster_metadata, voter or observer.
//
// Pure: it does no I/O and knows no clock. A driver feeds it inputs and carries out what the returned Ready
// asks for, in the order of its fields. Owned by the driver. Thread safety: none.
//
// Roles as in Apache Kafka 4.3.1 (KIP-595, KIP-853, KIP-996):
//   unattached  knows of no leader it could fetch from (it may have voted in the epoch), and looks for one
//   prospective asks in a pre-vote, without a new epoch, whether it could win
//   candidate   has voted for itself in a new epoch
//   leader      appends; resigns when a majority of voters stops fetching
//   follower    fetches from the leader; a voter turns prospective when that fails for the fetch timeout, or
//               sooner when nobody listens any more where the leader did (an election is safe at any time)
//   resigned    led this epoch and ends it: it tells the voters who should follow, and grants no vote
// An observer is a replica outside the voter set: unattached or follower, and it never stands for election.
//
// Invariants (check_invariants)
//  1. The epoch never decreases; within an epoch the vote is given at most once and the leader never changes.
//  2. synced end <= log end; the high watermark never decreases and is within the log. What it covers is on
//  the
//     disks of a majority of voters, the leader's among them or not.
//  3. A leader's high watermark moves only to offsets beyond its own epoch's LeaderChange record.
//  4. Nothing is appended or sent in an epoch before the quorum state of that epoch is durable. The state of
//  a
//     sole voter may follow later: the epoch's first batch carries it, nobody else hears of an epoch whose
//     first batch is not durable, and a start takes the later of the two.
//  5. A voter fetches only from a position up to which its log is synced: fetching acknowledges.
//  6. The voters are those of the last record in the log, committed or not; a leader changes them only when
//  its
//     last change is committed.
// Units: offsets count records, times are on Clock::monotonic()'s scale.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "kraft/raft/messages.hpp"
#include "kraft/raft/requests_in_flight.hpp"
#include "kraft/voters.hpp"

namespace barnabas::kraft {

enum class RaftRole { kUnattached, kProspective, kCandidate, kLeader, kFollower, kResigned };
[[nodiscard]] const char* to_string(RaftRole role);

/// What must survive a crash: the quorum-state file.
struct QuorumState {
  BrokerId leader = kNoBroker;
  LeaderEpoch epoch = kNoLeaderEpoch;
  ReplicaKey voted = kNoReplica;
  bool operator==(const QuorumState&) const = default;
};

/// What raft asks about the log and its snapshots. Owned by the driver, outlives the node; it answers for the
/// state that the node was last told of.
class RaftLogView {
 public:
  virtual ~RaftLogView() = default;
  /// The first offset in the log; what is before is in snapshots only.
  [[nodiscard]] virtual Offset start() const = 0;
  /// The largest epoch up to `epoch` that has records, and their end. With no such epoch: the log's start and
  /// the epoch of the snapshot that ends there (0 without).
  [[nodiscard]] virtual LogPosition end_of_epoch(LeaderEpoch epoch) const = 0;
  [[nodiscard]] virtual std::optional<SnapshotId> earliest_snapshot() const = 0;
  [[nodiscard]] virtual std::optional<SnapshotId> latest_snapshot() const = 0;
  [[nodiscard]] virtual std::optional<std::int64_t> snapshot_size(const SnapshotId& id) const = 0;
};

// Inputs.
struct Tick {};  // time passed
struct StatePersisted {
  QuorumState state;
};
/// A control record that was appended as a follower.
struct LoggedControl {
  Offset offset;
  RaftControlRecord record;
};
struct LogAppended {
  LogPosition position;
  /// KRAFT_VERSION and KRAFT_VOTERS among what was fetched. Of its own appends raft knows.
  std::vector<LoggedControl> controls = {};
};
struct LogSynced {
  Offset end;
};  // everything below is on disk
struct LogTruncated {
  LogPosition position;
};
/// The log now starts (and ends) where this snapshot ends.
struct SnapshotInstalled {
  SnapshotId id;
  std::optional<VoterSet> voters;
  std::int16_t kraft_version = 0;
};
struct MessageReceived {
  AddressedMessage message;
};
/// A request could not be sent, or its connection broke before the answer.
struct RequestFailed {
  BrokerId peer;
  std::uint64_t correlation = 0;
  bool is_refused = false;  // nobody listens where the peer does
};
struct Resign {};  // a clean stop
/// Of a leader whose voters can_upgrade_kraft_version(); else nothing happens.
struct UpgradeKraftVersion {};
using RaftInput = std::variant<Tick, StatePersisted, LogAppended, LogSynced, LogTruncated, SnapshotInstalled,
                               MessageReceived, RequestFailed, Resign, UpgradeKraftVersion>;

/// What the driver must do now, from the first field to the last.
struct Ready {
  /// Make durable, then say StatePersisted.
  std::optional<QuorumState> persist;
  /// StatePersisted may be said at once, and the state made durable some time after the log's next sync,
  /// before which no message of this node may leave.
  bool persist_may_wait = false;
  /// Drop the log from this offset on, then say LogTruncated.
  std::optional<Offset> truncate;
  /// Append the records that came with the message just given, then say LogAppended; sync soon, say
  /// LogSynced.
  bool append_received = false;
  /// Append the snapshot bytes that came with the message just given to the unfinished copy of this snapshot,
  /// which is begun anew at position 0.
  std::optional<SnapshotId> receive_snapshot;
  /// That copy is whole: make it durable, let the log start at its end, then say SnapshotInstalled.
  bool install_snapshot = false;
  /// Append as one control batch of the current epoch, then say LogAppended; syncing may follow later.
  std::vector<RaftControlRecord> append;
  std::vector<AddressedMessage> messages;
  /// Everything below is committed.
  Offset high_watermark;
  /// Call again with Tick at the latest then.
  std::optional<std::chrono::nanoseconds> deadline;
};

struct RaftTimeouts {
  std::chrono::milliseconds election{1000};              // controller.quorum.election.timeout.ms
  std::chrono::milliseconds election_backoff_max{1000};  // controller.quorum.election.backoff.max.ms
  std::chrono::milliseconds fetch{2000};                 // controller.quorum.fetch.timeout.ms
  std::chrono::milliseconds request{2000};               // controller.quorum.request.timeout.ms
  std::chrono::milliseconds retry_backoff{20};           // controller.quorum.retry.backoff.ms
  std::chrono::milliseconds fetch_max_wait{500};
};

struct RaftOptions {
  ReplicaKey local;
  /// As the snapshot or controller.quorum.voters say (without a log view also the log); empty: an observer
  /// that knows none yet.
  VoterSet voters;
  std::int16_t kraft_version = 0;  // 1: voters come from the log (KIP-853)
  /// KRAFT_VERSION and KRAFT_VOTERS of the log behind the snapshot, committed or not.
  std::vector<LoggedControl> logged_controls = {};
  /// `voters` stand in the 0-0 checkpoint, so a leader writes them unless the log has some.
  bool write_voters = false;

  /// Both are needed for any quorum but one of the local replica alone. They outlive the node.
  const RaftLogView* log_view = nullptr;
  Random* random = nullptr;
  RaftTimeouts timeouts;
  /// This replica's controller listeners.
  std::vector<VoterEndpoint> local_endpoints;
  /// How many controller.quorum.bootstrap.servers there are (bootstrap_peer).
  std::size_t bootstrap_servers = 0;
  /// A controller: its fetches acknowledge even before it is a voter. False for a broker.
  bool can_become_voter = true;
  /// controller.quorum.auto.join.enable (KIP-1186).
  bool auto_join = false;
};

/// What a leader knows of another replica, for DescribeQuorum.
struct ReplicaProgress {
  ReplicaKey key;
  Offset end = kNoOffset;  // of its last fetch
  std::optional<std::chrono::nanoseconds> last_fetch;
  std::optional<std::chrono::nanoseconds> last_caught_up;
  Offset leader_end_at_last_fetch = kNoOffset;
};

class RaftNode {
 public:
  using Time = std::chrono::nanoseconds;

  /// UNSUPPORTED_VERSION when there is no log view and the voter set is not exactly the local replica.
  static Result<RaftNode> create(RaftOptions options, QuorumState state, LogPosition log);

  /// The effects of one input.
  [[nodiscard]] Ready step(const RaftInput& input, Time now);

  [[nodiscard]] RaftRole role() const { return role_; }
  [[nodiscard]] const QuorumState& quorum_state() const { return state_; }
  [[nodiscard]] LeaderEpoch epoch() const { return state_.epoch; }
  [[nodiscard]] BrokerId leader() const { return state_.leader; }
  [[nodiscard]] Offset high_watermark() const { return high_watermark_; }
  [[nodiscard]] const VoterSet& voters() const { return voter_history_.back().voters; }
  [[nodiscard]] std::int16_t kraft_version() const { return voter_history_.back().kraft_version; }
  /// What a snapshot that ends at `end` says of both.
  [[nodiscard]] std::pair<std::int16_t, VoterSet> voters_before(Offset end) const;
  [[nodiscard]] const LogPosition& log() const { return log_; }
  [[nodiscard]] Offset synced_end() const { return synced_end_; }
  [[nodiscard]] const ReplicaKey& local() const { return options_.local; }
  [[nodiscard]] bool is_voter() const { return voters().has_voter(options_.local); }
  /// Leading, and its own LeaderChange record is committed: requests may be served.
  [[nodiscard]] bool is_active_leader() const;
  /// What others are told to be committed: kNoOffset until a record of this leader's own is. A leader that
  /// has just started knows less than its followers, and an Apache Kafka node halts when its leader tells it
  /// less than it knows (measured on Kafka 4.3.1: "Non-monotonic update of high watermark").
  [[nodiscard]] Offset announced_high_watermark() const {
    return is_active_leader() ? high_watermark_ : kNoOffset;
  }
  /// Following, with all that the leader has said to be committed.
  [[nodiscard]] bool has_what_leader_committed() const {
    return role_ == RaftRole::kFollower && following_.has_fetched &&
           high_watermark_ >= following_.told_high_watermark;
  }
  /// Leading a quorum of kraft.version 0, all of whose voters have told their directories and that they know
  /// version 1. They tell each leader anew, some time after it was elected.
  [[nodiscard]] bool can_upgrade_kraft_version() const;
  /// Nobody else votes, so this node leads as soon as it may.
  [[nodiscard]] bool is_sole_voter() const { return voters().voters.size() == 1 && is_voter(); }
  /// After Resign: nobody needs to be told any more that the leader goes.
  [[nodiscard]] bool may_stop() const;
  /// Where a peer listens; empty when that is not known.
  [[nodiscard]] std::vector<VoterEndpoint> endpoints_of(BrokerId peer) const;
  /// While leading: the other replicas that have fetched, and voters that have not.
  [[nodiscard]] const std::vector<ReplicaProgress>& progress() const { return leading_.replicas; }

  /// Null when all hold, else the one that is broken.
  [[nodiscard]] const char* check_invariants() const;

 private:
  /// Voters and kraft.version from an offset of the log on.
  struct VotersFrom {
    Offset offset;
    VoterSet voters;
    std::int16_t kraft_version = 0;
  };
  /// Of a prospective or candidate; `deadline` also of an unattached or resigned replica.
  struct Election {
    Time deadline{0};
    std::set<BrokerId> granted;
    std::set<BrokerId> rejected;
  };
  struct Following {
    Time fetch_deadline{0};
    bool has_fetched = false;
    int refusals = 0;            // of connections to the leader, in a row
    Offset told_high_watermark;  // the leader's
    std::vector<VoterEndpoint> leader_endpoints;
    std::optional<SnapshotId> snapshot;  // being fetched
    std::int64_t snapshot_position = 0;
    Time next_voter_update{0};     // when UpdateRaftVoter, or AddRaftVoter of auto-join, may be sent
    bool has_told_itself = false;  // to this leader, by an UpdateRaftVoter of kraft.version 0
  };
  struct HeldFetch {
    BrokerId peer;
    std::uint64_t correlation = 0;
    FetchRequest request;
    Time deadline{0};
  };
  /// AddRaftVoter or RemoveRaftVoter on its way.
  struct VoterChange {
    BrokerId peer;
    std::uint64_t correlation = 0;
    std::optional<AddRaftVoterRequest> add;
    std::optional<Offset> offset;  // of its record, once appended
    Time deadline{0};
  };
  struct Leading {
    Offset epoch_start = kNoOffset;   // of this leader's LeaderChange record
    Offset inherited_high_watermark;  // which others have on their disks, perhaps not this replica
    std::vector<ReplicaProgress> replicas;
    std::set<BrokerId> fetched_voters;  // since the last check
    Time quorum_deadline{0};
    Time next_begin{0};
    std::vector<HeldFetch> held;
    std::optional<VoterChange> change;
    /// Of kraft.version 0: the voters as they told who they are; who has not yet has no directory.
    VoterSet told_voters;
    bool resign_requested = false;
  };
  struct Resigning {
    std::vector<ReplicaKey> successors;
    std::set<BrokerId> unacknowledged;
  };

  RaftNode(RaftOptions options, QuorumState state, LogPosition log);
  void start();

  // Inputs (raft_node.cpp).
  void on(const Tick& input);
  void on(const StatePersisted& input);
  void on(const LogAppended& input);
  void on(const LogSynced& input);
  void on(const LogTruncated& input);
  void on(const SnapshotInstalled& input);
  void on(const MessageReceived& input);
  void on(const RequestFailed& input);
  void on(const Resign& input);
  void on(const UpgradeKraftVersion& input);
  void poll();
  [[nodiscard]] std::optional<Time> deadline() const;
  void apply(Offset offset, const RaftControlRecord& record);
  void begin_lone_election();
  void refuse_stranger(const AddressedMessage& from);

  // Roles (roles.cpp).
  void become_unattached(LeaderEpoch epoch, BrokerId leader);
  void become_prospective();
  void become_candidate();
  void become_leader();
  void become_follower(LeaderEpoch epoch, BrokerId leader, std::vector<VoterEndpoint> endpoints);
  void become_resigned();
  void leave_leadership();
  /// A leader was heard of in an epoch that is not older than ours.
  void learn(LeaderEpoch epoch, BrokerId leader, std::vector<VoterEndpoint> endpoints);
  [[nodiscard]] bool contradicts(LeaderEpoch epoch, BrokerId leader) const;
  [[nodiscard]] Time random_election_deadline();

  // Election (election.cpp).
  void on(const AddressedMessage& from, const VoteRequest& request);
  void on(const AddressedMessage& from, const VoteResponse& response);
  /// The replica that is asked is this one, and not one that had its id before.
  [[nodiscard]] bool is_addressed(const ReplicaKey& voter) const;
  [[nodiscard]] bool can_grant(const VoteRequest& request) const;
  void send_votes();
  void count_votes();
  void lose_pre_vote();

  // The epoch's begin and end (epochs.cpp).
  void on(const AddressedMessage& from, const BeginQuorumEpochRequest& request);
  void on(const AddressedMessage& from, const BeginQuorumEpochResponse& response);
  void on(const AddressedMessage& from, const EndQuorumEpochRequest& request);
  void on(const AddressedMessage& from, const EndQuorumEpochResponse& response);
  [[nodiscard]] Time end_epoch_backoff(const std::vector<ReplicaKey>& successors) const;
  void send_begin_epochs();
  void send_end_epochs();

  // Leading (leading.cpp).
  void on(const AddressedMessage& from, const FetchRequest& request);
  void on(const AddressedMessage& from, const FetchSnapshotRequest& request);
  [[nodiscard]] ErrorCode validate_leader_request(LeaderEpoch epoch) const;
  [[nodiscard]] FetchResponse fetch_response(ErrorCode error) const;
  /// False when the follower's log is not a prefix of ours: the response says what to do.
  bool validate_position(const LogPosition& position, FetchResponse& response) const;
  void record_fetch(const FetchRequest& request);
  void mark_alive(const ReplicaKey& key);
  void answer_held(bool all);
  void advance_high_watermark();
  [[nodiscard]] ReplicaProgress* progress_of(const ReplicaKey& key);
  void poll_leader();
  void refresh_replicas();

  // Following (following.cpp).
  void on(const AddressedMessage& from, const FetchResponse& response);
  void on(const AddressedMessage& from, const FetchSnapshotResponse& response);
  void poll_follower();
  void count_refusals(bool is_refused);
  void send_fetch(BrokerId peer);
  void send_fetch_snapshot();
  void look_for_leader();
  void follow_high_watermark();
  void diverge(const LogPosition& diverging);

  // Voters (voter_changes.cpp).
  void on(const AddressedMessage& from, const AddRaftVoterRequest& request);
  void on(const AddressedMessage& from, const RemoveRaftVoterRequest& request);
  void on(const AddressedMessage& from, const UpdateRaftVoterRequest& request);
  void on(const AddressedMessage& from, const ChangeRaftVoterResponse& response);
  void on(const AddressedMessage& from, const UpdateRaftVoterResponse& response);
  void on(const AddressedMessage& from, const KraftVersionsRequest& request);
  void on(const AddressedMessage& from, const KraftVersionsResponse& response);
  [[nodiscard]] ChangeRaftVoterResponse voter_change_refusal(std::string_view doing) const;
  [[nodiscard]] Offset append_voters(VoterSet voters);
  [[nodiscard]] bool is_usable(const Voter& voter) const;
  void collect_told_voters();
  [[nodiscard]] ErrorCode note_told_voter(const Voter& voter);
  [[nodiscard]] Time voter_update_delay() const;
  void finish_voter_change(ErrorCode error, std::string message = {});
  void poll_voter_change();
  void complete_voter_change();
  [[nodiscard]] Voter local_voter() const;
  [[nodiscard]] bool local_voter_needs_update() const;
  bool send_voter_request();

  // Shared (raft_node.cpp).
  void reply(const AddressedMessage& to, RaftMessage message);
  void send(BrokerId peer, RaftMessage message);
  /// True when nothing is left to do with a response of this error, epoch and leader.
  bool is_handled(const AddressedMessage& from, ErrorCode error, LeaderEpoch epoch, BrokerId leader,
                  const std::optional<Endpoint>& endpoint);
  [[nodiscard]] std::optional<Endpoint> leader_endpoint() const;
  template <class Response>
  [[nodiscard]] Response refusal(ErrorCode error) const {
    Response response;
    response.error = error;
    response.leader = state_.leader;
    response.epoch = state_.epoch;
    response.leader_endpoint = leader_endpoint();
    return response;
  }
  [[nodiscard]] bool is_alone() const { return options_.log_view == nullptr; }
  /// A voter, or one that is to be none by a record that is not known to be committed: to commit it, its vote
  /// and even its leadership may still be needed.
  [[nodiscard]] bool may_stand() const;
  /// As other replicas are told: an empty log is of epoch 0.
  [[nodiscard]] LogPosition told_position() const;

  RaftOptions options_;
  QuorumState state_;
  QuorumState asked_to_persist_;
  LogPosition log_;
  RaftRole role_ = RaftRole::kUnattached;
  bool started_ = false;
  bool state_durable_ = true;
  bool stopping_ = false;
  Offset synced_end_;
  Offset high_watermark_;
  std::vector<VotersFrom> voter_history_;  // never empty; the last are in force
  Election election_;
  Following following_;
  Leading leading_;
  Resigning resigning_;
  RequestsInFlight requests_;
  RequestsInFlight::Request answered_request_;  // of the response in hand
  const char* broken_ = nullptr;

  // Of the step that runs.
  Time now_{0};
  Ready ready_;
};

}  // namespace barnabas::kraft

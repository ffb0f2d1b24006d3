// The inside of MetadataNode (metadata_node.hpp says what holds): raft driven over the log and its snapshots,
// the queue of requests while it leads, replay and publication.
//
// A run takes up what was received, lets raft's time pass, carries out requests while it leads, syncs what
// was appended, and publishes what is committed by then. Two images tell how far it is:
//   published_  everything committed, as far as it was replayed
//   working_    of a leader: everything appended; else the published one
// A follower replays the log record by record as the high watermark passes it (replay_). A leader's appends
// wait with their images in pending_. Who ceases to lead forgets those and goes on replaying from settled_.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "kraft/controller/broker_sessions.hpp"
#include "kraft/controller/controller_schedule.hpp"
#include "kraft/metadata_loader.hpp"
#include "kraft/metadata_node.hpp"

namespace barnabas::kraft {

class MetadataNode::Impl final : private RaftLogView {
 public:
  using Reply = std::move_only_function<void()>;
  /// A request waiting for its turn.
  struct Queued {
    /// Fills the records; gives what to run when they are committed.
    std::move_only_function<Reply(const ControlContext&, MetadataRecords&)> run;
    std::move_only_function<void(ErrorCode)> refuse;
  };

  Impl(MetadataNodeDependencies dependencies, MetadataNodeOptions options, ImageListener on_image);

  Result<void> open();
  /// Of a request that is run now: before its records, kraft.version is raised to 1.
  void upgrade_kraft_version() { upgrades_kraft_version_ = true; }
  void enqueue(Queued queued) { queue_.push_back(std::move(queued)); }
  void receive(BrokerId from, RaftMessage request, std::int32_t max_bytes, QuorumReply reply);
  void receive_answer(BrokerId peer, std::uint64_t correlation, QuorumAnswer answer);
  void receive_failure(BrokerId peer, std::uint64_t correlation, QuorumFailure failure);
  Result<std::chrono::nanoseconds> run_once(std::chrono::nanoseconds now);
  Result<Offset> write_snapshot();
  Result<void> resign();
  Result<void> close();

  [[nodiscard]] const MetadataNodeOptions& options() const { return options_; }
  [[nodiscard]] const MetadataNodeDependencies& dependencies() const { return dependencies_; }
  [[nodiscard]] const MetadataImagePtr& image() const { return published_; }
  [[nodiscard]] const RaftNode& raft() const { return *raft_; }
  [[nodiscard]] bool is_caught_up() const;
  [[nodiscard]] std::optional<protocol::ControllerRegistrationRequest> wanted_registration() const;
  BrokerSessions& sessions() { return sessions_; }
  /// The controller's clock, now.
  [[nodiscard]] std::int64_t clock_ms() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(dependencies_.clock.monotonic()).count();
  }

 private:
  /// Appended, waiting for its commit. Without image it only carries a reply.
  struct Pending {
    Offset end;  // committed when the high watermark is there
    MetadataImagePtr image = nullptr;
    MetadataChanges changes = {};
    Reply reply = nullptr;
    std::move_only_function<void(ErrorCode)> refuse = nullptr;
  };
  /// A request of another replica that raft has not answered yet.
  struct OpenRequest {
    QuorumReply reply;
    std::int32_t max_bytes = 0;
  };
  struct Received {
    RaftInput input;
    Bytes bytes;
  };
  /// A snapshot that comes from the leader, piece by piece.
  struct Receiving {
    SnapshotId id;
    std::unique_ptr<File> file;
  };
  struct SnapshotFacts {
    std::int64_t timestamp_ms = 0;
    std::uint64_t size_bytes = 0;
  };

  // Opening.
  Result<void> check_directory();
  Result<RaftOptions> raft_options(LoadedMetadata& loaded) const;
  Result<void> check_voters(const RaftNode& raft) const;

  // RaftLogView.
  [[nodiscard]] Offset start() const override { return log_->start(); }
  [[nodiscard]] LogPosition end_of_epoch(LeaderEpoch epoch) const override;
  [[nodiscard]] std::optional<SnapshotId> earliest_snapshot() const override;
  [[nodiscard]] std::optional<SnapshotId> latest_snapshot() const override;
  [[nodiscard]] std::optional<std::int64_t> snapshot_size(const SnapshotId& id) const override;
  /// The log's, which is of the snapshot's epoch where it begins behind one.
  [[nodiscard]] LogPosition position() const;
  [[nodiscard]] LeaderEpoch epoch_before_start() const;

  // Running (metadata_node_impl.cpp).
  Result<void> run(std::chrono::nanoseconds now);
  Result<void> take_received();
  Result<void> drive(const RaftInput& input, ByteView bytes);
  Result<void> carry_out(const RaftInput& input, ByteView bytes, Ready ready);
  Result<void> write_state();
  void hand_over(AddressedMessage message);
  void send_out();
  Result<void> sync_log();
  Result<void> append_controls(const std::vector<RaftControlRecord>& controls);
  [[nodiscard]] bool are_most_strangers() const;
  Result<void> check_answer(const AddressedMessage& answer);
  Result<void> check_registration();
  void refuse_all(ErrorCode error);
  [[nodiscard]] ControlContext context() const;
  [[nodiscard]] std::int64_t now_ms() const;
  [[nodiscard]] std::chrono::nanoseconds deadline() const;

  // Leading (metadata_node_leading.cpp).
  Result<void> activate();
  Result<void> take_over();
  /// Views in the records point into `stored`, the content of bootstrap.checkpoint.
  Result<MetadataRecords> bootstrap_records(const std::vector<Bytes>& stored) const;
  [[nodiscard]] protocol::RegisterControllerRecord own_registration() const;
  [[nodiscard]] bool is_registered_in(const MetadataImage& image) const;
  Result<void> register_self();
  Result<void> lead();
  Result<void> take(Queued queued);
  Result<void> append(const MetadataRecords& records);
  Result<void> append_batch(Bytes batch, std::int64_t timestamp_ms);
  Result<void> append_when_due();
  Result<void> append_unless_full(const MetadataRecords& records);
  void publish_committed();
  void lose_leadership();

  // Following (metadata_node_following.cpp).
  Result<void> append_received(ByteView batches);
  Result<void> replay(Offset to);
  Result<void> replay_committed();
  Result<void> truncate(Offset end);
  void replay_from_settled();
  Result<void> receive_snapshot(const SnapshotId& id, std::int64_t position, ByteView bytes);
  Result<void> install_snapshot();
  void publish(MetadataImagePtr image, const MetadataChanges& changes);

  // Snapshots (metadata_snapshots.cpp).
  [[nodiscard]] std::string snapshot_path(const SnapshotId& id) const;
  Result<Bytes> read_snapshot_piece(const SnapshotId& id, std::int64_t position, std::int32_t max_bytes);
  Result<void> snapshot_when_due();
  Result<void> clean_old_snapshots();
  Result<SnapshotFacts> snapshot_facts(const SnapshotId& id);

  MetadataNodeDependencies dependencies_;
  MetadataNodeOptions options_;
  ImageListener on_image_;
  std::string log_directory_;
  std::unique_ptr<RaftLog> log_;
  std::optional<RaftNode> raft_;
  Uuid incarnation_;                 // of this controller's life
  bool has_registered_ = false;      // the metadata have had it as the registration of this id
  std::optional<Uuid> predecessor_;  // and this one before it

  MetadataImagePtr published_;
  MetadataImagePtr settled_;  // the last published one that ended outside a metadata transaction
  std::unique_ptr<MetadataDelta> replay_;
  Offset replayed_;  // the next one to replay
  std::int64_t replayed_timestamp_ms_ = 0;

  // While it leads.
  bool leading_ = false;
  MetadataImagePtr working_;
  BrokerSessions sessions_;
  ControllerSchedule schedule_;
  std::vector<Queued> queue_;
  bool upgrades_kraft_version_ = false;
  std::deque<Pending> pending_;
  std::chrono::nanoseconds last_append_{0};

  // Raft's requests and answers.
  std::vector<Received> received_;
  std::map<std::uint64_t, OpenRequest> open_requests_;  // by the number that raft gives back
  std::uint64_t last_request_ = 0;
  std::deque<std::move_only_function<void()>> outbox_;
  /// The state of the epoch is neither on disk nor in the log there: nobody may hear of it.
  bool silent_ = false;
  bool knows_cluster_ = false;    // another voter has spoken as one of this cluster
  std::set<BrokerId> strangers_;  // and those that said they are of another
  std::optional<Receiving> receiving_;
  std::chrono::nanoseconds disk_full_until_{0};

  /// The log is new. Its first sync makes the names in options_.directory durable, meta.properties among
  /// them: nothing was promised to anybody before (FormatOptions::is_started_at_once).
  bool directory_unsynced_ = false;
  std::optional<QuorumState> unwritten_state_;
  std::chrono::nanoseconds state_due_{0};
  std::optional<std::chrono::nanoseconds> raft_deadline_;
  std::optional<Error> failed_;

  std::chrono::nanoseconds now_{0};
  std::chrono::nanoseconds last_snapshot_{0};
  std::vector<SnapshotId> snapshots_;                   // oldest first
  std::map<SnapshotId, SnapshotFacts> snapshot_facts_;  // of those that were looked at
  std::uint64_t bytes_since_snapshot_ = 0;
};

}  // namespace barnabas::kraft

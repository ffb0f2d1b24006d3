// The inside of MetadataNode (metadata_node.hpp says what holds): queue, replay, commit, snapshots.
#pragma once

#include <deque>

#include "kraft/controller/broker_sessions.hpp"
#include "kraft/controller/controller_schedule.hpp"
#include "kraft/metadata_loader.hpp"
#include "kraft/metadata_node.hpp"

namespace barnabas::kraft {

class MetadataNode::Impl {
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
  void enqueue(Queued queued) { queue_.push_back(std::move(queued)); }
  Result<std::chrono::nanoseconds> run_once(std::chrono::nanoseconds now);
  Result<Offset> write_snapshot();
  Result<void> close();

  [[nodiscard]] const MetadataNodeOptions& options() const { return options_; }
  [[nodiscard]] const MetadataNodeDependencies& dependencies() const { return dependencies_; }
  [[nodiscard]] const MetadataImagePtr& image() const { return published_; }
  [[nodiscard]] const RaftNode& raft() const { return *raft_; }
  [[nodiscard]] bool is_leader() const { return raft_->role() == RaftRole::kLeader; }
  BrokerSessions& sessions() { return sessions_; }

 private:
  /// Appended, waiting for its commit. Without delta it only carries a reply.
  struct Pending {
    Offset end;  // committed when the high watermark is there
    MetadataImagePtr image;
    std::unique_ptr<MetadataDelta> delta;
    Reply reply;
  };

  Result<void> run(std::chrono::nanoseconds now);
  Result<void> drive(const RaftInput& input);
  Result<void> carry_out(const Ready& ready);
  Result<void> write_state();
  Result<void> activate();
  /// Views in the records point into `stored`, the content of bootstrap.checkpoint.
  Result<MetadataRecords> bootstrap_records(const std::vector<Bytes>& stored) const;
  [[nodiscard]] protocol::RegisterControllerRecord own_registration();
  Result<void> take(Queued queued);
  Result<void> append(const MetadataRecords& records, Reply reply);
  Result<void> append_when_due();
  Result<void> append_unless_full(const MetadataRecords& records);
  Result<void> commit();
  void publish_committed();
  Result<void> snapshot_when_due();
  Result<void> clean_old_snapshots();
  struct SnapshotFacts {
    std::int64_t timestamp_ms = 0;
    std::uint64_t size_bytes = 0;
  };
  Result<SnapshotFacts> snapshot_facts(const SnapshotId& id);
  void refuse_all(ErrorCode error);
  [[nodiscard]] ControlContext context() const;
  [[nodiscard]] std::int64_t now_ms() const;
  [[nodiscard]] std::chrono::nanoseconds deadline() const;

  MetadataNodeDependencies dependencies_;
  MetadataNodeOptions options_;
  ImageListener on_image_;
  std::string log_directory_;
  std::unique_ptr<RaftLog> log_;
  std::optional<RaftNode> raft_;
  BrokerSessions sessions_;
  ControllerSchedule schedule_;

  MetadataImagePtr working_;    // everything appended
  MetadataImagePtr published_;  // everything committed
  std::deque<Queued> queue_;
  std::deque<Pending> pending_;
  bool abort_transaction_ = false;
  /// The log is new. Its first sync makes the names in options_.directory durable, meta.properties among
  /// them: nothing was promised to anybody before (FormatOptions::is_started_at_once).
  bool directory_unsynced_ = false;
  std::optional<QuorumState> unwritten_state_;
  std::chrono::nanoseconds state_due_{0};
  std::optional<Error> failed_;

  std::chrono::nanoseconds now_{0};
  std::chrono::nanoseconds last_append_{0};
  std::chrono::nanoseconds last_snapshot_{0};
  std::vector<SnapshotId> snapshots_;
  std::map<SnapshotId, SnapshotFacts> snapshot_facts_;  // of those that were looked at
  std::uint64_t bytes_since_snapshot_ = 0;
  std::int64_t last_timestamp_ms_ = 0;
};

}  // namespace barnabas::kraft

// PartitionLogImpl: the PartitionLog over segments; its parts are in
// partition_log_{append,read,maintenance,cleaning,scrub}.cpp and recovery.cpp.
//
// Thread safety: as PartitionLog says. Offsets are atomics so that checkpoints read them without the
// partition's mutex; `segments_mutex_` lets sync() take the list of segments beside appends and rolls.
// Invariants: those of PartitionLog, and
//  5. segments_ is never empty once opened; its keys are the segments' base offsets.
//  6. After a failed write (a full disk apart) or sync state_ is not kOpen and every call fails.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "log/leader_epoch_cache.hpp"
#include "log/log_directory.hpp"
#include "log/log_manager.hpp"
#include "log/partition_log.hpp"
#include "log/producer_state.hpp"
#include "log/segment.hpp"

namespace barnabas::log {

class PartitionLogImpl final : public PartitionLog {
 public:
  PartitionLogImpl(FileSystem& files, const Clock& clock, const OpenLogOptions& options,
                   std::shared_ptr<LogDirectory> log_directory = nullptr);

  /// Loads and, unless the stop was clean, recovers. Once, before all else.
  Result<void> open(const OpenLogOptions& options);
  /// Writes partition.metadata for a log that has none.
  Result<void> adopt_topic_id(TopicId topic_id);
  /// The directory was renamed away: every later call fails.
  void mark_removed() {
    std::lock_guard not_in_a_swap(removal_mutex_);
    state_ = State::kRemoved;
    if (cleaning_) *cleaning_ = true;
  }
  /// Held from mark_removed() to either of those below: no sync() meets the directory by another name.
  [[nodiscard]] std::unique_lock<std::mutex> hold_syncs() { return std::unique_lock(sync_mutex_); }
  /// The directory has its name again, and nothing was lost.
  void mark_restored() { state_ = State::kOpen; }
  /// Nobody knows by which name a start will find the directory.
  void mark_lost(const Error& why) {
    state_ = State::kOpen;
    go_offline(why);
  }
  /// From any thread.
  [[nodiscard]] Offset first_segment_offset() const {
    std::lock_guard lock(segments_mutex_);
    return segments_.empty() ? log_start_offset() : segments_.begin()->first;
  }
  /// By itself, or with its log directory.
  [[nodiscard]] bool is_offline() const {
    return state_ == State::kOffline || (state_ == State::kOpen && !directory_is_online());
  }

  [[nodiscard]] const TopicPartition& topic_partition() const override { return topic_partition_; }
  [[nodiscard]] TopicId topic_id() const override { return topic_id_; }
  [[nodiscard]] const std::string& directory() const override { return directory_; }
  [[nodiscard]] const LogConfig& config() const override { return config_; }
  void set_config(const LogConfig& config) override;

  [[nodiscard]] Offset log_start_offset() const override { return log_start_.load(); }
  [[nodiscard]] Offset log_end_offset() const override { return log_end_.load(); }
  [[nodiscard]] Offset high_watermark() const override { return high_watermark_.load(); }
  [[nodiscard]] Offset last_stable_offset() const override;
  [[nodiscard]] Offset recovery_point() const override { return recovery_point_.load(); }
  void set_high_watermark(Offset offset) override;

  std::expected<AppendResult, AppendError> append_as_leader(MutableByteView batches,
                                                            const AppendOptions& options) override;
  Result<AppendResult> append_as_follower(ByteView batches) override;

  Result<ReadResult> read(const ReadOptions& options) override;
  Result<Bytes> read_bytes(const ReadOptions& options) override;
  Result<std::vector<AbortedTransaction>> aborted_transactions(Offset from, Offset up_to) override;
  Result<std::optional<TimestampOffset>> find_by_timestamp(std::int64_t timestamp_ms, Offset up_to) override;
  std::vector<SegmentTime> segment_times() override;
  Result<std::optional<TimestampOffset>> find_max_timestamp() override;

  [[nodiscard]] LeaderEpoch latest_epoch() const override { return epochs_.latest(); }
  [[nodiscard]] LeaderEpoch epoch_of(Offset offset) const override { return epochs_.epoch_of(offset); }
  [[nodiscard]] EpochEndOffset end_offset_for_epoch(LeaderEpoch epoch) const override {
    return epochs_.end_offset_for(epoch, log_end_offset());
  }
  Result<void> assign_epoch_start(LeaderEpoch epoch, Offset start) override;
  [[nodiscard]] std::vector<ActiveProducer> active_producers() const override { return producers_.active(); }
  VerificationGuard begin_verification(const VerificationRequest& request) override {
    return producers_.begin_verification(request, clock_.wall_ms());
  }

  Result<void> truncate_to(Offset offset) override;
  Result<void> truncate_fully_and_start_at(Offset offset) override;
  Result<Offset> delete_records_before(Offset offset) override;
  Result<void> roll() override;
  Result<void> sync() override;
  Result<int> apply_retention(std::int64_t now_ms) override;
  [[nodiscard]] bool has_deleted_files() const override { return has_deleted_; }
  Result<void> remove_deleted_files(std::int64_t now_ms) override;
  [[nodiscard]] std::optional<ScrubbedSegment> closed_segment_from(Offset from) const override;
  bool is_broken(const ScrubbedSegment& segment, std::uint64_t position) override;
  Result<void> check_transactions(const ScrubbedSegment& segment) override;
  Result<std::unique_ptr<SegmentRepair>> begin_repair(const ScrubbedSegment& segment) override;
  Result<bool> end_repair(SegmentRepair& repair, bool is_finished) override;
  void expire_producers(std::int64_t now_ms) override { producers_.expire(now_ms); }
  [[nodiscard]] std::uint64_t size_bytes() const override;
  [[nodiscard]] std::size_t segment_count() const override { return segments_.size(); }
  Result<void> close() override;

  [[nodiscard]] Offset cleaned_to() const override { return cleaned_to_.load(); }
  Result<CleaningOutlook> cleaning_outlook(std::int64_t now_ms) override;
  Result<std::optional<CleaningPlan>> begin_cleaning(std::int64_t now_ms) override;
  Result<std::optional<CleaningGroup>> begin_group(std::span<const SourceSegment> sources) override;
  Result<bool> swap_in(std::span<const SourceSegment> sources,
                       const std::shared_ptr<Segment>& target) override;
  void drop_target(Segment& target) override;
  void end_cleaning(Offset cleaned_to) override;

 private:
  using Segments = std::map<Offset, std::shared_ptr<Segment>>;
  enum class State { kOpen, kOffline, kRemoved, kClosed };
  /// Segment files that were renamed and wait for their removal.
  struct Deleted {
    std::int64_t due_ms;
    std::shared_ptr<Segment> segment;
    std::string snapshot;  // path; empty without one
  };

  [[nodiscard]] Segment& active() const { return *segments_.rbegin()->second; }
  [[nodiscard]] Segments::const_iterator segment_of(Offset offset) const;
  [[nodiscard]] Segments::const_iterator first_unsynced_segment() const;
  [[nodiscard]] Segments::const_iterator first_to_recover() const;
  [[nodiscard]] Offset end_of(Segments::const_iterator segment) const;
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }
  Result<void> check_open() const;
  [[nodiscard]] bool directory_is_online() const {
    return log_directory_ == nullptr || log_directory_->is_online();
  }
  static bool is_corrupt(const Error& error) { return error.code == ErrorCode::kCorruptMessage; }
  void tell_corrupt(const Error& what);
  /// Passes errors through; those of the disk take the log offline, batches that are not sound are told of.
  Error note(Error error);
  void go_offline(const Error& why);
  template <class T>
  Result<T> noted(Result<T> result) {
    if (!result) result = std::unexpected(note(std::move(result).error()));
    return result;
  }

  // append
  Result<AppendResult> append_entries(ByteView bytes, AppendOrigin origin);
  Result<void> check_entries(ByteView bytes, const AppendOptions& options);
  [[nodiscard]] bool flush_is_due() const {
    return log_end_offset() - recovery_point() >= config_.flush_messages;
  }
  Result<void> sync_if_due(const AppendOptions& options, AppendResult& result);
  Result<bool> maybe_roll(std::uint64_t bytes);
  Result<void> replay(const protocol::RecordBatchView& batch, Segment& segment);
  [[nodiscard]] Error give_up_replay(const EntryInfo& entry, Segment& segment, Error why);
  Result<std::optional<ProducedBatch>> find_duplicate(const protocol::RecordBatchView& batch);
  Result<std::vector<ProducedBatch>> batches_before(Offset before, const protocol::RecordBatchView& like);
  std::expected<AppendResult, AppendError> append_produce(MutableByteView batches,
                                                          const AppendOptions& options);
  Result<AppendResult> append_trusted(MutableByteView batches, const AppendOptions& options);

  // read
  Result<bool> read_segment(Segment& segment, Offset below, const ReadOptions& options, std::uint64_t& budget,
                            ReadResult& result);
  Result<std::uint64_t> verified_size(Segment& segment, const EntryInfo& first, std::uint64_t size,
                                      Offset from, Offset below);
  Result<void> verify_search(Segment& segment, Offset from, std::uint64_t to, Offset below);
  Result<std::vector<AbortedTransaction>> collect_aborted(Offset from, Offset up_to);
  Result<bool> is_right(Segments::const_iterator segment, const std::vector<AbortedTransaction>& entries);
  Result<bool> matches_batches(const AbortedTransaction& transaction);
  Result<std::optional<Bytes>> sound_batch(Offset offset);
  Result<std::optional<TimestampOffset>> find_in_segment(Segment& segment, Offset below,
                                                         std::int64_t timestamp_ms, Offset up_to) const;

  // maintenance
  Result<void> begin_epoch(LeaderEpoch epoch, Offset start);
  /// A file that was written, or put in the place of another, without a sync: the next sync() makes it last.
  void must_sync(const std::string& side_file);
  [[nodiscard]] std::string parent_directory() const { return directory_.substr(0, directory_.rfind('/')); }
  Result<void> sync_files();
  Result<void> roll_at(Offset base);
  Result<void> add_segment(Offset base);
  Result<void> delete_segment(Segments::iterator segment, std::int64_t now_ms, bool with_snapshot = true);
  Result<int> delete_oldest(std::int64_t now_ms, const std::function<bool(Segment&, Offset next)>& is_due);
  Result<void> move_log_start(Offset offset);
  Result<void> write_snapshot();
  Result<void> truncate_locked(Offset offset);
  Result<void> start_anew(Offset offset);
  Result<void> reload_producers();

  // scrub
  [[nodiscard]] bool is_here(const ScrubbedSegment& segment) const;
  Result<std::unique_ptr<SegmentRepair>> make_repair(const ScrubbedSegment& segment);

  // cleaning
  void abort_cleaning();
  std::shared_ptr<const std::atomic<bool>> begin_flag();
  [[nodiscard]] bool may_clean_on() const {
    return state_ == State::kOpen && directory_is_online() && cleaning_ && !*cleaning_;
  }
  [[nodiscard]] Offset first_dirty_offset();
  Result<Offset> first_uncleanable_offset(Offset first_dirty, std::int64_t now_ms);
  Result<void> replace_segments(std::span<const SourceSegment> sources,
                                const std::shared_ptr<Segment>& target);

  // recovery
  Result<void> complete_swaps();
  Result<void> load_files();
  Result<Offset> end_after_clean_stop(Offset found, Offset checkpointed);
  void drop_impossible_log_start(const OpenLogOptions& options);
  [[nodiscard]] Result<bool> has_epochs() const;
  Result<void> load_epochs(Segments::const_iterator end);
  Result<bool> recover_segments(const std::function<void(std::size_t)>& on_progress);
  Result<void> replay_segments(Offset from, Offset to);
  Result<Offset> load_snapshot(Offset at_or_below);
  Result<void> remove_snapshots_above(Offset offset);

  FileSystem& files_;
  const Clock& clock_;
  TopicPartition topic_partition_;
  TopicId topic_id_;
  std::string directory_;
  std::shared_ptr<LogDirectory> log_directory_;  // the one of log.dirs; null outside a manager
  LogConfig config_;
  std::atomic<State> state_ = State::kOpen;

  std::atomic<Offset> log_start_{};
  std::atomic<Offset> log_end_{};
  std::atomic<Offset> high_watermark_{};
  std::atomic<Offset> recovery_point_{};
  std::atomic<Offset> cleaned_to_{kNoOffset};

  mutable std::mutex segments_mutex_;  // of changes to segments_, and of reading it in sync()
  Segments segments_;
  std::vector<std::string> unsynced_files_;  // by segments_mutex_: beside the segments
  bool directory_changed_ = false;           // by segments_mutex_: files made since the last sync
  bool parent_changed_ = false;              // by segments_mutex_: the directory was made since then
  bool side_files_wait_;                     // by sync_mutex_: they last from close() on
  std::mutex sync_mutex_;                    // one sync() at a time

  /// Held while compaction makes or renames files, so that the directory is not renamed away and its name
  /// given to another log meanwhile; and for changes of cleaning_.
  std::mutex removal_mutex_;
  /// Of the cleaning under way, null without one: set to true it ends.
  std::shared_ptr<std::atomic<bool>> cleaning_;

  CorruptionCounters corruption_;
  std::set<std::string> corrupt_places_;  // that were told of

  LeaderEpochCache epochs_;
  ProducerState producers_;
  Offset snapshot_offset_ = kNoOffset;  // of the latest snapshot taken or loaded
  std::list<Deleted> deleted_;          // in the order of their time
  std::atomic<bool> has_deleted_ = false;
  std::vector<EntryInfo> entries_;  // of the append under way; kept for its memory
};

}  // namespace barnabas::log

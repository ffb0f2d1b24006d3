// ReplicaManager: the partitions that this node leads or follows, and who waits on them.
//
// Owns a Partition for each replica assigned here; the logs belong to log::LogManager. Thread safety:
// thread-safe. A Partition's mutex is a leaf: nothing but the log manager's own is locked while it is held
// and no waiter runs under it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "kraft/metadata_image.hpp"
#include "log/log_manager.hpp"

namespace barnabas::kraft {
struct MetadataChanges;
}

namespace barnabas::broker {

/// Called once when something that a fetch or an acknowledgement waits for may have changed; from any thread.
using Wakeup = std::function<void()>;

class Partition {
 public:
  Partition(std::shared_ptr<log::PartitionLog> log, TopicId topic_id)
      : topic_partition_(log->topic_partition()), log_(std::move(log)), topic_id_(topic_id) {}

  [[nodiscard]] TopicId topic_id() const { return topic_id_; }
  [[nodiscard]] const TopicPartition& topic_partition() const { return topic_partition_; }

  /// Leadership as the metadata image says. As a lone replica the high watermark follows the log end.
  void become_leader(LeaderEpoch epoch, std::vector<BrokerId> isr);
  void resign();
  /// The log directory has failed: every answer is KAFKA_STORAGE_ERROR until the next start.
  void go_offline();
  [[nodiscard]] bool is_offline() const;
  /// The directory of log.dirs that the log is in.
  [[nodiscard]] std::string log_directory() const;
  [[nodiscard]] bool is_leader() const;
  [[nodiscard]] LeaderEpoch leader_epoch() const;
  /// NONE, KAFKA_STORAGE_ERROR, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH or NOT_LEADER_OR_FOLLOWER; epoch -1
  /// asks for nothing.
  [[nodiscard]] ErrorCode check_leader(LeaderEpoch current_epoch_of_client) const;

  /// Appends and wakes who waits for data. NOT_LEADER_OR_FOLLOWER when another node leads,
  /// KAFKA_STORAGE_ERROR when offline.
  std::expected<log::AppendResult, log::AppendError> append(MutableByteView batches,
                                                            log::AppendOptions options);

  /// Makes everything that was appended before the call durable, and visible where it waited for that. May
  /// block on the disk; beside appends. Once it failed the log is offline.
  Result<void> sync();

  /// Whether an append closed a segment since the last call: its data waits for a sync().
  [[nodiscard]] bool take_closed_segment();

  /// Runs `call` with the log while holding the partition's mutex. `call` must not block.
  template <class Call>
  auto with_log(Call&& call) {
    std::lock_guard lock(mutex_);
    return call(*log_);
  }

  /// Held for every call of the partition's future log while that is filled; taken before the partition's
  /// mutex.
  [[nodiscard]] std::unique_lock<std::mutex> hold_move() { return std::unique_lock(move_mutex_); }
  /// Under the partition's mutex: `call(log)` gives the log that takes its place, or null when it is to stay.
  template <class Call>
  Result<bool> replace_log(Call&& call) {
    std::lock_guard lock(mutex_);
    std::shared_ptr<log::PartitionLog> next = TRY(call(*log_));
    if (next == nullptr) return false;
    log_ = std::move(next);
    return true;
  }

  /// `wakeup` runs once, after the next append (or change of leadership). Cancelled by its owner's weak
  /// state.
  void wait_for_change(std::weak_ptr<Wakeup> wakeup);

 private:
  void advance_high_watermark();
  static void wake(std::vector<std::weak_ptr<Wakeup>>& waiters);

  TopicPartition topic_partition_;
  std::mutex move_mutex_;
  mutable std::mutex mutex_;
  std::shared_ptr<log::PartitionLog> log_;  // guarded by mutex_
  TopicId topic_id_;
  bool leader_ = false;                         // guarded by mutex_
  bool offline_ = false;                        // guarded by mutex_
  bool closed_segment_ = false;                 // guarded by mutex_
  LeaderEpoch leader_epoch_;                    // guarded by mutex_
  std::vector<BrokerId> isr_;                   // guarded by mutex_
  std::vector<std::weak_ptr<Wakeup>> waiters_;  // guarded by mutex_
};

/// In which of log.dirs a replica of this node is.
struct ReplicaPlace {
  TopicId topic_id;
  PartitionIndex partition;
  DirectoryId directory;
};

class ReplicaManager {
 public:
  using LogConfigFor = std::function<log::LogConfig(const kraft::MetadataImage&, std::string_view topic)>;

  ReplicaManager(BrokerId self, log::LogManager& logs, LogConfigFor log_config_for);
  ~ReplicaManager();

  /// Makes, drops and changes partitions so that they agree with `image`. Only what is named in `changes` is
  /// looked at; with null everything is (start-up), and logs that the image does not assign here become
  /// strays.
  void apply(const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes);

  /// Null when this node has no such replica.
  [[nodiscard]] std::shared_ptr<Partition> find(std::string_view topic, PartitionIndex index) const;
  [[nodiscard]] std::shared_ptr<Partition> find(TopicId id, PartitionIndex index) const;
  /// Those that are not offline.
  [[nodiscard]] std::vector<std::shared_ptr<Partition>> all() const;

  /// Begins to move a replica to another log directory of this node, or gives up a move by naming the
  /// directory that it is in (KIP-113). LOG_DIR_NOT_FOUND, KAFKA_STORAGE_ERROR; UNKNOWN_TOPIC_OR_PARTITION
  /// without such a replica, which is to be made there then.
  [[nodiscard]] ErrorCode move_to(const TopicPartition& tp, const std::string& directory);
  /// Before any move_to(): called after each that changed what is to be moved, by its thread.
  void on_moves_changed(std::function<void()> listener) { moves_changed_ = std::move(listener); }

  /// Its replicas go offline, and who waits for them is woken; moves to it end.
  void lose_directory(const std::string& directory);
  /// Told of replicas that are in another directory than the image says, from any thread; null: nobody is.
  void on_placed(std::function<void(std::vector<ReplicaPlace>)> listener);
  /// A replica has come to another directory.
  void tell_place(const Partition& partition);

  [[nodiscard]] log::LogManager& logs() { return logs_; }

 private:
  struct Table;
  [[nodiscard]] std::shared_ptr<const Table> table() const;
  void apply_topic(const kraft::MetadataImage& image, const kraft::TopicImage& topic, Table& next);
  void note_place(const kraft::PartitionRegistration& registration, const Partition& partition);
  [[nodiscard]] bool may_make_log(const TopicPartition& tp, const kraft::PartitionRegistration& registration);
  void apply_config(const kraft::MetadataImage& image, const kraft::TopicImage& topic, const Table& table);
  void remove_topic(const std::string& name, Table& next);
  void mark_strays(const Table& table);
  [[nodiscard]] std::shared_ptr<Partition> open_partition(const kraft::MetadataImage& image,
                                                          const kraft::TopicImage& topic,
                                                          PartitionIndex index);

  BrokerId self_;
  log::LogManager& logs_;
  LogConfigFor log_config_for_;
  std::function<void()> moves_changed_ = [] {};
  std::function<void(std::vector<ReplicaPlace>)> placed_;
  std::mutex apply_mutex_;
  bool has_started_ = false;             // guarded by apply_mutex_: a whole image was applied
  std::vector<ReplicaPlace> misplaced_;  // guarded by apply_mutex_: seen by the apply() under way
  mutable std::mutex table_mutex_;
  std::shared_ptr<const Table> table_;  // guarded by table_mutex_; replaced, never changed
};

}  // namespace barnabas::broker

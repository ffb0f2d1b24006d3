// ReplicaManager: the partitions that this node leads or follows, and who waits on them.
//
// Owns a Partition for each replica assigned here; the logs belong to log::LogManager. Thread safety:
// thread-safe. What moves data from the leaders to here is told by on_followed() (drivers/replication.hpp).
//
// New logs are opened before clients hear of their partitions, up to `opened_at_once` of them: the metadata
// quorum's thread applies images, and thousands would keep it from its voters, heartbeats and clients. The
// others are opened by open_more(); until then requests for them are refused as at a node that leads not.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "broker/replica/partition.hpp"
#include "broker/replica/replication_quota.hpp"
#include "kraft/metadata_image.hpp"
#include "log/log_manager.hpp"

namespace barnabas::kraft {
struct MetadataChanges;
}

namespace barnabas::broker {

/// In which of log.dirs a replica of this node is.
struct ReplicaPlace {
  TopicId topic_id;
  PartitionIndex partition;
  DirectoryId directory;
};

/// From whom a replica here fetches from now on.
struct FollowedReplica {
  std::shared_ptr<Partition> partition;
  BrokerId leader = kNoBroker;  // kNoBroker: from nobody
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
};

struct ReplicationOptions {
  const Clock* clock = nullptr;                                 // null: the machine's
  AlterPartitionChannel* isr_changes = nullptr;                 // null: in-sync sets stay what they are
  std::chrono::nanoseconds max_lag = std::chrono::seconds(30);  // replica.lag.time.max.ms
  /// A topic's configuration (BrokerConfig::topic_value); null: nothing is configured.
  std::function<std::optional<std::string>(const kraft::MetadataImage&, std::string_view topic,
                                           std::string_view name)>
      topic_value;
  /// New logs by one apply() of changes, or one open_more().
  std::size_t opened_at_once = SIZE_MAX;
};

class ReplicaManager {
 public:
  using LogConfigFor = std::function<log::LogConfig(const kraft::MetadataImage&, std::string_view topic)>;

  ReplicaManager(BrokerId self, log::LogManager& logs, LogConfigFor log_config_for,
                 ReplicationOptions replication = {});
  ~ReplicaManager();

  /// Makes, drops and changes partitions so that they agree with `image`. Only what is named in `changes` is
  /// looked at; with null everything is (start-up), and logs that the image does not assign here become
  /// strays. `publish` tells clients of the image; who waits for a partition is told after that.
  void apply(const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes,
             const std::function<void()>& publish = nullptr);
  /// Opens more of what was left, by the image that was applied last. False when nothing was.
  bool open_more();

  /// Null when this node has no such replica.
  [[nodiscard]] std::shared_ptr<Partition> find(std::string_view topic, PartitionIndex index) const;
  [[nodiscard]] std::shared_ptr<Partition> find(TopicId id, PartitionIndex index) const;
  /// Those that are not offline.
  /// The end of the node, while reactors are there: whoever waits for a commit is forgotten.
  void drop_waits();
  [[nodiscard]] std::vector<std::shared_ptr<Partition>> all() const;

  /// Before the first apply(): whom leaders ask for changes of their in-sync sets; without it these stay.
  void ask_for_isr_changes(AlterPartitionChannel& channel) { surroundings_.isr_changes = &channel; }
  /// Before the first apply(): told of replicas that are to be fetched from another broker, or again, or not
  /// any more; by apply()'s thread.
  void on_followed(std::function<void(std::vector<FollowedReplica>)> listener);
  /// To be called every half of replica.lag.time.max.ms.
  void shrink_isrs();
  /// What the partitions share, and counters of theirs.
  [[nodiscard]] const PartitionSurroundings& surroundings() const { return surroundings_; }
  [[nodiscard]] ReplicationQuota& leader_quota() { return leader_quota_; }
  [[nodiscard]] ReplicationQuota& follower_quota() { return follower_quota_; }

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
  /// By the image that is being applied, or was last.
  class ImageBrokers final : public BrokerView {
   public:
    [[nodiscard]] std::int64_t epoch_of(BrokerId broker) const override;
    [[nodiscard]] bool is_active(BrokerId broker) const override;
    std::atomic<kraft::MetadataImagePtr> image;
  };

  [[nodiscard]] std::shared_ptr<const Table> table() const;
  [[nodiscard]] std::int32_t min_insync_replicas(const kraft::MetadataImage& image,
                                                 std::string_view topic) const;
  void apply_throttles(const kraft::MetadataImage& image, const std::string& topic);
  void forget_unopened(TopicId topic, PartitionIndex index);
  void place_replica(const kraft::PartitionRegistration& registration,
                     const std::shared_ptr<Partition>& partition);
  void stop_following(const std::shared_ptr<Partition>& partition);
  void drop_replica(const std::shared_ptr<Partition>& partition);
  void apply_image(const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes);
  void put_in_place(std::shared_ptr<const Table> next);
  void tell_placement();
  void apply_placement(const kraft::MetadataImage& image, const kraft::MetadataChanges* changes, Table& next);
  void apply_configs(const kraft::MetadataImage& image, const kraft::MetadataChanges& changes);
  void apply_topic(const kraft::MetadataImage& image, const kraft::TopicImage& topic,
                   const std::set<PartitionIndex>* changed, Table& next);
  void note_place(const kraft::PartitionRegistration& registration, const Partition& partition);
  [[nodiscard]] bool may_make_log(const TopicPartition& tp, const kraft::PartitionRegistration& registration);
  void apply_config(const kraft::MetadataImage& image, const kraft::TopicImage& topic, const Table& table);
  void remove_topic(const std::string& name, Table& next);
  void mark_strays(const Table& table);
  [[nodiscard]] std::shared_ptr<Partition> open_partition(const kraft::MetadataImage& image,
                                                          const kraft::TopicImage& topic,
                                                          PartitionIndex index);
  [[nodiscard]] bool all_directories_online() const;
  [[nodiscard]] bool may_open_now(TopicId topic, PartitionIndex index);

  BrokerId self_;
  log::LogManager& logs_;
  LogConfigFor log_config_for_;
  SystemClock system_clock_;
  ImageBrokers brokers_;
  PartitionSurroundings surroundings_;
  decltype(ReplicationOptions::topic_value) topic_value_;
  const std::size_t opened_at_once_;
  ReplicationQuota leader_quota_;
  ReplicationQuota follower_quota_;
  std::function<void()> moves_changed_ = [] {};
  std::function<void(std::vector<ReplicaPlace>)> placed_;
  std::function<void(std::vector<FollowedReplica>)> on_followed_;
  std::mutex apply_mutex_;
  std::unordered_set<const Partition*> followed_;  // guarded by apply_mutex_: fetched from another broker
  // guarded by apply_mutex_: could not be opened, and are tried again with each image
  std::map<TopicId, std::set<PartitionIndex>> unopened_;
  std::size_t may_open_ = SIZE_MAX;  // guarded by apply_mutex_: by the apply() or open_more() under way
  // guarded by apply_mutex_: left for open_more(), in that order; some may be open or gone since
  std::deque<std::pair<TopicId, PartitionIndex>> left_;
  std::vector<FollowedReplica> refollowed_;  // guarded by apply_mutex_: seen by the apply() under way
  bool has_started_ = false;                 // guarded by apply_mutex_: a whole image was applied
  std::vector<ReplicaPlace> misplaced_;      // guarded by apply_mutex_: seen by the apply() under way
  mutable std::mutex table_mutex_;
  std::shared_ptr<const Table> table_;  // guarded by table_mutex_; replaced, never changed
};

}  // namespace barnabas::broker

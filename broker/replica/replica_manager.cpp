#include "broker/replica/replica_manager.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/logging.hpp"
#include "kraft/controller/partition_change.hpp"
#include "kraft/metadata_delta.hpp"

namespace barnabas::broker {

/// What of a topic lives here, by partition index; null where another node has the replica.
struct HostedTopic {
  TopicId id;
  std::vector<std::shared_ptr<Partition>> partitions;

  [[nodiscard]] std::shared_ptr<Partition> find(PartitionIndex index) const {
    const auto at = static_cast<std::size_t>(index.value());
    return index.value() >= 0 && at < partitions.size() ? partitions[at] : nullptr;
  }
};

struct ReplicaManager::Table {
  std::map<std::string, std::shared_ptr<const HostedTopic>, std::less<>> by_name;
  std::unordered_map<TopicId, std::shared_ptr<const HostedTopic>> by_id;
};

ReplicaManager::ReplicaManager(BrokerId self, log::LogManager& logs, LogConfigFor log_config_for,
                               ReplicationOptions replication)
    : self_(self),
      logs_(logs),
      log_config_for_(std::move(log_config_for)),
      surroundings_{.self = self,
                    .clock = replication.clock != nullptr ? *replication.clock : system_clock_,
                    .brokers = brokers_,
                    .max_lag = replication.max_lag},
      topic_value_(std::move(replication.topic_value)),
      opened_at_once_(replication.opened_at_once),
      leader_quota_(surroundings_.clock),
      follower_quota_(surroundings_.clock),
      table_(std::make_shared<Table>()) {
  if (!topic_value_)
    topic_value_ = [](const auto&, std::string_view, std::string_view) { return std::nullopt; };
}

ReplicaManager::~ReplicaManager() = default;

std::int64_t ReplicaManager::ImageBrokers::epoch_of(BrokerId broker) const {
  const auto now = image.load(std::memory_order_acquire);
  const kraft::BrokerRegistration* registered = now ? now->broker(broker) : nullptr;
  return registered != nullptr ? registered->epoch : -1;
}

bool ReplicaManager::ImageBrokers::is_active(BrokerId broker) const {
  const auto now = image.load(std::memory_order_acquire);
  return now && kraft::is_active(*now, broker);
}

void ReplicaManager::on_followed(std::function<void(std::vector<FollowedReplica>)> listener) {
  std::lock_guard lock(apply_mutex_);
  on_followed_ = std::move(listener);
}

void ReplicaManager::shrink_isrs() {
  for (const auto& partition : all()) partition->shrink_isr();
}

std::shared_ptr<const ReplicaManager::Table> ReplicaManager::table() const {
  std::lock_guard lock(table_mutex_);
  return table_;
}

std::shared_ptr<Partition> ReplicaManager::find(std::string_view topic, PartitionIndex index) const {
  std::lock_guard lock(table_mutex_);
  auto found = table_->by_name.find(topic);
  return found == table_->by_name.end() ? nullptr : found->second->find(index);
}

std::shared_ptr<Partition> ReplicaManager::find(TopicId id, PartitionIndex index) const {
  std::lock_guard lock(table_mutex_);
  auto found = table_->by_id.find(id);
  return found == table_->by_id.end() ? nullptr : found->second->find(index);
}

std::vector<std::shared_ptr<Partition>> ReplicaManager::all() const {
  std::vector<std::shared_ptr<Partition>> partitions;
  // By name: within the loop's head the pointer would be gone before the first round.
  const auto current = table();
  std::size_t size = 0;
  for (const auto& [name, topic] : current->by_name) size += topic->partitions.size();
  partitions.reserve(size);
  for (const auto& [name, topic] : current->by_name) {
    std::ranges::copy_if(topic->partitions, std::back_inserter(partitions),
                         [](const auto& p) { return p != nullptr && !p->is_offline(); });
  }
  return partitions;
}

void ReplicaManager::drop_waits() {
  for (const auto& partition : all()) partition->drop_waits();
}

void ReplicaManager::apply(const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes,
                           const std::function<void()>& publish) {
  surroundings_.news.keep_back();
  apply_image(image, changes);
  if (publish) publish();
  surroundings_.news.tell();
}

void ReplicaManager::apply_image(const kraft::MetadataImagePtr& image,
                                 const kraft::MetadataChanges* changes) {
  std::lock_guard lock(apply_mutex_);
  brokers_.image.store(image, std::memory_order_release);
  const bool moves = !changes || !changes->removed_topics.empty() || !changes->changed_partitions.empty() ||
                     !unopened_.empty();
  if (moves) {
    auto next = std::make_shared<Table>(*table());
    apply_placement(*image, changes, *next);
    put_in_place(std::move(next));
  }
  if (changes) apply_configs(*image, *changes);
  tell_placement();
}

void ReplicaManager::put_in_place(std::shared_ptr<const Table> next) {
  std::lock_guard lock(table_mutex_);
  table_ = std::move(next);
}

void ReplicaManager::tell_placement() {
  if (on_followed_ && !refollowed_.empty()) on_followed_(std::exchange(refollowed_, {}));
  refollowed_.clear();
  if (placed_ && !misplaced_.empty()) placed_(std::exchange(misplaced_, {}));
  misplaced_.clear();
}

bool ReplicaManager::open_more() {
  std::lock_guard lock(apply_mutex_);
  if (left_.empty()) return false;
  std::map<TopicId, std::set<PartitionIndex>> some;
  for (std::size_t count = std::min(left_.size(), opened_at_once_); count > 0; --count) {
    some[left_.front().first].insert(left_.front().second);
    left_.pop_front();
  }
  const kraft::MetadataImagePtr image = brokers_.image.load(std::memory_order_acquire);
  auto next = std::make_shared<Table>(*table());
  may_open_ = SIZE_MAX;
  for (const auto& [id, partitions] : some)
    if (const kraft::TopicImage* topic = image->topic(id)) apply_topic(*image, *topic, &partitions, *next);
  put_in_place(std::move(next));
  tell_placement();
  return true;
}

bool ReplicaManager::all_directories_online() const {
  return std::ranges::all_of(logs_.directories(),
                             [this](const std::string& directory) { return logs_.is_online(directory); });
}

/// All of them where a directory has failed: may_make_log() knows a partition that is new by its first image.
bool ReplicaManager::may_open_now(TopicId topic, PartitionIndex index) {
  if (may_open_ == 0 && all_directories_online()) {
    left_.emplace_back(topic, index);
    return false;
  }
  may_open_ -= may_open_ > 0 ? 1 : 0;
  return true;
}

void ReplicaManager::apply_placement(const kraft::MetadataImage& image, const kraft::MetadataChanges* changes,
                                     Table& next) {
  may_open_ = changes != nullptr ? opened_at_once_ : SIZE_MAX;
  if (!changes) {
    for (const auto& [name, topic] : image.topics->by_name) apply_topic(image, *topic, nullptr, next);
    mark_strays(next);
    has_started_ = true;
    return;
  }
  for (const auto& [id, topic] : changes->removed_topics) remove_topic(topic->name, next);
  // On a disk that was full there may be room by now. Before the changes: what these cannot open waits for
  // the next image.
  for (const auto& [id, partitions] : std::map(unopened_)) {
    if (const kraft::TopicImage* topic = image.topic(id))
      apply_topic(image, *topic, &partitions, next);
    else
      unopened_.erase(id);
  }
  for (const auto& [id, partitions] : changes->changed_partitions)
    if (const kraft::TopicImage* topic = image.topic(id)) apply_topic(image, *topic, &partitions, next);
}

void ReplicaManager::apply_configs(const kraft::MetadataImage& image, const kraft::MetadataChanges& changes) {
  const auto hosted = table();
  bool broker_defaults = false;
  for (const kraft::ConfigResource& resource : changes.changed_configs) {
    broker_defaults |= resource.type == kraft::ConfigResourceType::kBroker;
    if (resource.type != kraft::ConfigResourceType::kTopic) continue;
    if (const kraft::TopicImage* topic = image.topic(resource.name)) apply_config(image, *topic, *hosted);
  }
  if (!broker_defaults) return;
  for (const auto& [name, topic] : image.topics->by_name) apply_config(image, *topic, *hosted);
}

/// Not where a directory that cannot be read may have the log already: an empty one would take its place.
/// Only a new partition was nowhere yet.
bool ReplicaManager::may_make_log(const TopicPartition& tp,
                                  const kraft::PartitionRegistration& registration) {
  if (logs_.find(tp) != nullptr || all_directories_online()) return true;
  const auto at = std::ranges::find(registration.replicas, self_) - registration.replicas.begin();
  const DirectoryId assigned = registration.directories[static_cast<std::size_t>(at)];
  if (assigned == kraft::kMigratingDirectory || assigned == kraft::kUnassignedDirectory)
    return registration.partition_epoch == 0 && has_started_;
  return std::ranges::any_of(logs_.directories(), [&](const std::string& directory) {
    return logs_.directory_id(directory) == assigned && logs_.is_online(directory);
  });
}

std::shared_ptr<Partition> ReplicaManager::open_partition(const kraft::MetadataImage& image,
                                                          const kraft::TopicImage& topic,
                                                          PartitionIndex index) {
  const TopicPartition tp{topic.name, index};
  const log::LogConfig config = log_config_for_(image, topic.name);
  if (!may_make_log(tp, topic.partitions[static_cast<std::size_t>(index.value())])) {
    log_warn("kafka.server.ReplicaManager", "{} is not served: its log may be in a directory that is offline",
             to_string(tp));
    return nullptr;
  }
  auto log = logs_.create(tp, topic.id, config);
  if (!log && log.error().code == ErrorCode::kInconsistentTopicId) {
    // Left from a topic of the same name that was deleted while this node was away.
    log_warn("kafka.server.ReplicaManager",
             "{} on disk belongs to a deleted topic; it is kept as a stray directory", to_string(tp));
    if (auto marked = logs_.mark_stray(tp); marked) log = logs_.create(tp, topic.id, config);
  }
  if (!log) {
    if (unopened_[topic.id].insert(index).second)
      log_error("kafka.server.ReplicaManager", "cannot open {}: {}", to_string(tp), log.error().detail);
    return nullptr;
  }
  forget_unopened(topic.id, index);
  (*log)->set_config(config);
  (*log)->set_high_watermark(logs_.checkpointed_high_watermark(tp));
  auto partition = std::make_shared<Partition>(*log, topic.id, surroundings_);
  partition->set_min_insync_replicas(min_insync_replicas(image, topic.name));
  return partition;
}

void ReplicaManager::forget_unopened(TopicId topic, PartitionIndex index) {
  const auto found = unopened_.find(topic);
  if (found == unopened_.end()) return;
  found->second.erase(index);
  if (found->second.empty()) unopened_.erase(found);
}

/// All of its partitions, or those that changed.
void ReplicaManager::apply_topic(const kraft::MetadataImage& image, const kraft::TopicImage& topic,
                                 const std::set<PartitionIndex>* changed, Table& next) {
  auto hosted = std::make_shared<HostedTopic>();
  if (auto known = next.by_id.find(topic.id); known != next.by_id.end()) *hosted = *known->second;
  hosted->id = topic.id;
  apply_throttles(image, topic.name);
  hosted->partitions.resize(std::max(hosted->partitions.size(), topic.partitions.size()));
  const auto apply_one = [&](std::size_t at) {
    const kraft::PartitionRegistration& registration = topic.partitions[at];
    std::shared_ptr<Partition>& partition = hosted->partitions[at];
    if (std::ranges::find(registration.replicas, self_) == registration.replicas.end()) {
      if (partition) drop_replica(std::exchange(partition, nullptr));
      return forget_unopened(topic.id, PartitionIndex(static_cast<std::int32_t>(at)));
    }
    const PartitionIndex index(static_cast<std::int32_t>(at));
    if (!partition && may_open_now(topic.id, index)) partition = open_partition(image, topic, index);
    if (!partition) return;
    note_place(registration, *partition);
    place_replica(registration, partition);
  };
  if (changed != nullptr)
    for (const PartitionIndex index : *changed) apply_one(static_cast<std::size_t>(index.value()));
  else
    for (std::size_t at = 0; at < topic.partitions.size(); ++at) apply_one(at);
  next.by_name[topic.name] = hosted;
  next.by_id[topic.id] = hosted;
}

void ReplicaManager::place_replica(const kraft::PartitionRegistration& registration,
                                   const std::shared_ptr<Partition>& partition) {
  if (registration.leader == self_) {
    stop_following(partition);
    return partition->become_leader(registration);
  }
  if (!partition->become_follower(registration)) return;
  if (registration.leader == kNoBroker) return stop_following(partition);
  followed_.insert(partition.get());
  refollowed_.push_back({partition, registration.leader, registration.leader_epoch});
}

void ReplicaManager::stop_following(const std::shared_ptr<Partition>& partition) {
  if (followed_.erase(partition.get()) > 0) refollowed_.push_back({partition});
}

/// Its log goes with it.
void ReplicaManager::drop_replica(const std::shared_ptr<Partition>& partition) {
  stop_following(partition);
  partition->resign();
  if (auto removed = logs_.remove(partition->topic_partition()); !removed)
    log_error("kafka.server.ReplicaManager", "cannot delete {}: {}", to_string(partition->topic_partition()),
              removed.error().detail);
}

/// What the controller does not know yet, the place of a new or a moved replica, is told at the end of
/// apply().
void ReplicaManager::note_place(const kraft::PartitionRegistration& registration,
                                const Partition& partition) {
  if (partition.is_offline()) return;
  const auto at = std::ranges::find(registration.replicas, self_) - registration.replicas.begin();
  const DirectoryId known = registration.directories[static_cast<std::size_t>(at)];
  const DirectoryId directory = logs_.directory_id(partition.log_directory());
  if (known != directory)
    misplaced_.push_back({partition.topic_id(), partition.topic_partition().partition, directory});
}

std::int32_t ReplicaManager::min_insync_replicas(const kraft::MetadataImage& image,
                                                 std::string_view topic) const {
  std::int32_t count = 1;
  if (const auto text = topic_value_(image, topic, "min.insync.replicas"))
    (void)std::from_chars(text->data(), text->data() + text->size(), count);
  return count;
}

void ReplicaManager::apply_throttles(const kraft::MetadataImage& image, const std::string& topic) {
  const auto throttled = [&](const char* name) {
    return ThrottledPartitions::parse(topic_value_(image, topic, name).value_or(""), self_);
  };
  leader_quota_.set_throttled(topic, throttled("leader.replication.throttled.replicas"));
  follower_quota_.set_throttled(topic, throttled("follower.replication.throttled.replicas"));
}

void ReplicaManager::apply_config(const kraft::MetadataImage& image, const kraft::TopicImage& topic,
                                  const Table& table) {
  auto hosted = table.by_id.find(topic.id);
  if (hosted == table.by_id.end()) return;
  apply_throttles(image, topic.name);
  const log::LogConfig config = log_config_for_(image, topic.name);
  const std::int32_t min_isr = min_insync_replicas(image, topic.name);
  for (const auto& partition : hosted->second->partitions) {
    if (!partition) continue;
    partition->with_log([&](log::PartitionLog& log) { log.set_config(config); });
    partition->set_min_insync_replicas(min_isr);
  }
}

void ReplicaManager::remove_topic(const std::string& name, Table& next) {
  leader_quota_.set_throttled(name, {});
  follower_quota_.set_throttled(name, {});
  auto found = next.by_name.find(name);
  if (found == next.by_name.end()) return;
  for (const auto& partition : found->second->partitions) {
    if (partition) drop_replica(partition);
  }
  next.by_id.erase(found->second->id);
  next.by_name.erase(found);
}

void ReplicaManager::mark_strays(const Table& table) {
  for (const auto& log : logs_.all()) {
    const TopicPartition& tp = log->topic_partition();
    auto topic = table.by_name.find(tp.topic);
    if (topic != table.by_name.end() && topic->second->find(tp.partition)) continue;
    log_warn("kafka.server.ReplicaManager",
             "{} is not assigned to this node; its directory is renamed to -stray", to_string(tp));
    if (auto marked = logs_.mark_stray(tp); !marked) {
      log_error("kafka.server.ReplicaManager", "cannot rename the directory of {}: {}", to_string(tp),
                marked.error().detail);
    }
  }
}

}  // namespace barnabas::broker

#include "broker/replica/replica_manager.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/logging.hpp"
#include "kraft/controller/partition_change.hpp"
#include "kraft/metadata_delta.hpp"

namespace barnabas::broker {

void Partition::become_leader(LeaderEpoch epoch, std::vector<BrokerId> isr) {
  std::lock_guard lock(mutex_);
  if (offline_) return;
  if (!leader_ || leader_epoch_ != epoch) {
    auto assigned = log_->assign_epoch_start(epoch, log_->log_end_offset());
    if (!assigned) {
      log_error("kafka.server.ReplicaManager", "{} cannot begin leader epoch {}: {}",
                to_string(topic_partition()), epoch.value(), assigned.error().detail);
    }
  }
  leader_ = true;
  leader_epoch_ = epoch;
  isr_ = std::move(isr);
  if (isr_.size() <= 1) log_->set_high_watermark(log_->log_end_offset());
}

void Partition::resign() {
  std::vector<std::weak_ptr<Wakeup>> waiters;
  {
    std::lock_guard lock(mutex_);
    leader_ = false;
    waiters.swap(waiters_);
  }
  wake(waiters);
}

void Partition::go_offline() {
  {
    std::lock_guard lock(mutex_);
    offline_ = true;
  }
  resign();
}

bool Partition::is_offline() const {
  std::lock_guard lock(mutex_);
  return offline_;
}

std::string Partition::log_directory() const {
  std::lock_guard lock(mutex_);
  return log_->directory().substr(0, log_->directory().rfind('/'));
}

bool Partition::is_leader() const {
  std::lock_guard lock(mutex_);
  return leader_;
}

LeaderEpoch Partition::leader_epoch() const {
  std::lock_guard lock(mutex_);
  return leader_epoch_;
}

ErrorCode Partition::check_leader(LeaderEpoch current_epoch_of_client) const {
  std::lock_guard lock(mutex_);
  if (offline_) return ErrorCode::kKafkaStorageError;
  if (current_epoch_of_client != kNoLeaderEpoch) {
    if (current_epoch_of_client < leader_epoch_) return ErrorCode::kFencedLeaderEpoch;
    if (current_epoch_of_client > leader_epoch_) return ErrorCode::kUnknownLeaderEpoch;
  }
  return leader_ ? ErrorCode::kNone : ErrorCode::kNotLeaderOrFollower;
}

std::expected<log::AppendResult, log::AppendError> Partition::append(MutableByteView batches,
                                                                     log::AppendOptions options) {
  std::vector<std::weak_ptr<Wakeup>> waiters;
  std::unique_lock lock(mutex_);
  if (!leader_) {
    const ErrorCode why = offline_ ? ErrorCode::kKafkaStorageError : ErrorCode::kNotLeaderOrFollower;
    return std::unexpected(log::AppendError{Error{why, {}}, {}});
  }
  options.leader_epoch = leader_epoch_;
  auto appended = log_->append_as_leader(batches, options);
  if (!appended) return appended;
  closed_segment_ |= appended->rolled;
  if (appended->sync_due) return appended;  // sync() shows it, and wakes who waits
  advance_high_watermark();
  waiters.swap(waiters_);
  lock.unlock();
  wake(waiters);
  return appended;
}

/// A lone replica commits what it appended; where flush.messages wants it on disk first, what is there.
/// Requires the mutex.
void Partition::advance_high_watermark() {
  if (isr_.size() > 1) return;
  const bool is_flush_due = log_->log_end_offset() - log_->recovery_point() >= log_->config().flush_messages;
  log_->set_high_watermark(is_flush_due ? log_->recovery_point() : log_->log_end_offset());
}

Result<void> Partition::sync() {
  std::unique_lock lock(mutex_);
  std::shared_ptr<log::PartitionLog> synced;
  Result<void> outcome;
  while (synced != log_) {  // it may move to another directory meanwhile, and the one it left fails then
    synced = log_;
    lock.unlock();
    outcome = synced->sync();
    lock.lock();
  }
  TRY(std::move(outcome));
  advance_high_watermark();
  std::vector<std::weak_ptr<Wakeup>> waiters;
  waiters.swap(waiters_);
  lock.unlock();
  wake(waiters);
  return {};
}

bool Partition::take_closed_segment() {
  std::lock_guard lock(mutex_);
  return std::exchange(closed_segment_, false);
}

void Partition::wait_for_change(std::weak_ptr<Wakeup> wakeup) {
  std::lock_guard lock(mutex_);
  // Waiters that gave up leave their entry behind; they go when the list would have to grow.
  if (waiters_.size() == waiters_.capacity()) {
    std::erase_if(waiters_, [](const std::weak_ptr<Wakeup>& waiter) { return waiter.expired(); });
  }
  waiters_.push_back(std::move(wakeup));
}

void Partition::wake(std::vector<std::weak_ptr<Wakeup>>& waiters) {
  for (const auto& waiter : waiters) {
    if (auto wakeup = waiter.lock()) (*wakeup)();
  }
}

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

ReplicaManager::ReplicaManager(BrokerId self, log::LogManager& logs, LogConfigFor log_config_for)
    : self_(self),
      logs_(logs),
      log_config_for_(std::move(log_config_for)),
      table_(std::make_shared<Table>()) {}

ReplicaManager::~ReplicaManager() = default;

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
  for (const auto& [name, topic] : current->by_name) {
    std::ranges::copy_if(topic->partitions, std::back_inserter(partitions),
                         [](const auto& p) { return p != nullptr && !p->is_offline(); });
  }
  return partitions;
}

void ReplicaManager::apply(const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes) {
  std::lock_guard lock(apply_mutex_);
  auto next = std::make_shared<Table>(*table());
  if (changes) {
    for (const auto& [id, topic] : changes->removed_topics) remove_topic(topic->name, *next);
    for (const auto& [id, partitions] : changes->changed_partitions) {
      if (const kraft::TopicImage* topic = image->topic(id)) apply_topic(*image, *topic, *next);
    }
    bool broker_defaults = false;
    for (const kraft::ConfigResource& resource : changes->changed_configs) {
      broker_defaults |= resource.type == kraft::ConfigResourceType::kBroker;
      if (resource.type != kraft::ConfigResourceType::kTopic) continue;
      if (const kraft::TopicImage* topic = image->topic(resource.name)) apply_config(*image, *topic, *next);
    }
    if (broker_defaults) {
      for (const auto& [name, topic] : image->topics->by_name) apply_config(*image, *topic, *next);
    }
  } else {
    for (const auto& [name, topic] : image->topics->by_name) apply_topic(*image, *topic, *next);
    mark_strays(*next);
    has_started_ = true;
  }
  {
    std::lock_guard table_lock(table_mutex_);
    table_ = std::move(next);
  }
  if (placed_ && !misplaced_.empty()) placed_(std::exchange(misplaced_, {}));
  misplaced_.clear();
}

/// Not where a directory that cannot be read may have the log already: an empty one would take its place.
/// Only a new partition was nowhere yet.
bool ReplicaManager::may_make_log(const TopicPartition& tp,
                                  const kraft::PartitionRegistration& registration) {
  const auto is_online = [this](const std::string& directory) { return logs_.is_online(directory); };
  if (logs_.find(tp) != nullptr || std::ranges::all_of(logs_.directories(), is_online)) return true;
  const auto at = std::ranges::find(registration.replicas, self_) - registration.replicas.begin();
  const DirectoryId assigned = registration.directories[static_cast<std::size_t>(at)];
  if (assigned == kraft::kMigratingDirectory || assigned == kraft::kUnassignedDirectory)
    return registration.partition_epoch == 0 && has_started_;
  return std::ranges::any_of(logs_.directories(), [&](const std::string& directory) {
    return logs_.directory_id(directory) == assigned && is_online(directory);
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
    log_error("kafka.server.ReplicaManager", "cannot open {}: {}", to_string(tp), log.error().detail);
    return nullptr;
  }
  (*log)->set_config(config);
  (*log)->set_high_watermark(logs_.checkpointed_high_watermark(tp));
  return std::make_shared<Partition>(*log, topic.id);
}

void ReplicaManager::apply_topic(const kraft::MetadataImage& image, const kraft::TopicImage& topic,
                                 Table& next) {
  auto hosted = std::make_shared<HostedTopic>();
  if (auto known = next.by_id.find(topic.id); known != next.by_id.end()) *hosted = *known->second;
  hosted->id = topic.id;
  hosted->partitions.resize(std::max(hosted->partitions.size(), topic.partitions.size()));
  for (std::size_t i = 0; i < topic.partitions.size(); ++i) {
    const kraft::PartitionRegistration& registration = topic.partitions[i];
    std::shared_ptr<Partition>& partition = hosted->partitions[i];
    if (std::ranges::find(registration.replicas, self_) == registration.replicas.end()) {
      partition = nullptr;
      continue;
    }
    if (!partition) partition = open_partition(image, topic, PartitionIndex(static_cast<std::int32_t>(i)));
    if (!partition) continue;
    note_place(registration, *partition);
    registration.leader == self_ ? partition->become_leader(registration.leader_epoch, registration.isr)
                                 : partition->resign();
  }
  next.by_name[topic.name] = hosted;
  next.by_id[topic.id] = hosted;
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

void ReplicaManager::apply_config(const kraft::MetadataImage& image, const kraft::TopicImage& topic,
                                  const Table& table) {
  auto hosted = table.by_id.find(topic.id);
  if (hosted == table.by_id.end()) return;
  const log::LogConfig config = log_config_for_(image, topic.name);
  for (const auto& partition : hosted->second->partitions) {
    if (partition) partition->with_log([&](log::PartitionLog& log) { log.set_config(config); });
  }
}

void ReplicaManager::remove_topic(const std::string& name, Table& next) {
  auto found = next.by_name.find(name);
  if (found == next.by_name.end()) return;
  for (const auto& partition : found->second->partitions) {
    if (!partition) continue;
    partition->resign();
    if (auto removed = logs_.remove(partition->topic_partition()); !removed) {
      log_error("kafka.server.ReplicaManager", "cannot delete {}: {}",
                to_string(partition->topic_partition()), removed.error().detail);
    }
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

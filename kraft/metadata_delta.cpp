#include "kraft/metadata_delta.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace barnabas::kraft {

namespace {

/// What has no entries left is not kept.
template <class Entries, class Owner>
void erase_entry(Entries& all, const Owner& owner, const std::string& name) {
  auto found = all.find(owner);
  if (found == all.end()) return;
  found->second.erase(name);
  if (found->second.empty()) all.erase(found);
}

std::vector<BrokerId> brokers_of(const std::vector<std::int32_t>& ids) {
  std::vector<BrokerId> result;
  result.reserve(ids.size());
  for (std::int32_t id : ids) result.emplace_back(id);
  return result;
}
std::vector<DirectoryId> directories_of(const std::vector<Uuid>& ids) {
  std::vector<DirectoryId> result;
  result.reserve(ids.size());
  for (const Uuid& id : ids) result.emplace_back(id);
  return result;
}

template <class Endpoints>
std::vector<NamedEndpoint> endpoints_of(const Endpoints& endpoints) {
  std::vector<NamedEndpoint> result;
  for (const auto& from : endpoints)
    result.push_back({from.name, {from.host, from.port}, from.security_protocol});
  return result;
}
template <class Features>
std::map<std::string, VersionRange> features_of(const Features& features) {
  std::map<std::string, VersionRange> result;
  for (const auto& from : features)
    result[from.name] = {from.min_supported_version, from.max_supported_version};
  return result;
}

std::unexpected<Error> contradiction(std::string detail) {
  return fail(ErrorCode::kCorruptMessage, std::move(detail));
}

/// A part of the image: shared until it is first changed, then a copy of its own.
template <class Part>
class CopyOnWrite {
 public:
  explicit CopyOnWrite(std::shared_ptr<const Part> part) : part_(std::move(part)) {}
  [[nodiscard]] const Part& get() const { return *part_; }
  [[nodiscard]] std::shared_ptr<const Part> share() const { return part_; }
  Part& edit() {
    if (!own_) {
      own_ = std::make_shared<Part>(*part_);
      part_ = own_;
    }
    return *own_;
  }

 private:
  std::shared_ptr<const Part> part_;
  std::shared_ptr<Part> own_;
};

}  // namespace

/// The image being built, one overload a record type.
class MetadataDelta::Applier {
 public:
  explicit Applier(const MetadataImage& base)
      : features(base.features),
        cluster(base.cluster),
        topics(base.topics),
        configs(base.configs),
        acls(base.acls),
        scram(base.scram),
        quotas(base.quotas),
        tokens(base.tokens),
        next_producer_id(base.next_producer_id) {}

  Result<void> operator()(const protocol::NoOpRecord&) { return {}; }
  /// ZooKeeper migration ended with Kafka 4.0; its state says nothing any more.
  Result<void> operator()(const protocol::ZkMigrationStateRecord&) { return {}; }
  // Transactions are dealt with before records come here.
  Result<void> operator()(const protocol::BeginTransactionRecord&) { return {}; }
  Result<void> operator()(const protocol::EndTransactionRecord&) { return {}; }
  Result<void> operator()(const protocol::AbortTransactionRecord&) { return {}; }

  Result<void> operator()(const protocol::RegisterBrokerRecord& record);
  Result<void> operator()(const protocol::UnregisterBrokerRecord& record);
  Result<void> operator()(const protocol::BrokerRegistrationChangeRecord& record);
  Result<void> operator()(const protocol::FenceBrokerRecord& record) { return fence(record.id, true); }
  Result<void> operator()(const protocol::UnfenceBrokerRecord& record) { return fence(record.id, false); }
  Result<void> operator()(const protocol::RegisterControllerRecord& record);
  Result<void> operator()(const protocol::TopicRecord& record);
  Result<void> operator()(const protocol::RemoveTopicRecord& record);
  Result<void> operator()(const protocol::PartitionRecord& record);
  Result<void> operator()(const protocol::PartitionChangeRecord& record);
  Result<void> operator()(const protocol::ClearElrRecord& record);
  Result<void> operator()(const protocol::ConfigRecord& record);
  Result<void> operator()(const protocol::FeatureLevelRecord& record);
  Result<void> operator()(const protocol::ProducerIdsRecord& record);
  Result<void> operator()(const protocol::AccessControlEntryRecord& record);
  Result<void> operator()(const protocol::RemoveAccessControlEntryRecord& record);
  Result<void> operator()(const protocol::UserScramCredentialRecord& record);
  Result<void> operator()(const protocol::RemoveUserScramCredentialRecord& record);
  Result<void> operator()(const protocol::ClientQuotaRecord& record);
  Result<void> operator()(const protocol::DelegationTokenRecord& record);
  Result<void> operator()(const protocol::RemoveDelegationTokenRecord& record);

  CopyOnWrite<FeaturesImage> features;
  CopyOnWrite<ClusterImage> cluster;
  CopyOnWrite<TopicsImage> topics;
  CopyOnWrite<ConfigsImage> configs;
  CopyOnWrite<AclsImage> acls;
  CopyOnWrite<ScramImage> scram;
  CopyOnWrite<QuotasImage> quotas;
  CopyOnWrite<TokensImage> tokens;
  std::int64_t next_producer_id = 0;
  MetadataChanges changes;

 private:
  Result<BrokerRegistration*> broker(std::int32_t id);
  Result<void> fence(std::int32_t id, bool fenced);
  /// The topic as this delta's own copy. Null when there is no such topic.
  TopicImage* own_topic(TopicId id);
  static void merge(const protocol::PartitionChangeRecord& record, PartitionRegistration& partition);

  std::map<TopicId, std::shared_ptr<TopicImage>> own_topics_;
};

Result<BrokerRegistration*> MetadataDelta::Applier::broker(std::int32_t id) {
  if (!cluster.get().brokers.contains(BrokerId(id)))
    return contradiction(fmt::format("a change of broker {}, which is not registered", id));
  changes.changed_brokers.insert(BrokerId(id));
  return &cluster.edit().brokers.at(BrokerId(id));
}

Result<void> MetadataDelta::Applier::operator()(const protocol::RegisterBrokerRecord& record) {
  BrokerRegistration broker;
  broker.id = BrokerId(record.broker_id);
  broker.epoch = record.broker_epoch;
  broker.incarnation_id = record.incarnation_id;
  broker.endpoints = endpoints_of(record.end_points);
  broker.features = features_of(record.features);
  broker.rack = record.rack;
  broker.fenced = record.fenced;
  broker.in_controlled_shutdown = record.in_controlled_shutdown;
  broker.directories = directories_of(record.log_dirs);
  if (record.cordoned_log_dirs) broker.cordoned_directories = directories_of(*record.cordoned_log_dirs);
  changes.changed_brokers.insert(broker.id);
  cluster.edit().brokers[broker.id] = std::move(broker);
  return {};
}

Result<void> MetadataDelta::Applier::operator()(const protocol::UnregisterBrokerRecord& record) {
  (void)TRY(broker(record.broker_id));
  cluster.edit().brokers.erase(BrokerId(record.broker_id));
  return {};
}

Result<void> MetadataDelta::Applier::operator()(const protocol::BrokerRegistrationChangeRecord& record) {
  BrokerRegistration& changed = *TRY(broker(record.broker_id));
  if (record.fenced != 0) changed.fenced = record.fenced > 0;
  if (record.in_controlled_shutdown != 0) changed.in_controlled_shutdown = true;
  if (!record.log_dirs.empty()) changed.directories = directories_of(record.log_dirs);
  if (record.cordoned_log_dirs) changed.cordoned_directories = directories_of(*record.cordoned_log_dirs);
  return {};
}

Result<void> MetadataDelta::Applier::fence(std::int32_t id, bool fenced) {
  TRY(broker(id))->fenced = fenced;
  return {};
}

Result<void> MetadataDelta::Applier::operator()(const protocol::RegisterControllerRecord& record) {
  ControllerRegistration controller;
  controller.id = BrokerId(record.controller_id);
  controller.incarnation_id = record.incarnation_id;
  controller.zk_migration_ready = record.zk_migration_ready;
  controller.endpoints = endpoints_of(record.end_points);
  controller.features = features_of(record.features);
  cluster.edit().controllers[controller.id] = std::move(controller);
  changes.controllers = true;
  return {};
}

TopicImage* MetadataDelta::Applier::own_topic(TopicId id) {
  if (auto own = own_topics_.find(id); own != own_topics_.end()) return own->second.get();
  auto found = topics.get().by_id.find(id);
  if (found == topics.get().by_id.end()) return nullptr;
  auto copy = std::make_shared<TopicImage>(*found->second);
  TopicsImage& all = topics.edit();
  all.by_id[id] = copy;
  all.by_name[copy->name] = copy;
  own_topics_[id] = copy;
  return copy.get();
}

Result<void> MetadataDelta::Applier::operator()(const protocol::TopicRecord& record) {
  const TopicId id(record.topic_id);
  if (topics.get().by_name.contains(record.name) || topics.get().by_id.contains(id))
    return contradiction(fmt::format("topic {} is created twice", record.name));
  auto topic = std::make_shared<TopicImage>();
  topic->name = record.name;
  topic->id = id;
  TopicsImage& all = topics.edit();
  all.by_name[record.name] = topic;
  all.by_id[id] = topic;
  own_topics_[id] = topic;
  changes.created_topics.insert(id);
  changes.changed_partitions[id];
  return {};
}

Result<void> MetadataDelta::Applier::operator()(const protocol::RemoveTopicRecord& record) {
  const TopicId id(record.topic_id);
  auto found = topics.get().by_id.find(id);
  if (found == topics.get().by_id.end())
    return contradiction("removal of a topic that does not exist: " + record.topic_id.to_string());
  const std::shared_ptr<const TopicImage> topic = found->second;
  TopicsImage& all = topics.edit();
  all.by_id.erase(id);
  all.by_name.erase(topic->name);
  own_topics_.erase(id);
  const ConfigResource resource{ConfigResourceType::kTopic, topic->name};
  if (configs.get().contains(resource)) {
    configs.edit().erase(resource);
    changes.changed_configs.insert(resource);
  }
  if (changes.created_topics.erase(id) == 0) changes.removed_topics[id] = topic;
  changes.changed_partitions.erase(id);
  return {};
}

Result<void> MetadataDelta::Applier::operator()(const protocol::PartitionRecord& record) {
  const TopicId id(record.topic_id);
  TopicImage* topic = own_topic(id);
  if (topic == nullptr)
    return contradiction("a partition of a topic that does not exist: " + record.topic_id.to_string());
  const auto count = static_cast<std::int32_t>(topic->partitions.size());
  if (record.partition_id < 0 || record.partition_id > count)
    return contradiction(
        fmt::format("partition {} of topic {} after {} partitions", record.partition_id, topic->name, count));
  if (record.partition_id == count) topic->partitions.emplace_back();
  PartitionRegistration partition;
  partition.replicas = brokers_of(record.replicas);
  partition.directories = directories_of(record.directories);
  partition.directories.resize(partition.replicas.size());
  partition.isr = brokers_of(record.isr);
  partition.removing_replicas = brokers_of(record.removing_replicas);
  partition.adding_replicas = brokers_of(record.adding_replicas);
  if (record.eligible_leader_replicas)
    partition.eligible_leader_replicas = brokers_of(*record.eligible_leader_replicas);
  if (record.last_known_elr) partition.last_known_elr = brokers_of(*record.last_known_elr);
  partition.leader = BrokerId(record.leader);
  partition.leader_recovery_state = record.leader_recovery_state;
  partition.leader_epoch = LeaderEpoch(record.leader_epoch);
  partition.partition_epoch = record.partition_epoch;
  topic->partitions[static_cast<std::size_t>(record.partition_id)] = std::move(partition);
  changes.changed_partitions[id].insert(PartitionIndex(record.partition_id));
  return {};
}

void MetadataDelta::Applier::merge(const protocol::PartitionChangeRecord& record,
                                   PartitionRegistration& partition) {
  constexpr std::int32_t kNoLeaderChange = -2;
  if (record.replicas) {
    const std::vector<BrokerId> before = partition.replicas;
    const std::vector<DirectoryId> directories = partition.directories;
    partition.replicas = brokers_of(*record.replicas);
    partition.directories.assign(partition.replicas.size(), DirectoryId());
    for (std::size_t i = 0; i < partition.replicas.size(); ++i)
      if (auto at = std::ranges::find(before, partition.replicas[i]); at != before.end())
        partition.directories[i] = directories[static_cast<std::size_t>(at - before.begin())];
  }
  if (record.directories) {
    partition.directories = directories_of(*record.directories);
    partition.directories.resize(partition.replicas.size());
  }
  if (record.isr) partition.isr = brokers_of(*record.isr);
  if (record.removing_replicas) partition.removing_replicas = brokers_of(*record.removing_replicas);
  if (record.adding_replicas) partition.adding_replicas = brokers_of(*record.adding_replicas);
  if (record.eligible_leader_replicas)
    partition.eligible_leader_replicas = brokers_of(*record.eligible_leader_replicas);
  if (record.last_known_elr) partition.last_known_elr = brokers_of(*record.last_known_elr);
  if (record.leader_recovery_state >= 0) partition.leader_recovery_state = record.leader_recovery_state;
  if (record.leader != kNoLeaderChange) {
    partition.leader = BrokerId(record.leader);
    partition.leader_epoch = LeaderEpoch(partition.leader_epoch.value() + 1);
  }
  ++partition.partition_epoch;
}

Result<void> MetadataDelta::Applier::operator()(const protocol::PartitionChangeRecord& record) {
  const TopicId id(record.topic_id);
  TopicImage* topic = own_topic(id);
  if (topic == nullptr)
    return contradiction("a change of a topic that does not exist: " + record.topic_id.to_string());
  if (record.partition_id < 0 || record.partition_id >= static_cast<std::int32_t>(topic->partitions.size()))
    return contradiction(
        fmt::format("a change of partition {}-{}, which does not exist", topic->name, record.partition_id));
  merge(record, topic->partitions[static_cast<std::size_t>(record.partition_id)]);
  changes.changed_partitions[id].insert(PartitionIndex(record.partition_id));
  return {};
}

Result<void> MetadataDelta::Applier::operator()(const protocol::ClearElrRecord& record) {
  std::vector<TopicId> concerned;
  for (const auto& [name, topic] : topics.get().by_name)
    if (record.topic_name.empty() || record.topic_name == name) concerned.push_back(topic->id);
  for (TopicId id : concerned) {
    const TopicImage& before = *topics.get().by_id.at(id);
    const auto has_elr = [](const PartitionRegistration& partition) {
      return !partition.eligible_leader_replicas.empty() || !partition.last_known_elr.empty();
    };
    if (std::ranges::none_of(before.partitions, has_elr)) continue;
    TopicImage* topic = own_topic(id);
    for (std::size_t i = 0; i < topic->partitions.size(); ++i) {
      if (!has_elr(topic->partitions[i])) continue;
      topic->partitions[i].eligible_leader_replicas.clear();
      topic->partitions[i].last_known_elr.clear();
      changes.changed_partitions[id].insert(PartitionIndex(static_cast<std::int32_t>(i)));
    }
  }
  return {};
}

Result<void> MetadataDelta::Applier::operator()(const protocol::ConfigRecord& record) {
  const ConfigResource resource{static_cast<ConfigResourceType>(record.resource_type), record.resource_name};
  changes.changed_configs.insert(resource);
  ConfigsImage& all = configs.edit();
  if (!record.value) {
    erase_entry(all, resource, record.name);
    return {};
  }
  all[resource][record.name] = *record.value;
  return {};
}

Result<void> MetadataDelta::Applier::operator()(const protocol::FeatureLevelRecord& record) {
  changes.features = true;
  FeaturesImage& all = features.edit();
  if (record.name == kMetadataVersionFeature) {
    all.metadata_version = record.feature_level;
  } else if (record.feature_level == 0) {
    all.levels.erase(record.name);
  } else {
    all.levels[record.name] = record.feature_level;
  }
  return {};
}

Result<void> MetadataDelta::Applier::operator()(const protocol::ProducerIdsRecord& record) {
  next_producer_id = record.next_producer_id;
  changes.producer_ids = true;
  return {};
}

Result<void> MetadataDelta::Applier::operator()(const protocol::AccessControlEntryRecord& record) {
  acls.edit()[record.id] = {record.resource_type,  record.resource_name, record.pattern_type,
                            record.principal,      record.host,          record.operation,
                            record.permission_type};
  changes.acls = true;
  return {};
}
Result<void> MetadataDelta::Applier::operator()(const protocol::RemoveAccessControlEntryRecord& record) {
  if (acls.edit().erase(record.id) == 0)
    return contradiction("removal of an ACL that does not exist: " + record.id.to_string());
  changes.acls = true;
  return {};
}

Result<void> MetadataDelta::Applier::operator()(const protocol::UserScramCredentialRecord& record) {
  scram.edit()[{record.mechanism, record.name}] = {to_bytes(record.salt), to_bytes(record.stored_key),
                                                   to_bytes(record.server_key), record.iterations};
  changes.scram = true;
  return {};
}
Result<void> MetadataDelta::Applier::operator()(const protocol::RemoveUserScramCredentialRecord& record) {
  scram.edit().erase({record.mechanism, record.name});
  changes.scram = true;
  return {};
}

Result<void> MetadataDelta::Applier::operator()(const protocol::ClientQuotaRecord& record) {
  QuotaEntity entity;
  for (const auto& part : record.entity) entity[part.entity_type] = part.entity_name;
  QuotasImage& all = quotas.edit();
  changes.quotas = true;
  if (record.remove) {
    erase_entry(all, entity, record.key);
    return {};
  }
  all[entity][record.key] = record.value;
  return {};
}

Result<void> MetadataDelta::Applier::operator()(const protocol::DelegationTokenRecord& record) {
  tokens.edit()[record.token_id] = {record.owner,         record.requester,
                                    record.renewers,      record.issue_timestamp,
                                    record.max_timestamp, record.expiration_timestamp};
  changes.tokens = true;
  return {};
}
Result<void> MetadataDelta::Applier::operator()(const protocol::RemoveDelegationTokenRecord& record) {
  tokens.edit().erase(record.token_id);
  changes.tokens = true;
  return {};
}

MetadataDelta::MetadataDelta(MetadataImagePtr base)
    : base_(std::move(base)), next_(std::make_unique<Applier>(*base_)) {}
MetadataDelta::~MetadataDelta() = default;

Result<void> MetadataDelta::apply(const MetadataRecord& record) {
  return std::visit(*next_, record);
}

Result<void> MetadataDelta::replay(const MetadataRecord& record) {
  // Kept records are encoded at the newest versions, which carry every field.
  constexpr std::int16_t kNewest = INT16_MAX;
  if (std::holds_alternative<protocol::BeginTransactionRecord>(record)) {
    if (transaction_) return contradiction("a metadata transaction begins inside another");
    transaction_.emplace();
    return {};
  }
  if (std::holds_alternative<protocol::AbortTransactionRecord>(record)) {
    if (!transaction_) return contradiction("a metadata transaction is aborted that never began");
    transaction_.reset();
    return {};
  }
  if (std::holds_alternative<protocol::EndTransactionRecord>(record)) {
    if (!transaction_) return contradiction("a metadata transaction ends that never began");
    const std::vector<Bytes> records = std::move(*transaction_);
    transaction_.reset();
    for (const Bytes& bytes : records) {
      const MetadataRecord kept = TRY(decode(bytes));
      TRY(apply(kept));
    }
    return {};
  }
  if (!transaction_) return apply(record);
  transaction_->push_back(encode(record, kNewest));
  return {};
}

MetadataImagePtr MetadataDelta::build(Offset offset, LeaderEpoch epoch) {
  auto image = std::make_shared<MetadataImage>();
  image->offset = offset;
  image->epoch = epoch;
  image->features = next_->features.share();
  image->cluster = next_->cluster.share();
  image->topics = next_->topics.share();
  image->configs = next_->configs.share();
  image->acls = next_->acls.share();
  image->scram = next_->scram.share();
  image->quotas = next_->quotas.share();
  image->tokens = next_->tokens.share();
  image->next_producer_id = next_->next_producer_id;
  built_changes_ = std::move(next_->changes);
  base_ = image;
  next_ = std::make_unique<Applier>(*base_);
  return image;
}

}  // namespace barnabas::kraft

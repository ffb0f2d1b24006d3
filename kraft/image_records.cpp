// The image as records: the content of a snapshot, in the order measured on Kafka 4.3.1.
#include "kraft/metadata_delta.hpp"

namespace barnabas::kraft {

namespace {

std::vector<std::int32_t> numbers(const std::vector<BrokerId>& ids) {
  std::vector<std::int32_t> result;
  result.reserve(ids.size());
  for (BrokerId id : ids) result.push_back(id.value());
  return result;
}
std::vector<Uuid> uuids(const std::vector<DirectoryId>& ids) {
  std::vector<Uuid> result;
  result.reserve(ids.size());
  for (DirectoryId id : ids) result.push_back(id.value());
  return result;
}

template <class Record>
void put_endpoints(const std::vector<NamedEndpoint>& endpoints, Record& record) {
  for (const NamedEndpoint& from : endpoints) {
    auto& to = record.end_points.emplace_back();
    to.name = from.listener;
    to.host = from.endpoint.host;
    to.port = from.endpoint.port;
    to.security_protocol = from.security_protocol;
  }
}
template <class Record>
void put_features(const std::map<std::string, VersionRange>& features, Record& record) {
  for (const auto& [name, range] : features) {
    auto& to = record.features.emplace_back();
    to.name = name;
    to.min_supported_version = range.min;
    to.max_supported_version = range.max;
  }
}

void feature_records(const FeaturesImage& features, MetadataRecords& records) {
  const auto add = [&records](const std::string& name, std::int16_t level) {
    protocol::FeatureLevelRecord record;
    record.name = name;
    record.feature_level = level;
    records.emplace_back(std::move(record));
  };
  if (features.metadata_version > 0) add(kMetadataVersionFeature, features.metadata_version);
  for (const auto& [name, level] : features.levels) add(name, level);
}

// Levels of metadata.version that know directories, ELR and cordoned directories.
constexpr std::int16_t kDirectoriesLevel = 17;
constexpr std::int16_t kElrLevel = 23;
constexpr std::int16_t kCordonLevel = 30;

void cluster_records(const ClusterImage& cluster, std::int16_t level, MetadataRecords& records) {
  for (const auto& [id, broker] : cluster.brokers) {
    protocol::RegisterBrokerRecord record;
    record.broker_id = id.value();
    record.broker_epoch = broker.epoch;
    record.incarnation_id = broker.incarnation_id;
    put_endpoints(broker.endpoints, record);
    put_features(broker.features, record);
    record.rack = broker.rack;
    record.fenced = broker.fenced;
    record.in_controlled_shutdown = broker.in_controlled_shutdown;
    if (level >= kDirectoriesLevel) record.log_dirs = uuids(broker.directories);
    if (level >= kCordonLevel && broker.cordoned_directories)
      record.cordoned_log_dirs = uuids(*broker.cordoned_directories);
    records.emplace_back(std::move(record));
  }
  for (const auto& [id, controller] : cluster.controllers) {
    protocol::RegisterControllerRecord record;
    record.controller_id = id.value();
    record.incarnation_id = controller.incarnation_id;
    record.zk_migration_ready = controller.zk_migration_ready;
    put_endpoints(controller.endpoints, record);
    put_features(controller.features, record);
    records.emplace_back(std::move(record));
  }
}

protocol::PartitionRecord partition_record(const TopicImage& topic, std::size_t index, std::int16_t level) {
  const PartitionRegistration& partition = topic.partitions[index];
  protocol::PartitionRecord record;
  record.partition_id = static_cast<std::int32_t>(index);
  record.topic_id = topic.id.value();
  record.replicas = numbers(partition.replicas);
  record.isr = numbers(partition.isr);
  record.removing_replicas = numbers(partition.removing_replicas);
  record.adding_replicas = numbers(partition.adding_replicas);
  record.leader = partition.leader.value();
  record.leader_recovery_state = partition.leader_recovery_state;
  record.leader_epoch = partition.leader_epoch.value();
  record.partition_epoch = partition.partition_epoch;
  if (level >= kDirectoriesLevel) record.directories = uuids(partition.directories);
  if (level >= kElrLevel && !partition.eligible_leader_replicas.empty())
    record.eligible_leader_replicas = numbers(partition.eligible_leader_replicas);
  if (level >= kElrLevel && !partition.last_known_elr.empty())
    record.last_known_elr = numbers(partition.last_known_elr);
  return record;
}

void topic_records(const MetadataImage& image, MetadataRecords& records) {
  for (const auto& [name, topic] : image.topics->by_name) {
    protocol::TopicRecord record;
    record.name = name;
    record.topic_id = topic->id.value();
    records.emplace_back(std::move(record));
    for (std::size_t i = 0; i < topic->partitions.size(); ++i)
      records.emplace_back(partition_record(*topic, i, image.features->metadata_version));
  }
}

void config_records(const ConfigsImage& configs, MetadataRecords& records) {
  for (const auto& [resource, entries] : configs) {
    for (const auto& [name, value] : entries) {
      protocol::ConfigRecord record;
      record.resource_type = static_cast<std::int8_t>(resource.type);
      record.resource_name = resource.name;
      record.name = name;
      record.value = value;
      records.emplace_back(std::move(record));
    }
  }
}

void quota_records(const QuotasImage& quotas, MetadataRecords& records) {
  for (const auto& [entity, limits] : quotas) {
    for (const auto& [key, value] : limits) {
      protocol::ClientQuotaRecord record;
      for (const auto& [type, name] : entity) {
        auto& part = record.entity.emplace_back();
        part.entity_type = type;
        part.entity_name = name;
      }
      record.key = key;
      record.value = value;
      records.emplace_back(std::move(record));
    }
  }
}

void security_records(const MetadataImage& image, MetadataRecords& records) {
  for (const auto& [id, acl] : *image.acls) records.emplace_back(acl_to_record(id, acl));
  for (const auto& [user, credential] : *image.scram) {
    protocol::UserScramCredentialRecord record;
    record.name = user.name;
    record.mechanism = user.mechanism;
    record.salt = credential.salt;
    record.stored_key = credential.stored_key;
    record.server_key = credential.server_key;
    record.iterations = credential.iterations;
    records.emplace_back(std::move(record));
  }
  for (const auto& [id, token] : *image.tokens) {
    protocol::DelegationTokenRecord record;
    record.token_id = id;
    record.owner = token.owner;
    record.requester = token.requester;
    record.renewers = token.renewers;
    record.issue_timestamp = token.issue_timestamp_ms;
    record.max_timestamp = token.max_timestamp_ms;
    record.expiration_timestamp = token.expiration_timestamp_ms;
    records.emplace_back(std::move(record));
  }
}

}  // namespace

MetadataRecords image_to_records(const MetadataImage& image) {
  MetadataRecords records;
  feature_records(*image.features, records);
  cluster_records(*image.cluster, image.features->metadata_version, records);
  topic_records(image, records);
  config_records(*image.configs, records);
  quota_records(*image.quotas, records);
  if (image.next_producer_id > 0) {
    protocol::ProducerIdsRecord record;
    record.broker_id = -1;  // whose block it was is not remembered
    record.next_producer_id = image.next_producer_id;
    records.emplace_back(record);
  }
  security_records(image, records);
  return records;
}

protocol::AccessControlEntryRecord acl_to_record(const Uuid& id, const AclEntry& acl) {
  protocol::AccessControlEntryRecord record;
  record.id = id;
  record.resource_type = acl.resource_type;
  record.resource_name = acl.resource_name;
  record.pattern_type = acl.pattern_type;
  record.principal = acl.principal;
  record.host = acl.host;
  record.operation = acl.operation;
  record.permission_type = acl.permission_type;
  return record;
}

}  // namespace barnabas::kraft

// MetadataImage: what the cluster's metadata says at one offset of __cluster_metadata.
//
// Immutable and shared by pointer; a new image shares with its predecessor what did not change. Nothing else
// in a node holds cluster state. Built by MetadataDelta (metadata_delta.hpp) from records in log order,
// published by the node. Thread safety: any thread may read any image.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"
#include "base/network.hpp"

namespace barnabas::kraft {

struct NamedEndpoint {
  std::string listener;                // upper case, as configured
  Endpoint endpoint;                   // advertised
  std::int16_t security_protocol = 0;  // 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL
};

struct VersionRange {
  std::int16_t min = 0;
  std::int16_t max = 0;
};

struct BrokerRegistration {
  BrokerId id;
  std::int64_t epoch = -1;
  Uuid incarnation_id;
  std::vector<NamedEndpoint> endpoints;
  std::map<std::string, VersionRange> features;
  std::optional<std::string> rack;
  bool fenced = true;
  bool in_controlled_shutdown = false;
  std::vector<DirectoryId> directories;
  std::vector<DirectoryId> cordoned_directories;
};

struct ControllerRegistration {
  BrokerId id;
  Uuid incarnation_id;
  bool zk_migration_ready = false;
  std::vector<NamedEndpoint> endpoints;
  std::map<std::string, VersionRange> features;
};

struct PartitionRegistration {
  std::vector<BrokerId> replicas;
  std::vector<DirectoryId> directories;  // one a replica
  std::vector<BrokerId> isr;
  std::vector<BrokerId> removing_replicas;
  std::vector<BrokerId> adding_replicas;
  std::vector<BrokerId> eligible_leader_replicas;
  std::vector<BrokerId> last_known_elr;
  BrokerId leader = kNoBroker;
  std::int8_t leader_recovery_state = 0;
  LeaderEpoch leader_epoch;
  std::int32_t partition_epoch = 0;
};

struct TopicImage {
  std::string name;
  TopicId id;
  std::vector<PartitionRegistration> partitions;  // by partition index
};

/// Which configurations a ConfigRecord is about. Values are Kafka's ConfigResource types.
enum class ConfigResourceType : std::int8_t {
  kUnknown = 0,
  kTopic = 2,
  kBroker = 4,  // empty name: the cluster-wide default
  kBrokerLogger = 8,
  kClientMetrics = 16,
  kGroup = 32,
};
struct ConfigResource {
  ConfigResourceType type = ConfigResourceType::kUnknown;
  std::string name;
  auto operator<=>(const ConfigResource&) const = default;
};
using ConfigMap = std::map<std::string, std::string>;

/// By name (sorted, as Kafka lists topics by no order that clients rely on) and by id.
struct TopicsImage {
  std::map<std::string, std::shared_ptr<const TopicImage>, std::less<>> by_name;
  std::unordered_map<TopicId, std::shared_ptr<const TopicImage>> by_id;
};

struct ClusterImage {
  std::map<BrokerId, BrokerRegistration> brokers;
  std::map<BrokerId, ControllerRegistration> controllers;
};

struct FeaturesImage {
  std::int16_t metadata_version = 0;
  /// Finalized levels without metadata.version; kraft.version only when 1.
  std::map<std::string, std::int16_t> levels;
};

struct MetadataImage {
  Offset offset = kNoOffset;  // last record contained
  LeaderEpoch epoch = kNoLeaderEpoch;
  std::shared_ptr<const FeaturesImage> features;
  std::shared_ptr<const ClusterImage> cluster;
  std::shared_ptr<const TopicsImage> topics;
  std::shared_ptr<const std::map<ConfigResource, ConfigMap>> configs;
  std::int64_t next_producer_id = 0;

  /// Null when there is none. Valid as long as the image.
  [[nodiscard]] const TopicImage* topic(std::string_view name) const;
  [[nodiscard]] const TopicImage* topic(TopicId id) const;
  [[nodiscard]] const PartitionRegistration* partition(std::string_view topic, PartitionIndex index) const;
  [[nodiscard]] const BrokerRegistration* broker(BrokerId id) const;
  /// Overrides of one resource; empty when it has none.
  [[nodiscard]] const ConfigMap& config(ConfigResourceType type, std::string_view name) const;
};
using MetadataImagePtr = std::shared_ptr<const MetadataImage>;

}  // namespace barnabas::kraft

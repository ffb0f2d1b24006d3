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

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/network.hpp"

namespace barnabas::kraft {

struct NamedEndpoint {
  std::string listener;                // upper case, as configured
  Endpoint endpoint;                   // advertised
  std::int16_t security_protocol = 0;  // 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL
  bool operator==(const NamedEndpoint&) const = default;
};

struct VersionRange {
  std::int16_t min = 0;
  std::int16_t max = 0;
  bool operator==(const VersionRange&) const = default;
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
  /// No new replicas are placed there (KIP-1066). Nothing: the broker has not told.
  std::optional<std::vector<DirectoryId>> cordoned_directories;
  bool operator==(const BrokerRegistration&) const = default;
};

struct ControllerRegistration {
  BrokerId id;
  Uuid incarnation_id;
  bool zk_migration_ready = false;
  std::vector<NamedEndpoint> endpoints;
  std::map<std::string, VersionRange> features;
  bool operator==(const ControllerRegistration&) const = default;
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
  bool operator==(const PartitionRegistration&) const = default;
};

struct TopicImage {
  std::string name;
  TopicId id;
  std::vector<PartitionRegistration> partitions;  // by partition index
  bool operator==(const TopicImage&) const = default;
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
  bool operator==(const ClusterImage&) const = default;
};

struct FeaturesImage {
  std::int16_t metadata_version = 0;
  /// Finalized levels without metadata.version; kraft.version only when 1.
  std::map<std::string, std::int16_t> levels;
  bool operator==(const FeaturesImage&) const = default;
};

struct AclEntry {
  std::int8_t resource_type = 0;
  std::string resource_name;
  std::int8_t pattern_type = 0;
  std::string principal;
  std::string host;
  std::int8_t operation = 0;
  std::int8_t permission_type = 0;
  bool operator==(const AclEntry&) const = default;
};

struct ScramUser {
  std::int8_t mechanism = 0;  // 1 SCRAM-SHA-256, 2 SCRAM-SHA-512
  std::string name;
  auto operator<=>(const ScramUser&) const = default;
};
struct ScramCredential {
  Bytes salt;
  Bytes stored_key;
  Bytes server_key;
  std::int32_t iterations = 0;
  bool operator==(const ScramCredential&) const = default;
};

/// Entity type ("user", "client-id", "ip") to name; no name: the default of that type.
using QuotaEntity = std::map<std::string, std::optional<std::string>>;
using QuotaLimits = std::map<std::string, double>;

struct DelegationToken {
  std::string owner;
  std::string requester;
  std::vector<std::string> renewers;
  std::int64_t issue_timestamp_ms = 0;
  std::int64_t max_timestamp_ms = 0;
  std::int64_t expiration_timestamp_ms = 0;
  bool operator==(const DelegationToken&) const = default;
};

using ConfigsImage = std::map<ConfigResource, ConfigMap>;
using AclsImage = std::map<Uuid, AclEntry>;
using ScramImage = std::map<ScramUser, ScramCredential>;
using QuotasImage = std::map<QuotaEntity, QuotaLimits>;
using TokensImage = std::map<std::string, DelegationToken>;  // by token id

inline constexpr const char* kMetadataVersionFeature = "metadata.version";

/// No member is ever null in an image that MetadataDelta built or that empty() gave.
struct MetadataImage {
  Offset offset = kNoOffset;  // last record contained
  LeaderEpoch epoch = kNoLeaderEpoch;
  std::shared_ptr<const FeaturesImage> features;
  std::shared_ptr<const ClusterImage> cluster;
  std::shared_ptr<const TopicsImage> topics;
  std::shared_ptr<const ConfigsImage> configs;
  std::shared_ptr<const AclsImage> acls;
  std::shared_ptr<const ScramImage> scram;
  std::shared_ptr<const QuotasImage> quotas;
  std::shared_ptr<const TokensImage> tokens;
  std::int64_t next_producer_id = 0;  // the first one of no block yet

  /// The image before the first record.
  static std::shared_ptr<const MetadataImage> empty();

  /// Null when there is none. Valid as long as the image.
  [[nodiscard]] const TopicImage* topic(std::string_view name) const;
  [[nodiscard]] const TopicImage* topic(TopicId id) const;
  [[nodiscard]] const PartitionRegistration* partition(std::string_view topic, PartitionIndex index) const;
  [[nodiscard]] const BrokerRegistration* broker(BrokerId id) const;
  /// Overrides of one resource; empty when it has none.
  [[nodiscard]] const ConfigMap& config(ConfigResourceType type, std::string_view name) const;
  /// Finalized level of a feature, metadata.version included; 0 when it is not set.
  [[nodiscard]] std::int16_t feature(const std::string& name) const;
};
using MetadataImagePtr = std::shared_ptr<const MetadataImage>;

/// Whether two images say the same, offset and epoch apart.
[[nodiscard]] bool same_content(const MetadataImage& a, const MetadataImage& b);

}  // namespace barnabas::kraft

// Leader election and in-sync sets: the PartitionChange record that takes a partition from what it is to what
// it shall be. Every topic of control that touches partitions goes through here, so that no way leads around
// the rules.
//
// Pure. In this order: a reassignment whose new replicas are all in sync is completed; who left an ISR below
// min.insync.replicas becomes an eligible leader (ELR); a leader is elected from the ISR, or from the ELR
// when the ISR is empty, or, uncleanly, from the last known leader or any live replica; epochs rise where
// followers must notice. Source: KIP-455, KIP-631, KIP-704, KIP-858, KIP-966; measured on Kafka 4.3.1.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "kraft/controller/broker_ids.hpp"
#include "kraft/controller/control.hpp"

namespace barnabas::kraft {

enum class Election : std::int8_t {
  kPreferred,  // the first replica, if it may lead
  kOnline,     // the leader stays while it may lead
  kUnclean,    // as kOnline; a live replica out of sync rather than none
};

inline constexpr std::int8_t kRecovered = 0;
inline constexpr std::int8_t kRecovering = 1;  // the leader was elected uncleanly (KIP-704)

/// Directories of replicas that are none (KIP-858).
inline constexpr DirectoryId kMigratingDirectory{Uuid::of_low(0)};   // from before directories were known
inline constexpr DirectoryId kUnassignedDirectory{Uuid::of_low(1)};  // the broker chooses
inline constexpr DirectoryId kLostDirectory{Uuid::of_low(2)};        // offline

struct PartitionChangeInput {
  const MetadataImage* image = nullptr;
  TopicId topic_id;
  PartitionIndex index;
  const PartitionRegistration* partition = nullptr;
  std::int32_t min_isr = 1;  // capped by the number of replicas
  bool elr_enabled = false;  // eligible.leader.replicas.version >= 1
  Election election = Election::kOnline;
  /// Whether a broker may lead anything: by default it is unfenced and not shutting down.
  std::function<bool(BrokerId)> is_active;

  // What it shall be; what is not set stays as it is.
  std::optional<BrokerIds> isr;
  std::optional<BrokerIds> replicas;
  std::optional<BrokerIds> adding;
  std::optional<BrokerIds> removing;
  std::optional<std::int8_t> leader_recovery_state;
  std::optional<BrokerId> unclean_shutdown;  // lost what it had not synced: it is not for the ELR
  std::map<BrokerId, DirectoryId> directories;
};

/// The input for a partition as it is, by the topic's configurations and the cluster's features.
[[nodiscard]] PartitionChangeInput partition_change_of(const ControlContext& context, const TopicImage& topic,
                                                       PartitionIndex index);

/// Nothing when the partition stays as it is.
[[nodiscard]] std::optional<protocol::PartitionChangeRecord> change_partition(
    const PartitionChangeInput& input);

/// Registered, unfenced and not in controlled shutdown.
[[nodiscard]] bool is_active(const MetadataImage& image, BrokerId broker);
/// Where a new replica on the broker goes: its only directory, or wherever the broker decides.
[[nodiscard]] DirectoryId default_directory(const MetadataImage& image, BrokerId broker);
/// Whether a replica in `directory` can be served by the broker.
[[nodiscard]] bool has_online_directory(const BrokerRegistration& broker, DirectoryId directory);
[[nodiscard]] bool is_elr_enabled(const MetadataImage& image);
/// unclean.leader.election.enable of a topic.
[[nodiscard]] bool allows_unclean_election(const ControlContext& context, const std::string& topic);
/// Null when there is no such partition.
[[nodiscard]] const PartitionRegistration* find_partition(const TopicImage& topic, std::int32_t index);

}  // namespace barnabas::kraft

// Leader election and in-sync sets: the PartitionChange record that follows when a broker goes or comes.
//
// Pure. Source: KIP-966 (eligible leader replicas, last known leader), measured on Kafka 4.3.1: a clean stop
// of a partition's only replica gives ISR [], leader -1, ELR [id], last known ELR [id]; its return elects it
// from the ELR without loss.
#pragma once

#include <functional>
#include <optional>

#include "kraft/controller/control.hpp"

namespace barnabas::kraft {

struct PartitionChangeInput {
  TopicId topic_id;
  PartitionIndex index;
  const PartitionRegistration* partition = nullptr;
  std::function<bool(BrokerId)> may_lead;  // active brokers that may be elected
  std::vector<BrokerId> target_isr;
  std::optional<BrokerId> unclean_shutdown;  // lost what it had not synced: leaves ISR and ELR
  std::int32_t min_isr = 1;
  bool unclean_election = false;  // unclean.leader.election.enable
  bool elr_enabled = false;       // eligible.leader.replicas.version >= 1
};

/// Nothing when the partition stays as it is.
[[nodiscard]] std::optional<protocol::PartitionChangeRecord> change_partition(
    const PartitionChangeInput& input);

enum class BrokerTransition {
  kFenced,              // session expired or asked for
  kControlledShutdown,  // leaves with its data intact
  kUncleanRestart,      // registered again without a clean stop before
  kUnfenced,
};
/// Appends the changes of every partition that the transition of `broker` concerns.
void append_partition_changes(const ControlContext& context, BrokerId broker, BrokerTransition transition,
                              MetadataRecords& records);

}  // namespace barnabas::kraft

// What handlers work with. Built and owned by the node (node.cpp); every reference outlives every request.
#pragma once

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"

namespace barnabas::broker {

class BrokerConfig;         // config/broker_config.hpp: what the node was configured with, static and dynamic
class MetadataCache;        // drivers/metadata_cache.hpp: the current metadata image
class MetadataDriver;       // drivers/metadata_driver.hpp: asks the controller
class ReplicaManager;       // replica/replica_manager.hpp: the partitions of this node
class FetchSessionCache;    // replica/fetch_session.hpp: KIP-227
class GroupDriver;          // drivers/group_driver.hpp: the group coordinator's shards
class ControllerChannel;    // drivers/controller_channel.hpp: asks an active controller that is another node
class TransactionDriver;    // drivers/transaction_driver.hpp: the transaction coordinator's shards
class ColdReads;            // drivers/cold_reads.hpp: what fetches need from the disk
class LogFlusher;           // drivers/log_flusher.hpp: durable before it is acknowledged
class ProducerIdAllocator;  // drivers/producer_id_allocator.hpp
class Authorizer;           // security/authorizer.hpp

struct Services {
  const Clock& clock;
  Random& random;
  BrokerConfig& config;
  MetadataCache& metadata;
  MetadataDriver& controller;
  ControllerChannel& to_controller;
  ReplicaManager& replicas;
  FetchSessionCache& fetch_sessions;
  GroupDriver& groups;
  TransactionDriver& transactions;
  ProducerIdAllocator& producer_ids;
  Authorizer& authorizer;
  MetricsRegistry& metrics;
  LogFlusher& flusher;
  ColdReads& cold_reads;
};

}  // namespace barnabas::broker

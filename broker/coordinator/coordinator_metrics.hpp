// What the coordinators of groups and of transactions count, and what they tell of their state.
//
// Counters and gauges are the registry's and outlive every shard; counters are null where nobody counts.
// Gauges are added up over the shards of a node: a shard tells its counts (CoordinatorShard::tally), in the
// order in which its gauges stand here. Thread-safe. Kafka's metrics of the same meaning, as the JMX exporter
// names them, are given with each; most of Kafka's are rates and times of the last seconds, which a server of
// metrics makes of totals.
#pragma once

#include <string_view>
#include <vector>

#include "base/metrics.hpp"

namespace barnabas::broker {

/// Of the runtime, labelled with its coordinator ("group", "transaction"). Kafka's begin with
/// kafka_server_group_coordinator_metrics_ (of the group coordinator only).
struct RuntimeCounters {
  Counter* loads = nullptr;              // partition_load_time_avg and _max, with the next
  Counter* load_milliseconds = nullptr;  // from the leadership to the first answer
  Counter* loaded_records = nullptr;
  Counter* failed_loads = nullptr;  // state_failed_num_partitions
  Counter* appends = nullptr;       // batch_flush_rate
  Counter* appended_records = nullptr;
  Counter* appended_operations = nullptr;  // whose records were in those batches
  Counter* failed_appends = nullptr;
  Counter* linger_milliseconds = nullptr;  // batch_linger_time_ms_max: each batch, since its first operation

  static RuntimeCounters of(MetricsRegistry& metrics, std::string_view coordinator);
};

struct GroupCounters {
  Counter* classic_rebalances = nullptr;   // group_completed_rebalance_count
  Counter* consumer_rebalances = nullptr;  // consumer_group_rebalance_count
  Counter* commits = nullptr;              // offset_commit_count: offsets, not requests
  Counter* expirations = nullptr;          // offset_expiration_count
  Counter* deletions = nullptr;            // offset_deletion_count

  static GroupCounters of(MetricsRegistry& metrics);
};

struct TransactionCounters {
  Counter* timed_out = nullptr;  // Kafka does not count them

  static TransactionCounters of(MetricsRegistry& metrics);
};

/// As GroupShard::tally tells: groups by protocol and state
/// (kafka_coordinator_group_groupmetadatamanager_numgroups..., state_..._consumer_group_count), members by
/// protocol, offsets (..._groupmetadatamanager_numoffsets).
[[nodiscard]] std::vector<Gauge*> group_gauges(MetricsRegistry& metrics);
/// As TransactionShard::tally tells: transactions by state, and partitions that a marker has not reached yet
/// (kafka_coordinator_transaction_transactionmarkerchannelmanager_unknowndestinationqueuesize is a part of
/// them).
[[nodiscard]] std::vector<Gauge*> transaction_gauges(MetricsRegistry& metrics);

}  // namespace barnabas::broker

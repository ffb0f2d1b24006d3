// What a cluster says of transactions and of the producers of partitions, and the ways to end a transaction
// that is not one's own.
//
// Values; the functions ask the cluster. Errors: those of the brokers, in the words of Kafka's AdminClient.
// Source: KIP-664, KIP-939; measured on Kafka 4.3.1.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "tools/client/admin.hpp"

namespace barnabas::tools {

struct TransactionListing {
  BrokerId coordinator;
  std::string id;
  std::int64_t producer_id = -1;
  std::string state;  // "Ongoing"
};

struct TransactionFilter {
  std::vector<std::int64_t> producer_ids = {};  // empty: of any
  std::int64_t longer_than_ms = -1;             // negative: however long
  std::optional<std::string> pattern = {};      // of transactional ids
};

/// Of every broker, in the order of their ids.
Result<std::vector<TransactionListing>> list_transactions(Admin& admin, const TransactionFilter& filter = {});

struct TransactionDescription {
  BrokerId coordinator;
  std::int64_t producer_id = -1;
  std::int32_t producer_epoch = -1;
  std::string state;
  std::int32_t timeout_ms = 0;
  std::optional<std::int64_t> start_ms;  // of an open transaction
  std::set<TopicPartition> partitions;
};

/// TRANSACTIONAL_ID_NOT_FOUND where it is not known.
Result<TransactionDescription> describe_transaction(Admin& admin, const std::string& id);

struct ProducerState {
  std::int64_t id = -1;
  std::int32_t epoch = -1;
  std::int32_t last_sequence = -1;
  std::int64_t last_timestamp_ms = -1;
  std::int32_t coordinator_epoch = -1;     // -1: no transaction of it has ended yet
  std::optional<std::int64_t> open_since;  // the offset that its open transaction begins at
};
using ProducersOfPartitions = std::map<TopicPartition, std::vector<ProducerState>>;

/// As the leaders say, or `broker` where it is given: it must lead them then.
Result<ProducersOfPartitions> describe_producers(Admin& admin, const std::set<TopicPartition>& partitions,
                                                 std::optional<BrokerId> broker);

/// A transaction of a partition, by whose it is.
struct OpenTransaction {
  TopicPartition partition;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t coordinator_epoch = 0;
};
/// As Kafka's tools name it.
[[nodiscard]] std::string to_string(const OpenTransaction& transaction);

/// Writes the marker that aborts it in this partition, past its coordinator.
Result<void> abort_transaction(Admin& admin, const OpenTransaction& transaction);

/// Ends what is open by becoming the id's next producer.
Result<void> force_terminate_transaction(Admin& admin, const std::string& id);

}  // namespace barnabas::tools

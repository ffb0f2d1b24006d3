// The records of __transaction_state: one key a transactional id, its latest value is all there is to know.
//
// Pure functions. Key: int16 version, then TransactionLogKey; value: int16 version, then TransactionLogValue.
// Written as Kafka 4.3.1 writes: key version 0; value version 1 from transaction.version 1 on, else 0, which
// has no room for producer ids to come and gone; partitions are null in Empty only. Errors: CORRUPT_MESSAGE.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "broker/coordinator/step.hpp"
#include "broker/coordinator/transaction_state.hpp"

namespace barnabas::broker {

/// `transaction_version`: of the cluster.
void add_transaction(RecordList& records, const std::string& transactional_id, const Transaction& transaction,
                     std::int16_t transaction_version);
void add_transaction_tombstone(RecordList& records, const std::string& transactional_id);

/// Nothing for a key of a version that is not known, which loading passes over.
Result<std::optional<std::string>> parse_transaction_key(ByteView key);
Result<Transaction> parse_transaction(ByteView value);

}  // namespace barnabas::broker

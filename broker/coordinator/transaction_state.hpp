// Transaction: what the coordinator keeps of one transactional id, and the rules by which it changes.
//
// Pure functions over values: each takes the transaction as it is, gives the one that is to be written to
// __transaction_state, and changes nothing. Thread safety: none needed. Invariants (check_invariants)
//  1. An epoch is handed out to one producer only: whoever fences another bumps the epoch first.
//  2. A transaction that ends (PrepareCommit, PrepareAbort) keeps its partitions until each has its marker;
//     until then nothing else may happen to it (CONCURRENT_TRANSACTIONS).
//  3. Partitions are named in Ongoing, PrepareCommit and PrepareAbort only.
// Clients of transaction.version 2 have their epoch bumped by every EndTxn and may abort what is empty; those
// before are told by the epoch alone. Epochs run to 32767, of which clients get 32766 at most; then the
// producer id changes. Units: milliseconds since the epoch.
// Source: KIP-98, KIP-360, KIP-890; the order of the checks is that of Kafka 4.3.1's TransactionCoordinator.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/ids.hpp"
#include "base/result.hpp"

namespace barnabas::broker {

/// Numbers as in TransactionLogValue.
enum class TransactionState : std::int8_t {
  kEmpty = 0,
  kOngoing = 1,
  kPrepareCommit = 2,
  kPrepareAbort = 3,
  kCompleteCommit = 4,
  kCompleteAbort = 5,
  kDead = 6,               // Kafka's, of an id that is about to be forgotten; never written
  kPrepareEpochFence = 7,  // Kafka's, of a producer that is about to be fenced; never written
};
/// Those that a transaction can be found in, by their numbers.
inline constexpr TransactionState kKeptStates[] = {
    TransactionState::kEmpty,        TransactionState::kOngoing,        TransactionState::kPrepareCommit,
    TransactionState::kPrepareAbort, TransactionState::kCompleteCommit, TransactionState::kCompleteAbort};
/// As DescribeTransactions and ListTransactions name it.
[[nodiscard]] std::string_view to_string(TransactionState state);
[[nodiscard]] std::optional<TransactionState> transaction_state_of(std::string_view name);

/// From this transaction.version on producers bump their epoch with every transaction (KIP-890, part 2).
inline constexpr std::int16_t kFirstTransactionVersionWithEpochBump = 2;
/// Not handed out: the coordinator can always fence with one more.
inline constexpr ProducerEpoch kLastProducerEpoch{INT16_MAX};

struct Transaction {
  ProducerId producer_id = kNoProducerId;
  ProducerId previous_producer_id = kNoProducerId;
  ProducerId next_producer_id = kNoProducerId;  // takes over when the transaction is complete
  ProducerEpoch epoch = kNoProducerEpoch;
  /// The epoch that the same producer had before, so that its retry is known. Not in the log.
  ProducerEpoch last_epoch = kNoProducerEpoch;
  std::int32_t timeout_ms = 0;
  TransactionState state = TransactionState::kEmpty;
  std::set<TopicPartition> partitions;
  std::int64_t start_ms = -1;
  std::int64_t last_update_ms = -1;
  std::int16_t client_version = 0;  // transaction.version of the client that it was last changed by

  [[nodiscard]] bool is_ending() const {
    return state == TransactionState::kPrepareCommit || state == TransactionState::kPrepareAbort;
  }
  [[nodiscard]] bool bumps_epochs() const { return client_version >= kFirstTransactionVersionWithEpochBump; }
  /// May be forgotten when it was not used for long.
  [[nodiscard]] bool may_expire() const { return !is_ending() && state != TransactionState::kOngoing; }
  bool operator==(const Transaction&) const = default;
};

/// Who asks: a producer's id and epoch.
struct ProducerIdentity {
  ProducerId id = kNoProducerId;
  ProducerEpoch epoch = kNoProducerEpoch;
};

/// What an operation comes to.
struct TransactionDecision {
  enum class Kind {
    kRefuse,           // answer with `error`; NONE where there is nothing to do
    kWrite,            // write `next`, then answer NONE
    kFence,            // write `next`, which ends the transaction of another producer, then answer `error`
    kNeedsProducerId,  // ask again with a new producer id
  };
  Kind kind = Kind::kRefuse;
  ErrorCode error = ErrorCode::kNone;
  Transaction next = {};
};

struct InitProducerInput {
  std::int32_t timeout_ms = 0;
  std::optional<ProducerIdentity> expected;  // of a producer that goes on after an error (KIP-360)
  std::optional<ProducerId> new_id;          // once it was asked for
  std::int16_t server_version = 0;           // transaction.version of the cluster
};
/// `current` is null for an id that is not known.
[[nodiscard]] TransactionDecision decide_init(const Transaction* current, const InitProducerInput& input,
                                              std::int64_t now_ms);

/// `client_version`: 2 where the request's version tells so, else 0.
[[nodiscard]] TransactionDecision decide_add(const Transaction* current, const ProducerIdentity& producer,
                                             const std::set<TopicPartition>& partitions,
                                             std::int16_t client_version, std::int64_t now_ms);

/// Whether the producer's transaction is open so that partitions may be part of it: NONE, or the error for
/// all of them. Which ones are is then for `current->partitions` to say.
[[nodiscard]] ErrorCode check_open(const Transaction* current, const ProducerIdentity& producer);

struct EndInput {
  ProducerIdentity producer;
  bool commit = false;
  std::int16_t client_version = 0;
  std::optional<ProducerId> new_id;
};
[[nodiscard]] TransactionDecision decide_end(const Transaction* current, const EndInput& input,
                                             std::int64_t now_ms);

/// Ends an ongoing transaction on the coordinator's own account, with an epoch that its producer does not
/// have. From transaction.version 2 on an InitProducerId with the epoch before gets it, unless another
/// producer has been initialized (measured on Kafka 4.3.1). Requires Ongoing.
[[nodiscard]] Transaction abort_and_fence(const Transaction& current, std::int16_t server_version,
                                          std::int64_t now_ms);

/// All markers are written. Requires is_ending().
[[nodiscard]] Transaction complete(const Transaction& current, std::int64_t now_ms);

/// The id and epoch that the producer goes on with after `next` of an EndTxn was written.
[[nodiscard]] ProducerIdentity identity_after_end(const Transaction& next);

/// CHECKs.
void check_invariants(const Transaction& transaction);

}  // namespace barnabas::broker

#include "broker/coordinator/transaction_state.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.hpp"

namespace barnabas::broker {
namespace {

using Kind = TransactionDecision::Kind;

constexpr std::array<std::string_view, 8> kNames = {"Empty",        "Ongoing",          "PrepareCommit",
                                                    "PrepareAbort", "CompleteCommit",   "CompleteAbort",
                                                    "Dead",         "PrepareEpochFence"};

TransactionDecision refuse(ErrorCode error) {
  return {.kind = Kind::kRefuse, .error = error};
}
TransactionDecision write(Transaction next) {
  return {.kind = Kind::kWrite, .error = ErrorCode::kNone, .next = std::move(next)};
}

ProducerEpoch bumped(ProducerEpoch epoch) {
  CHECK(epoch < kLastProducerEpoch, "an epoch is left to fence with");
  return ProducerEpoch(static_cast<std::int16_t>(epoch.value() + 1));
}

/// The last epoch of a producer id is kept for fencing.
bool is_exhausted(ProducerEpoch epoch) {
  return epoch.value() >= kLastProducerEpoch.value() - 1;
}

/// The last epoch is nobody's: it only fences, and who names it all the same has guessed it.
bool has_epoch(const Transaction& current, ProducerEpoch epoch) {
  return current.epoch == epoch && epoch < kLastProducerEpoch;
}

/// What every write has in common. Kafka 4.3.1 names the present producer id as the previous one each time.
Transaction changed(const Transaction& current, TransactionState state, std::int64_t now_ms) {
  Transaction next = current;
  next.state = state;
  next.previous_producer_id = current.producer_id;
  next.last_update_ms = now_ms;
  return next;
}

Transaction without_transaction(Transaction next, std::int32_t timeout_ms) {
  next.partitions.clear();
  next.start_ms = -1;
  next.timeout_ms = timeout_ms;
  next.next_producer_id = kNoProducerId;
  return next;
}

/// May a producer that says who it is go on with this transactional id?
bool may_continue(const Transaction& current, const ProducerIdentity& expected) {
  // The third case is a retry after the change of the producer id whose answer was lost.
  return expected.id == current.producer_id ||
         (expected.id == current.previous_producer_id && is_exhausted(expected.epoch));
}

/// Is there no epoch left for who asks? The last one is not handed out to whose transaction it fenced either.
bool needs_new_id(const Transaction& current, const InitProducerInput& input) {
  if (!is_exhausted(current.epoch)) return false;
  if (!input.expected || input.expected->epoch == current.epoch) return true;
  return current.epoch == kLastProducerEpoch && input.expected->epoch == current.last_epoch;
}

Transaction prepare_end(const Transaction& current, TransactionState state, const EndInput& input,
                        std::int64_t now_ms) {
  Transaction next = changed(current, state, now_ms);
  next.client_version = input.client_version;
  // An abort of nothing is a transaction of its own, without partitions.
  if (current.state != TransactionState::kOngoing) {
    next.partitions.clear();
    next.start_ms = now_ms;
  }
  next.next_producer_id = input.new_id.value_or(kNoProducerId);
  if (next.bumps_epochs()) {
    next.last_epoch = current.epoch;
    next.epoch = bumped(current.epoch);
  }
  return next;
}

/// The retry of an EndTxn that was answered is NONE when it asks for what happened.
TransactionDecision repeated_end(const Transaction& current, bool commit) {
  const bool committed = current.state == TransactionState::kCompleteCommit;
  const bool aborted = current.state == TransactionState::kCompleteAbort;
  if ((committed && commit) || (aborted && !commit)) return refuse(ErrorCode::kNone);
  return refuse(ErrorCode::kInvalidTxnState);
}

TransactionDecision end_ongoing(const Transaction& current, const EndInput& input, std::int64_t now_ms) {
  const TransactionState state =
      input.commit ? TransactionState::kPrepareCommit : TransactionState::kPrepareAbort;
  return write(prepare_end(current, state, input, now_ms));
}

/// Before transaction.version 2: a repeated EndTxn has the epoch of the first.
TransactionDecision decide_end_without_bump(const Transaction& current, const EndInput& input,
                                            std::int64_t now_ms) {
  if (current.producer_id != input.producer.id) return refuse(ErrorCode::kInvalidProducerIdMapping);
  if (current.epoch != input.producer.epoch) return refuse(ErrorCode::kProducerFenced);
  if (current.is_ending()) return refuse(ErrorCode::kConcurrentTransactions);
  if (current.state != TransactionState::kOngoing) return repeated_end(current, input.commit);
  EndInput plain = input;
  plain.client_version = 0;
  plain.new_id.reset();
  return end_ongoing(current, plain, now_ms);
}

TransactionDecision decide_end_with_bump(const Transaction& current, const EndInput& input,
                                         std::int64_t now_ms) {
  // First, so that a producer whose id is about to change is told to wait rather than that it is unknown.
  if (current.is_ending()) return refuse(ErrorCode::kConcurrentTransactions);
  const ProducerIdentity& producer = input.producer;
  const bool is_complete =
      current.state == TransactionState::kCompleteCommit || current.state == TransactionState::kCompleteAbort;
  const bool repeats_over_new_id = is_complete && current.previous_producer_id == producer.id &&
                                   current.producer_id != producer.id && is_exhausted(producer.epoch) &&
                                   current.epoch == ProducerEpoch(0);
  const bool repeats =
      repeats_over_new_id || (is_complete && current.bumps_epochs() && producer.id == current.producer_id &&
                              current.epoch.value() == producer.epoch.value() + 1);
  if (current.producer_id != producer.id && !repeats_over_new_id)
    return refuse(ErrorCode::kInvalidProducerIdMapping);
  if (!has_epoch(current, producer.epoch) && !repeats) return refuse(ErrorCode::kProducerFenced);
  if (repeats) return repeated_end(current, input.commit);
  if (current.state != TransactionState::kOngoing && input.commit) return refuse(ErrorCode::kInvalidTxnState);
  if (is_exhausted(current.epoch) && !input.new_id) return {.kind = Kind::kNeedsProducerId};
  EndInput end = input;
  if (!is_exhausted(current.epoch)) end.new_id.reset();
  return end_ongoing(current, end, now_ms);
}

}  // namespace

std::string_view to_string(TransactionState state) {
  return kNames.at(static_cast<std::size_t>(state));
}

std::optional<TransactionState> transaction_state_of(std::string_view name) {
  const auto* found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<TransactionState>(found - kNames.begin());
}

TransactionDecision decide_init(const Transaction* current, const InitProducerInput& input,
                                std::int64_t now_ms) {
  if (current == nullptr) {
    if (!input.new_id) return {.kind = Kind::kNeedsProducerId};
    Transaction next;
    next.producer_id = next.previous_producer_id = *input.new_id;
    next.epoch = ProducerEpoch(0);
    next.timeout_ms = input.timeout_ms;
    next.last_update_ms = now_ms;
    return write(std::move(next));
  }
  if (current->is_ending()) return refuse(ErrorCode::kConcurrentTransactions);
  if (input.expected && !may_continue(*current, *input.expected)) return refuse(ErrorCode::kProducerFenced);
  if (current->state == TransactionState::kOngoing) {
    // The client asks again, and gets an epoch above the one that fenced.
    return {.kind = Kind::kFence,
            .error = ErrorCode::kConcurrentTransactions,
            .next = abort_and_fence(*current, input.server_version, now_ms)};
  }
  Transaction next =
      without_transaction(changed(*current, TransactionState::kEmpty, now_ms), input.timeout_ms);
  if (needs_new_id(*current, input)) {
    if (!input.new_id) return {.kind = Kind::kNeedsProducerId};
    next.producer_id = *input.new_id;
    next.epoch = ProducerEpoch(0);
    next.last_epoch = input.expected ? input.expected->epoch : kNoProducerEpoch;
    return write(std::move(next));
  }
  if (!input.expected) {
    next.last_epoch = kNoProducerEpoch;
    next.epoch = bumped(current->epoch);
  } else if (input.expected->epoch == current->epoch) {
    next.last_epoch = current->epoch;
    next.epoch = bumped(current->epoch);
  } else if (current->last_epoch == kNoProducerEpoch || input.expected->epoch != current->last_epoch) {
    // Another producer was initialized since, which is what an unset last epoch says.
    return refuse(ErrorCode::kProducerFenced);
  }
  return write(std::move(next));
}

TransactionDecision decide_add(const Transaction* current, const ProducerIdentity& producer,
                               const std::set<TopicPartition>& partitions, std::int16_t client_version,
                               std::int64_t now_ms) {
  if (current == nullptr) return refuse(ErrorCode::kInvalidProducerIdMapping);
  // First, so that a producer whose id is about to change is told to wait rather than that it is unknown.
  if (current->is_ending()) return refuse(ErrorCode::kConcurrentTransactions);
  if (current->producer_id != producer.id) return refuse(ErrorCode::kInvalidProducerIdMapping);
  if (!has_epoch(*current, producer.epoch)) return refuse(ErrorCode::kProducerFenced);
  const bool is_ongoing = current->state == TransactionState::kOngoing;
  if (is_ongoing && std::ranges::includes(current->partitions, partitions)) return refuse(ErrorCode::kNone);
  Transaction next = changed(*current, TransactionState::kOngoing, now_ms);
  next.partitions.insert(partitions.begin(), partitions.end());
  next.client_version = client_version;
  if (!is_ongoing) next.start_ms = now_ms;
  return write(std::move(next));
}

ErrorCode check_open(const Transaction* current, const ProducerIdentity& producer) {
  if (current == nullptr || current->producer_id != producer.id) return ErrorCode::kInvalidProducerIdMapping;
  if (current->epoch != producer.epoch) return ErrorCode::kProducerFenced;
  return current->is_ending() ? ErrorCode::kConcurrentTransactions : ErrorCode::kNone;
}

TransactionDecision decide_end(const Transaction* current, const EndInput& input, std::int64_t now_ms) {
  if (current == nullptr) return refuse(ErrorCode::kInvalidProducerIdMapping);
  return input.client_version >= kFirstTransactionVersionWithEpochBump
             ? decide_end_with_bump(*current, input, now_ms)
             : decide_end_without_bump(*current, input, now_ms);
}

Transaction abort_and_fence(const Transaction& current, std::int16_t server_version, std::int64_t now_ms) {
  CHECK(current.state == TransactionState::kOngoing);
  Transaction next = changed(current, TransactionState::kPrepareAbort, now_ms);
  next.client_version =
      server_version >= kFirstTransactionVersionWithEpochBump ? kFirstTransactionVersionWithEpochBump : 0;
  next.last_epoch = kNoProducerEpoch;
  // Nobody has the last epoch, so it fences as it is.
  if (current.epoch < kLastProducerEpoch) next.epoch = bumped(current.epoch);
  // Whose transaction it was may ask to go on (KIP-588), until another producer is initialized.
  if (next.bumps_epochs() && next.epoch != current.epoch) next.last_epoch = current.epoch;
  return next;
}

Transaction complete(const Transaction& current, std::int64_t now_ms) {
  CHECK(current.is_ending());
  const bool commit = current.state == TransactionState::kPrepareCommit;
  Transaction next =
      changed(current, commit ? TransactionState::kCompleteCommit : TransactionState::kCompleteAbort, now_ms);
  next.partitions.clear();
  next.next_producer_id = kNoProducerId;
  if (current.bumps_epochs() && current.next_producer_id != kNoProducerId) {
    next.producer_id = current.next_producer_id;
    next.epoch = ProducerEpoch(0);
  }
  return next;
}

ProducerIdentity identity_after_end(const Transaction& next) {
  if (next.next_producer_id != kNoProducerId) return {next.next_producer_id, ProducerEpoch(0)};
  return {next.producer_id, next.epoch};
}

void check_invariants(const Transaction& transaction) {
  CHECK(transaction.producer_id >= ProducerId(0));
  CHECK(transaction.epoch >= ProducerEpoch(0));
  CHECK(transaction.state != TransactionState::kDead &&
        transaction.state != TransactionState::kPrepareEpochFence);
  const bool has_partitions = transaction.is_ending() || transaction.state == TransactionState::kOngoing;
  CHECK(has_partitions || transaction.partitions.empty(), "partitions belong to an open transaction");
  CHECK(transaction.next_producer_id == kNoProducerId || transaction.is_ending(),
        "a new producer id takes over when the transaction is complete");
}

}  // namespace barnabas::broker

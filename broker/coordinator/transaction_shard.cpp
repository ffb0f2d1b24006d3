#include "broker/coordinator/transaction_shard.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.hpp"
#include "base/logging.hpp"
#include "broker/coordinator/transaction_records.hpp"

namespace barnabas::broker {
namespace {

constexpr std::string_view kComponent = "kafka.coordinator.transaction.TransactionCoordinator";
/// Between tries of markers and of the record that completes a transaction.
constexpr std::int64_t kRetryMs = 100;

TransactionAnswer refusal(ErrorCode error) {
  return {.error_code = static_cast<std::int16_t>(error)};
}

/// Of a Step's reply that nobody is sent: it tells when what was written is committed.
struct Committed {
  std::int16_t error_code = 0;
};

}  // namespace

TransactionShard::TransactionShard(TransactionShardOptions options, MarkerSender& markers)
    : options_(std::move(options)), markers_(markers) {}

const Transaction* TransactionShard::find(const std::string& transactional_id) const {
  const auto found = transactions_.find(transactional_id);
  return found == transactions_.end() ? nullptr : &found->second;
}

std::vector<TopicPartition> TransactionShard::Ending::unsent() const {
  std::vector<TopicPartition> partitions;
  std::ranges::set_difference(left, in_flight, std::back_inserter(partitions));
  return partitions;
}

/// Writes what was decided and answers. False when a producer id is missing.
bool TransactionShard::carry_out(const std::string& transactional_id, TransactionDecision decision,
                                 Answer<TransactionAnswer>& answer, Step& step) {
  using Kind = TransactionDecision::Kind;
  if (decision.kind == Kind::kNeedsProducerId) return false;
  if (decision.kind == Kind::kRefuse) {
    TransactionAnswer told = refusal(decision.error);
    const Transaction* current = find(transactional_id);
    if (decision.error == ErrorCode::kNone) told.producer = {current->producer_id, current->epoch};
    step.reply(answer, told);
    return true;
  }
  add_transaction(step.records, transactional_id, decision.next, options_.transaction_version());
  step.applied = [this, transactional_id, decision = std::move(decision), answer = std::move(answer)](
                     ErrorCode error, Step& next) mutable {
    if (error != ErrorCode::kNone) return next.reply(answer, refusal(error));
    transactions_.at(transactional_id).last_epoch = decision.next.last_epoch;
    if (decision.next.is_ending()) begin_ending(transactional_id, next.now);
    TransactionAnswer told = refusal(decision.error);
    if (decision.error == ErrorCode::kNone) told.producer = identity_after_end(decision.next);
    next.reply(answer, told);
  };
  return true;
}

bool TransactionShard::init_producer(const std::string& transactional_id, const InitProducerInput& input,
                                     Answer<TransactionAnswer>& answer, Step& step) {
  if (input.timeout_ms <= 0 || input.timeout_ms > options_.max_timeout_ms) {
    step.reply(answer, refusal(ErrorCode::kInvalidTransactionTimeout));
    return true;
  }
  InitProducerInput with_version = input;
  with_version.server_version = options_.transaction_version();
  return carry_out(transactional_id, decide_init(find(transactional_id), with_version, step.now.wall_ms),
                   answer, step);
}

/// Records of transaction.version 0 have no room for what a client of version 2 relies on when its
/// coordinator moves.
TransactionDecision TransactionShard::as_supported(TransactionDecision decision,
                                                   std::int16_t client_version) {
  if (decision.kind != TransactionDecision::Kind::kWrite || options_.transaction_version() > 0 ||
      client_version < kFirstTransactionVersionWithEpochBump)
    return decision;
  return {.kind = TransactionDecision::Kind::kRefuse, .error = ErrorCode::kUnsupportedVersion};
}

void TransactionShard::add_partitions(const std::string& transactional_id, const ProducerIdentity& producer,
                                      const std::set<TopicPartition>& partitions, std::int16_t client_version,
                                      Answer<TransactionAnswer> answer, Step& step) {
  TransactionDecision decision =
      decide_add(find(transactional_id), producer, partitions, client_version, step.now.wall_ms);
  const bool done =
      carry_out(transactional_id, as_supported(std::move(decision), client_version), answer, step);
  CHECK(done, "an open transaction has its producer id");
}

void TransactionShard::verify_partitions(const std::string& transactional_id,
                                         const ProducerIdentity& producer,
                                         const std::set<TopicPartition>& partitions,
                                         Answer<VerifyAnswer> answer, Step& step) {
  const Transaction* current = find(transactional_id);
  VerifyAnswer told;
  const ErrorCode refused = check_open(current, producer);
  told.error_code = static_cast<std::int16_t>(refused);
  if (refused == ErrorCode::kNone) {
    std::ranges::set_difference(partitions, current->partitions,
                                std::inserter(told.missing, told.missing.end()));
  }
  step.reply(answer, std::move(told));
}

bool TransactionShard::end_transaction(const std::string& transactional_id, const EndInput& input,
                                       Answer<TransactionAnswer>& answer, Step& step) {
  TransactionDecision decision = decide_end(find(transactional_id), input, step.now.wall_ms);
  return carry_out(transactional_id, as_supported(std::move(decision), input.client_version), answer, step);
}

/// Its first try is a timer that is due at once, so that every try is a step of its own.
void TransactionShard::begin_ending(const std::string& transactional_id, CoordinatorTime now) {
  const Transaction& transaction = transactions_.at(transactional_id);
  Ending& ending = endings_[transactional_id];
  ending.producer = {transaction.producer_id, transaction.epoch};
  ending.left = transaction.partitions;
  timers_.set(ending.next_try, now.mono_ms, TimerKind::kMarkers, transactional_id);
}

void TransactionShard::go_on(const std::string& transactional_id, Ending& ending, Step& step) {
  if (ending.is_given_up || ending.awaits_commit) return;
  if (ending.left.empty()) return write_completion(transactional_id, step);
  if (ending.unsent().empty()) return;
  ending.awaits_commit = true;
  const std::int64_t next_try_ms = step.now.mono_ms + kRetryMs;
  Answer<Committed> on_commit = [this, transactional_id, next_try_ms](const Committed& committed) {
    const auto found = endings_.find(transactional_id);
    if (found == endings_.end()) return;
    found->second.awaits_commit = false;
    if (committed.error_code == 0) return send(transactional_id);
    timers_.set(found->second.next_try, next_try_ms, TimerKind::kMarkers, transactional_id);
  };
  step.reply(on_commit, Committed{});
}

void TransactionShard::send(const std::string& transactional_id) {
  const Transaction& transaction = transactions_.at(transactional_id);
  Ending& ending = endings_.at(transactional_id);
  TransactionMarkers markers;
  markers.transactional_id = transactional_id;
  markers.producer = ending.producer;
  markers.coordinator_epoch = options_.coordinator_epoch;
  markers.committed = transaction.state == TransactionState::kPrepareCommit;
  markers.transaction_version = transaction.client_version;
  markers.partitions = ending.unsent();
  ending.in_flight = ending.left;
  markers_.send(std::move(markers));
}

/// False: this coordinator must not go on.
bool TransactionShard::take_result(const std::string& transactional_id, Ending& ending,
                                   const MarkerResult& result) {
  ending.in_flight.erase(result.partition);
  switch (result.error) {
    case ErrorCode::kNone:
    case ErrorCode::kUnsupportedForMessageFormat:  // nothing of a transaction can be there
    case ErrorCode::kUnsupportedVersion:
      ending.left.erase(result.partition);
      return true;
    case ErrorCode::kInvalidProducerEpoch:
    case ErrorCode::kTransactionCoordinatorFenced:
      log_warn(
          kComponent,
          "The marker of {} (producer {}, epoch {}) was refused by {} with error {}: another coordinator "
          "has taken over, this one stops",
          transactional_id, ending.producer.id.value(), ending.producer.epoch.value(),
          to_string(result.partition), static_cast<int>(result.error));
      return false;
    default:
      log_debug(kComponent, "The marker of {} could not be written to {}: error {}; it is tried again",
                transactional_id, to_string(result.partition), static_cast<int>(result.error));
      return true;
  }
}

void TransactionShard::markers_written(const std::string& transactional_id, const MarkersSent& sent,
                                       const std::vector<MarkerResult>& results, Step& step) {
  // A refusal of that time ("another coordinator has taken over") is none of the present one.
  if (sent.coordinator_epoch != options_.coordinator_epoch) return;
  const auto found = endings_.find(transactional_id);
  if (found == endings_.end()) return;
  Ending& ending = found->second;
  if (ending.producer.id != sent.producer.id || ending.producer.epoch != sent.producer.epoch) return;
  for (const MarkerResult& result : results)
    ending.is_given_up |= !take_result(transactional_id, ending, result);
  if (ending.is_given_up) return;
  if (ending.left.empty()) return write_completion(transactional_id, step);
  // A broker that does not answer holds up its own partitions only.
  if (ending.unsent().empty()) return;
  timers_.set(ending.next_try, step.now.mono_ms + kRetryMs, TimerKind::kMarkers, transactional_id);
}

void TransactionShard::write_completion(const std::string& transactional_id, Step& step) {
  Transaction next = complete(transactions_.at(transactional_id), step.now.wall_ms);
  add_transaction(step.records, transactional_id, next, options_.transaction_version());
  step.applied = [this, transactional_id, last_epoch = next.last_epoch](ErrorCode error, Step& after) {
    if (error == ErrorCode::kNone) {
      transactions_.at(transactional_id).last_epoch = last_epoch;
      return;
    }
    const auto ending = endings_.find(transactional_id);
    if (ending == endings_.end()) return;  // unloaded
    timers_.set(ending->second.next_try, after.now.mono_ms + kRetryMs, TimerKind::kMarkers, transactional_id);
  };
}

/// Each of them is fenced: its producer learns so with its next request, and may go on with an
/// InitProducerId.
void TransactionShard::abort_timed_out(Step& step) {
  std::vector<std::pair<std::string, ProducerEpoch>> aborted;  // and the epochs before
  const std::int16_t version = options_.transaction_version();
  for (const auto& [id, transaction] : transactions_) {
    if (transaction.state != TransactionState::kOngoing) continue;
    if (transaction.start_ms + transaction.timeout_ms >= step.now.wall_ms) continue;
    const Transaction next = abort_and_fence(transaction, version, step.now.wall_ms);
    add_transaction(step.records, id, next, version);
    aborted.emplace_back(id, next.last_epoch);
  }
  if (aborted.empty()) return;
  step.may_split = true;
  step.applied = [this, aborted = std::move(aborted)](ErrorCode error, Step& next) {
    if (error != ErrorCode::kNone)
      log_warn(kComponent,
               "Not all transactions that timed out could be aborted: error {}; the next round "
               "tries again",
               static_cast<int>(error));
    for (const auto& [id, last_epoch] : aborted) {
      Transaction& transaction = transactions_.at(id);
      // Of a round that failed half way the first part counts.
      if (!transaction.is_ending()) continue;
      transaction.last_epoch = last_epoch;
      log_info(kComponent, "The transaction of {} timed out and is aborted", id);
      add_to(options_.counters.timed_out);
      begin_ending(id, next.now);
    }
  };
}

void TransactionShard::remove_expired(Step& step) {
  for (const auto& [id, transaction] : transactions_) {
    if (!transaction.may_expire()) continue;
    if (transaction.last_update_ms > step.now.wall_ms - options_.expiration_ms) continue;
    log_info(kComponent, "The transactional id {} was not used for long and is removed", id);
    add_transaction_tombstone(step.records, id);
  }
  step.may_split = true;
}

Result<void> TransactionShard::replay(ByteView key, std::optional<ByteView> value) {
  std::optional<std::string> id = TRY(parse_transaction_key(key));
  if (!id) return {};
  if (!value) {
    transactions_.erase(*id);
    endings_.erase(*id);
    return {};
  }
  Transaction& transaction = transactions_[*id];
  transaction = TRY(parse_transaction(*value));
  if (!transaction.is_ending()) endings_.erase(*id);
  return {};
}

Result<void> TransactionShard::replay_transactional(ProducerId, ByteView, std::optional<ByteView>) {
  return fail(ErrorCode::kCorruptMessage, "a transactional record among those of transactions");
}

Result<void> TransactionShard::replay_end_of_transaction(ProducerId, bool) {
  return {};
}

void TransactionShard::loaded(Step& step) {
  for (const auto& [id, transaction] : transactions_) {
    if (transaction.is_ending()) begin_ending(id, step.now);
  }
  timers_.set(timeouts_, step.now.mono_ms + options_.abort_interval_ms, TimerKind::kTimeouts, {});
  timers_.set(cleanup_, step.now.mono_ms + options_.expiry_interval_ms, TimerKind::kCleanup, {});
}

void TransactionShard::unloaded(ErrorCode) {
  transactions_.clear();
  endings_.clear();
  timers_.clear();
  timeouts_ = {};
  cleanup_ = {};
}

bool TransactionShard::fire_timer(Step& step) {
  if (timers_.next_ms() > step.now.mono_ms) return false;
  const TimerQueue::Entry entry = timers_.pop();
  const std::int64_t now_ms = step.now.mono_ms;
  if (entry.kind == TimerKind::kMarkers) {
    const auto ending = endings_.find(entry.group);
    if (ending == endings_.end() || !timers_.strikes(entry, ending->second.next_try, now_ms)) return true;
    go_on(entry.group, ending->second, step);
  } else if (entry.kind == TimerKind::kTimeouts) {
    if (!timers_.strikes(entry, timeouts_, now_ms)) return true;
    timers_.set(timeouts_, now_ms + options_.abort_interval_ms, TimerKind::kTimeouts, {});
    abort_timed_out(step);
  } else {
    if (!timers_.strikes(entry, cleanup_, now_ms)) return true;
    timers_.set(cleanup_, now_ms + options_.expiry_interval_ms, TimerKind::kCleanup, {});
    remove_expired(step);
  }
  return true;
}

void TransactionShard::tally(std::span<std::int64_t> counts) const {
  for (const auto& [id, transaction] : transactions_) ++counts[static_cast<std::size_t>(transaction.state)];
  for (const auto& [id, ending] : endings_)
    counts[std::size(kKeptStates)] += static_cast<std::int64_t>(ending.left.size());
}

void TransactionShard::check_invariants() const {
  std::size_t ending = 0;
  for (const auto& [id, transaction] : transactions_) {
    broker::check_invariants(transaction);
    if (!transaction.is_ending()) continue;
    ++ending;
    CHECK(endings_.contains(id), "a transaction that ends is worked on");
  }
  CHECK(ending == endings_.size(), "only transactions that end are");
}

}  // namespace barnabas::broker

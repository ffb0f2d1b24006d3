// TransactionShard: the transactional ids of one partition of __transaction_state.
//
// Owned by the transaction driver beside its CoordinatorRuntime, which runs every operation; all of them are
// exclusive. Thread safety: none, the shard's thread. A pure state machine: what is written is decided by
// transaction_state.hpp, state changes in replay, and the markers of a transaction that ends are handed to a
// MarkerSender once its PrepareCommit or PrepareAbort is committed. Invariants
//  1. Every transaction in PrepareCommit or PrepareAbort has an Ending, which holds on until CompleteCommit
//  or
//     CompleteAbort is in the log: a marker that could not be written is tried again, also after a move.
//  2. Nothing is answered that a new coordinator would not find in the log.
// Errors are Kafka 4.3.1's. Source: KIP-98, KIP-360, KIP-664, KIP-890; facts measured on Kafka 4.3.1.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/coordinator/runtime.hpp"
#include "broker/coordinator/timer_queue.hpp"
#include "broker/coordinator/transaction_state.hpp"
#include "protocol/messages/api_describe_transactions.hpp"
#include "protocol/messages/api_list_transactions.hpp"

namespace barnabas::broker {

/// Markers to be written at the end of one transaction.
struct TransactionMarkers {
  std::string transactional_id;
  ProducerIdentity producer;
  std::int32_t coordinator_epoch = -1;
  bool committed = false;
  std::int16_t transaction_version = 0;
  std::vector<TopicPartition> partitions;
};
/// By what results are known to be of one's own markers.
struct MarkersSent {
  ProducerIdentity producer;
  std::int32_t coordinator_epoch = -1;
};
/// NONE also where the partition is gone: there is nothing to end.
struct MarkerResult {
  TopicPartition partition;
  ErrorCode error = ErrorCode::kNone;
};

/// The way of markers to the leaders of their partitions, wherever these are.
class MarkerSender {
 public:
  virtual ~MarkerSender() = default;
  /// Each partition's result comes back once, by markers_written(), never within the call.
  virtual void send(TransactionMarkers markers) = 0;
};

struct TransactionShardOptions {
  std::int32_t coordinator_epoch = 0;                 // the leader epoch of the shard's partition
  std::int32_t max_timeout_ms = 900000;               // transaction.max.timeout.ms
  std::int64_t abort_interval_ms = 10000;             // transaction.abort.timed.out...interval.ms
  std::int64_t expiration_ms = 604800000;             // transactional.id.expiration.ms
  std::int64_t expiry_interval_ms = 3600000;          // transaction.remove.expired...interval.ms
  std::function<std::int16_t()> transaction_version;  // the cluster's level now
  TransactionCounters counters;
};

/// What InitProducerId, AddPartitionsToTxn and EndTxn come to.
struct TransactionAnswer {
  std::int16_t error_code = 0;
  ProducerIdentity producer = {};
};
struct VerifyAnswer {
  std::int16_t error_code = 0;  // of all partitions
  std::set<TopicPartition> missing = {};
};

class TransactionShard final : public CoordinatorShard {
 public:
  using Described = protocol::DescribeTransactionsResponse::TransactionState;

  TransactionShard(TransactionShardOptions options, MarkerSender& markers);

  /// Null when it is not known.
  [[nodiscard]] const Transaction* find(const std::string& transactional_id) const;

  /// False, and nothing happened: a new producer id is needed, with which to ask again.
  [[nodiscard]] bool init_producer(const std::string& transactional_id, const InitProducerInput& input,
                                   Answer<TransactionAnswer>& answer, Step& step);
  void add_partitions(const std::string& transactional_id, const ProducerIdentity& producer,
                      const std::set<TopicPartition>& partitions, std::int16_t client_version,
                      Answer<TransactionAnswer> answer, Step& step);
  void verify_partitions(const std::string& transactional_id, const ProducerIdentity& producer,
                         const std::set<TopicPartition>& partitions, Answer<VerifyAnswer> answer, Step& step);
  /// As init_producer().
  [[nodiscard]] bool end_transaction(const std::string& transactional_id, const EndInput& input,
                                     Answer<TransactionAnswer>& answer, Step& step);
  /// Results of a send() by this coordinator of this epoch; those of a transaction that is over, and those
  /// that an earlier life of this coordinator asked for, mean nothing.
  void markers_written(const std::string& transactional_id, const MarkersSent& sent,
                       const std::vector<MarkerResult>& results, Step& step);

  void describe(const std::string& transactional_id, Answer<Described> answer, Step& step);
  /// By state, producer id and duration. Unknown states, patterns and permissions are for the caller.
  void list(const protocol::ListTransactionsRequest& request,
            Answer<protocol::ListTransactionsResponse> answer, Step& step);

  // CoordinatorShard.
  Result<void> replay(ByteView key, std::optional<ByteView> value) override;
  Result<void> replay_transactional(ProducerId producer, ByteView key,
                                    std::optional<ByteView> value) override;
  Result<void> replay_end_of_transaction(ProducerId producer, bool committed) override;
  void loaded(Step& step) override;
  void unloaded(ErrorCode error) override;
  [[nodiscard]] std::int64_t next_deadline_ms() const override { return timers_.next_ms(); }
  bool fire_timer(Step& step) override;
  void check_invariants() const override;
  void tally(std::span<std::int64_t> counts) const override;

 private:
  /// A transaction on its way from Prepare to Complete.
  struct Ending {
    ProducerIdentity producer;
    std::set<TopicPartition> left;       // without a marker yet
    std::set<TopicPartition> in_flight;  // asked for, no result yet
    bool awaits_commit = false;          // of its Prepare
    bool is_given_up = false;            // another coordinator has taken over
    Deadline next_try;

    [[nodiscard]] std::vector<TopicPartition> unsent() const;  // to be asked for
  };

  bool carry_out(const std::string& transactional_id, TransactionDecision decision,
                 Answer<TransactionAnswer>& answer, Step& step);
  TransactionDecision as_supported(TransactionDecision decision, std::int16_t client_version);
  void begin_ending(const std::string& transactional_id, CoordinatorTime now);
  void go_on(const std::string& transactional_id, Ending& ending, Step& step);
  void send(const std::string& transactional_id);
  void write_completion(const std::string& transactional_id, Step& step);
  void abort_timed_out(Step& step);
  void remove_expired(Step& step);
  [[nodiscard]] static bool take_result(const std::string& transactional_id, Ending& ending,
                                        const MarkerResult& result);

  const TransactionShardOptions options_;
  MarkerSender& markers_;
  TimerQueue timers_;
  std::unordered_map<std::string, Transaction> transactions_;
  std::map<std::string, Ending> endings_;
  Deadline timeouts_;
  Deadline cleanup_;
};

}  // namespace barnabas::broker

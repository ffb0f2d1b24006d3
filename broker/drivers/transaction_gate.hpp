// TransactionGate: asks a transaction's coordinator whether partitions are part of the transaction, or makes
// them so, before records of it are appended (KIP-890).
//
// Owned by TransactionDriver. Thread safety: thread-safe. The coordinator may be here or on another node. An
// answer that another transaction of the producer is still being ended is waited for, a little, where
// partitions are to be added. Errors are those that the appending client is told: INVALID_PRODUCER_EPOCH for
// who is fenced, INVALID_TXN_STATE or TRANSACTION_ABORTABLE for a partition that is not part of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/error_code.hpp"
#include "base/ids.hpp"
#include "base/network.hpp"
#include "broker/coordinator/transaction_state.hpp"

namespace barnabas::broker {

class BrokerConfig;
class MetadataCache;
class TransactionDriver;
class TransactionPeers;

struct TransactionGateDependencies {
  const Clock& clock;
  const BrokerConfig& config;
  const MetadataCache& metadata;
  TransactionDriver& coordinator;
  TransactionPeers* peers;  // null: this node is alone
  BrokerId self;
};

struct TransactionQuestion {
  enum class Kind {
    kVerify,           // of clients that do not know TRANSACTION_ABORTABLE
    kVerifyAbortable,  // of those that do
    kAdd,              // of transaction.version 2: the append makes the partition part of the transaction
  };
  Kind kind = Kind::kVerify;
  std::string transactional_id;
  ProducerIdentity producer;
  std::vector<TopicPartition> partitions;
  /// Called on the reactor before each further try: the marker that it waited for has made the guards of the
  /// partitions' logs void.
  std::function<void(const std::vector<TopicPartition>&)> renew_guards = {};
};

class TransactionGate {
 public:
  /// One error a partition, in their order. Called once on the reactor that was given.
  using Verdict = std::move_only_function<void(const std::vector<ErrorCode>&)>;

  explicit TransactionGate(const TransactionGateDependencies& dependencies) : dependencies_(dependencies) {}

  /// On the reactor's thread; it outlives the answer.
  void ask(TransactionQuestion question, Reactor& reactor, Verdict verdict);

 private:
  struct Asked;
  using Errors = std::vector<ErrorCode>;

  void try_once(const std::shared_ptr<Asked>& asked);
  void ask_here(const std::shared_ptr<Asked>& asked);
  void ask_there(BrokerId coordinator, const std::shared_ptr<Asked>& asked);
  void settle(const std::shared_ptr<Asked>& asked, Errors errors);
  void answer(const std::shared_ptr<Asked>& asked, Errors errors);

  const TransactionGateDependencies dependencies_;
};

}  // namespace barnabas::broker

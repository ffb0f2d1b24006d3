// ClusterCopier: consumes the input, transforms, and produces to the output, with the offsets of the input in
// the same transaction (KIP-447): so each record of the input is to be in the output once, whatever happens.
//
// Owned by the ClusterCrowd. Not thread-safe. One request of the transaction is under way at a time, repeated
// until its outcome is known. Of transaction.version 2 (KIP-890) partitions and offsets become part of the
// transaction by themselves and each end bumps the epoch; the older way is AddPartitionsToTxn and
// AddOffsetsToTxn, in one epoch. It gives the transaction up when it has lost a partition since, one time out
// of five on purpose, and never ends it with offsets of a partition that it does not have. Once it is fenced
// it is over.
#pragma once

#include "protocol/messages/api_end_txn.hpp"
#include "protocol/messages/api_init_producer_id.hpp"
#include "protocol/messages/api_produce.hpp"
#include "protocol/messages/api_txn_offset_commit.hpp"
#include "simulation/coordinators/group_worker.hpp"

namespace barnabas::simulation {

struct CopierOptions {
  std::string transactional_id;
  std::string output;
  bool is_of_version_2 = true;  // transaction.version
  std::int32_t timeout_ms = 6000;
};

class ClusterCopier final : public GroupWorker {
 public:
  ClusterCopier(ClientSurroundings surroundings, std::string host, CoordinatorChecks checks,
                MembershipOptions membership, CopierOptions options);

  void start() override;
  [[nodiscard]] bool is_over() const override { return is_fenced_ || GroupWorker::is_over(); }
  /// Its transaction has begun and is not ended.
  [[nodiscard]] bool is_busy() const override { return transaction_.is_begun; }

 private:
  struct Batch {
    TopicPartition partition;
    std::vector<WrittenRecord> records;
    Bytes bytes;  // once it was sent
  };
  struct Transaction {
    std::vector<Taken> taken;
    std::vector<std::shared_ptr<Batch>> batches;  // not acknowledged yet
    std::vector<std::pair<TopicPartition, Offset>> written;
    std::string member;
    std::int32_t member_epoch = -1;
    bool is_begun = false;  // the coordinator may know of it
    bool is_to_abort = false;
  };

  // Who it is (cluster_copier.cpp).
  void take_over();
  void on_identity(const protocol::InitProducerIdResponse& response);
  void process(Taken taken) override;
  void begin();
  void add_batches();
  [[nodiscard]] Bytes seal(const Batch& batch);
  void finish(bool committed);
  void fenced(const std::string& by);
  [[nodiscard]] bool has_lost_something() const;
  [[nodiscard]] CoordinatorOf coordinator() const {
    return {CoordinatorKind::kTransactions, options_.transactional_id};
  }
  /// Says to the checks that a request of this epoch was granted.
  [[nodiscard]] std::function<void(const char* what)> witness();

  // The transaction's steps (cluster_copier_steps.cpp).
  void add_partitions();
  void produce_next();
  void on_produced(const std::shared_ptr<Batch>& batch,
                   const Result<broker::PeerAnswer<protocol::ProduceResponse>>& answer);
  void add_offsets();
  void commit_offsets();
  void end(bool commit);
  void on_ended(bool commit, const protocol::EndTxnResponse& response);
  /// After an error: again, abort, or it is over.
  void on_refusal(const char* what, ErrorCode error, std::function<void()> again, bool is_end = false);

  CopierOptions options_;
  ProducerId id_ = kNoProducerId;
  ProducerEpoch epoch_ = kNoProducerEpoch;
  bool is_fenced_ = false;
  std::map<TopicPartition, std::int32_t> sequences_;  // of what comes next in this epoch
  std::vector<Taken> gathered_;
  Transaction transaction_;
};

}  // namespace barnabas::simulation

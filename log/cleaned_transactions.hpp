// CleanedTransactions: which batches of transactions compaction may drop, told while it walks a log in order.
//
// Owned by a cleaning. Thread-compatible, does no I/O. Data of an aborted transaction goes at once; its
// marker goes when none of its data was met any more, as does a committed one's. The transaction index of the
// new segment holds the aborted transactions whose marker stays: take_kept() hands them out.
// Source: KIP-98, KIP-534; measured on Kafka 4.3.1.
#pragma once

#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "log/partition_log.hpp"
#include "protocol/record_batch.hpp"

namespace barnabas::log {

class CleanedTransactions {
 public:
  /// Of the range that is walked next; one may be told again with the next segment.
  void add_aborted(const std::vector<AbortedTransaction>& transactions);

  /// Whether the data batch belongs to an aborted transaction.
  bool read_data(const protocol::RecordBatchHeader& batch);
  /// Whether nothing of the control batch's transaction is left. kInvalidRecord for a malformed record.
  Result<bool> read_control(const protocol::RecordBatchView& batch);
  /// Those whose markers were read since the last call and stay.
  std::vector<AbortedTransaction> take_kept() { return std::exchange(kept_, {}); }

 private:
  struct Ongoing {
    AbortedTransaction transaction;
    bool met = false;  // a data batch of it
  };
  void begin_up_to(Offset offset);

  std::multimap<Offset, AbortedTransaction> aborted_;  // by first offset, not begun yet
  std::unordered_map<ProducerId, Ongoing> ongoing_aborted_;
  std::unordered_set<ProducerId> ongoing_committed_;
  std::vector<AbortedTransaction> kept_;
};

}  // namespace barnabas::log

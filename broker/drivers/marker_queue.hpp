// MarkerQueue: the markers that end transactions, on their way to the other brokers that lead their
// partitions.
//
// Owned by TransactionDriver; peers and metrics outlive it. Thread safety: thread-safe. Invariants
//  1. A broker is sent one request at a time, with all markers that wait for it: the busier it is, the fewer
//     requests. As many as there are, since the broker answers when all of them are committed anyway.
//  2. No two markers of one producer are in one request: answers tell them apart by their producers alone.
// Errors are those of the partitions, or of the request (TransactionPeers), then of all partitions in it.
// Source: the behaviour of Kafka 4.3.1's TransactionMarkerChannelManager.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "base/metrics.hpp"
#include "broker/coordinator/transaction_shard.hpp"
#include "broker/drivers/transaction_peers.hpp"

namespace barnabas::broker {

class MarkerQueue {
 public:
  /// A result for each partition. Called once, on any thread; within send() only where there are no peers.
  using Done = std::move_only_function<void(std::vector<MarkerResult>)>;

  /// `peers` may be null: this node is alone (BROKER_NOT_AVAILABLE).
  MarkerQueue(TransactionPeers* peers, MetricsRegistry& metrics);

  void send(BrokerId to, TransactionMarkers markers, Done done);

 private:
  struct Entry {
    TransactionMarkers markers;
    Done done;
  };
  struct Destination {
    std::vector<Entry> waiting;
    bool is_asked = false;
  };

  [[nodiscard]] static std::vector<Entry> take_batch(Destination& destination);
  void ask(BrokerId to, std::vector<Entry> batch);
  void on_answer(BrokerId to, std::vector<Entry> batch,
                 const Result<protocol::WriteTxnMarkersResponse>& response);

  TransactionPeers* const peers_;
  Counter& requests_;
  Counter& sent_;
  std::mutex mutex_;
  std::map<BrokerId, Destination> destinations_;  // guarded by mutex_
};

}  // namespace barnabas::broker

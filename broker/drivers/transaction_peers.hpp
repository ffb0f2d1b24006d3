// TransactionPeers: what coordinators of transactions ask other brokers.
//
// The one seam between "here" and "elsewhere" in transactions: who uses it looks up the leader in the
// metadata image first and asks here only when that is another node. Thread safety: thread-safe; answers come
// once, on any thread, never within the call. Errors: NETWORK_EXCEPTION, REQUEST_TIMED_OUT,
// BROKER_NOT_AVAILABLE where the broker has no address.
#pragma once

#include <functional>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "protocol/messages/api_add_partitions_to_txn.hpp"
#include "protocol/messages/api_write_txn_markers.hpp"

namespace barnabas::broker {

class TransactionPeers {
 public:
  template <class Response>
  using Handler = std::move_only_function<void(Result<Response>)>;

  virtual ~TransactionPeers() = default;
  virtual void write_markers(BrokerId to, protocol::WriteTxnMarkersRequest request,
                             Handler<protocol::WriteTxnMarkersResponse> handler) = 0;
  virtual void add_partitions(BrokerId to, protocol::AddPartitionsToTxnRequest request,
                              Handler<protocol::AddPartitionsToTxnResponse> handler) = 0;
};

}  // namespace barnabas::broker

// PeerTransactions: TransactionPeers over the inter-broker listener of the other brokers.
//
// Owned by the node. One PeerChannel a broker, made when it is first asked, all on one reactor, on whose
// thread answers come; it is destroyed when that reactor does not run any more, and drops its handlers then.
// Who waits for a broker that came back at another address is answered NETWORK_EXCEPTION. Thread safety:
// thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/network.hpp"
#include "base/random.hpp"
#include "broker/drivers/transaction_peers.hpp"

namespace barnabas::broker {

class MetadataCache;
class PeerChannel;

struct PeerTransactionsOptions {
  std::string listener;  // inter.broker.listener.name
  std::string client_id;
  std::chrono::nanoseconds request_timeout = std::chrono::seconds(30);  // request.timeout.ms
};

class PeerTransactions final : public TransactionPeers {
 public:
  PeerTransactions(Reactor& reactor, Clock& clock, Random& random, const MetadataCache& metadata,
                   PeerTransactionsOptions options);
  ~PeerTransactions() override;

  void write_markers(BrokerId to, protocol::WriteTxnMarkersRequest request,
                     Handler<protocol::WriteTxnMarkersResponse> handler) override;
  void add_partitions(BrokerId to, protocol::AddPartitionsToTxnRequest request,
                      Handler<protocol::AddPartitionsToTxnResponse> handler) override;

 private:
  template <class Response, class Request>
  void call(BrokerId to, Request request, std::int16_t lowest_version, Handler<Response> handler);
  [[nodiscard]] PeerChannel* channel_to(BrokerId broker);

  Reactor& reactor_;
  Clock& clock_;
  Random& random_;
  const MetadataCache& metadata_;
  const PeerTransactionsOptions options_;
  std::map<BrokerId, std::unique_ptr<PeerChannel>> channels_;               // the reactor's
  std::shared_ptr<const bool> lives_ = std::make_shared<const bool>(true);  // gone before the channels are
};

}  // namespace barnabas::broker

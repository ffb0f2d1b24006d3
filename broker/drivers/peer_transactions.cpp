#include "broker/drivers/peer_transactions.hpp"

#include <algorithm>
#include <utility>

#include "broker/drivers/metadata_cache.hpp"
#include "broker/peers/peer_channel.hpp"

namespace barnabas::broker {
namespace {

/// Of AddPartitionsToTxn: before it brokers cannot ask for several transactions, nor only ask.
constexpr std::int16_t kFirstVersionOfBrokers = 4;

/// A handler that a channel may drop when it ends: what nobody answers would never be asked again.
template <class Response>
class Awaited {
 public:
  using Handler = TransactionPeers::Handler<Response>;

  Awaited(Handler handler, std::weak_ptr<const bool> lives)
      : handler_(std::move(handler)), lives_(std::move(lives)) {}
  Awaited(Awaited&& other) noexcept
      : handler_(std::exchange(other.handler_, nullptr)), lives_(std::move(other.lives_)) {}
  Awaited& operator=(Awaited&&) = delete;
  ~Awaited() {
    if (handler_ && !lives_.expired()) handler_(fail(ErrorCode::kNetworkException));
  }

  void operator()(Result<PeerAnswer<Response>> answer) {
    Handler handler = std::exchange(handler_, nullptr);
    if (!answer) return handler(std::unexpected(std::move(answer).error()));
    handler(std::move(answer->body));
  }

 private:
  Handler handler_;
  std::weak_ptr<const bool> lives_;
};

}  // namespace

PeerTransactions::PeerTransactions(Reactor& reactor, Clock& clock, Random& random,
                                   const MetadataCache& metadata, PeerTransactionsOptions options)
    : reactor_(reactor), clock_(clock), random_(random), metadata_(metadata), options_(std::move(options)) {}

PeerTransactions::~PeerTransactions() = default;

/// Null when the broker has no address. A broker that came back elsewhere gets a new channel.
PeerChannel* PeerTransactions::channel_to(BrokerId id) {
  const kraft::MetadataImagePtr image = metadata_.image();
  const kraft::BrokerRegistration* broker = image->broker(id);
  if (broker == nullptr) return nullptr;
  const auto found = std::ranges::find(broker->endpoints, options_.listener, &kraft::NamedEndpoint::listener);
  if (found == broker->endpoints.end()) return nullptr;
  std::unique_ptr<PeerChannel>& channel = channels_[id];
  if (channel == nullptr || channel->peer() != found->endpoint) {
    PeerChannelOptions options;
    options.peer = found->endpoint;
    options.client_id = options_.client_id;
    options.request_timeout = options_.request_timeout;
    channel = std::make_unique<PeerChannel>(reactor_, clock_, random_, std::move(options));
  }
  return channel.get();
}

template <class Response, class Request>
void PeerTransactions::call(BrokerId to, Request request, std::int16_t lowest_version,
                            Handler<Response> handler) {
  reactor_.post(
      [this, to, lowest_version, request = std::move(request), handler = std::move(handler)]() mutable {
        PeerChannel* channel = channel_to(to);
        if (channel == nullptr) return handler(fail(ErrorCode::kBrokerNotAvailable));
        channel->call<Response>(std::move(request), {lowest_version, Request::kMaxVersion},
                                Awaited<Response>(std::move(handler), lives_));
      });
}

void PeerTransactions::write_markers(BrokerId to, protocol::WriteTxnMarkersRequest request,
                                     Handler<protocol::WriteTxnMarkersResponse> handler) {
  call(to, std::move(request), protocol::WriteTxnMarkersRequest::kMinVersion, std::move(handler));
}

void PeerTransactions::add_partitions(BrokerId to, protocol::AddPartitionsToTxnRequest request,
                                      Handler<protocol::AddPartitionsToTxnResponse> handler) {
  call(to, std::move(request), kFirstVersionOfBrokers, std::move(handler));
}

}  // namespace barnabas::broker

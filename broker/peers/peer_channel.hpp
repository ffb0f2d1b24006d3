// PeerChannel: requests to one other node, over one connection that is made when there is something to ask.
//
// Owned by whoever asks (the raft driver, replica fetchers, the way to the controller). Lives on one reactor:
// its calls are made, and its handlers run, on that reactor's thread. Not thread-safe. Invariants
//  1. The handler of a call runs once, never within call(); when the channel is destroyed first, it is
//  dropped.
//  2. Requests are sent, and answers come, in the order of the calls. Nothing is sent twice.
//  3. When the connection ends, what was sent and not answered fails with NETWORK_EXCEPTION; what was not
//  sent yet
//     waits for the next connection (waits_for_connection). A call that waited for `request_timeout` fails
//     with REQUEST_TIMED_OUT, and takes the connection with it when it was sent: an answer that may still
//     come must not be taken for another's.
//  4. Between attempts to connect that failed lies a time that doubles from `reconnect_backoff` up to
//     `reconnect_backoff_max`, give or take a fifth.
// UNSUPPORTED_VERSION when both sides share no version of the request within the asked range, or the request
// has what the shared version cannot say. Source: KIP-35, KIP-511; Kafka's NetworkClient for the back-off.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/network.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "protocol/reader.hpp"
#include "protocol/writer.hpp"

namespace barnabas::broker {

/// An answer with the bytes that its views (records) point into.
template <class Response>
struct PeerAnswer {
  Bytes frame;
  std::int16_t version = 0;
  Response body;
};

struct PeerChannelOptions {
  Endpoint peer;
  std::string client_id;
  std::chrono::nanoseconds request_timeout = std::chrono::seconds(30);
  std::chrono::nanoseconds connection_setup_timeout = std::chrono::seconds(10);
  std::chrono::nanoseconds reconnect_backoff = std::chrono::milliseconds(50);
  std::chrono::nanoseconds reconnect_backoff_max = std::chrono::seconds(1);
  /// False: an attempt to connect that fails, fails what waited for it (NETWORK_EXCEPTION).
  bool waits_for_connection = true;
};

/// Which versions of which APIs a peer has, as its ApiVersions says.
struct PeerVersion {
  std::int16_t api_key = 0;
  std::int16_t min = 0;
  std::int16_t max = 0;
};
using PeerVersions = std::shared_ptr<const std::vector<PeerVersion>>;

class PeerChannel {
 public:
  template <class Response>
  using Handler = std::move_only_function<void(Result<PeerAnswer<Response>>)>;
  struct Versions {
    std::int16_t min = 0;
    std::int16_t max = 0;
  };

  /// The reactor, the clock and the chance must outlive it.
  PeerChannel(Reactor& reactor, Clock& clock, Random& random, PeerChannelOptions options);
  ~PeerChannel();

  /// Asks with the highest version that both sides have in `within`.
  template <class Response, class Request>
  void call(Request request, Versions within, Handler<Response> handler);
  template <class Response, class Request>
  void call(Request request, Handler<Response> handler) {
    call<Response>(std::move(request), {Request::kMinVersion, Request::kMaxVersion}, std::move(handler));
  }

  [[nodiscard]] const Endpoint& peer() const;
  [[nodiscard]] bool is_connected() const;
  /// What the peer said on the connection that is there; null without one.
  [[nodiscard]] PeerVersions versions() const;
  /// The last attempt to connect was refused: nobody listens there.
  [[nodiscard]] bool was_refused() const;
  /// Ends the connection, as when the peer's address is known to be another node's now.
  void disconnect();

 private:
  struct Frame {
    Bytes bytes;           // without the size
    std::size_t body = 0;  // where it begins
    std::int16_t version = 0;
  };
  struct Call {
    std::int16_t api_key = 0;
    Versions within;
    std::move_only_function<void(protocol::Writer&, std::int16_t)> write;
    std::move_only_function<void(Result<Frame>)> answer;
    std::chrono::nanoseconds deadline{};
  };
  class Link;

  void enqueue(Call call);

  std::shared_ptr<Link> link_;
};

template <class Response, class Request>
void PeerChannel::call(Request request, Versions within, Handler<Response> handler) {
  static_assert(Response::kApiKey == Request::kApiKey);
  Call call;
  call.api_key = Request::kApiKey;
  call.within = within;
  call.write = [request = std::move(request)](protocol::Writer& writer, std::int16_t version) {
    request.write(writer, version);
  };
  call.answer = [handler = std::move(handler)](Result<Frame> frame) mutable {
    if (!frame) return handler(std::unexpected(std::move(frame).error()));
    PeerAnswer<Response> answer{std::move(frame->bytes), frame->version, {}};
    protocol::Reader reader(ByteView(answer.frame).subspan(frame->body));
    answer.body.read(reader, answer.version);
    if (!reader.ok())
      return handler(
          fail(ErrorCode::kNetworkException, std::string("a malformed answer: ") + reader.failure()));
    handler(std::move(answer));
  };
  enqueue(std::move(call));
}

}  // namespace barnabas::broker

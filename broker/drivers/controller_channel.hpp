// ControllerChannel: requests of this node to the active controller, wherever that is: in this process, or
// over a connection to its listener.
//
// Owned by the node, one for each purpose, so that a slow request holds up no heartbeat. Thread safety:
// ask(), forward() and controller_versions() from any thread; the rest happens on the channel's reactor. An
// answer runs on the metadata driver's thread or on the reactor, never within ask(), and must not block.
// Invariants
//  1. Each answer runs once, or is dropped when the node stops.
//  2. A request that met a node which is not the active controller (NOT_CONTROLLER), or whose connection
//  ended, is repeated at the one that is known then, until its time is over: REQUEST_TIMED_OUT. So the
//  controller may carry it out twice, as with Apache Kafka's brokers.
//  3. A request to the controller in this process has no deadline: MetadataNode answers each.
// UNSUPPORTED_VERSION when the controller and this node share no version of the request.
// Source: Kafka's NodeToControllerRequestThread.
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/drivers/controller_answer.hpp"
#include "broker/drivers/metadata_driver.hpp"
#include "broker/peers/peer_channel.hpp"
#include "kraft/metadata_node.hpp"
#include "protocol/messages/api_envelope.hpp"

namespace barnabas::broker {

/// A client's request on its way to the controller (KIP-590).
struct ForwardedRequest {
  Bytes request;         // header and body, as the client sent them
  Bytes principal;       // serialized
  Bytes client_address;  // 4 or 16 bytes
};

struct ControllerChannelOptions {
  std::string client_id;
  /// An attempt that takes longer is given up with its connection.
  std::chrono::nanoseconds attempt_timeout = std::chrono::seconds(30);
  /// Between a refusal (NOT_CONTROLLER) and the next attempt, unless another controller is known sooner.
  std::chrono::nanoseconds retry_backoff = std::chrono::milliseconds(50);
};

class ControllerChannel {
 public:
  template <class Response>
  using Answer = std::move_only_function<void(Result<Response>)>;

  /// Before the driver's start(). All of them outlive the channel; the driver is stopped first.
  ControllerChannel(Reactor& reactor, Clock& clock, Random& random, MetadataDriver& driver,
                    ControllerChannelOptions options);
  /// On the reactor's thread, or when the reactor runs no more.
  ~ControllerChannel();

  template <class Response, class Request>
  void ask(Request request, std::chrono::nanoseconds timeout, Answer<Response> answer);

  /// Wraps a client's request. The answer is the envelope's content: header and body, without the size; its
  /// error that of the envelope. `if_local` runs instead, on some thread, when this node has become the
  /// active controller.
  void forward(ForwardedRequest request, std::chrono::nanoseconds timeout,
               std::move_only_function<void()> if_local, Answer<Bytes> answer);

  /// Whether requests are answered in this process.
  [[nodiscard]] bool is_local() const { return driver_.active_controller().is_local; }
  /// What the controller said that it speaks; null when it is in this process or was not reached yet.
  [[nodiscard]] PeerVersions controller_versions() const;

 private:
  /// What an attempt came to, beside an answer.
  enum class Outcome : std::uint8_t { kAnswered, kNotController, kLost };
  using Done = std::move_only_function<void(Outcome)>;
  class Call {
   public:
    explicit Call(std::chrono::nanoseconds deadline) : deadline_(deadline) {}
    virtual ~Call() = default;
    [[nodiscard]] std::chrono::nanoseconds deadline() const { return deadline_; }
    virtual void ask_here(MetadataDriver& driver, Done done) = 0;
    virtual void ask_peer(PeerChannel& peer, Done done) = 0;
    virtual void fail(Error error) = 0;

   private:
    std::chrono::nanoseconds deadline_;
  };
  template <class Response, class Request>
  class TypedCall;
  class ForwardCall;
  class Link;

  void start(std::shared_ptr<Call> call);
  [[nodiscard]] std::chrono::nanoseconds deadline_in(std::chrono::nanoseconds timeout) const;
  /// Lost, or for good: what no other attempt could change.
  [[nodiscard]] static bool is_lost(const Error& error) {
    return error.code == ErrorCode::kNetworkException || error.code == ErrorCode::kRequestTimedOut;
  }

  MetadataDriver& driver_;
  std::shared_ptr<Link> link_;
};

template <class Response, class Request>
class ControllerChannel::TypedCall final : public Call,
                                           public std::enable_shared_from_this<TypedCall<Response, Request>> {
 public:
  TypedCall(std::chrono::nanoseconds deadline, Request request, Answer<Response> answer)
      : Call(deadline), request_(std::move(request)), answer_(std::move(answer)) {}

  void ask_here(MetadataDriver& driver, Done done) override {
    driver.submit([self = this->shared_from_this(), done = std::move(done)](kraft::MetadataNode& node,
                                                                            std::int64_t) mutable {
      auto reply = [self, done = std::move(done)](Response response) mutable {
        self->take(std::move(response), done);
      };
      if constexpr (std::same_as<Request, protocol::AlterPartitionRequest>)
        node.submit(self->request_, Request::kMaxVersion, std::move(reply));
      else
        node.submit(self->request_, std::move(reply));
    });
  }
  void ask_peer(PeerChannel& peer, Done done) override {
    peer.call<Response>(request_, [self = this->shared_from_this(),
                                   done = std::move(done)](Result<PeerAnswer<Response>> answer) mutable {
      if (answer) return self->take(std::move(answer->body), done);
      if (is_lost(answer.error())) return done(Outcome::kLost);
      self->fail(std::move(answer).error());
      done(Outcome::kAnswered);
    });
  }
  void fail(Error error) override { finish(std::unexpected(std::move(error))); }

 private:
  void take(Response response, Done& done) {
    if (tells_not_controller(response)) return done(Outcome::kNotController);
    finish(std::move(response));
    done(Outcome::kAnswered);
  }
  void finish(Result<Response> result) {
    if (!answered_.exchange(true)) std::exchange(answer_, nullptr)(std::move(result));
  }

  Request request_;
  Answer<Response> answer_;
  std::atomic<bool> answered_ = false;
};

template <class Response, class Request>
void ControllerChannel::ask(Request request, std::chrono::nanoseconds timeout, Answer<Response> answer) {
  start(std::make_shared<TypedCall<Response, Request>>(deadline_in(timeout), std::move(request),
                                                       std::move(answer)));
}

}  // namespace barnabas::broker

#include "broker/drivers/controller_channel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

namespace barnabas::broker {

using std::chrono::nanoseconds;

class ControllerChannel::ForwardCall final : public Call, public std::enable_shared_from_this<ForwardCall> {
 public:
  ForwardCall(nanoseconds deadline, ForwardedRequest request, std::move_only_function<void()> if_local,
              Answer<Bytes> answer)
      : Call(deadline),
        request_(std::move(request)),
        if_local_(std::move(if_local)),
        answer_(std::move(answer)) {}

  void ask_here(MetadataDriver&, Done) override {
    if (std::exchange(answered_, true)) return;
    if_local_();
  }
  void ask_peer(PeerChannel& peer, Done done) override {
    // The views point into this call, which outlives its handler.
    protocol::EnvelopeRequest envelope;
    envelope.request_data = request_.request;
    envelope.request_principal = ByteView(request_.principal);
    envelope.client_host_address = request_.client_address;
    auto handler = [self = shared_from_this(),
                    done = std::move(done)](Result<PeerAnswer<protocol::EnvelopeResponse>> answer) mutable {
      done(self->take(std::move(answer)));
    };
    peer.call<protocol::EnvelopeResponse>(envelope, std::move(handler));
  }
  void fail(Error error) override { finish(std::unexpected(std::move(error))); }

 private:
  Outcome take(Result<PeerAnswer<protocol::EnvelopeResponse>> answer) {
    if (!answer) {
      if (is_lost(answer.error())) return Outcome::kLost;
      fail({ErrorCode::kUnknownServerError, std::move(answer.error().detail)});
      return Outcome::kAnswered;
    }
    const auto error = static_cast<ErrorCode>(answer->body.error_code);
    if (error == ErrorCode::kNotController) return Outcome::kNotController;
    if (error != ErrorCode::kNone || !answer->body.response_data)
      fail({error, "the controller refused the envelope"});
    else
      finish(to_bytes(*answer->body.response_data));
    return Outcome::kAnswered;
  }
  void finish(Result<Bytes> result) {
    if (!std::exchange(answered_, true)) answer_(std::move(result));
  }

  // The reactor's thread.
  ForwardedRequest request_;
  std::move_only_function<void()> if_local_;
  Answer<Bytes> answer_;
  bool answered_ = false;
};

/// What lives on the reactor. Kept alive by the tasks under way there.
class ControllerChannel::Link : public std::enable_shared_from_this<Link> {
 public:
  Link(Reactor& reactor, Clock& clock, Random& random, MetadataDriver& driver,
       ControllerChannelOptions options)
      : reactor_(reactor), clock_(clock), random_(random), driver_(driver), options_(std::move(options)) {}

  /// From any thread.
  void post(std::shared_ptr<Call> call) {
    reactor_.post([weak = weak_from_this(), call = std::move(call)]() mutable {
      auto self = weak.lock();
      if (!self || self->ended_) return;
      self->waiting_.push_back(std::move(call));
      self->pump();
    });
  }
  void post_change() {
    reactor_.post([weak = weak_from_this()] {
      auto self = weak.lock();
      if (!self || self->ended_) return;
      self->hold_off_until_ = nanoseconds(0);
      self->pump();
    });
  }
  void ask_here(const std::shared_ptr<Call>& call) {
    call->ask_here(driver_, [weak = weak_from_this(), call](Outcome outcome) {
      if (outcome == Outcome::kAnswered) return;
      if (auto self = weak.lock()) self->post(call);
    });
  }
  void end() {
    ended_ = true;
    if (timer_ != 0) reactor_.cancel(std::exchange(timer_, 0));
    peer_.reset();
    waiting_.clear();
    at_peer_.clear();
  }

  [[nodiscard]] PeerVersions versions() const { return versions_.load(); }
  [[nodiscard]] nanoseconds now() const { return clock_.monotonic(); }

 private:
  void pump();
  void follow(const kraft::ActiveController& controller);
  void send(std::shared_ptr<Call> call);
  void on_outcome(const std::shared_ptr<Call>& call, Outcome outcome);
  void expire();
  void watch();

  Reactor& reactor_;
  Clock& clock_;
  Random& random_;
  MetadataDriver& driver_;
  ControllerChannelOptions options_;
  bool ended_ = false;
  std::unique_ptr<PeerChannel> peer_;
  std::deque<std::shared_ptr<Call>> waiting_;
  std::deque<std::shared_ptr<Call>> at_peer_;
  nanoseconds hold_off_until_{0};
  TimerId timer_ = 0;
  nanoseconds timer_due_{0};
  std::atomic<PeerVersions> versions_;
};

/// A request in a connection to somebody who leads no more is not waited for.
void ControllerChannel::Link::follow(const kraft::ActiveController& controller) {
  if (!peer_ || (!controller.is_local && controller.endpoint == peer_->peer())) return;
  if (!controller.is_local && !controller.endpoint) return;  // the old one may know better
  peer_.reset();
  versions_.store(nullptr);
  waiting_.insert(waiting_.begin(), std::make_move_iterator(at_peer_.begin()),
                  std::make_move_iterator(at_peer_.end()));
  at_peer_.clear();
}

void ControllerChannel::Link::pump() {
  expire();
  const kraft::ActiveController controller = driver_.active_controller();
  follow(controller);
  if (now() >= hold_off_until_ && (controller.is_local || controller.endpoint)) {
    std::deque<std::shared_ptr<Call>> calls = std::exchange(waiting_, {});
    for (auto& call : calls) {
      if (controller.is_local) {
        ask_here(call);
        continue;
      }
      if (!peer_) {
        PeerChannelOptions peer;
        peer.peer = *controller.endpoint;
        peer.client_id = options_.client_id;
        peer.request_timeout = options_.attempt_timeout;
        peer_ = std::make_unique<PeerChannel>(reactor_, clock_, random_, std::move(peer));
      }
      send(std::move(call));
    }
  }
  watch();
}

void ControllerChannel::Link::send(std::shared_ptr<Call> call) {
  at_peer_.push_back(call);
  call->ask_peer(*peer_, [weak = weak_from_this(), call](Outcome outcome) {
    if (auto self = weak.lock()) self->on_outcome(call, outcome);
  });
}

void ControllerChannel::Link::on_outcome(const std::shared_ptr<Call>& call, Outcome outcome) {
  if (ended_) return;
  if (peer_ && peer_->versions()) versions_.store(peer_->versions());
  const auto found = std::ranges::find(at_peer_, call);
  if (found == at_peer_.end()) return;  // its time was over before
  at_peer_.erase(found);
  if (outcome == Outcome::kAnswered) return watch();
  if (outcome == Outcome::kNotController) hold_off_until_ = now() + options_.retry_backoff;
  waiting_.push_back(call);
  pump();
}

void ControllerChannel::Link::expire() {
  const auto due = now();
  std::vector<std::shared_ptr<Call>> late;
  for (auto* calls : {&waiting_, &at_peer_}) {
    std::erase_if(*calls, [&](std::shared_ptr<Call>& call) {
      if (call->deadline() > due) return false;
      late.push_back(std::move(call));
      return true;
    });
  }
  for (auto& call : late)
    call->fail({ErrorCode::kRequestTimedOut, "the active controller could not be asked in time"});
}

/// One timer, for whatever is due first.
void ControllerChannel::Link::watch() {
  nanoseconds due = nanoseconds::max();
  for (const auto* calls : {&waiting_, &at_peer_})
    for (const auto& call : *calls) due = std::min(due, call->deadline());
  if (!waiting_.empty() && hold_off_until_ > now()) due = std::min(due, hold_off_until_);
  if (timer_ != 0 && timer_due_ == due) return;
  if (timer_ != 0) reactor_.cancel(std::exchange(timer_, 0));
  if (due == nanoseconds::max()) return;
  timer_due_ = due;
  timer_ = reactor_.schedule_at(due, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self || self->ended_) return;
    self->timer_ = 0;
    self->pump();
  });
}

ControllerChannel::ControllerChannel(Reactor& reactor, Clock& clock, Random& random, MetadataDriver& driver,
                                     ControllerChannelOptions options)
    : driver_(driver), link_(std::make_shared<Link>(reactor, clock, random, driver, std::move(options))) {
  driver.add_controller_listener([weak = std::weak_ptr(link_)](const kraft::ActiveController&) {
    if (auto link = weak.lock()) link->post_change();
  });
}

ControllerChannel::~ControllerChannel() {
  link_->end();
}

nanoseconds ControllerChannel::deadline_in(nanoseconds timeout) const {
  const nanoseconds now = link_->now();
  return timeout > nanoseconds::max() - now ? nanoseconds::max() : now + timeout;
}

/// What the controller in this process is asked does not cross the reactor, which may not run yet.
void ControllerChannel::start(std::shared_ptr<Call> call) {
  if (is_local()) return link_->ask_here(call);
  link_->post(std::move(call));
}

void ControllerChannel::forward(ForwardedRequest request, nanoseconds timeout,
                                std::move_only_function<void()> if_local, Answer<Bytes> answer) {
  link_->post(std::make_shared<ForwardCall>(deadline_in(timeout), std::move(request), std::move(if_local),
                                            std::move(answer)));
}

PeerVersions ControllerChannel::controller_versions() const {
  return link_->versions();
}

}  // namespace barnabas::broker

// Requests that a replica has sent and not yet heard about: one a peer, as Kafka sends them.
//
// Owned by RaftNode. Thread safety: none. A request that is not answered within the request timeout counts as
// failed; after a failure the peer is left alone for the back-off. Units: monotonic nanoseconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>

#include "kraft/raft/messages.hpp"

namespace barnabas::kraft {

class RequestsInFlight {
 public:
  using Time = std::chrono::nanoseconds;
  struct Request {
    std::uint64_t correlation = 0;
    Time deadline{0};
    /// Of the log when the request was sent: an answer to another position says nothing about this log.
    LogPosition position;
  };

  RequestsInFlight(Time timeout, Time backoff) : timeout_(timeout), backoff_(backoff) {}

  [[nodiscard]] bool may_send(BrokerId peer, Time now) const {
    auto found = peers_.find(peer);
    if (found == peers_.end()) return true;
    const Peer& known = found->second;
    return known.request ? now >= known.request->deadline : now >= known.not_before;
  }
  /// The last request failed or got no answer, and the peer has not answered since.
  [[nodiscard]] bool has_failed(BrokerId peer, Time now) const {
    auto found = peers_.find(peer);
    if (found == peers_.end()) return false;
    return found->second.failed || (found->second.request && now >= found->second.request->deadline);
  }
  [[nodiscard]] bool any(Time now) const {
    for (const auto& [peer, known] : peers_)
      if (known.request && now < known.request->deadline) return true;
    return false;
  }
  /// When a request that waits for its peer may be sent at the earliest: a back-off or a time-out ends.
  [[nodiscard]] std::optional<Time> next_event(Time now) const {
    std::optional<Time> first;
    for (const auto& [peer, known] : peers_) {
      const Time at = known.request ? known.request->deadline : known.not_before;
      if (at > now && (!first || at < *first)) first = at;
    }
    return first;
  }

  /// Its correlation.
  std::uint64_t send(BrokerId peer, const LogPosition& position, Time now) {
    Peer& known = peers_[peer];
    known.failed = known.request.has_value();  // given up, or it would not be sent
    known.request = Request{++last_correlation_, now + timeout_, position};
    return last_correlation_;
  }
  /// The request that is answered; nothing when nobody waits for that answer any more.
  std::optional<Request> answered(BrokerId peer, std::uint64_t correlation) {
    auto found = peers_.find(peer);
    if (found == peers_.end() || !found->second.request || found->second.request->correlation != correlation)
      return std::nullopt;
    const Request request = *found->second.request;
    found->second = Peer();
    return request;
  }
  /// Whether its answer was still waited for.
  bool failed(BrokerId peer, std::uint64_t correlation, Time now) {
    if (!answered(peer, correlation)) return false;
    back_off(peer, now);
    return true;
  }
  /// An answer that shows that asking again at once is of no use.
  void back_off(BrokerId peer, Time now) {
    Peer& known = peers_[peer];
    known.request.reset();
    known.failed = true;
    known.not_before = now + backoff_;
  }
  /// Answers to what was sent before are no longer wanted: the role changed.
  void forget_all() { peers_.clear(); }

 private:
  struct Peer {
    std::optional<Request> request;
    Time not_before{0};
    bool failed = false;
  };
  Time timeout_;
  Time backoff_;
  std::map<BrokerId, Peer> peers_;
  std::uint64_t last_correlation_ = 0;
};

}  // namespace barnabas::kraft

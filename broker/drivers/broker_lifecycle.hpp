// BrokerLifecycle: a broker's life in its cluster, from its registration to its leave (KIP-631). Pure.
//
//   kRegistering --registered--> kCatchingUp --metadata read up to there--> kFenced <--> kRunning
//        ^------------------------ the controller lost the registration ----------------'
//   any of them --leave()--> kLeaving --granted, or out of patience--> kLeft
//
// Owned by its driver. Thread safety: none. Time is passed in, on Clock::monotonic()'s scale; requests come
// out of next(), their answers go back in. At most one request is out at a time.
// Invariants
//  1. A request for a fence is sent until the caller says serve(): nobody is sent to a broker that does not
//  serve.
//  2. Offline log directories are told with every heartbeat; when the controller takes no note of one within
//  log.dir.failure.timeout.ms the broker fails.
//  3. A registration that can never succeed fails the first time; whatever may pass is tried again, with
//  DUPLICATE_BROKER_REGISTRATION among it: the controller may not have noticed yet that the life before is
//  over.
// Source: KIP-631, KIP-858, KIP-966; Kafka's BrokerLifecycleManager.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "kraft/metadata_image.hpp"
#include "protocol/messages/api_broker_heartbeat.hpp"
#include "protocol/messages/api_broker_registration.hpp"

namespace barnabas::broker {

/// What this broker tells the controller of itself.
struct BrokerIdentity {
  std::string cluster_id;
  std::vector<kraft::NamedEndpoint> endpoints;
  std::vector<DirectoryId> directories;
  std::optional<std::string> rack;
  std::int64_t previous_epoch = -1;  // of the clean-shutdown marker
};

struct BrokerLifecycleOptions {
  BrokerId id;
  std::chrono::nanoseconds heartbeat_interval = std::chrono::seconds(2);
  std::chrono::nanoseconds registration_timeout = std::chrono::seconds(60);  // of the first one
  std::chrono::nanoseconds directory_failure_timeout = std::chrono::seconds(30);
  std::chrono::nanoseconds retry_backoff = std::chrono::milliseconds(100);
  std::chrono::nanoseconds retry_backoff_max = std::chrono::milliseconds(500);
  /// Between heartbeats while the broker waits to be let go.
  std::chrono::nanoseconds leave_interval = std::chrono::milliseconds(20);
  /// A leave that is not granted ends after this, or when the controller has been silent for so long.
  std::chrono::nanoseconds leave_patience = std::chrono::minutes(5);
  std::chrono::nanoseconds leave_silence = std::chrono::seconds(10);
};

class BrokerLifecycle {
 public:
  enum class State : std::uint8_t { kRegistering, kCatchingUp, kFenced, kRunning, kLeaving, kLeft };
  /// What is to be sent now. Nothing: wait until deadline().
  using Work =
      std::variant<std::monostate, protocol::BrokerRegistrationRequest, protocol::BrokerHeartbeatRequest>;

  BrokerLifecycle(BrokerLifecycleOptions options, BrokerIdentity identity, Uuid incarnation,
                  std::chrono::nanoseconds now);

  /// The next request; whoever takes it must hand in what comes of it. An error ends the broker: its text is
  /// for the operator.
  Result<Work> next(std::chrono::nanoseconds now);
  [[nodiscard]] std::chrono::nanoseconds deadline() const;

  void on_registration(const Result<protocol::BrokerRegistrationResponse>& answer,
                       std::chrono::nanoseconds now);
  void on_heartbeat(const Result<protocol::BrokerHeartbeatResponse>& answer, std::chrono::nanoseconds now);
  /// The metadata is read up to `offset`.
  void on_metadata(Offset offset, std::chrono::nanoseconds now);
  /// What the metadata says is published here: the broker asks to be unfenced from now on.
  void serve(std::chrono::nanoseconds now);
  void lose_directory(DirectoryId directory, std::chrono::nanoseconds now);
  /// Other addresses: registers again, in the same life.
  void announce(std::vector<kraft::NamedEndpoint> endpoints, std::chrono::nanoseconds now);
  /// A heartbeat as soon as possible, because somebody waits for what it tells.
  void hurry(std::chrono::nanoseconds now);
  /// Asks to be let go. Idempotent.
  void leave(std::chrono::nanoseconds now);
  /// Shorter patience, for who has nobody to hand its partitions to.
  void leave_within(std::chrono::nanoseconds patience) { options_.leave_patience = patience; }

  [[nodiscard]] State state() const { return state_; }
  /// -1 before the first registration.
  [[nodiscard]] std::int64_t epoch() const { return epoch_; }
  /// Whether the metadata is read up to the registration: what it says of this broker is known.
  [[nodiscard]] bool is_caught_up() const {
    return state_ != State::kRegistering && metadata_.value() >= epoch_ && epoch_ >= 0;
  }
  /// The request of the first registration, for who hands it in together with the first heartbeat.
  [[nodiscard]] protocol::BrokerRegistrationRequest registration() const;
  /// As next() does when it gives a registration away.
  void begin_registration() { is_asking_ = true; }

 private:
  [[nodiscard]] protocol::BrokerHeartbeatRequest heartbeat() const;
  [[nodiscard]] bool is_registered() const { return state_ != State::kRegistering; }
  void retry_later(std::chrono::nanoseconds now);
  void register_anew(std::chrono::nanoseconds now);
  void on_beat(const protocol::BrokerHeartbeatResponse& response, std::chrono::nanoseconds now);
  void on_registration_refused(const Error& error, std::chrono::nanoseconds now);

  BrokerLifecycleOptions options_;
  BrokerIdentity identity_;
  Uuid incarnation_;
  State state_ = State::kRegistering;
  std::int64_t epoch_ = -1;
  Offset metadata_ = kNoOffset;
  bool is_serving_ = false;
  bool was_running_ = false;
  bool is_asking_ = false;      // a request is out
  bool is_announcing_ = false;  // registered, but not with what is told now
  bool told_all_ = true;        // the heartbeat that is out has all offline directories
  std::vector<Uuid> offline_directories_;
  std::optional<std::chrono::nanoseconds> told_by_;  // while the controller has not heard of all of those
  std::optional<Error> failure_;
  std::optional<Error> last_refusal_;
  std::optional<std::chrono::nanoseconds> register_by_;  // until the first registration
  std::chrono::nanoseconds due_;                         // of the next request
  std::chrono::nanoseconds fenced_backoff_{0};
  int failures_ = 0;
  std::chrono::nanoseconds leave_began_{0};
  std::chrono::nanoseconds last_heard_{0};
};

}  // namespace barnabas::broker

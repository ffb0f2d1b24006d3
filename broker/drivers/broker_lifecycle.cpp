#include "broker/drivers/broker_lifecycle.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/logging.hpp"
#include "kraft/controller/control.hpp"
#include "protocol/error_table.hpp"

namespace barnabas::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr const char* kLogger = "org.apache.kafka.server.BrokerLifecycleManager";

/// Nothing that passes by itself: another cluster, directories or features that make no sense there, a
/// controller of this process that cannot write.
bool is_final(ErrorCode error) {
  return error == ErrorCode::kInconsistentClusterId || error == ErrorCode::kInvalidRegistration ||
         error == ErrorCode::kUnsupportedVersion || error == ErrorCode::kKafkaStorageError;
}

std::string why(ErrorCode error) {
  switch (error) {
    case ErrorCode::kInconsistentClusterId:
      return "it belongs to another cluster; the cluster.id in meta.properties must be that of the "
             "controllers, which controller.quorum.voters or controller.quorum.bootstrap.servers name";
    case ErrorCode::kInvalidRegistration:
      return "its listeners, features or log directories are not acceptable; look into the log of the "
             "active controller";
    case ErrorCode::kUnsupportedVersion:
      return "the cluster has a feature level, such as metadata.version, that this broker does not support";
    case ErrorCode::kDuplicateBrokerRegistration:
      return "another broker with its node.id is alive; each node needs a node.id of its own";
    default:
      return fmt::format("error {} ({})", static_cast<int>(error), protocol::error_name(error));
  }
}

}  // namespace

BrokerLifecycle::BrokerLifecycle(BrokerLifecycleOptions options, BrokerIdentity identity, Uuid incarnation,
                                 nanoseconds now)
    : options_(options),
      identity_(std::move(identity)),
      incarnation_(incarnation),
      register_by_(now + options.registration_timeout),
      due_(now) {}

protocol::BrokerRegistrationRequest BrokerLifecycle::registration() const {
  protocol::BrokerRegistrationRequest request;
  request.broker_id = options_.id.value();
  request.cluster_id = identity_.cluster_id;
  request.incarnation_id = incarnation_;
  request.rack = identity_.rack;
  request.previous_broker_epoch = identity_.previous_epoch;
  for (const auto& endpoint : identity_.endpoints)
    request.listeners.push_back(
        {endpoint.listener, endpoint.endpoint.host, endpoint.endpoint.port, endpoint.security_protocol});
  for (const auto& [name, range] : kraft::supported_features())
    request.features.push_back({name, range.min, range.max});
  for (const auto& directory : identity_.directories) request.log_dirs.push_back(directory.value());
  return request;
}

protocol::BrokerHeartbeatRequest BrokerLifecycle::heartbeat() const {
  protocol::BrokerHeartbeatRequest request;
  request.broker_id = options_.id.value();
  request.broker_epoch = epoch_;
  request.current_metadata_offset = metadata_.value();
  request.want_fence = !is_serving_;
  request.want_shut_down = state_ == State::kLeaving;
  request.offline_log_dirs = offline_directories_;
  return request;
}

Result<BrokerLifecycle::Work> BrokerLifecycle::next(nanoseconds now) {
  if (failure_) return std::unexpected(*failure_);
  if (told_by_ && now >= *told_by_)
    return fail(ErrorCode::kKafkaStorageError,
                "the controller took no note of a failed log directory within log.dir.failure.timeout.ms");
  if (register_by_ && now >= *register_by_) {
    const std::string reason = last_refusal_ ? last_refusal_->detail : "no active controller was found";
    return fail(
        ErrorCode::kRequestTimedOut,
        "Could not register with the controllers within initial.broker.registration.timeout.ms: " + reason);
  }
  if (state_ == State::kLeaving &&
      (now >= leave_began_ + options_.leave_patience || now >= last_heard_ + options_.leave_silence)) {
    log_warn(kLogger, "[BrokerLifecycleManager id={}] The controlled shutdown was not granted in time",
             options_.id.value());
    state_ = State::kLeft;
  }
  if (state_ == State::kLeft || is_asking_ || now < due_) return Work();
  is_asking_ = true;
  if (!is_registered() || is_announcing_) {
    is_announcing_ = false;
    return Work(registration());
  }
  told_all_ = true;
  due_ = now + (state_ == State::kLeaving ? options_.leave_interval : options_.heartbeat_interval);
  return Work(heartbeat());
}

nanoseconds BrokerLifecycle::deadline() const {
  nanoseconds first = nanoseconds::max();
  if (failure_) return nanoseconds(0);
  if (state_ == State::kLeft) return first;
  if (!is_asking_) first = due_;
  if (told_by_) first = std::min(first, *told_by_);
  if (register_by_) first = std::min(first, *register_by_);
  if (state_ == State::kLeaving)
    first = std::min({first, leave_began_ + options_.leave_patience, last_heard_ + options_.leave_silence});
  return first;
}

void BrokerLifecycle::retry_later(nanoseconds now) {
  const auto doubled = options_.retry_backoff * (std::int64_t{1} << std::min(failures_++, 20));
  due_ = now + std::min(doubled, options_.retry_backoff_max);
}

void BrokerLifecycle::on_registration(const Result<protocol::BrokerRegistrationResponse>& answer,
                                      nanoseconds now) {
  is_asking_ = false;
  last_heard_ = now;
  if (!answer) return on_registration_refused(answer.error(), now);
  if (answer->error_code != 0) {
    const auto error = static_cast<ErrorCode>(answer->error_code);
    return on_registration_refused({error, "the controller refused this broker: " + why(error)}, now);
  }
  failures_ = 0;
  register_by_.reset();
  epoch_ = answer->broker_epoch;
  due_ = now;
  log_info(kLogger, "[BrokerLifecycleManager id={}] Successfully registered broker {} with broker epoch {}",
           options_.id.value(), options_.id.value(), epoch_);
  if (state_ != State::kRegistering) return;
  state_ = State::kCatchingUp;
  on_metadata(metadata_, now);
}

void BrokerLifecycle::on_registration_refused(const Error& error, nanoseconds now) {
  if (state_ == State::kLeaving || state_ == State::kLeft) return;
  const bool first = epoch_ < 0;
  if (first && is_final(error.code)) {
    failure_ = error;
    return;
  }
  if (!last_refusal_ || last_refusal_->code != error.code)
    log_warn(kLogger, "[BrokerLifecycleManager id={}] Not registered, and trying again: {}",
             options_.id.value(), error.detail);
  last_refusal_ = error;
  // What changed a registration that stands is tried again too.
  if (is_registered()) is_announcing_ = true;
  retry_later(now);
}

void BrokerLifecycle::on_metadata(Offset offset, nanoseconds now) {
  metadata_ = std::max(metadata_, offset);
  if (state_ != State::kCatchingUp || !is_caught_up()) return;
  state_ = State::kFenced;
  due_ = now;
}

void BrokerLifecycle::serve(nanoseconds now) {
  if (std::exchange(is_serving_, true)) return;
  if (state_ == State::kFenced) due_ = now;
}

void BrokerLifecycle::lose_directory(DirectoryId directory, nanoseconds now) {
  offline_directories_.push_back(directory.value());
  told_all_ = false;
  if (!told_by_) told_by_ = now + options_.directory_failure_timeout;
  hurry(now);
}

void BrokerLifecycle::announce(std::vector<kraft::NamedEndpoint> endpoints, nanoseconds now) {
  identity_.endpoints = std::move(endpoints);
  if (!is_registered()) return;
  is_announcing_ = true;
  due_ = now;
}

void BrokerLifecycle::hurry(nanoseconds now) {
  if (is_registered()) due_ = std::min(due_, now);
}

void BrokerLifecycle::leave(nanoseconds now) {
  if (state_ == State::kLeaving || state_ == State::kLeft) return;
  leave_began_ = last_heard_ = now;
  state_ = is_registered() ? State::kLeaving : State::kLeft;
  register_by_.reset();
  due_ = now;
}

void BrokerLifecycle::on_heartbeat(const Result<protocol::BrokerHeartbeatResponse>& answer, nanoseconds now) {
  is_asking_ = false;
  if (state_ == State::kLeft) return;
  if (!answer) {
    log_info(kLogger, "[BrokerLifecycleManager id={}] No answer to a heartbeat, and trying again: {}",
             options_.id.value(), answer.error().detail);
    return retry_later(now);
  }
  last_heard_ = now;
  const auto error = static_cast<ErrorCode>(answer->error_code);
  if (error == ErrorCode::kNone) return on_beat(*answer, now);
  log_warn(kLogger, "[BrokerLifecycleManager id={}] The controller answered a heartbeat with error {} ({})",
           options_.id.value(), answer->error_code, protocol::error_name(error));
  if (error == ErrorCode::kStaleBrokerEpoch || error == ErrorCode::kBrokerIdNotRegistered)
    register_anew(now);
  else
    retry_later(now);
}

/// The controller does not know this life, so there is nothing to hand over either.
void BrokerLifecycle::register_anew(nanoseconds now) {
  if (state_ == State::kLeaving) {
    state_ = State::kLeft;
    return;
  }
  state_ = State::kRegistering;
  retry_later(now);
}

void BrokerLifecycle::on_beat(const protocol::BrokerHeartbeatResponse& response, nanoseconds now) {
  failures_ = 0;
  if (told_all_) told_by_.reset();
  if (state_ == State::kLeaving) {
    if (response.should_shut_down) state_ = State::kLeft;
    return;
  }
  if (!response.is_fenced) {
    if (state_ == State::kFenced && was_running_)
      log_info(kLogger, "[BrokerLifecycleManager id={}] The broker has been unfenced", options_.id.value());
    if (state_ == State::kCatchingUp) return;
    was_running_ = true;
    if (std::exchange(state_, State::kRunning) != State::kRunning)
      due_ = std::max(due_, now + options_.heartbeat_interval);
    fenced_backoff_ = nanoseconds(0);
    return;
  }
  if (state_ == State::kRunning) {
    log_info(kLogger, "[BrokerLifecycleManager id={}] The broker is fenced", options_.id.value());
    state_ = State::kFenced;
    due_ = now;
    return;
  }
  if (state_ != State::kFenced || !is_serving_) return;
  // Not as far as the controller wants it to be: what is missing is under way.
  fenced_backoff_ =
      std::clamp<nanoseconds>(2 * fenced_backoff_, milliseconds(1), options_.heartbeat_interval);
  due_ = std::min(due_, now + fenced_backoff_);
}

}  // namespace barnabas::broker

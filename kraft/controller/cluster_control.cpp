#include "kraft/controller/cluster_control.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "kraft/controller/partition_change.hpp"

namespace barnabas::kraft {

namespace {

constexpr std::int16_t code(ErrorCode error) {
  return static_cast<std::int16_t>(error);
}

protocol::BrokerRegistrationChangeRecord change_of(const BrokerRegistration& broker) {
  protocol::BrokerRegistrationChangeRecord record;
  record.broker_id = broker.id.value();
  record.broker_epoch = broker.epoch;
  return record;
}

constexpr std::int8_t kFence = 1;
constexpr std::int8_t kUnfence = -1;

void append_fence(const ControlContext& context, const BrokerRegistration& broker, MetadataRecords& records) {
  protocol::BrokerRegistrationChangeRecord record = change_of(broker);
  record.fenced = kFence;
  append_partition_changes(context, broker.id, BrokerTransition::kFenced, records);
  records.emplace(records.begin(), std::move(record));
}

void append_unfence(const ControlContext& context, const BrokerRegistration& broker,
                    MetadataRecords& records) {
  protocol::BrokerRegistrationChangeRecord record = change_of(broker);
  record.fenced = kUnfence;
  records.emplace_back(std::move(record));
  append_partition_changes(context, broker.id, BrokerTransition::kUnfenced, records);
}

void append_controlled_shutdown(const ControlContext& context, const BrokerRegistration& broker,
                                MetadataRecords& records) {
  protocol::BrokerRegistrationChangeRecord record = change_of(broker);
  record.in_controlled_shutdown = 1;
  records.emplace_back(std::move(record));
  append_partition_changes(context, broker.id, BrokerTransition::kControlledShutdown, records);
}

bool leads_something(const MetadataImage& image, BrokerId broker) {
  return std::ranges::any_of(image.topics->by_name, [broker](const auto& entry) {
    return std::ranges::any_of(entry.second->partitions,
                               [broker](const auto& partition) { return partition.leader == broker; });
  });
}

/// Why a broker may not register; nothing when it may.
std::optional<ErrorCode> refusal(const ControlContext& context, const BrokerSessions& sessions,
                                 const protocol::BrokerRegistrationRequest& request) {
  if (!context.options.cluster_id.empty() && request.cluster_id != context.options.cluster_id)
    return ErrorCode::kInconsistentClusterId;
  const BrokerId id(request.broker_id);
  const BrokerRegistration* known = context.image.broker(id);
  if (known != nullptr && known->incarnation_id != request.incarnation_id && !known->fenced &&
      !known->in_controlled_shutdown && sessions.is_alive(id, context.now_ms))
    return ErrorCode::kDuplicateBrokerRegistration;
  if (request.is_migrating_zk_broker) return ErrorCode::kUnsupportedVersion;
  const auto level = [&request](std::string_view name) {
    auto found = std::ranges::find(request.features, name, [](const auto& f) { return f.name; });
    return found == request.features.end()
               ? VersionRange{}
               : VersionRange{found->min_supported_version, found->max_supported_version};
  };
  const auto fits = [&level](const std::string& name, std::int16_t finalized) {
    const VersionRange range = level(name);
    return range.min <= finalized && finalized <= range.max;
  };
  if (!fits(kMetadataVersionFeature, context.image.features->metadata_version))
    return ErrorCode::kUnsupportedVersion;
  for (const auto& [name, finalized] : context.image.features->levels)
    if (finalized > 0 && !fits(name, finalized)) return ErrorCode::kUnsupportedVersion;
  constexpr std::int16_t kDirectoriesLevel = 17;
  if (context.image.features->metadata_version >= kDirectoriesLevel && request.log_dirs.empty())
    return ErrorCode::kInvalidRegistration;
  return std::nullopt;
}

template <class Record, class Request>
void put_listeners_and_features(const Request& request, Record& record) {
  for (const auto& from : request.listeners) {
    auto& to = record.end_points.emplace_back();
    to.name = from.name;
    to.host = from.host;
    to.port = from.port;
    to.security_protocol = from.security_protocol;
  }
  for (const auto& from : request.features) {
    auto& to = record.features.emplace_back();
    to.name = from.name;
    to.min_supported_version = from.min_supported_version;
    to.max_supported_version = from.max_supported_version;
  }
}

bool same_endpoints(const BrokerRegistration& known, const protocol::BrokerRegistrationRequest& request) {
  return std::ranges::equal(known.endpoints, request.listeners, [](const auto& has, const auto& told) {
    return has.listener == told.name && has.endpoint == Endpoint{told.host, told.port} &&
           has.security_protocol == told.security_protocol;
  });
}

/// The registration of the same process with other addresses: nothing else of its state changes.
protocol::RegisterBrokerRecord amended_registration(const BrokerRegistration& known,
                                                    const protocol::BrokerRegistrationRequest& request) {
  protocol::RegisterBrokerRecord record;
  record.broker_id = request.broker_id;
  record.incarnation_id = request.incarnation_id;
  record.broker_epoch = known.epoch;
  put_listeners_and_features(request, record);
  record.rack = request.rack;
  record.fenced = known.fenced;
  record.in_controlled_shutdown = known.in_controlled_shutdown;
  record.log_dirs = request.log_dirs;
  return record;
}

enum class State { kFenced, kUnfenced, kControlledShutdown, kShutdownNow };

State state_of(const BrokerRegistration& broker) {
  if (broker.fenced) return State::kFenced;
  return broker.in_controlled_shutdown ? State::kControlledShutdown : State::kUnfenced;
}

State next_state(const ControlContext& context, const BrokerRegistration& broker,
                 const protocol::BrokerHeartbeatRequest& request) {
  switch (state_of(broker)) {
    case State::kFenced:
      if (request.want_shut_down) return State::kShutdownNow;
      // It must have seen its own registration, or it would serve what is older.
      if (request.want_fence || request.current_metadata_offset < broker.epoch) return State::kFenced;
      return State::kUnfenced;
    case State::kUnfenced:
      if (request.want_fence) return request.want_shut_down ? State::kShutdownNow : State::kFenced;
      if (!request.want_shut_down) return State::kUnfenced;
      return leads_something(context.image, broker.id) ? State::kControlledShutdown : State::kShutdownNow;
    default:
      return leads_something(context.image, broker.id) ? State::kControlledShutdown : State::kShutdownNow;
  }
}

}  // namespace

bool BrokerSessions::is_alive(BrokerId broker, std::int64_t now_ms) const {
  auto found = last_heard_ms_.find(broker);
  return found != last_heard_ms_.end() && now_ms < found->second + timeout_ms_;
}

void BrokerSessions::start_all(const MetadataImage& image, std::int64_t now_ms) {
  for (const auto& [id, broker] : image.cluster->brokers) grace_from_ms_[id] = now_ms;
}

std::int64_t BrokerSessions::ends_ms(BrokerId broker) const {
  if (auto found = last_heard_ms_.find(broker); found != last_heard_ms_.end())
    return found->second + timeout_ms_;
  auto grace = grace_from_ms_.find(broker);
  return grace == grace_from_ms_.end() ? INT64_MAX : grace->second + timeout_ms_;
}

std::vector<BrokerId> BrokerSessions::expired(const MetadataImage& image, std::int64_t now_ms) const {
  std::vector<BrokerId> result;
  for (const auto& [id, broker] : image.cluster->brokers)
    if (!broker.fenced && ends_ms(id) <= now_ms) result.push_back(id);
  return result;
}

std::optional<std::int64_t> BrokerSessions::next_expiry_ms(const MetadataImage& image) const {
  std::int64_t first = INT64_MAX;
  for (const auto& [id, broker] : image.cluster->brokers)
    if (!broker.fenced) first = std::min(first, ends_ms(id));
  return first == INT64_MAX ? std::nullopt : std::optional(first);
}

ControllerResult<protocol::BrokerRegistrationResponse> register_broker(
    const ControlContext& context, const BrokerSessions& sessions,
    const protocol::BrokerRegistrationRequest& request) {
  ControllerResult<protocol::BrokerRegistrationResponse> result;
  if (auto error = refusal(context, sessions, request)) {
    result.response.error_code = code(*error);
    return result;
  }
  const BrokerId id(request.broker_id);
  const BrokerRegistration* known = context.image.broker(id);
  if (known != nullptr && known->incarnation_id == request.incarnation_id) {
    result.response.broker_epoch = known->epoch;  // a repeated request, unless it tells other addresses
    if (!same_endpoints(*known, request)) result.records.emplace_back(amended_registration(*known, request));
    return result;
  }
  if (known != nullptr) {
    const bool clean = known->epoch == request.previous_broker_epoch;
    append_partition_changes(
        context, id, clean ? BrokerTransition::kFenced : BrokerTransition::kUncleanRestart, result.records);
  }
  protocol::RegisterBrokerRecord record;
  record.broker_id = request.broker_id;
  record.incarnation_id = request.incarnation_id;
  record.broker_epoch = context.next_offset.value() + static_cast<std::int64_t>(result.records.size());
  put_listeners_and_features(request, record);
  record.rack = request.rack;
  record.fenced = true;
  record.log_dirs = request.log_dirs;
  result.response.broker_epoch = record.broker_epoch;
  result.records.emplace_back(std::move(record));
  return result;
}

ControllerResult<protocol::BrokerHeartbeatResponse> broker_heartbeat(
    const ControlContext& context, const protocol::BrokerHeartbeatRequest& request) {
  ControllerResult<protocol::BrokerHeartbeatResponse> result;
  const BrokerRegistration* broker = context.image.broker(BrokerId(request.broker_id));
  if (broker == nullptr || broker->epoch != request.broker_epoch) {
    result.response.error_code = code(ErrorCode::kStaleBrokerEpoch);
    return result;
  }
  const State before = state_of(*broker);
  const State after = next_state(context, *broker, request);
  if (after != before) {
    if (after == State::kUnfenced) append_unfence(context, *broker, result.records);
    if (after == State::kControlledShutdown) append_controlled_shutdown(context, *broker, result.records);
    if ((after == State::kFenced || after == State::kShutdownNow) && before != State::kFenced)
      append_fence(context, *broker, result.records);
  }
  result.response.is_caught_up = request.current_metadata_offset >= broker->epoch;
  result.response.is_fenced = after == State::kFenced || after == State::kShutdownNow;
  result.response.should_shut_down = after == State::kShutdownNow;
  return result;
}

MetadataRecords fence_broker(const ControlContext& context, BrokerId id) {
  MetadataRecords records;
  if (const BrokerRegistration* broker = context.image.broker(id); broker != nullptr && !broker->fenced)
    append_fence(context, *broker, records);
  return records;
}

ControllerResult<protocol::UnregisterBrokerResponse> unregister_broker(
    const ControlContext& context, const protocol::UnregisterBrokerRequest& request) {
  ControllerResult<protocol::UnregisterBrokerResponse> result;
  result.response.error_message = std::nullopt;
  const BrokerRegistration* broker = context.image.broker(BrokerId(request.broker_id));
  if (broker == nullptr) {
    result.response.error_code = code(ErrorCode::kBrokerIdNotRegistered);
    result.response.error_message =
        fmt::format("Broker ID {} is not currently registered", request.broker_id);
    return result;
  }
  append_partition_changes(context, broker->id, BrokerTransition::kFenced, result.records);
  protocol::UnregisterBrokerRecord record;
  record.broker_id = request.broker_id;
  record.broker_epoch = broker->epoch;
  result.records.emplace_back(record);
  return result;
}

ControllerResult<protocol::ControllerRegistrationResponse> register_controller(
    const ControlContext& context, const protocol::ControllerRegistrationRequest& request) {
  ControllerResult<protocol::ControllerRegistrationResponse> result;
  result.response.error_message = std::nullopt;
  constexpr std::int16_t kControllerRegistrationLevel = 15;
  if (context.image.features->metadata_version < kControllerRegistrationLevel) {
    result.response.error_code = code(ErrorCode::kUnsupportedVersion);
    result.response.error_message =
        "The current MetadataVersion is too old to support controller registrations.";
    return result;
  }
  protocol::RegisterControllerRecord record;
  record.controller_id = request.controller_id;
  record.incarnation_id = request.incarnation_id;
  record.zk_migration_ready = request.zk_migration_ready;
  put_listeners_and_features(request, record);
  result.records.emplace_back(std::move(record));
  return result;
}

}  // namespace barnabas::kraft

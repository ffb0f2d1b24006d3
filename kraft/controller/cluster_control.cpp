#include "kraft/controller/cluster_control.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "kraft/controller/broker_transition.hpp"

namespace barnabas::kraft {

namespace {

constexpr std::int16_t kControllerRegistrationLevel = 15;  // metadata.version 3.7-IV0
constexpr std::int16_t kDirectoriesLevel = 17;             // 3.7-IV2
constexpr std::int16_t kCordonLevel = 30;                  // 4.3-IV0
constexpr std::string_view kKraftVersionFeature = "kraft.version";

constexpr std::int16_t code(ErrorCode error) {
  return static_cast<std::int16_t>(error);
}

Result<void> check_directories(const MetadataImage& image,
                               const protocol::BrokerRegistrationRequest& request) {
  if (image.features->metadata_version < kDirectoriesLevel) return {};
  const auto refuse = [](std::string why) { return fail(ErrorCode::kInvalidRegistration, std::move(why)); };
  if (request.log_dirs.empty()) return refuse("No directories specified in request");
  if (std::ranges::any_of(request.log_dirs, &Uuid::is_reserved))
    return refuse("Reserved directory ID in request");
  const std::set<Uuid> asked(request.log_dirs.begin(), request.log_dirs.end());
  if (asked.size() != request.log_dirs.size()) return refuse("Duplicate directory ID in request");
  for (const auto& [id, broker] : image.cluster->brokers)
    for (const DirectoryId directory : broker.directories)
      if (id.value() != request.broker_id && asked.contains(directory.value()))
        return refuse(fmt::format("Broker {} is already registered with directory {}", id.value(),
                                  directory.value().to_string()));
  return {};
}

/// Every finalized level must be one that the broker has, and every range it names must hold the level.
Result<void> check_features(const ControlContext& context,
                            const protocol::BrokerRegistrationRequest& request) {
  const auto finalized = [&](const std::string& name) {
    return name == kKraftVersionFeature ? context.kraft_version : context.image.feature(name);
  };
  const auto refuse = [](const std::string& name, std::int16_t level) {
    return fail(
        ErrorCode::kUnsupportedVersion,
        fmt::format("Unable to register because the broker does not support finalized version {} of {}",
                    level, name));
  };
  std::set<std::string> named;
  for (const auto& feature : request.features) {
    named.insert(feature.name);
    const std::int16_t level = finalized(feature.name);
    if (level < feature.min_supported_version || level > feature.max_supported_version)
      return refuse(feature.name, level);
  }
  if (!named.contains(kMetadataVersionFeature))
    return fail(ErrorCode::kInvalidRegistration, "Request features do not contain 'metadata.version'");
  for (const auto& [name, level] : context.image.features->levels)
    if (level != 0 && !named.contains(name)) return refuse(name, level);
  return {};
}

/// The log directories of one process, which it locks, are another's: the one before has ended.
bool holds_its_directories(const BrokerRegistration& known,
                           const protocol::BrokerRegistrationRequest& request) {
  const auto is_held = [&](DirectoryId directory) {
    return std::ranges::find(request.log_dirs, directory.value()) != request.log_dirs.end();
  };
  return !known.directories.empty() && std::ranges::all_of(known.directories, is_held);
}

Result<void> check_registration(const ControlContext& context, const BrokerSessions& sessions,
                                const protocol::BrokerRegistrationRequest& request) {
  if (!context.options.cluster_id.empty() && request.cluster_id != context.options.cluster_id)
    return fail(ErrorCode::kInconsistentClusterId);
  const BrokerId id(request.broker_id);
  const BrokerRegistration* known = context.image.broker(id);
  if (known != nullptr && known->incarnation_id != request.incarnation_id &&
      sessions.is_alive(id, known->epoch, context.now_ms) &&
      !(sessions.may_be_gone(id) && holds_its_directories(*known, request)))
    return fail(ErrorCode::kDuplicateBrokerRegistration);
  if (request.is_migrating_zk_broker) return fail(ErrorCode::kBrokerIdNotRegistered);
  TRY(check_directories(context.image, request));
  return check_features(context, request);
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

enum class State { kFenced, kUnfenced, kControlledShutdown, kShutdownNow };

State state_of(const BrokerRegistration& broker) {
  if (broker.fenced) return State::kFenced;
  return broker.in_controlled_shutdown ? State::kControlledShutdown : State::kUnfenced;
}

State next_state(const ControlContext& context, const BrokerSessions& sessions,
                 const BrokerRegistration& broker, const protocol::BrokerHeartbeatRequest& request) {
  const auto leads = [&] { return leads_something(context.image, broker.id); };
  switch (state_of(broker)) {
    case State::kFenced:
      if (request.want_shut_down) return State::kShutdownNow;
      // It must have seen its own registration, or it would serve what is older.
      if (request.want_fence ||
          request.current_metadata_offset < sessions.registration_offset(broker).value())
        return State::kFenced;
      return State::kUnfenced;
    case State::kUnfenced:
      if (request.want_fence) return request.want_shut_down ? State::kShutdownNow : State::kFenced;
      if (!request.want_shut_down) return State::kUnfenced;
      return leads() ? State::kControlledShutdown : State::kShutdownNow;
    default:
      return leads() || !sessions.may_shut_down(context.image, broker.id) ? State::kControlledShutdown
                                                                          : State::kShutdownNow;
  }
}

/// The broker as it stands after the records of its heartbeat so far.
void append_directory_changes(const ControlContext& context, const BrokerRegistration& broker,
                              const protocol::BrokerHeartbeatRequest& request, MetadataRecords& records) {
  const std::int16_t level = context.image.features->metadata_version;
  if (level >= kDirectoriesLevel)
    append_offline_directories(context, broker, request.offline_log_dirs, records);
  if (level >= kCordonLevel && request.cordoned_log_dirs)
    append_cordoned_directories(broker, *request.cordoned_log_dirs, records);
}

}  // namespace

ControllerResult<protocol::BrokerRegistrationResponse> register_broker(
    const ControlContext& context, BrokerSessions& sessions,
    const protocol::BrokerRegistrationRequest& request) {
  ControllerResult<protocol::BrokerRegistrationResponse> result;
  if (auto checked = check_registration(context, sessions, request); !checked) {
    result.response.error_code = code(checked.error().code);
    return result;
  }
  const BrokerId id(request.broker_id);
  const BrokerRegistration* known = context.image.broker(id);
  protocol::RegisterBrokerRecord record;
  record.broker_id = request.broker_id;
  record.incarnation_id = request.incarnation_id;
  put_listeners_and_features(request, record);
  record.rack = request.rack;
  if (context.image.features->metadata_version >= kDirectoriesLevel) record.log_dirs = request.log_dirs;
  if (known != nullptr && known->incarnation_id == request.incarnation_id) {
    // The same process tells other addresses, say; nothing else of its state changes.
    record.broker_epoch = known->epoch;
    record.fenced = known->fenced;
    record.in_controlled_shutdown = known->in_controlled_shutdown;
  } else {
    const bool clean = known != nullptr && known->epoch == request.previous_broker_epoch;
    append_end_of_incarnation(context, id, clean, result.records);
    record.broker_epoch = context.next_offset.value();
    record.fenced = true;
  }
  result.response.broker_epoch = record.broker_epoch;
  sessions.registered(id, record.broker_epoch,
                      context.next_offset + static_cast<std::int64_t>(result.records.size()));
  result.records.emplace_back(std::move(record));
  return result;
}

Result<const BrokerRegistration*> check_broker_epoch(const MetadataImage& image, std::int32_t id,
                                                     std::int64_t epoch) {
  const BrokerRegistration* broker = image.broker(BrokerId(id));
  if (broker == nullptr || broker->epoch != epoch) return fail(ErrorCode::kStaleBrokerEpoch);
  return broker;
}

ControllerResult<protocol::BrokerHeartbeatResponse> broker_heartbeat(
    const ControlContext& context, BrokerSessions& sessions,
    const protocol::BrokerHeartbeatRequest& request) {
  ControllerResult<protocol::BrokerHeartbeatResponse> result;
  const auto registered = check_broker_epoch(context.image, request.broker_id, request.broker_epoch);
  if (!registered) {
    result.response.error_code = code(registered.error().code);
    return result;
  }
  const BrokerRegistration& broker = **registered;
  const State before = state_of(broker);
  const State after = next_state(context, sessions, broker, request);
  const bool is_fenced = after == State::kFenced || after == State::kShutdownNow;
  if (after != before) {
    if (after == State::kUnfenced) append_unfence(context, broker, result.records);
    if (after == State::kControlledShutdown) append_controlled_shutdown(context, broker, result.records);
    if (is_fenced) append_fence(context, broker, result.records);
  }
  sessions.heard(broker.id, request.current_metadata_offset, context.now_ms);
  append_directory_changes(context, broker, request, result.records);
  if (after == State::kControlledShutdown)
    sessions.shutting_down(broker.id,
                           context.next_offset + static_cast<std::int64_t>(result.records.size()) - 1);
  if (after == State::kShutdownNow) sessions.gone(broker.id);
  result.response.is_caught_up =
      request.current_metadata_offset >= sessions.registration_offset(broker).value();
  result.response.is_fenced = is_fenced;
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
    const ControlContext& context, BrokerSessions& sessions,
    const protocol::UnregisterBrokerRequest& request) {
  ControllerResult<protocol::UnregisterBrokerResponse> result;
  const BrokerRegistration* broker = context.image.broker(BrokerId(request.broker_id));
  if (broker == nullptr) {
    result.response.error_code = code(ErrorCode::kBrokerIdNotRegistered);
    result.response.error_message =
        fmt::format("Broker ID {} is not currently registered", request.broker_id);
    return result;
  }
  append_unregistration(context, *broker, result.records);
  sessions.gone(broker->id);
  return result;
}

ControllerResult<protocol::ControllerRegistrationResponse> register_controller(
    const ControlContext& context, const protocol::ControllerRegistrationRequest& request) {
  ControllerResult<protocol::ControllerRegistrationResponse> result;
  if (context.image.features->metadata_version < kControllerRegistrationLevel) {
    result.response.error_code = code(ErrorCode::kUnsupportedVersion);
    result.response.error_message =
        "The current MetadataVersion is too old to support controller registrations.";
    return result;
  }
  protocol::RegisterControllerRecord record;
  record.controller_id = request.controller_id;
  record.incarnation_id = request.incarnation_id;
  record.zk_migration_ready = false;  // there is nothing to migrate from any more
  put_listeners_and_features(request, record);
  result.records.emplace_back(std::move(record));
  return result;
}

}  // namespace barnabas::kraft

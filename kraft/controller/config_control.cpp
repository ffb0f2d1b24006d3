#include "kraft/controller/config_control.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace barnabas::kraft {

namespace {

constexpr const char* kMinIsr = "min.insync.replicas";
enum Operation : std::int8_t { kSet = 0, kDelete = 1, kAppend = 2, kSubtract = 3 };

Result<void> check_resource(const MetadataImage& image, const ConfigResource& resource) {
  switch (resource.type) {
    case ConfigResourceType::kTopic:
      if (image.topic(resource.name) == nullptr)
        return fail(ErrorCode::kUnknownTopicOrPartition,
                    fmt::format("The topic '{}' does not exist.", resource.name));
      return {};
    case ConfigResourceType::kBroker: {
      if (resource.name.empty()) return {};
      std::int32_t id = 0;
      const char* end = resource.name.data() + resource.name.size();
      if (auto [at, error] = std::from_chars(resource.name.data(), end, id);
          error != std::errc() || at != end || id < 0)
        return fail(ErrorCode::kInvalidRequest, "Unable to parse broker name as a base 10 number.");
      if (!image.cluster->brokers.contains(BrokerId(id)) &&
          !image.cluster->controllers.contains(BrokerId(id)))
        return fail(ErrorCode::kBrokerIdNotRegistered, fmt::format("No node with id {} found.", id));
      return {};
    }
    case ConfigResourceType::kClientMetrics:
      if (resource.name.empty()) return fail(ErrorCode::kInvalidRequest, "Subscription name can't be empty");
      return {};
    case ConfigResourceType::kGroup:
      if (resource.name.empty())
        return fail(ErrorCode::kInvalidRequest, "Default group resources are not allowed.");
      return {};
    default:
      return fail(ErrorCode::kUnsupportedVersion,
                  fmt::format("Unknown resource type {}.", static_cast<int>(resource.type)));
  }
}

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    std::string_view part = list.substr(0, comma);
    const std::size_t first = part.find_first_not_of(" \t");
    if (first != std::string_view::npos) {
      const std::size_t last = part.find_last_not_of(" \t");
      parts.emplace_back(part.substr(first, last - first + 1));
    }
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return parts;
}

std::string join(const std::vector<std::string>& parts) {
  std::string list;
  for (const std::string& part : parts) {
    if (!list.empty()) list += ',';
    list += part;
  }
  return list;
}

/// The list after APPEND or SUBTRACT.
Result<std::string> edit_list(const ControlContext& context, const ConfigResource& resource,
                              const std::string& name, Operation operation, std::string_view value,
                              const ConfigMap& current) {
  if (!context.configs.is_list(resource.type, name))
    return fail(ErrorCode::kInvalidConfig, fmt::format("Can't {} to key {} because its type is not LIST.",
                                                       operation == kAppend ? "APPEND" : "SUBTRACT", name));
  auto found = current.find(name);
  const std::string before = found != current.end()
                                 ? found->second
                                 : context.configs.default_value(resource.type, name).value_or("");
  std::vector<std::string> parts = split(before);
  for (std::string& part : split(value)) {
    const bool is_there = std::ranges::find(parts, part) != parts.end();
    if (operation == kAppend && !is_there) parts.push_back(std::move(part));
    if (operation == kSubtract && is_there) std::erase(parts, part);
  }
  return join(parts);
}

/// KIP-966: with ELR, min.insync.replicas is known to the controller for topics and for the whole cluster
/// only.
Result<void> check_min_isr(const ControlContext& context, const ConfigResource& resource,
                           const ConfigMap& next) {
  if (resource.type != ConfigResourceType::kBroker ||
      context.image.feature("eligible.leader.replicas.version") == 0)
    return {};
  const bool had = context.image.config(resource.type, resource.name).contains(kMinIsr);
  if (resource.name.empty() && had && !next.contains(kMinIsr))
    return fail(ErrorCode::kInvalidConfig,
                "Cluster level min.insync.replicas cannot be removed while ELR is enabled.");
  if (!resource.name.empty() && next.contains(kMinIsr))
    return fail(ErrorCode::kInvalidConfig,
                "Broker-level min.insync.replicas cannot be altered while ELR is enabled.");
  return {};
}

/// Records that turn the resource's overrides into `next`.
Result<MetadataRecords> change_to(const ControlContext& context, const ConfigResource& resource,
                                  const ConfigMap& next) {
  TRY(context.configs.validate(resource, next));
  TRY(check_min_isr(context, resource, next));
  const ConfigMap& current = context.image.config(resource.type, resource.name);
  MetadataRecords records;
  bool min_isr_changed = false;
  const auto add = [&](const std::string& name, std::optional<std::string> value) {
    min_isr_changed = min_isr_changed || name == kMinIsr;
    protocol::ConfigRecord record;
    record.resource_type = static_cast<std::int8_t>(resource.type);
    record.resource_name = resource.name;
    record.name = name;
    record.value = std::move(value);
    records.emplace_back(std::move(record));
  };
  for (const auto& [name, value] : next) {
    auto before = current.find(name);
    if (before == current.end() || before->second != value) add(name, value);
  }
  for (const auto& [name, value] : current)
    if (!next.contains(name)) add(name, std::nullopt);
  const bool concerns_elr =
      resource.type == ConfigResourceType::kTopic || resource.type == ConfigResourceType::kBroker;
  if (min_isr_changed && concerns_elr && context.image.feature("eligible.leader.replicas.version") > 0) {
    protocol::ClearElrRecord clear;
    if (resource.type == ConfigResourceType::kTopic) clear.topic_name = resource.name;
    records.emplace_back(std::move(clear));
  }
  return records;
}

template <class Configs>
bool has_duplicates(const Configs& configs) {
  std::set<std::string_view> names;
  return std::ranges::any_of(configs, [&names](const auto& c) { return !names.insert(c.name).second; });
}

using IncrementalResource = protocol::IncrementalAlterConfigsRequest::AlterConfigsResource;
using LegacyResource = protocol::AlterConfigsRequest::AlterConfigsResource;

Result<MetadataRecords> plan(const ControlContext& context, const ConfigResource& resource,
                             const IncrementalResource& request) {
  if (has_duplicates(request.configs))
    return fail(ErrorCode::kInvalidRequest, "Error due to duplicate config keys");
  std::string nulls;
  for (const auto& config : request.configs)
    if (config.config_operation != kDelete && !config.value)
      nulls += (nulls.empty() ? "" : ",") + config.name;
  if (!nulls.empty()) return fail(ErrorCode::kInvalidRequest, "Null value not supported for : " + nulls);
  TRY(check_resource(context.image, resource));
  const ConfigMap& current = context.image.config(resource.type, resource.name);
  ConfigMap next = current;
  for (const auto& config : request.configs) {
    switch (config.config_operation) {
      case kSet:
        next[config.name] = *config.value;
        break;
      case kDelete:
        next.erase(config.name);
        break;
      case kAppend:
      case kSubtract:
        next[config.name] =
            TRY(edit_list(context, resource, config.name, static_cast<Operation>(config.config_operation),
                          *config.value, current));
        break;
      default:
        return fail(ErrorCode::kUnknownServerError);  // measured on Kafka 4.3.1
    }
  }
  return change_to(context, resource, next);
}

Result<MetadataRecords> plan(const ControlContext& context, const ConfigResource& resource,
                             const LegacyResource& request) {
  if (has_duplicates(request.configs))
    return fail(ErrorCode::kInvalidRequest, "Error due to duplicate config keys");
  ConfigMap next;
  for (const auto& config : request.configs) {
    if (!config.value)
      return fail(ErrorCode::kInvalidRequest, "Null value not supported for : " + config.name);
    next[config.name] = *config.value;
  }
  TRY(check_resource(context.image, resource));
  return change_to(context, resource, next);
}

template <class Response, class Request>
ControllerResult<Response> alter(const ControlContext& context, const Request& request) {
  ControllerResult<Response> result;
  std::map<ConfigResource, int> asked;
  const auto resource_of = [](const auto& from) {
    return ConfigResource{static_cast<ConfigResourceType>(from.resource_type), from.resource_name};
  };
  for (const auto& from : request.resources) ++asked[resource_of(from)];
  for (const auto& from : request.resources) {
    const ConfigResource resource = resource_of(from);
    int& count = asked[resource];
    if (count == 0) continue;
    auto& answer = result.response.responses.emplace_back();
    answer.resource_type = from.resource_type;
    answer.resource_name = from.resource_name;
    answer.error_message = std::nullopt;
    Result<MetadataRecords> records =
        count > 1 ? fail(ErrorCode::kInvalidRequest, "Each resource must appear at most once.")
                  : plan(context, resource, from);
    count = 0;
    if (!records) {
      answer.error_code = static_cast<std::int16_t>(records.error().code);
      if (!records.error().detail.empty()) answer.error_message = records.error().detail;
      continue;
    }
    if (request.validate_only) continue;
    for (MetadataRecord& record : *records) result.records.push_back(std::move(record));
  }
  return result;
}

}  // namespace

ControllerResult<protocol::IncrementalAlterConfigsResponse> incremental_alter_configs(
    const ControlContext& context, const protocol::IncrementalAlterConfigsRequest& request) {
  return alter<protocol::IncrementalAlterConfigsResponse>(context, request);
}

ControllerResult<protocol::AlterConfigsResponse> alter_configs(const ControlContext& context,
                                                               const protocol::AlterConfigsRequest& request) {
  return alter<protocol::AlterConfigsResponse>(context, request);
}

}  // namespace barnabas::kraft

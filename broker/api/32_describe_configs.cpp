// DescribeConfigs 0-4: every configuration of topics, brokers, groups and client metrics, and where each
// comes from.
//
//   v1 synonyms and sources   v3 types and documentation   v4 flexible
//
// Measured on Kafka 4.3.1: one resource of an unknown type makes every result INVALID_REQUEST; an unknown
// topic has an empty message; version 0 never says that a value is a default (measured on 3.9.1 too); groups
// and client metrics that nobody configured answer their defaults.
#include <algorithm>
#include <charconv>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/config/config_description.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "kraft/controller/topic_control.hpp"
#include "protocol/error_table.hpp"
#include "protocol/messages/api_describe_configs.hpp"

namespace barnabas::broker {

using kraft::ConfigResourceType;
using protocol::DescribeConfigsRequest;
using protocol::DescribeConfigsResponse;
using ResourceResult = DescribeConfigsResponse::DescribeConfigsResult;

namespace {

bool is_known(std::int8_t type) {
  switch (static_cast<ConfigResourceType>(type)) {
    case ConfigResourceType::kTopic:
    case ConfigResourceType::kBroker:
    case ConfigResourceType::kBrokerLogger:
    case ConfigResourceType::kClientMetrics:
    case ConfigResourceType::kGroup:
      return true;
    case ConfigResourceType::kUnknown:
      return false;
  }
  return false;
}

Result<void> authorize(const Services& services, const RequestContext& context,
                       const DescribeConfigsRequest::DescribeConfigsResource& asked) {
  switch (static_cast<ConfigResourceType>(asked.resource_type)) {
    case ConfigResourceType::kTopic:
      if (allowed(services, context, Operation::kDescribeConfigs, ResourceKind::kTopic, asked.resource_name))
        return {};
      return fail(ErrorCode::kTopicAuthorizationFailed);
    case ConfigResourceType::kGroup:
      if (allowed(services, context, Operation::kDescribeConfigs, ResourceKind::kGroup, asked.resource_name))
        return {};
      return fail(ErrorCode::kGroupAuthorizationFailed);
    default:
      if (allowed_on_cluster(services, context, Operation::kDescribeConfigs)) return {};
      return fail(ErrorCode::kClusterAuthorizationFailed);
  }
}

/// The broker's id, or an error in Kafka's words.
Result<std::int32_t> parse_broker(const std::string& name, std::int32_t self, const char* or_else) {
  std::int32_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (error != std::errc() || end != name.data() + name.size()) {
    return fail(ErrorCode::kInvalidRequest, "Broker id must be an integer, but it is: " + name);
  }
  if (id == self) return id;
  return fail(ErrorCode::kInvalidRequest,
              "Unexpected broker id, expected " + std::to_string(self) + or_else + " but received " + name);
}

Result<std::vector<ConfigDescription>> describe(
    Services& services, const kraft::MetadataImage& image,
    const DescribeConfigsRequest::DescribeConfigsResource& asked) {
  const auto layers = services.config.layers();
  const auto type = static_cast<ConfigResourceType>(asked.resource_type);
  const std::string& name = asked.resource_name;
  const std::int32_t self = services.metadata.self().value();
  switch (type) {
    case ConfigResourceType::kTopic:
      TRY(kraft::validate_topic_name(name));
      if (!image.topic(name)) return fail(ErrorCode::kUnknownTopicOrPartition);
      return describe_topic(*layers, image.config(type, name));
    case ConfigResourceType::kBroker:
      if (name.empty()) return describe_broker_default(*layers);
      (void)TRY(parse_broker(name, self, " or empty string,"));
      return describe_broker(*layers);
    case ConfigResourceType::kBrokerLogger:
      if (name.empty()) return fail(ErrorCode::kInvalidRequest, "Broker id must not be empty");
      (void)TRY(parse_broker(name, self, ""));
      return describe_broker_logger();
    case ConfigResourceType::kClientMetrics:
      if (name.empty())
        return fail(ErrorCode::kInvalidRequest, "Client metrics subscription name must not be empty");
      return describe_client_metrics(image.config(type, name));
    case ConfigResourceType::kGroup:
      if (name.empty()) return fail(ErrorCode::kInvalidRequest, "Group name must not be empty");
      return describe_group(*layers, image.config(type, name));
    case ConfigResourceType::kUnknown:
      break;
  }
  return fail(ErrorCode::kInvalidRequest);
}

void add_entries(const DescribeConfigsRequest& request,
                 const DescribeConfigsRequest::DescribeConfigsResource& asked,
                 std::vector<ConfigDescription> entries, ResourceResult& result) {
  for (ConfigDescription& entry : entries) {
    const auto& keys = asked.configuration_keys;
    if (keys && !keys->empty() && std::ranges::find(*keys, entry.name) == keys->end()) continue;
    auto& answer = result.configs.emplace_back();
    answer.name = std::move(entry.name);
    answer.value = std::move(entry.value);
    answer.read_only = entry.read_only;
    answer.config_source = static_cast<std::int8_t>(entry.source);
    answer.is_sensitive = entry.sensitive;
    answer.config_type = static_cast<std::int8_t>(entry.type);
    // As Kafka answers unasked, and its texts are not ours to give; of loggers it tells an empty one.
    if (static_cast<ConfigResourceType>(asked.resource_type) != ConfigResourceType::kBrokerLogger)
      answer.documentation = std::nullopt;
    if (!request.include_synonyms) continue;
    for (ConfigSynonymValue& synonym : entry.synonyms) {
      answer.synonyms.push_back(
          {std::move(synonym.name), std::move(synonym.value), static_cast<std::int8_t>(synonym.source)});
    }
  }
}

void handle_describe_configs(Services& services, const RequestContext& context,
                             DescribeConfigsRequest& request, Reply<DescribeConfigsResponse> reply) {
  DescribeConfigsResponse response;
  const auto image = services.metadata.image();
  const bool poisoned = !std::ranges::all_of(request.resources,
                                             [](const auto& asked) { return is_known(asked.resource_type); });
  for (const auto& asked : request.resources) {
    ResourceResult& result = response.results.emplace_back();
    result.resource_type = asked.resource_type;
    result.resource_name = asked.resource_name;
    if (poisoned) {
      result.error_code = static_cast<std::int16_t>(ErrorCode::kInvalidRequest);
      result.error_message = protocol::error_message(ErrorCode::kInvalidRequest);
      continue;
    }
    Result<std::vector<ConfigDescription>> entries = std::vector<ConfigDescription>{};
    if (auto authorized = authorize(services, context, asked); !authorized) {
      entries = std::unexpected(authorized.error());
    } else {
      entries = describe(services, *image, asked);
    }
    if (!entries) {
      result.error_code = static_cast<std::int16_t>(entries.error().code);
      result.error_message = std::move(entries.error().detail);
      continue;
    }
    result.error_message = "";
    add_entries(request, asked, std::move(*entries), result);
  }
  reply.send(response);
}

}  // namespace

bool serve_describe_configs(Services& services, const RequestContext& context, protocol::Reader& reader,
                            ResponseSink sink) {
  return decode_and_handle<DescribeConfigsRequest, DescribeConfigsResponse, handle_describe_configs>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

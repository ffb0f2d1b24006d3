// DescribeClientQuotas 0-1: the quotas of users, clients and addresses that match a filter (KIP-546).
//
//   v1 flexible
//
// An entity matches when it has every component of the filter; strictly, when it has no other.
#include <algorithm>
#include <set>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "kraft/controller/quota_control.hpp"
#include "protocol/messages/api_describe_client_quotas.hpp"

namespace barnabas::broker {

using protocol::DescribeClientQuotasRequest;
using protocol::DescribeClientQuotasResponse;
using Component = DescribeClientQuotasRequest::ComponentData;

namespace {

enum MatchType : std::int8_t { kExact = 0, kDefault = 1, kSpecified = 2 };

std::unexpected<Error> invalid(std::string why) {
  return fail(ErrorCode::kInvalidRequest, std::move(why));
}

Result<void> check_match(const Component& component) {
  switch (component.match_type) {
    case kExact:
      if (component.match) return {};
      return invalid("Request specified MATCH_TYPE_EXACT, but set match string to null.");
    case kDefault:
      if (!component.match) return {};
      return invalid("Request specified MATCH_TYPE_DEFAULT, but also specified a match string.");
    case kSpecified:
      if (!component.match) return {};
      return invalid("Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.");
    default:
      return invalid("Unknown match type " + std::to_string(component.match_type));
  }
}

/// In Kafka's order.
Result<void> check_filter(const std::vector<Component>& components) {
  std::set<std::string_view> types;
  for (const Component& component : components) {
    TRY(check_match(component));
    const std::string& type = component.entity_type;
    if (type.empty()) return invalid("Invalid empty entity type.");
    if (!types.insert(type).second)
      return invalid("Entity type " + type + " cannot appear more than once in the filter.");
    if (type != kraft::kUserEntity && type != kraft::kClientIdEntity && type != kraft::kIpEntity)
      return fail(ErrorCode::kUnsupportedVersion, "Unsupported entity type " + type);
  }
  if (types.contains(kraft::kIpEntity) && types.size() > 1) {
    return invalid(
        "Invalid entity filter component combination. IP filter component should not be used with user or "
        "clientId filter component.");
  }
  return {};
}

bool matches(const kraft::QuotaEntity& entity, const DescribeClientQuotasRequest& request) {
  if (request.strict && entity.size() != request.components.size()) return false;
  return std::ranges::all_of(request.components, [&](const Component& component) {
    const auto part = entity.find(component.entity_type);
    if (part == entity.end()) return false;
    if (component.match_type == kSpecified) return true;
    return part->second == (component.match_type == kExact ? component.match : std::nullopt);
  });
}

void handle_describe_client_quotas(Services& services, const RequestContext& context,
                                   DescribeClientQuotasRequest& request,
                                   Reply<DescribeClientQuotasResponse> reply) {
  DescribeClientQuotasResponse response;
  response.error_message = "";
  Result<void> checked;
  if (!allowed_on_cluster(services, context, Operation::kDescribeConfigs)) {
    checked = fail(ErrorCode::kClusterAuthorizationFailed, "Cluster authorization failed.");
  } else {
    checked = check_filter(request.components);
  }
  if (!checked) {
    response.error_code = static_cast<std::int16_t>(checked.error().code);
    response.error_message = checked.error().detail;
    response.entries = std::nullopt;
    return reply.send(response);
  }
  response.entries.emplace();
  const kraft::MetadataImagePtr image = services.metadata.image();
  for (const auto& [entity, limits] : *image->quotas) {
    if (!matches(entity, request)) continue;
    auto& entry = response.entries->emplace_back();
    for (const auto& [type, name] : entity) entry.entity.push_back({type, name});
    for (const auto& [key, value] : limits) entry.values.push_back({key, value});
  }
  reply.send(response);
}

}  // namespace

bool serve_describe_client_quotas(Services& services, const RequestContext& context, protocol::Reader& reader,
                                  ResponseSink sink) {
  return decode_and_handle<DescribeClientQuotasRequest, DescribeClientQuotasResponse,
                           handle_describe_client_quotas>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker

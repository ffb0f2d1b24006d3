#include "kraft/controller/acl_control.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "kraft/metadata_delta.hpp"

namespace barnabas::kraft {

using protocol::AclOperation;
using protocol::CreateAclsResponse;
using protocol::DeleteAclsResponse;
using protocol::PatternType;
using protocol::PermissionType;
using protocol::ResourceType;
using Creation = protocol::CreateAclsRequest::AclCreation;
using Filter = protocol::DeleteAclsRequest::DeleteAclsFilter;

namespace {

std::unexpected<Error> invalid(std::string why) {
  return fail(ErrorCode::kInvalidRequest, std::move(why));
}

/// Terms that belong into filters. Kafka fails the whole request for one.
bool is_of_filters(const Creation& creation) {
  const auto pattern = static_cast<PatternType>(creation.resource_pattern_type);
  return static_cast<ResourceType>(creation.resource_type) == ResourceType::kAny ||
         pattern == PatternType::kAny || pattern == PatternType::kMatch ||
         static_cast<AclOperation>(creation.operation) == AclOperation::kAny ||
         static_cast<PermissionType>(creation.permission_type) == PermissionType::kAny;
}

/// In Kafka's order. Nothing looks at whether the resource knows the operation, or what the host looks like.
Result<void> check(const Creation& creation) {
  const auto type = static_cast<ResourceType>(creation.resource_type);
  if (type == ResourceType::kCluster && creation.resource_name != protocol::kClusterResourceName)
    return invalid(
        fmt::format("The only valid name for the CLUSTER resource is {}", protocol::kClusterResourceName));
  if (creation.resource_name.empty()) return invalid("Invalid empty resource name");
  if (!protocol::is_known_resource_type(creation.resource_type))
    return invalid("Invalid resourceType UNKNOWN");
  if (!protocol::is_known_pattern(creation.resource_pattern_type))
    return invalid("Invalid patternType UNKNOWN");
  if (!protocol::is_known_operation(creation.operation)) return invalid("Invalid operation UNKNOWN");
  if (!protocol::is_known_permission(creation.permission_type))
    return invalid("Invalid permissionType UNKNOWN");
  if (creation.principal.find(':') == std::string::npos)
    return invalid(
        fmt::format("Could not parse principal from `{}` (no colon is present separating the principal "
                    "type from the principal name)",
                    creation.principal));
  return {};
}

AclEntry entry_of(const Creation& creation) {
  return {creation.resource_type, creation.resource_name, creation.resource_pattern_type, creation.principal,
          creation.host,          creation.operation,     creation.permission_type};
}

struct EntryOrder {
  static auto key(const AclEntry& acl) {
    return std::tie(acl.resource_type, acl.resource_name, acl.pattern_type, acl.principal, acl.host,
                    acl.operation, acl.permission_type);
  }
  bool operator()(const AclEntry& a, const AclEntry& b) const { return key(a) < key(b); }
};

void refuse_all(CreateAclsResponse& response, ErrorCode error, std::optional<std::string> why) {
  for (auto& result : response.results) {
    result.error_code = static_cast<std::int16_t>(error);
    result.error_message = why;
  }
}

AclFilter filter_of(const Filter& asked) {
  return {asked.resource_type_filter, asked.resource_name_filter, asked.pattern_type_filter,
          asked.principal_filter,     asked.host_filter,          asked.operation,
          asked.permission_type};
}

Result<void> check(const AclFilter& filter) {
  if (!protocol::is_known_resource_type(filter.resource_type) ||
      !protocol::is_known_pattern(filter.pattern_type))
    return invalid("Unknown patternFilter.");
  if (!protocol::is_known_operation(filter.operation) ||
      !protocol::is_known_permission(filter.permission_type))
    return invalid("Unknown entryFilter.");
  return {};
}

/// Adds the ids that the filter finds to `removed`.
Result<DeleteAclsResponse::DeleteAclsFilterResult> find(const ControlContext& context,
                                                        const AclFilter& filter, std::set<Uuid>& removed) {
  TRY(check(filter));
  DeleteAclsResponse::DeleteAclsFilterResult result;
  result.error_message = std::nullopt;
  std::vector<Uuid> found;
  for (const auto& [id, acl] : *context.image.acls) {
    if (!matches(filter, acl)) continue;
    found.push_back(id);
    auto& matching = result.matching_acls.emplace_back();
    matching.error_message = std::nullopt;
    matching.resource_type = acl.resource_type;
    matching.resource_name = acl.resource_name;
    matching.pattern_type = acl.pattern_type;
    matching.principal = acl.principal;
    matching.host = acl.host;
    matching.operation = acl.operation;
    matching.permission_type = acl.permission_type;
  }
  const int limit = context.options.max_records_per_operation;
  if (found.size() > static_cast<std::size_t>(limit))
    return invalid(fmt::format("Cannot remove more than {} acls in a single delete operation.", limit));
  removed.insert(found.begin(), found.end());
  return result;
}

}  // namespace

bool matches(const AclFilter& filter, const AclEntry& acl) {
  const auto fits = [](std::int8_t wanted, std::int8_t any, std::int8_t number) {
    return wanted == any || wanted == number;
  };
  const auto pattern = static_cast<PatternType>(filter.pattern_type);
  const bool is_match = pattern == PatternType::kMatch;
  if (!fits(filter.resource_type, static_cast<std::int8_t>(ResourceType::kAny), acl.resource_type) ||
      !fits(filter.operation, static_cast<std::int8_t>(AclOperation::kAny), acl.operation) ||
      !fits(filter.permission_type, static_cast<std::int8_t>(PermissionType::kAny), acl.permission_type) ||
      !(is_match || fits(filter.pattern_type, static_cast<std::int8_t>(PatternType::kAny), acl.pattern_type)))
    return false;
  if (filter.principal.value_or(acl.principal) != acl.principal || filter.host.value_or(acl.host) != acl.host)
    return false;
  if (!filter.resource_name || *filter.resource_name == acl.resource_name) return true;
  if (!is_match) return false;
  return static_cast<PatternType>(acl.pattern_type) == PatternType::kPrefixed
             ? filter.resource_name->starts_with(acl.resource_name)
             : acl.resource_name == protocol::kAclWildcard;
}

ControllerResult<CreateAclsResponse> create_acls(const ControlContext& context,
                                                 const protocol::CreateAclsRequest& request) {
  ControllerResult<CreateAclsResponse> result;
  auto& answers = result.response.results;
  answers.resize(request.creations.size());
  if (std::ranges::any_of(request.creations, is_of_filters)) {
    refuse_all(result.response, ErrorCode::kUnknownServerError, std::nullopt);
    return result;
  }
  std::set<AclEntry, EntryOrder> there;
  for (const auto& [id, acl] : *context.image.acls) there.insert(acl);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    answers[i].error_message = "";
    if (auto checked = check(request.creations[i]); !checked) {
      answers[i].error_code = static_cast<std::int16_t>(checked.error().code);
      answers[i].error_message = std::move(checked.error().detail);
      continue;
    }
    const auto [acl, is_new] = there.insert(entry_of(request.creations[i]));
    if (is_new) result.records.emplace_back(acl_to_record(Uuid::random(context.random), *acl));
  }
  if (result.records.size() > static_cast<std::size_t>(context.options.max_records_per_operation)) {
    result.records.clear();
    refuse_all(result.response, ErrorCode::kPolicyViolation,
               "Unable to perform excessively large batch operation.");
  }
  return result;
}

ControllerResult<DeleteAclsResponse> delete_acls(const ControlContext& context,
                                                 const protocol::DeleteAclsRequest& request) {
  ControllerResult<DeleteAclsResponse> result;
  std::set<Uuid> removed;
  for (const Filter& asked : request.filters) {
    auto& answer = result.response.filter_results.emplace_back();
    auto found = find(context, filter_of(asked), removed);
    if (found) {
      answer = *std::move(found);
      continue;
    }
    answer.error_code = static_cast<std::int16_t>(found.error().code);
    answer.error_message = std::move(found.error().detail);
  }
  for (const Uuid& id : removed) {
    protocol::RemoveAccessControlEntryRecord record;
    record.id = id;
    result.records.emplace_back(std::move(record));
  }
  return result;
}

}  // namespace barnabas::kraft

#include "tools/commands/acl_calls.hpp"

#include "protocol/messages/api_create_acls.hpp"
#include "protocol/messages/api_delete_acls.hpp"
#include "protocol/messages/api_describe_acls.hpp"

namespace barnabas::tools {

Result<Acls> describe_acls(Admin& admin, const ResourcePattern& filter) {
  protocol::DescribeAclsRequest request;
  request.resource_type_filter = static_cast<std::int8_t>(filter.type);
  request.resource_name_filter = filter.name;
  request.pattern_type_filter = static_cast<std::int8_t>(filter.pattern);
  request.principal_filter = std::nullopt;
  request.host_filter = std::nullopt;
  request.operation = static_cast<std::int8_t>(AclOperation::kAny);
  request.permission_type = static_cast<std::int8_t>(PermissionType::kAny);
  const auto answer = TRY(admin.call<protocol::DescribeAclsResponse>(Target::any(), request, "describeAcls"));
  Acls found;
  for (const auto& resource : answer->resources) {
    auto& entries = found[{static_cast<ResourceType>(resource.resource_type), resource.resource_name,
                           static_cast<PatternType>(resource.pattern_type)}];
    for (const auto& acl : resource.acls)
      entries.insert({acl.principal, acl.host, static_cast<AclOperation>(acl.operation),
                      static_cast<PermissionType>(acl.permission_type)});
  }
  return found;
}

Result<void> create_acls(Admin& admin, const ResourcePattern& resource,
                         const std::set<AccessEntry>& entries) {
  protocol::CreateAclsRequest request;
  for (const auto& entry : entries) {
    auto& creation = request.creations.emplace_back();
    creation.resource_type = static_cast<std::int8_t>(resource.type);
    creation.resource_name = resource.name.value_or("");
    creation.resource_pattern_type = static_cast<std::int8_t>(resource.pattern);
    creation.principal = entry.principal;
    creation.host = entry.host;
    creation.operation = static_cast<std::int8_t>(entry.operation);
    creation.permission_type = static_cast<std::int8_t>(entry.permission);
  }
  const auto answer = TRY(admin.call<protocol::CreateAclsResponse>(Target::any(), request, "createAcls"));
  return first_refusal(answer->results);
}

Result<void> delete_acls(Admin& admin, const ResourcePattern& filter, const std::set<AccessEntry>& entries) {
  protocol::DeleteAclsRequest request;
  const auto add = [&](const AccessEntry* entry) {
    auto& wanted = request.filters.emplace_back();
    wanted.resource_type_filter = static_cast<std::int8_t>(filter.type);
    wanted.resource_name_filter = filter.name;
    wanted.pattern_type_filter = static_cast<std::int8_t>(filter.pattern);
    wanted.principal_filter = entry == nullptr ? std::nullopt : std::optional(entry->principal);
    wanted.host_filter = entry == nullptr ? std::nullopt : std::optional(entry->host);
    wanted.operation = static_cast<std::int8_t>(entry == nullptr ? AclOperation::kAny : entry->operation);
    wanted.permission_type =
        static_cast<std::int8_t>(entry == nullptr ? PermissionType::kAny : entry->permission);
  };
  if (entries.empty()) add(nullptr);
  for (const auto& entry : entries) add(&entry);
  const auto answer = TRY(admin.call<protocol::DeleteAclsResponse>(Target::any(), request, "deleteAcls"));
  return first_refusal(answer->filter_results);
}

}  // namespace barnabas::tools

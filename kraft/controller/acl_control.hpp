// Access control lists: CreateAcls and DeleteAcls (KIP-140, KIP-290, KIP-801), and which ACLs a filter means.
// See control.hpp.
//
// Errors, of one entry: 42 INVALID_REQUEST with a sentence; of all entries: -1 UNKNOWN_SERVER_ERROR for one
// that names what only a filter may (ANY, MATCH), 44 POLICY_VIOLATION for too many. Source: measured on Kafka
// 4.3.1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kraft/controller/control.hpp"
#include "protocol/acl_terms.hpp"
#include "protocol/messages/api_create_acls.hpp"
#include "protocol/messages/api_delete_acls.hpp"

namespace barnabas::kraft {

/// What DescribeAcls and DeleteAcls look for. Without a name, principal or host any will do.
struct AclFilter {
  std::int8_t resource_type = static_cast<std::int8_t>(protocol::ResourceType::kAny);
  std::optional<std::string> resource_name;
  std::int8_t pattern_type = static_cast<std::int8_t>(protocol::PatternType::kAny);
  std::optional<std::string> principal;
  std::optional<std::string> host;
  std::int8_t operation = static_cast<std::int8_t>(protocol::AclOperation::kAny);
  std::int8_t permission_type = static_cast<std::int8_t>(protocol::PermissionType::kAny);
};

/// MATCH finds every ACL that is about the resource of that name; other pattern types find equal names.
[[nodiscard]] bool matches(const AclFilter& filter, const AclEntry& acl);

/// An ACL that is there already is answered as one that was made.
ControllerResult<protocol::CreateAclsResponse> create_acls(const ControlContext& context,
                                                           const protocol::CreateAclsRequest& request);

/// Each filter is answered with all ACLs that it finds, also those that another filter finds too.
ControllerResult<protocol::DeleteAclsResponse> delete_acls(const ControlContext& context,
                                                           const protocol::DeleteAclsRequest& request);

}  // namespace barnabas::kraft

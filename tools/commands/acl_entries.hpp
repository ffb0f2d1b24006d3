// ACLs as kafka-acls lists them: resources, and who may do what with each.
//
// Values and pure functions. Source: KIP-140, KIP-290; texts measured on Kafka 4.3.1.
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "protocol/acl_terms.hpp"

namespace barnabas::tools {

using protocol::AclOperation;
using protocol::kClusterResourceName;
using protocol::operation_named;
using protocol::operations_of;
using protocol::pattern_named;
using protocol::PatternType;
using protocol::PermissionType;
using protocol::ResourceType;

/// A resource, or what resources are looked for by.
struct ResourcePattern {
  ResourceType type = ResourceType::kAny;
  std::optional<std::string> name;  // nothing: any
  PatternType pattern = PatternType::kLiteral;
  auto operator<=>(const ResourcePattern&) const = default;
};

struct AccessEntry {
  std::string principal;
  std::string host;
  AclOperation operation = AclOperation::kAny;
  PermissionType permission = PermissionType::kAny;
  auto operator<=>(const AccessEntry&) const = default;
};

using Acls = std::map<ResourcePattern, std::set<AccessEntry>>;

/// "ResourcePattern(resourceType=TOPIC, name=a, patternType=LITERAL)"
[[nodiscard]] std::string to_string(const ResourcePattern& resource);
/// "(principal=User:a, host=*, operation=READ, permissionType=ALLOW)"
[[nodiscard]] std::string to_string(const AccessEntry& entry);

}  // namespace barnabas::tools

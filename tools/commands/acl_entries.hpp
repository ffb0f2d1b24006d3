// Who may do what with which resource: the terms of kafka-acls, as names and as numbers of the protocol.
//
// Values and pure functions. Source: KIP-140, KIP-290; names, numbers and texts measured on Kafka 4.3.1.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace barnabas::tools {

enum class ResourceType : std::int8_t {
  kUnknown = 0,
  kAny = 1,
  kTopic = 2,
  kGroup = 3,
  kCluster = 4,
  kTransactionalId = 5,
  kDelegationToken = 6,
  kUser = 7
};
enum class PatternType : std::int8_t { kUnknown = 0, kAny = 1, kMatch = 2, kLiteral = 3, kPrefixed = 4 };
enum class AclOperation : std::int8_t {
  kUnknown = 0,
  kAny = 1,
  kAll = 2,
  kRead = 3,
  kWrite = 4,
  kCreate = 5,
  kDelete = 6,
  kAlter = 7,
  kDescribe = 8,
  kClusterAction = 9,
  kDescribeConfigs = 10,
  kAlterConfigs = 11,
  kIdempotentWrite = 12,
  kCreateTokens = 13,
  kDescribeTokens = 14,
  kTwoPhaseCommit = 15
};
enum class PermissionType : std::int8_t { kUnknown = 0, kAny = 1, kDeny = 2, kAllow = 3 };

inline constexpr const char* kClusterResourceName = "kafka-cluster";

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

/// "READ", "DESCRIBE_CONFIGS".
[[nodiscard]] std::string_view name_of(AclOperation operation);
/// "Read", "describeConfigs" and "DESCRIBE_CONFIGS" name the same; kUnknown for what names none.
[[nodiscard]] AclOperation operation_named(std::string_view name);
[[nodiscard]] std::string_view name_of(ResourceType type);
/// In the order of their numbers.
[[nodiscard]] std::vector<AclOperation> operations_of(ResourceType type);
/// kUnknown for what names none.
[[nodiscard]] PatternType pattern_named(std::string_view name);
[[nodiscard]] std::string_view name_of(PatternType type);

/// "ResourcePattern(resourceType=TOPIC, name=a, patternType=LITERAL)"
[[nodiscard]] std::string to_string(const ResourcePattern& resource);
/// "(principal=User:a, host=*, operation=READ, permissionType=ALLOW)"
[[nodiscard]] std::string to_string(const AccessEntry& entry);

}  // namespace barnabas::tools

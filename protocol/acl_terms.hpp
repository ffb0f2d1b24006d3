// Who may do what with which resource: the terms of access control lists, as names and as numbers of the
// wire.
//
// Values and pure functions. Source: KIP-140, KIP-290, KIP-373; names and numbers measured on Kafka 4.3.1.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace barnabas::protocol {

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

/// The one name of a resource of type CLUSTER.
inline constexpr const char* kClusterResourceName = "kafka-cluster";
/// A literal resource, a host, and the name in "User:*" that stand for all of them.
inline constexpr const char* kAclWildcard = "*";

/// "READ", "DESCRIBE_CONFIGS".
[[nodiscard]] std::string_view name_of(AclOperation operation);
[[nodiscard]] std::string_view name_of(ResourceType type);
[[nodiscard]] std::string_view name_of(PatternType type);
[[nodiscard]] std::string_view name_of(PermissionType type);

/// "Read", "describeConfigs" and "DESCRIBE_CONFIGS" name the same; kUnknown for what names none.
[[nodiscard]] AclOperation operation_named(std::string_view name);
[[nodiscard]] ResourceType resource_type_named(std::string_view name);
[[nodiscard]] PatternType pattern_named(std::string_view name);

/// Whether the number is one that this software knows and that is not kUnknown.
[[nodiscard]] bool is_known_operation(std::int8_t number);
[[nodiscard]] bool is_known_resource_type(std::int8_t number);
[[nodiscard]] bool is_known_pattern(std::int8_t number);
[[nodiscard]] bool is_known_permission(std::int8_t number);

/// What can be done with such a resource, kAll first, in the order of their numbers.
[[nodiscard]] std::vector<AclOperation> operations_of(ResourceType type);

}  // namespace barnabas::protocol

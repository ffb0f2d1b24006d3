#include "tools/commands/acl_entries.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace barnabas::tools {
namespace {

constexpr std::array<std::string_view, 16> kOperations = {"UNKNOWN",
                                                          "ANY",
                                                          "ALL",
                                                          "READ",
                                                          "WRITE",
                                                          "CREATE",
                                                          "DELETE",
                                                          "ALTER",
                                                          "DESCRIBE",
                                                          "CLUSTER_ACTION",
                                                          "DESCRIBE_CONFIGS",
                                                          "ALTER_CONFIGS",
                                                          "IDEMPOTENT_WRITE",
                                                          "CREATE_TOKENS",
                                                          "DESCRIBE_TOKENS",
                                                          "TWO_PHASE_COMMIT"};
constexpr std::array<std::string_view, 8> kResourceTypes = {
    "UNKNOWN", "ANY", "TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID", "DELEGATION_TOKEN", "USER"};
constexpr std::array<std::string_view, 5> kPatterns = {"UNKNOWN", "ANY", "MATCH", "LITERAL", "PREFIXED"};
constexpr std::array<std::string_view, 4> kPermissions = {"UNKNOWN", "ANY", "DENY", "ALLOW"};

template <class Enum, std::size_t N>
std::string_view name_in(const std::array<std::string_view, N>& names, Enum value) {
  const auto index = static_cast<std::size_t>(value);
  return index < N ? names[index] : names[0];
}

/// Upper case without underscores, so that "DescribeConfigs" and "DESCRIBE_CONFIGS" are equal.
std::string folded(std::string_view name) {
  std::string text;
  for (const char c : name)
    if (c != '_') text += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

template <class Enum, std::size_t N>
Enum value_in(const std::array<std::string_view, N>& names, std::string_view name) {
  const auto found = std::ranges::find(names, folded(name), folded);
  return found == names.end() ? Enum::kUnknown : static_cast<Enum>(found - names.begin());
}

}  // namespace

std::string_view name_of(AclOperation operation) {
  return name_in(kOperations, operation);
}

AclOperation operation_named(std::string_view name) {
  return value_in<AclOperation>(kOperations, name);
}

std::string_view name_of(ResourceType type) {
  return name_in(kResourceTypes, type);
}

PatternType pattern_named(std::string_view name) {
  return value_in<PatternType>(kPatterns, name);
}

std::string_view name_of(PatternType type) {
  return name_in(kPatterns, type);
}

std::vector<AclOperation> operations_of(ResourceType type) {
  using enum AclOperation;
  switch (type) {
    case ResourceType::kTopic:
      return {kAll, kRead, kWrite, kCreate, kDelete, kAlter, kDescribe, kDescribeConfigs, kAlterConfigs};
    case ResourceType::kGroup:
      return {kAll, kRead, kDelete, kDescribe, kDescribeConfigs, kAlterConfigs};
    case ResourceType::kCluster:
      return {kAll,           kCreate,          kAlter,        kDescribe,
              kClusterAction, kDescribeConfigs, kAlterConfigs, kIdempotentWrite};
    case ResourceType::kTransactionalId:
      return {kAll, kWrite, kDescribe, kTwoPhaseCommit};
    case ResourceType::kDelegationToken:
      return {kAll, kDescribe};
    case ResourceType::kUser:
      return {kAll, kCreateTokens, kDescribeTokens};
    default:
      return {};
  }
}

std::string to_string(const ResourcePattern& resource) {
  return fmt::format("ResourcePattern(resourceType={}, name={}, patternType={})", name_of(resource.type),
                     resource.name.value_or("<any>"), name_of(resource.pattern));
}

std::string to_string(const AccessEntry& entry) {
  return fmt::format("(principal={}, host={}, operation={}, permissionType={})", entry.principal, entry.host,
                     name_of(entry.operation), name_in(kPermissions, entry.permission));
}

}  // namespace barnabas::tools

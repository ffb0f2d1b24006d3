#include "protocol/acl_terms.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

namespace barnabas::protocol {
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

template <std::size_t N>
bool is_known(const std::array<std::string_view, N>&, std::int8_t number) {
  return number > 0 && static_cast<std::size_t>(number) < N;
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

std::string_view name_of(PermissionType type) {
  return name_in(kPermissions, type);
}

ResourceType resource_type_named(std::string_view name) {
  return value_in<ResourceType>(kResourceTypes, name);
}

PatternType pattern_named(std::string_view name) {
  return value_in<PatternType>(kPatterns, name);
}

std::string_view name_of(PatternType type) {
  return name_in(kPatterns, type);
}

bool is_known_operation(std::int8_t number) {
  return is_known(kOperations, number);
}
bool is_known_resource_type(std::int8_t number) {
  return is_known(kResourceTypes, number);
}
bool is_known_pattern(std::int8_t number) {
  return is_known(kPatterns, number);
}
bool is_known_permission(std::int8_t number) {
  return is_known(kPermissions, number);
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

}  // namespace barnabas::protocol

#include "broker/security/standard_authorizer.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

namespace barnabas::broker {

using kraft::AclEntry;
using protocol::PermissionType;

namespace {

constexpr std::string_view kEverybody = "User:*";

/// Who asks, in the words of ACLs.
struct Asking {
  std::string principal;
  std::string host;
};

/// An IPv6 address as Java writes it, which is how ACLs have it: eight groups, none left out.
std::string acl_host(std::string_view host) {
  std::string text(host.substr(0, host.find('%')));
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) return std::string(host);
  std::string written;
  for (std::size_t i = 0; i < bytes.size(); i += 2)
    written += fmt::format("{}{:x}", i == 0 ? "" : ":", bytes[i] << 8 | bytes[i + 1]);
  return written.append(host.substr(text.size()));
}

Asking asking(const Principal& principal, std::string_view host) {
  return {principal.type + ":" + principal.name, acl_host(host)};
}

bool concerns(const AclEntry& entry, const Asking& who) {
  return (entry.principal == who.principal || entry.principal == kEverybody) &&
         (entry.host == protocol::kAclWildcard || entry.host == who.host);
}

bool allows_operation(Operation granted, Operation asked) {
  using enum protocol::AclOperation;
  if (granted == asked || granted == kAll) return true;
  if (asked == kDescribe)
    return granted == kRead || granted == kWrite || granted == kDelete || granted == kAlter;
  return asked == kDescribeConfigs && granted == kAlterConfigs;
}

bool is_denial(const AclEntry& entry) {
  return static_cast<PermissionType>(entry.permission_type) == PermissionType::kDeny;
}

bool is_prefixed(const AclEntry& entry) {
  return static_cast<protocol::PatternType>(entry.pattern_type) == protocol::PatternType::kPrefixed;
}

/// "a", "ab", "abc" for "abc": whether one of them is denied.
bool begins_with_one_of(const std::string& name, const std::set<std::string, std::less<>>& prefixes) {
  for (std::size_t length = 1; length <= name.size(); ++length)
    if (prefixes.contains(std::string_view(name).substr(0, length))) return true;
  return false;
}

}  // namespace

StandardAuthorizer::StandardAuthorizer(const std::vector<std::string>& super_users,
                                       bool allow_everyone_if_no_acl_found)
    : super_users_(super_users.begin(), super_users.end()),
      allow_everyone_if_no_acl_found_(allow_everyone_if_no_acl_found),
      index_(std::make_shared<const AclIndex>(kraft::AclsImage())) {}

void StandardAuthorizer::follow(const kraft::AclsImage& acls) {
  index_.store(std::make_shared<const AclIndex>(acls), std::memory_order_release);
  // After it: who sees this version is answered by that index.
  version_.fetch_add(1, std::memory_order_release);
}

bool StandardAuthorizer::is_super_user(const Principal& principal) const {
  return !super_users_.empty() && super_users_.contains(principal.type + ":" + principal.name);
}

bool StandardAuthorizer::allows(const Principal& principal, std::string_view host, Operation operation,
                                ResourceKind kind, std::string_view name) const {
  if (is_super_user(principal)) return true;
  const Asking who = asking(principal, host);
  const auto index = index_.load(std::memory_order_acquire);
  bool found = false;
  bool allowed = false;
  bool denied = false;
  index->visit_resource(kind, name, [&](const AclEntry& entry) {
    found = true;
    if (!concerns(entry, who)) return true;
    const auto of_entry = static_cast<Operation>(entry.operation);
    if (is_denial(entry)) {
      denied = of_entry == operation || of_entry == Operation::kAll;
    } else {
      allowed = allowed || allows_operation(of_entry, operation);
    }
    return !denied;
  });
  if (denied || allowed) return !denied;
  return !found && allow_everyone_if_no_acl_found_;
}

/// As Kafka finds it (KIP-679): a name that is allowed counts unless the same name, or a prefix of it, is
/// denied, and a denial of all names ends everything but the rights of a super user. Operations imply nothing
/// here.
bool StandardAuthorizer::allows_for_some(const Principal& principal, std::string_view host,
                                         Operation operation, ResourceKind kind) const {
  // A name that nobody would give a resource: super users, and everybody where no ACL speaks.
  if (allows(principal, host, operation, kind, "hardcode")) return true;
  const Asking who = asking(principal, host);
  const auto index = index_.load(std::memory_order_acquire);
  std::set<std::string, std::less<>> denied_names;
  std::set<std::string, std::less<>> denied_prefixes;
  std::vector<const AclEntry*> allowing;
  index->visit_type(kind, [&](const AclEntry& entry) {
    const auto of_entry = static_cast<Operation>(entry.operation);
    if (!concerns(entry, who) || (of_entry != operation && of_entry != Operation::kAll)) return;
    if (!is_denial(entry))
      allowing.push_back(&entry);
    else
      (is_prefixed(entry) ? denied_prefixes : denied_names).insert(entry.resource_name);
  });
  if (denied_names.contains(protocol::kAclWildcard)) return false;
  return std::ranges::any_of(allowing, [&](const AclEntry* entry) {
    if (!is_prefixed(*entry) && entry->resource_name == protocol::kAclWildcard) return true;
    if (!is_prefixed(*entry) && denied_names.contains(entry->resource_name)) return false;
    return !begins_with_one_of(entry->resource_name, denied_prefixes);
  });
}

Result<std::unique_ptr<Authorizer>> make_authorizer(const BrokerSettings& settings) {
  if (settings.authorizer_class_name.empty()) return std::make_unique<AllowAll>();
  if (settings.authorizer_class_name != kStandardAuthorizer)
    return fail(
        ErrorCode::kInvalidConfig,
        fmt::format("Invalid value {} for configuration authorizer.class.name: Class {} could not be "
                    "found. There is {}",
                    settings.authorizer_class_name, settings.authorizer_class_name, kStandardAuthorizer));
  for (const std::string& user : settings.super_users) {
    if (user.find(':') == std::string::npos)
      return fail(ErrorCode::kInvalidConfig,
                  fmt::format("Invalid value {} for configuration super.users: expected a string in format "
                              "principalType:principalName",
                              user));
  }
  return std::make_unique<StandardAuthorizer>(settings.super_users, settings.allow_everyone_if_no_acl_found);
}

}  // namespace barnabas::broker

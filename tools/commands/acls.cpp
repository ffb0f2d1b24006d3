// kafka-acls: lists, adds and removes who may do what.
#include <fmt/ranges.h>

#include <iostream>

#include "tools/commands/acl_calls.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/command_frame.hpp"

namespace barnabas::tools {
namespace {

using WantedAcls = std::map<ResourcePattern, std::set<AccessEntry>>;

constexpr const char* kWildcard = "*";

/// A value that makes no sense: Kafka's tool finds it while it works, and tells it as it tells any failure.
constexpr ErrorCode kNotUnderstood = ErrorCode::kInvalidConfig;

std::unexpected<Error> not_understood(std::string sentence) {
  return fail(kNotUnderstood, std::move(sentence));
}

Result<PatternType> pattern_of(const JoptOptions& options) {
  const std::string name = options.text("resource-pattern-type");
  const PatternType type = pattern_named(name);
  if (type == PatternType::kUnknown)
    return not_understood(fmt::format("Cannot parse argument '{}' of option resource-pattern-type", name));
  return type;
}

/// The resources that the options name.
Result<std::vector<ResourcePattern>> resources_of(const JoptOptions& options, PatternType pattern) {
  std::vector<ResourcePattern> resources;
  const auto add_all = [&](std::string_view option, ResourceType type) {
    for (const auto& name : options.all(option)) resources.push_back({type, name, pattern});
  };
  add_all("topic", ResourceType::kTopic);
  if (pattern == PatternType::kLiteral && (options.has("cluster") || options.has("idempotent")))
    resources.push_back({ResourceType::kCluster, kClusterResourceName, PatternType::kLiteral});
  add_all("group", ResourceType::kGroup);
  add_all("transactional-id", ResourceType::kTransactionalId);
  add_all("delegation-token", ResourceType::kDelegationToken);
  add_all("user-principal", ResourceType::kUser);
  return resources;
}

Result<std::vector<std::string>> principals_of(const JoptOptions& options, std::string_view option) {
  std::vector<std::string> principals = options.all(option);
  for (auto& principal : principals) {
    const auto first = principal.find_first_not_of(' ');
    principal = first == std::string::npos ? "" : principal.substr(first);
    const auto colon = principal.find(':');
    if (colon == std::string::npos || colon == 0)
      return not_understood(
          fmt::format("expected a string in format principalType:principalName but got {}", principal));
  }
  return principals;
}

/// Entries of these operations for everybody who is allowed or denied.
Result<std::set<AccessEntry>> entries_of(const JoptOptions& options,
                                         const std::vector<AclOperation>& operations) {
  std::set<AccessEntry> entries;
  const auto add_all = [&](std::string_view principal_option, std::string_view host_option,
                           PermissionType permission) -> Result<void> {
    const auto principals = TRY(principals_of(options, principal_option));
    std::vector<std::string> hosts = options.all(host_option);
    if (hosts.empty() && !principals.empty()) hosts = {kWildcard};
    for (const auto& principal : principals)
      for (const auto& host : hosts)
        for (const auto operation : operations) entries.insert({principal, host, operation, permission});
    return {};
  };
  TRY(add_all("allow-principal", "allow-host", PermissionType::kAllow));
  TRY(add_all("deny-principal", "deny-host", PermissionType::kDeny));
  return entries;
}

Result<void> check_operations(const WantedAcls& wanted) {
  for (const auto& [resource, entries] : wanted) {
    const auto supported = operations_of(resource.type);
    for (const auto& entry : entries) {
      if (std::ranges::find(supported, entry.operation) != supported.end()) continue;
      std::vector<std::string_view> names;
      for (const auto operation : supported) names.push_back(name_of(operation));
      return misuse(fmt::format("ResourceType {} only supports operations [{}]", name_of(resource.type),
                                fmt::join(names, ", ")));
    }
  }
  return {};
}

/// What a producer and a consumer need.
Result<WantedAcls> role_acls(const JoptOptions& options, const std::vector<ResourcePattern>& resources) {
  using enum AclOperation;
  WantedAcls wanted;
  const auto add = [&](ResourceType type, const std::vector<AclOperation>& operations) -> Result<void> {
    const auto entries = TRY(entries_of(options, operations));
    for (const auto& resource : resources)
      if (resource.type == type) wanted[resource].insert(entries.begin(), entries.end());
    return {};
  };
  if (options.has("producer")) {
    TRY(add(ResourceType::kTopic, {kWrite, kDescribe, kCreate}));
    TRY(add(ResourceType::kTransactionalId, {kWrite, kDescribe}));
    if (options.has("idempotent")) TRY(add(ResourceType::kCluster, {kIdempotentWrite}));
  }
  if (options.has("consumer")) {
    TRY(add(ResourceType::kTopic, {kRead, kDescribe}));
    TRY(add(ResourceType::kGroup, {kRead}));
  }
  return wanted;
}

Result<WantedAcls> wanted_acls(const JoptOptions& options) {
  const PatternType pattern = TRY(pattern_of(options));
  const auto resources = TRY(resources_of(options, pattern));
  if (resources.empty() && (options.has("add") || options.has("remove")))
    return misuse(
        "You must provide at least one resource: --topic <topic> or --cluster or --group <group> or "
        "--delegation-token <Delegation Token ID>");
  if (options.has("producer") || options.has("consumer")) return role_acls(options, resources);
  std::vector<AclOperation> operations;
  for (const auto& name : options.all("operation")) operations.push_back(operation_named(name));
  if (operations.empty()) operations = {AclOperation::kAll};
  const auto entries = TRY(entries_of(options, operations));
  WantedAcls wanted;
  for (const auto& resource : resources) wanted[resource] = entries;
  TRY(check_operations(wanted));
  return wanted;
}

std::string lines_of(const std::set<AccessEntry>& entries) {
  std::vector<std::string> lines;
  for (const auto& entry : entries) lines.push_back(to_string(entry));
  return fmt::format("{}", fmt::join(lines, "\n\t"));
}

Result<void> list_acls(const JoptOptions& options, Admin& admin) {
  const PatternType pattern = TRY(pattern_of(options));
  auto filters = TRY(resources_of(options, pattern));
  if (filters.empty()) filters.push_back({ResourceType::kAny, std::nullopt, PatternType::kAny});
  const auto principals = TRY(principals_of(options, "principal"));
  std::vector<Acls> found;
  for (const auto& filter : filters) found.push_back(TRY(describe_acls(admin, filter)));
  const auto print = [&](const std::string* principal) {
    for (const auto& acls : found)
      for (const auto& [resource, all] : acls) {
        std::set<AccessEntry> entries;
        for (const auto& entry : all)
          if (principal == nullptr || entry.principal == *principal) entries.insert(entry);
        if (!entries.empty())
          fmt::print("Current ACLs for resource `{}`:\n\t{}\n\n", to_string(resource), lines_of(entries));
      }
  };
  if (principals.empty()) print(nullptr);
  for (const auto& principal : principals) {
    fmt::print("ACLs for principal `{}`\n", principal);
    print(&principal);
  }
  return {};
}

Result<void> add_acls(const JoptOptions& options, Admin& admin) {
  for (auto& [resource, entries] : TRY(wanted_acls(options))) {
    const auto there = TRY(describe_acls(admin, resource));
    std::set<AccessEntry> missing;
    for (const auto& entry : entries) {
      const auto found = there.find(resource);
      if (found == there.end() || !found->second.contains(entry))
        missing.insert(entry);
      else
        fmt::print("Acl (pattern={}, entry={}) already exists.\n", to_string(resource), to_string(entry));
    }
    if (missing.empty()) continue;
    fmt::print("Adding ACLs for resource `{}`: \n \t{}\n\n", to_string(resource), lines_of(missing));
    TRY(create_acls(admin, resource, missing));
  }
  return {};
}

bool confirmed(const JoptOptions& options, const std::string& question) {
  if (options.has("force")) return true;
  fmt::print("{}\n", question);
  std::fflush(stdout);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y";
}

Result<void> remove_acls(const JoptOptions& options, Admin& admin) {
  for (const auto& [filter, entries] : TRY(wanted_acls(options))) {
    const std::string question =
        entries.empty()
            ? fmt::format("Are you sure you want to delete all ACLs for resource filter `{}`? (y/n)",
                          to_string(filter))
            : fmt::format("Are you sure you want to remove ACLs: \n \t{}\n from resource filter `{}`? (y/n)",
                          lines_of(entries), to_string(filter));
    if (confirmed(options, question)) TRY(delete_acls(admin, filter, entries));
  }
  return {};
}

/// What the options themselves must hold to, before anybody is asked.
Result<void> check_usage(const JoptOptions& options) {
  switch (options.count({"bootstrap-server", "bootstrap-controller"})) {
    case 0:
      return misuse("One of --bootstrap-server or --bootstrap-controller must be specified");
    case 2:
      return misuse("Only one of --bootstrap-server or --bootstrap-controller must be specified");
  }
  if (options.count({"list", "add", "remove"}) != 1)
    return misuse("Command must include exactly one action: --list, --add, --remove. ");
  TRY(options.exclude(
      "list", {"producer", "consumer", "allow-host", "allow-principal", "deny-host", "deny-principal"}));
  TRY(options.exclude("producer", {"operation", "deny-principal", "deny-host"}));
  TRY(options.exclude("consumer", {"operation", "deny-principal", "deny-host"}));
  if (options.has("producer") && !options.has("topic"))
    return misuse("With --producer you must specify a --topic");
  if (options.has("idempotent") && !options.has("producer"))
    return misuse("The --idempotent option is only available if --producer is set");
  if (options.has("consumer") &&
      (!options.has("topic") || !options.has("group") ||
       (!options.has("producer") && options.count({"cluster", "transactional-id"}) > 0)))
    return misuse(
        "With --consumer you must specify a --topic and a --group and no --cluster or --transactional-id "
        "option "
        "should be specified.");
  if (!options.has("add")) return {};
  if (options.count({"allow-principal", "deny-principal"}) == 0)
    return misuse("You must specify one of: --allow-principal, --deny-principal when trying to add ACLs.");
  const PatternType pattern = TRY(pattern_of(options));
  if (pattern == PatternType::kAny || pattern == PatternType::kMatch)
    return misuse(fmt::format("A '--resource-pattern-type' value of '{}' is not valid when adding acls.",
                              name_of(pattern)));
  return {};
}

Result<void> execute(const JoptOptions& options) {
  TRY(check_usage(options));
  if (!options.has("list")) (void)TRY(wanted_acls(options));  // before anybody is asked
  Admin admin = TRY(open_admin(options));
  if (options.has("add")) return add_acls(options, admin);
  return options.has("remove") ? remove_acls(options, admin) : list_acls(options, admin);
}

}  // namespace

JoptOptions acls_options() {
  JoptOptions options("kafka-acls", "Lists, adds and removes who may do what.");
  options.add_standard_options();
  options.value("bootstrap-controller", "HOST:PORT,...", "Controllers to connect to.");
  options.flag("list", "Print the ACLs, those of the resources that are named.");
  options.flag("add", "Add ACLs.");
  options.flag("remove", "Remove ACLs; without principals all of the resources that are named.");
  options.values("topic", "TOPIC", "A topic; * for all.");
  options.flag("cluster", "The cluster.");
  options.values("group", "GROUP", "A group; * for all.");
  options.values("transactional-id", "ID", "A transactional id; * for all.");
  options.values("delegation-token", "TOKEN", "A delegation token; * for all.");
  options.values("user-principal", "PRINCIPAL", "A user.");
  options.add({.name = "resource-pattern-type",
               .argument = JoptOptions::Argument::kRequired,
               .placeholder = "literal|prefixed|any|match",
               .text = "What the names of resources are taken for.",
               .standard = "literal"});
  options.values("operation", "OPERATION", "What is allowed or denied; without it everything.");
  options.values("allow-principal", "TYPE:NAME", "Who is allowed.");
  options.values("deny-principal", "TYPE:NAME", "Who is denied.");
  options.values("principal", "TYPE:NAME", "List the ACLs of these only.");
  options.values("allow-host", "HOST", "From where they are allowed; without it from everywhere.");
  options.values("deny-host", "HOST", "From where they are denied; without it from everywhere.");
  options.flag("producer", "What a producer needs on a topic.");
  options.flag("consumer", "What a consumer needs on a topic and in a group.");
  options.flag("idempotent", "With --producer: also what idempotence needs.");
  options.flag("force", "Ask nothing.");
  return options;
}

int run_acls(Arguments arguments) {
  JoptOptions options = acls_options();
  if (const auto code = end_of_parsing(options, arguments)) return *code;
  const auto done = execute(options);
  if (done) return 0;
  if (done.error().code == kMisuse) return refuse_usage(options, done.error());
  fmt::print("Error while executing ACL command: {}\n",
             done.error().code == kNotUnderstood ? done.error().detail : failure_text(done.error()));
  return 1;
}

}  // namespace barnabas::tools

// kafka-configs --alter.
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>

#include "protocol/messages/api_alter_client_quotas.hpp"
#include "protocol/messages/api_incremental_alter_configs.hpp"
#include "tools/client/client_config.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/config_pairs.hpp"
#include "tools/commands/configs.hpp"
#include "tools/commands/scram_change.hpp"
#include "tools/commands/text_lists.hpp"
#include "tools/options/number_text.hpp"

namespace barnabas::tools {
namespace {

using protocol::AlterClientQuotasRequest;
using protocol::AlterClientQuotasResponse;
using protocol::IncrementalAlterConfigsRequest;
using protocol::IncrementalAlterConfigsResponse;

const std::set<std::string> kClientQuotas = {"consumer_byte_rate", "producer_byte_rate", "request_percentage",
                                             "controller_mutation_rate"};
const std::set<std::string> kAddressQuotas = {"connection_creation_rate"};

struct Change {
  ConfigPairs added;
  std::vector<std::string> deleted;
};

Result<Change> change_of(const JoptOptions& options) {
  Change change;
  if (options.has("add-config-file")) change.added = TRY(read_properties(options.text("add-config-file")));
  if (options.has("add-config")) change.added = TRY(parse_config_pairs(options.text("add-config")));
  for (const auto& name : split(options.text("delete-config"), ',')) change.deleted.emplace_back(trim(name));
  return change;
}

Result<void> alter_resource(Admin& admin, const Entity& entity, const Change& change) {
  enum Operation : std::int8_t { kSet = 0, kDelete = 1 };
  const ConfigResource type = *resource_of(entity.type);
  IncrementalAlterConfigsRequest request;
  auto& resource = request.resources.emplace_back();
  resource.resource_type = static_cast<std::int8_t>(type);
  resource.resource_name = *entity.name;
  for (const auto& [name, value] : change.added)
    resource.configs.push_back({.name = name, .config_operation = kSet, .value = value});
  for (const auto& name : change.deleted)
    resource.configs.push_back({.name = name, .config_operation = kDelete, .value = ""});
  const auto alter = admin.call<IncrementalAlterConfigsResponse>(
      config_target(type, *entity.name), request, "incrementalAlterConfigs",
      [](const IncrementalAlterConfigsResponse& answer) { return first_refusal(answer.responses); });
  if (alter) return {};
  return std::unexpected(alter.error());
}

/// A broker takes any name for a logger; Kafka's tool looks whether it is one.
Result<void> check_loggers(Admin& admin, const Entity& entity, const Change& change) {
  const auto described = TRY(describe_configs(admin, ConfigResource::kBrokerLogger, {*entity.name}));
  std::set<std::string> unknown;
  for (const auto& [name, value] : change.added) unknown.insert(name);
  unknown.insert(change.deleted.begin(), change.deleted.end());
  for (const auto& description : described)
    for (const auto& entry : description.entries) unknown.erase(entry.name);
  if (unknown.empty()) return {};
  return misuse(fmt::format("Invalid broker logger(s): {}", fmt::join(unknown, ",")));
}

Result<void> alter_quotas(Admin& admin, const Entities& entities, const Change& change) {
  std::set<std::string> set_already;
  if (!change.deleted.empty())
    for (const auto& entry : TRY(describe_quotas(admin, entities)))
      for (const auto& value : entry.values) set_already.insert(value.key);
  std::vector<std::string> not_set;
  for (const auto& name : change.deleted)
    if (!set_already.contains(name)) not_set.push_back(name);
  if (!not_set.empty()) return misuse(fmt::format("Invalid config(s): {}", fmt::join(not_set, ",")));
  AlterClientQuotasRequest request;
  auto& entry = request.entries.emplace_back();
  for (const auto& entity : entities) {
    auto& part = entry.entity.emplace_back();
    part.entity_type = entity.type == "clients" ? "client-id" : singular(entity.type);
    part.entity_name = entity.name->empty() ? std::nullopt : entity.name;
  }
  for (const auto& [key, text] : change.added) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0')
      return misuse(fmt::format("Cannot parse quota configuration value for {}: {}", key, text));
    entry.ops.push_back({.key = key, .value = value, .remove = false});
  }
  for (const auto& key : change.deleted) entry.ops.push_back({.key = key, .value = 0, .remove = true});
  const auto alter = admin.call<AlterClientQuotasResponse>(
      Target::any(), request, "alterClientQuotas",
      [](const AlterClientQuotasResponse& answer) { return first_refusal(answer.entries); });
  if (alter) return {};
  return std::unexpected(alter.error());
}

/// Names that are none of `allowed`, and how Kafka's tool says so.
Result<void> check_names(const std::string& type, const Change& change,
                         const std::set<std::string>& allowed) {
  const std::string kind = type == "ips"     ? "connection quota"
                           : type == "users" ? "quota and SCRAM credential"
                                             : "quota";
  const auto refuse = [&](std::string_view done, const std::vector<std::string>& names,
                          std::string_view collection) {
    const std::string listed = fmt::format("{}", fmt::join(names, type == "ips" ? "," : ", "));
    return misuse(fmt::format(
        "Only {} configs can be {} for '{}' using --bootstrap-server. Unexpected config names: {}", kind,
        done, type, type == "ips" ? listed : fmt::format("{}({})", collection, listed)));
  };
  std::vector<std::string> unexpected;
  for (const auto& [name, value] : change.added)
    if (!allowed.contains(name)) unexpected.push_back(name);
  if (!unexpected.empty()) return refuse("added", unexpected, "Set");
  for (const auto& name : change.deleted)
    if (!allowed.contains(name)) unexpected.push_back(name);
  if (!unexpected.empty()) return refuse("deleted", unexpected, "ArrayBuffer");
  return {};
}

Result<void> alter_user(Admin& admin, const Entities& entities, const Change& change) {
  std::set<std::string> allowed = kClientQuotas;
  const bool is_user = entities.front().type == "users";
  if (is_user) allowed.insert({"SCRAM-SHA-256", "SCRAM-SHA-512"});
  TRY(check_names(entities.front().type, change, allowed));
  bool has_quota = false;
  bool has_credential = false;
  const auto classify = [&](const std::string& name) {
    (kClientQuotas.contains(name) ? has_quota : has_credential) = true;
  };
  for (const auto& [name, value] : change.added) classify(name);
  std::ranges::for_each(change.deleted, classify);
  if (!has_credential) return alter_quotas(admin, entities, change);
  if (entities.size() > 1)
    return misuse("The use of --entity-type clients with User SCRAM Credentials is not allowed.");
  if (has_quota)
    return misuse(
        "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using "
        "--bootstrap-server.");
  if (entities.front().name->empty())
    return misuse(
        "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using "
        "--bootstrap-server.");
  return alter_scram_credentials(admin, *entities.front().name, change.added, change.deleted);
}

Result<void> alter(Admin& admin, const Entities& entities, const Change& change) {
  const auto& first = entities.front();
  if (first.type == "users" || first.type == "clients") return alter_user(admin, entities, change);
  if (first.type == "ips") {
    TRY(check_names(first.type, change, kAddressQuotas));
    return alter_quotas(admin, entities, change);
  }
  if (first.type == "broker-loggers") TRY(check_loggers(admin, first, change));
  return alter_resource(admin, first, change);
}

}  // namespace

Result<void> alter_entities(Admin& admin, const Entities& entities, const JoptOptions& options) {
  const Change change = TRY(change_of(options));
  TRY(alter(admin, entities, change));
  const auto& first = entities.front();
  if (first.name->empty()) {
    fmt::print("Completed updating default config for {} in the cluster.\n", first.type);
  } else {
    fmt::print("Completed updating config for {} {}.\n", singular(first.type), *first.name);
  }
  return {};
}

}  // namespace barnabas::tools

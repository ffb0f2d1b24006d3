// kafka-configs: shows and changes the configuration of topics, brokers, users, clients and others.
#include "tools/commands/configs.hpp"

#include <fmt/ranges.h>
#include <netdb.h>

#include <algorithm>
#include <array>
#include <set>

#include "tools/client/tool_log.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/options/number_text.hpp"

namespace barnabas::tools {
namespace {

/// An option that names an entity by itself; without `has_name` the default of all.
struct EntityFlag {
  const char* option;
  const char* type;
  bool has_name;
  const char* text;
};

/// In the order in which their entities count.
constexpr std::array kEntityFlags{
    EntityFlag{"topic", "topics", true, "The topic."},
    EntityFlag{"client", "clients", true, "The client id."},
    EntityFlag{"user", "users", true, "The user."},
    EntityFlag{"broker", "brokers", true, "The broker's id."},
    EntityFlag{"broker-logger", "broker-loggers", true, "The id of the broker whose loggers are meant."},
    EntityFlag{"ip", "ips", true, "The address of clients."},
    EntityFlag{"client-metrics", "client-metrics", true, "The subscription to client metrics."},
    EntityFlag{"group", "groups", true, "The group."},
    EntityFlag{"client-defaults", "clients", false, "What holds for client ids without their own."},
    EntityFlag{"user-defaults", "users", false, "What holds for users without their own."},
    EntityFlag{"broker-defaults", "brokers", false, "What holds for brokers without their own."},
    EntityFlag{"ip-defaults", "ips", false, "What holds for addresses without their own."},
};

constexpr std::array kEntityTypes{"topics", "clients",        "users",  "brokers",
                                  "ips",    "client-metrics", "groups", "broker-loggers"};

/// Types with the names and defaults that were given, the n-th with the n-th.
Result<Entities> entities_of(const JoptOptions& options) {
  Entities entities;
  for (const auto& type : options.all("entity-type")) entities.push_back({.type = type, .name = {}});
  std::size_t next = 0;
  for (const auto& [option, argument] : options.sequence()) {
    if (option != "entity-name" && option != "entity-default") continue;
    if (next < entities.size()) entities[next].name = option == "entity-name" ? argument : "";
    ++next;
  }
  const bool uses_general_options = options.count({"entity-type", "entity-name", "entity-default"}) > 0;
  for (const auto& flag : kEntityFlags) {
    if (!options.has(flag.option)) continue;
    if (uses_general_options)
      return misuse(
          "--entity-{type,name,default} should not be used in conjunction with specific entity flags");
    entities.push_back({.type = flag.type, .name = options.text(flag.option)});
  }
  return entities;
}

Result<void> check_types(const Entities& entities) {
  if (entities.empty()) return misuse("At least one entity type must be specified");
  for (const auto& entity : entities)
    if (std::ranges::find(kEntityTypes, entity.type) == kEntityTypes.end())
      return misuse(fmt::format(
          "Invalid entity type {}, the entity type must be one of {} with a --bootstrap-server or "
          "--bootstrap-controller argument",
          entity.type, fmt::join(kEntityTypes, ", ")));
  std::set<std::string> types;
  for (const auto& entity : entities) types.insert(entity.type);
  if (entities.size() > 1 && types != std::set<std::string>{"clients", "users"})
    return misuse("Only 'users' and 'clients' entity types may be specified together");
  return {};
}

bool is_resolvable(const std::string& host) {
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, nullptr, &found) != 0) return false;
  ::freeaddrinfo(found);
  return true;
}

Result<void> check_name(const Entity& entity) {
  if (!entity.name || entity.name->empty()) return {};
  const bool is_broker = entity.type == "brokers" || entity.type == "broker-loggers";
  if (is_broker && !parse_number<std::int32_t>(*entity.name))
    return misuse(fmt::format("The entity name for {} must be a valid integer broker id, but it is: {}",
                              entity.type, *entity.name));
  if (entity.type == "ips" && !is_resolvable(*entity.name))
    return misuse(fmt::format("The entity name for ips must be a valid IP or resolvable host, but it is: {}",
                              *entity.name));
  return {};
}

Result<void> check_describe(const Entities& entities) {
  const auto& first = entities.front();
  if (first.type == "broker-loggers" && !first.name)
    return misuse("An entity name must be specified with --describe of broker-loggers");
  const bool has_defaults =
      first.type != "client-metrics" && first.type != "groups" && first.type != "topics";
  if (!has_defaults && first.name && first.name->empty())
    return misuse(fmt::format("--entity-default must not be specified with --describe of {}", first.type));
  return {};
}

Result<void> check_alter(const Entities& entities, const JoptOptions& options) {
  const auto& first = entities.front();
  const bool may_be_default =
      first.type == "users" || first.type == "clients" || first.type == "brokers" || first.type == "ips";
  if (may_be_default) {
    for (const auto& entity : entities)
      if (!entity.name)
        return misuse(
            "An entity-name or default entity must be specified with --alter of users, clients, brokers or "
            "ips");
  } else if (!first.name || first.name->empty()) {
    return misuse(fmt::format("An entity name must be specified with --alter of {}", first.type));
  }
  const int added = options.count({"add-config", "add-config-file"});
  if (added + options.count({"delete-config"}) == 0)
    return misuse(
        "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter");
  if (added == 2) return misuse("Only one of --add-config or --add-config-file must be specified");
  return {};
}

Result<Entities> check(const JoptOptions& options) {
  if (options.count({"alter", "describe"}) != 1)
    return misuse("Command must include exactly one action: --describe, --alter");
  TRY(options.exclude("alter", {"describe"}));
  TRY(options.exclude("describe", {"alter", "add-config", "delete-config"}));
  auto entities = TRY(entities_of(options));
  TRY(check_types(entities));
  const int bootstraps = options.count({"bootstrap-server", "bootstrap-controller"});
  if (bootstraps == 0)
    return misuse("Either --bootstrap-server or --bootstrap-controller must be specified.");
  if (bootstraps == 2)
    return misuse("Only one of --bootstrap-server or --bootstrap-controller can be specified");
  for (const auto& entity : entities) TRY(check_name(entity));
  if (options.has("describe")) {
    TRY(check_describe(entities));
  } else {
    TRY(check_alter(entities, options));
  }
  return entities;
}

}  // namespace

std::optional<ConfigResource> resource_of(const std::string& type) {
  if (type == "topics") return ConfigResource::kTopic;
  if (type == "brokers") return ConfigResource::kBroker;
  if (type == "broker-loggers") return ConfigResource::kBrokerLogger;
  if (type == "client-metrics") return ConfigResource::kClientMetrics;
  if (type == "groups") return ConfigResource::kGroup;
  return std::nullopt;
}

JoptOptions configs_options() {
  JoptOptions options("kafka-configs",
                      "Shows and changes the configuration of topics, brokers, users, clients ...");
  options.flag("describe", "Show what is set.").flag("alter", "Change it.");
  options.values("entity-type", "TYPE", fmt::format("One of {}.", fmt::join(kEntityTypes, ", ")));
  options.values("entity-name", "NAME", "Which one: the topic's name, the broker's id, the user.");
  options.flag("entity-default", "What holds for those of the type that have nothing of their own.");
  for (const auto& flag : kEntityFlags) {
    if (flag.has_name) {
      options.values(flag.option, "NAME", flag.text);
    } else {
      options.flag(flag.option, flag.text);
    }
  }
  options.flag("all", "Also what is not set but has a default.");
  options.value("add-config", "KEY=VALUE,...", "What to set; KEY=[V1,V2] for values with commas.");
  options.value("add-config-file", "FILE", "What to set, as a properties file.");
  options.value("delete-config", "KEY,...", "What to return to its default.");
  options.value("bootstrap-controller", "HOST:PORT,...", "Controllers to connect to.");
  return options.add_standard_options();
}

int run_configs(Arguments arguments) {
  JoptOptions options = configs_options();
  if (const auto code = end_of_parsing(options, arguments)) return *code;
  const auto entities = check(options);
  if (!entities) return refuse_usage(options, entities.error());
  const auto execute = [&]() -> Result<void> {
    Admin admin = TRY(open_admin(options));
    if (options.has("describe")) return describe_entities(admin, *entities, options.has("all"));
    return alter_entities(admin, *entities, options);
  };
  const auto done = execute();
  if (done) return 0;
  // What a broker refuses is told with the whole command line, what the tool refuses is not.
  if (done.error().code == kMisuse) return tell_failure(done.error());
  fmt::print(stderr, "Error while executing config command with args '{}'\n", fmt::join(arguments, " "));
  fmt::print(stderr, "java.util.concurrent.ExecutionException: {}\n", exception_line(done.error()));
  return 1;
}

}  // namespace barnabas::tools

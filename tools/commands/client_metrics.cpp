// kafka-client-metrics: which metrics clients are asked to push.
#include "base/random.hpp"
#include "base/uuid.hpp"
#include "protocol/messages/api_incremental_alter_configs.hpp"
#include "tools/client/config_description.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/options/number_text.hpp"

namespace barnabas::tools {
namespace {

using protocol::IncrementalAlterConfigsRequest;
using protocol::IncrementalAlterConfigsResponse;

constexpr auto kResource = ConfigResource::kClientMetrics;

struct Setting {
  std::string_view option;
  std::string_view config;
};
constexpr std::array kSettings = {Setting{"metrics", "metrics"}, Setting{"interval", "interval.ms"},
                                  Setting{"match", "match"}};

/// Sets what has a value and takes back what has none.
Result<void> change(Admin& admin, const std::string& name,
                    const std::map<std::string, std::string>& configs) {
  enum Operation : std::int8_t { kSet = 0, kDelete = 1 };
  IncrementalAlterConfigsRequest request;
  auto& resource = request.resources.emplace_back();
  resource.resource_type = static_cast<std::int8_t>(kResource);
  resource.resource_name = name;
  for (const auto& [config, value] : configs)
    resource.configs.push_back(
        {.name = config, .config_operation = value.empty() ? kDelete : kSet, .value = value});
  const auto answer = admin.call<IncrementalAlterConfigsResponse>(
      config_target(kResource, name), request, "incrementalAlterConfigs",
      [](const IncrementalAlterConfigsResponse& response) { return first_refusal(response.responses); });
  return answer ? Result<void>{} : std::unexpected(answer.error());
}

Result<void> alter(const JoptOptions& options, Admin& admin) {
  SystemRandom random;
  const std::string name = options.has("name") ? options.text("name") : Uuid::random(random).to_string();
  std::map<std::string, std::string> configs;
  for (const auto& setting : kSettings)
    if (options.has(setting.option)) configs.emplace(setting.config, options.text(setting.option));
  TRY(change(admin, name, configs));
  fmt::print("Altered client metrics config for {}.\n", name);
  return {};
}

Result<void> remove(const JoptOptions& options, Admin& admin) {
  const std::string name = options.text("name");
  std::map<std::string, std::string> nothing;
  const auto described = TRY(describe_configs(admin, kResource, {name}));
  for (const auto& entry : described.at(0).entries) nothing.emplace(entry.name, "");
  TRY(change(admin, name, nothing));
  fmt::print("Deleted client metrics config for {}.\n", name);
  return {};
}

Result<void> list(Admin& admin) {
  const auto names = TRY(list_config_resources(admin, kResource));
  for (const auto& name : names) fmt::print("{}\n", name);
  if (names.empty()) fmt::print("\n");
  return {};
}

Result<void> describe(const JoptOptions& options, Admin& admin) {
  auto names = TRY(list_config_resources(admin, kResource));
  if (options.has("name")) {
    const std::string wanted = options.text("name");
    if (std::ranges::find(names, wanted) == names.end()) {
      fmt::print("The client metric resource {} doesn't exist and doesn't have dynamic config.\n", wanted);
      return {};
    }
    names = {wanted};
  }
  for (const auto& resource : TRY(describe_configs(admin, kResource, names))) {
    fmt::print("Client metrics configs for {} are:\n", resource.name);
    for (const auto& entry : resource.entries)
      fmt::print("  {}={}\n", entry.name, entry.value.value_or("null"));
  }
  return {};
}

/// What Kafka's tool refuses with the usage text.
Result<void> check_usage(const JoptOptions& options) {
  if (options.count({"alter", "delete", "describe", "list"}) != 1)
    return misuse("Command must include exactly one action: --alter, --delete, --describe or --list.");
  TRY(options.exclude("list", {"name", "generate-name", "metrics", "interval", "match"}));
  TRY(options.exclude("describe", {"generate-name", "metrics", "interval", "match"}));
  return options.exclude("delete", {"generate-name", "metrics", "interval", "match"});
}

/// What it refuses without.
Result<void> check_values(const JoptOptions& options) {
  if (!options.has("bootstrap-server")) return misuse("--bootstrap-server must be specified.");
  if (options.has("alter") && options.count({"name", "generate-name"}) != 1)
    return misuse("One of --name or --generate-name must be specified with --alter.");
  if (options.has("delete") && !options.has("name"))
    return misuse("A client metrics resource name must be specified with --delete.");
  const std::string interval = options.text("interval");
  if (!interval.empty() && !parse_number<std::int32_t>(interval))
    return misuse("Invalid interval value. Enter an integer, or leave empty to reset.");
  return {};
}

Result<void> execute(const JoptOptions& options) {
  Admin admin = TRY(open_admin(options));
  if (options.has("list")) return list(admin);
  if (options.has("describe")) return describe(options, admin);
  return options.has("alter") ? alter(options, admin) : remove(options, admin);
}

}  // namespace

JoptOptions client_metrics_options() {
  JoptOptions options("kafka-client-metrics", "Says which metrics clients are asked to push.");
  options.add_standard_options();
  options.flag("list", "Print the names of all resources.");
  options.flag("describe", "Print what resources hold.");
  options.flag("alter", "Make or change a resource.");
  options.flag("delete", "Delete a resource.");
  options.value("name", "NAME", "The resource.");
  options.flag("generate-name", "With --alter: a new resource under a random name.");
  options.value("metrics", "PREFIX,...", "Names that the wanted metrics begin with; empty: none are set.");
  options.value("interval", "MS", "How often they are pushed; empty: the standard one.");
  options.value("match", "KEY=PATTERN,...", "Which clients are meant; empty: all.");
  return options;
}

int run_client_metrics(Arguments arguments) {
  JoptOptions options = client_metrics_options();
  if (const auto code = end_of_parsing(options, arguments)) return *code;
  if (const auto usage = check_usage(options); !usage) return refuse_usage(options, usage.error());
  if (const auto values = check_values(options); !values) return tell_failure(values.error());
  const auto done = execute(options);
  if (done) return 0;
  fmt::print("Error while executing client metrics command : {}\n", done.error().detail);
  return 1;
}

}  // namespace barnabas::tools

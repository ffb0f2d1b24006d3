// kafka-groups: groups of every type.
#include <algorithm>
#include <array>

#include "tools/client/group_description.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/command_frame.hpp"

namespace barnabas::tools {
namespace {

constexpr std::array kTypes{"Classic", "Consumer", "Share", "Streams"};
constexpr std::size_t kMinWidth = 20;

Result<void> check(const JoptOptions& options) {
  if (!options.has("bootstrap-server")) return misuse("Missing required option(s) [bootstrap-server]");
  if (!options.has("list")) return misuse("Command must include exactly one action: --list.");
  TRY(options.exclude("consumer", {"share", "streams", "group-type", "protocol"}));
  TRY(options.exclude("share", {"consumer", "streams", "group-type", "protocol"}));
  TRY(options.exclude("streams", {"consumer", "share", "group-type", "protocol"}));
  if (!options.has("group-type")) return {};
  const std::string type = capital_type(options.text("group-type"));
  if (std::ranges::find(kTypes, type) == kTypes.end())
    return misuse("--group-type must be a valid group type.");
  return {};
}

bool is_wanted(const GroupListing& group, const JoptOptions& options) {
  const std::string type = capital_type(group.type);
  if (options.has("consumer"))
    return type == "Consumer" || (type == "Classic" && group.protocol_type == "consumer");
  if (options.has("share")) return type == "Share";
  if (options.has("streams")) return type == "Streams";
  return (!options.has("group-type") || type == capital_type(options.text("group-type"))) &&
         (!options.has("protocol") || group.protocol_type == options.text("protocol"));
}

Result<void> list(const JoptOptions& options) {
  Admin admin = TRY(open_admin(options));
  auto groups = TRY(list_groups(admin));
  std::erase_if(groups, [&](const GroupListing& group) { return !is_wanted(group, options); });
  std::size_t width = kMinWidth;
  for (const auto& group : groups) width = std::max(width, group.id.size());
  fmt::print("{:<{}} {:<{}} {:<{}}\n", "GROUP", width, "TYPE", width, "PROTOCOL", width);
  for (const auto& group : groups)
    fmt::print("{:<{}} {:<{}} {:<{}} \n", group.id, width, capital_type(group.type), width,
               group.protocol_type, width);
  return {};
}

}  // namespace

JoptOptions groups_options() {
  JoptOptions options("kafka-groups", "Lists groups of every type.");
  options.flag("list", "List the groups.");
  options.value("group-type", "TYPE", "Only groups of this type: classic, consumer, share, streams.");
  options.value("protocol", "NAME", "Only groups of this protocol.");
  options.flag("consumer", "Only groups that consume, of both types.");
  options.flag("share", "Only share groups.").flag("streams", "Only streams groups.");
  return options.add_standard_options();
}

int run_groups(Arguments arguments) {
  JoptOptions options = groups_options();
  if (const auto code = end_of_parsing(options, arguments)) return *code;
  if (const auto checked = check(options); !checked) return refuse_usage(options, checked.error());
  const auto done = list(options);
  if (done) return 0;
  if (done.error().code == kMisuse) return tell_failure(done.error());
  fmt::print("Error while executing groups command : {}\n", done.error().detail);
  return 1;
}

}  // namespace barnabas::tools

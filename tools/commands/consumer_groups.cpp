// kafka-consumer-groups: shows groups and their offsets, resets and deletes them.
#include "tools/commands/consumer_groups.hpp"

#include <fmt/ranges.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>

#include "tools/client/group_description.hpp"
#include "tools/client/tool_log.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/text_lists.hpp"
#include "tools/options/number_text.hpp"

namespace barnabas::tools {
namespace {

constexpr std::array kScenarios{"to-offset",   "to-earliest", "to-current", "to-latest",
                                "by-duration", "to-datetime", "from-file",  "shift-by"};

Result<void> check_describe(const JoptOptions& options) {
  if (options.count({"all-groups", "group"}) == 0)
    return misuse("Option [describe] takes one of these options: [all-groups], [group]");
  if (options.count({"members", "offsets", "state"}) > 1)
    return misuse("Option [describe] takes at most one of these options: [members], [offsets], [state]");
  if (!options.all("state").empty()) return misuse("Option [describe] does not take a value for [state]");
  return {};
}

Result<void> check_reset(const JoptOptions& options) {
  if (options.has("dry-run") && options.has("execute"))
    return misuse("Option [reset-offsets] only accepts one of [execute] and [dry-run]");
  if (!options.has("dry-run") && !options.has("execute"))
    fmt::print(
        stderr,
        "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command "
        "will require either --dry-run or --execute to be specified. You should add the --dry-run option "
        "explicitly if you are scripting this command and want to keep the current default behavior without "
        "prompting.\n");
  if (options.count({"all-groups", "group"}) == 0)
    return misuse("Option [reset-offsets] takes one of these options: [all-groups], [group]");
  const char* found = nullptr;
  for (const char* scenario : kScenarios) {
    if (!options.has(scenario)) continue;
    if (found != nullptr) return options.exclude(found, {scenario});
    found = scenario;
  }
  if (found != nullptr) return {};
  return misuse(
      "Option '[reset-offsets]' requires one of the following scenarios: [[to-offset], [to-earliest], "
      "[to-current], "
      "[to-latest], [by-duration], [to-datetime], [from-file], [shift-by]]");
}

/// Options that mean nothing without another.
Result<void> check_available(const JoptOptions& options) {
  const auto refuse = [&](std::string_view name) {
    return misuse(
        fmt::format("Option(s) [{}] are unavailable given other options on the command line", name));
  };
  for (const auto name : {"members", "offsets", "verbose"})
    if (options.has(name) && !options.has("describe")) return refuse(name);
  if (options.has("state") && options.count({"describe", "list"}) == 0) return refuse("state");
  if (options.has("type") && !options.has("list")) return refuse("type");
  return {};
}

Result<void> check(const JoptOptions& options) {
  TRY(check_available(options));
  if (options.count({"list", "describe", "delete", "reset-offsets", "delete-offsets", "validate-regex"}) !=
          1 &&
      !(options.has("list") && options.has("describe")))
    return misuse(
        "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, "
        "--delete-offsets, "
        "--validate-regex");
  if (!options.has("validate-regex")) TRY(options.require({"bootstrap-server"}));
  if (options.has("describe")) TRY(check_describe(options));
  if (options.has("delete")) {
    if (options.count({"all-groups", "group"}) == 0)
      return misuse("Option [delete] takes one of these options: [all-groups], [group]");
    if (options.has("topic"))
      return misuse("The consumer does not support topic-specific offset deletion from a consumer group.");
  }
  if (options.has("delete-offsets") && options.count({"topic", "group"}) != 2)
    return misuse("Option [delete-offsets] takes the following options: [topic], [group]");
  if (options.has("reset-offsets")) TRY(check_reset(options));
  TRY(options.exclude("group", {"all-groups", "list"}));
  TRY(options.exclude("all-groups", {"group", "list"}));
  return options.exclude("topic", {"delete", "list", "describe"});
}

/// RE2's errors in the words of the Java port of it that Kafka's tool uses.
std::string_view regex_error(RE2::ErrorCode code) {
  switch (code) {
    case RE2::ErrorBadEscape:
      return "invalid escape sequence";
    case RE2::ErrorBadCharClass:
      return "invalid character class";
    case RE2::ErrorBadCharRange:
      return "invalid character class range";
    case RE2::ErrorMissingBracket:
      return "missing closing ]";
    case RE2::ErrorMissingParen:
      return "missing closing )";
    case RE2::ErrorTrailingBackslash:
      return "trailing backslash at end of expression";
    case RE2::ErrorRepeatArgument:
      return "missing argument to repetition operator";
    case RE2::ErrorRepeatSize:
      return "invalid repeat count";
    case RE2::ErrorRepeatOp:
      return "invalid nested repetition operator";
    case RE2::ErrorBadPerlOp:
      return "invalid or unsupported Perl syntax";
    case RE2::ErrorBadNamedCapture:
      return "invalid named capture";
    default:
      return "it cannot be compiled";
  }
}

int validate_regex(const std::string& text) {
  RE2::Options options;
  options.set_log_errors(false);
  const RE2 expression(text, options);
  if (expression.ok()) {
    fmt::print("The regular expression `{}` is valid.\n", text);
  } else {
    fmt::print("The regular expression `{}` is invalid: {}.\n", text, regex_error(expression.error_code()));
  }
  return 0;
}

Result<void> execute(const JoptOptions& options) {
  const auto timeout = TRY(options.number("timeout")).value_or(0);
  Cluster cluster = TRY(open_cluster(options.text("bootstrap-server"), options.text("command-config"),
                                     Cluster::Bootstrap::kBrokers, std::chrono::milliseconds(timeout)));
  Admin admin(std::move(cluster));
  if (options.has("list")) return list_consumer_groups(admin, options);
  if (options.has("describe")) return describe_consumer_groups(admin, options);
  if (options.has("delete")) return delete_consumer_groups(admin, options);
  if (options.has("reset-offsets")) return reset_group_offsets(admin, options);
  return delete_group_offsets(admin, options);
}

}  // namespace

void print_group_error(std::string_view sentence) {
  fmt::print("\nError: {}\n", sentence);
}

Result<std::vector<std::string>> chosen_groups(Admin& admin, const JoptOptions& options) {
  if (!options.has("all-groups")) return options.all("group");
  std::vector<std::string> ids;
  for (const auto& group : TRY(list_groups(admin))) {
    const bool consumes = group.protocol_type.empty() || group.protocol_type == "consumer";
    if (consumes && capital_type(group.type) != "Share" && capital_type(group.type) != "Streams")
      ids.push_back(group.id);
  }
  return ids;
}

Result<std::vector<TopicArgument>> topic_arguments(const JoptOptions& options) {
  std::vector<TopicArgument> arguments;
  for (const auto& text : options.all("topic")) {
    const auto parts = split(text, ':');
    auto& argument = arguments.emplace_back();
    argument.topic = parts.empty() ? "" : parts[0];
    if (parts.size() < 2) continue;
    for (const auto& partition : split(parts[1], ',')) {
      const auto index = parse_number<std::int32_t>(partition);
      if (!index)
        return fail(ErrorCode::kInvalidPartitions,
                    fmt::format("Invalid partition '{}' specified in topic arg '{}''", partition, text));
      argument.partitions.push_back(*index);
    }
  }
  return arguments;
}

JoptOptions consumer_groups_options() {
  JoptOptions options("kafka-consumer-groups",
                      "Shows consumer groups and their offsets, resets and deletes them.");
  const auto optional = [&](const char* name, const char* placeholder, const char* text) {
    options.add({.name = name,
                 .argument = JoptOptions::Argument::kOptional,
                 .placeholder = placeholder,
                 .text = text});
  };
  options.flag("list", "List the groups.").flag("describe", "Show offsets, lag and members of groups.");
  options.flag("delete", "Delete groups that have no members.")
      .flag("reset-offsets", "Set offsets of groups.");
  options.flag("delete-offsets", "Delete what a group has committed for topics.");
  options.value("validate-regex", "EXPRESSION", "Tell whether brokers take this as a subscription.");
  options.values("group", "GROUP", "The group; may be repeated.").flag("all-groups", "All groups.");
  options.values("topic", "TOPIC[:P,P...]", "The topic, or some of its partitions; may be repeated.");
  options.flag("all-topics", "All topics for which the group has committed.");
  options.flag("offsets", "With --describe: offsets and lag, as without it.");
  options.flag("members", "With --describe: the members.").flag("verbose", "With --describe: more columns.");
  optional("state", "STATES", "With --describe: the state. With --list: show it, or only groups in these.");
  optional("type", "TYPES", "With --list: show the type, or only groups of these.");
  options.add({.name = "timeout",
               .argument = JoptOptions::Argument::kRequired,
               .placeholder = "MS",
               .text = "How long to try.",
               .standard = "30000"});
  options.flag("dry-run", "With --reset-offsets: only show what would be set.")
      .flag("execute", "Set the offsets.");
  options.flag("export", "Print the offsets as CSV, for --from-file.");
  options.flag("to-earliest", "To the first record.").flag("to-latest", "Behind the last record.");
  options.flag("to-current", "To what is committed.").value("to-offset", "OFFSET", "To this offset.");
  options.value("shift-by", "COUNT", "Forward, or back with a negative count.");
  options.value("to-datetime", "YYYY-MM-DDTHH:mm:SS.sss", "To the first record of that time or later.");
  options.value("by-duration", "PnDTnHnMnS", "To the first record of that long ago or later.");
  options.value("from-file", "FILE", "To the offsets of a file, as --export prints it.");
  return options.add_standard_options();
}

int run_consumer_groups(Arguments arguments) {
  JoptOptions options = consumer_groups_options();
  if (const auto code = end_of_parsing(options, arguments)) return *code;
  if (const auto checked = check(options); !checked) return refuse_usage(options, checked.error());
  if (options.has("validate-regex")) return validate_regex(options.text("validate-regex"));
  const auto done = execute(options);
  if (done) return 0;
  if (done.error().code == ErrorCode::kInvalidPartitions) return refuse_usage(options, done.error());
  // Kafka's tool tells, and ends well. Its client has an exception without a code for a cluster of nobody.
  const bool is_nobody = done.error().code == ErrorCode::kBrokerNotAvailable;
  print_group_error(
      "Executing consumer group command failed due to " +
      (is_nobody ? "java.util.concurrent.ExecutionException: org.apache.kafka.common.KafkaException: " +
                       done.error().detail
                 : failure_text(done.error())));
  return 0;
}

}  // namespace barnabas::tools

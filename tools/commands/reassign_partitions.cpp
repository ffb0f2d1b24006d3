// kafka-reassign-partitions: moves replicas to other brokers and to other log directories.
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "tools/commands/admin_commands.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/reassignment_calls.hpp"
#include "tools/commands/reassignment_throttles.hpp"
#include "tools/commands/replica_striping.hpp"
#include "tools/commands/text_lists.hpp"
#include "tools/options/number_text.hpp"

namespace barnabas::tools {
namespace {

using std::chrono::milliseconds;

constexpr const char* kNoThrottle = "-1";

std::string_view plural(std::size_t count) {
  return count == 1 ? "" : "s";
}

template <class Map>
std::vector<std::string> names_of(const Map& by_partition) {
  std::vector<std::string> names;
  for (const auto& [partition, value] : by_partition) names.push_back(to_string(partition));
  return names;
}

std::vector<std::string> lines_of(const Refusals& refusals) {
  std::vector<std::string> lines;
  for (const auto& [partition, why] : refusals) lines.push_back(to_string(partition) + ": " + why);
  return lines;
}

// ---- --generate

Result<std::vector<std::int32_t>> brokers_to_use(const JoptOptions& options) {
  std::vector<std::int32_t> brokers;
  for (const auto& text : split(options.text("broker-list"), ',')) {
    const auto id = parse_number<std::int32_t>(text);
    if (!id) return misuse(fmt::format("For input string: \"{}\"", text));
    brokers.push_back(*id);
  }
  const auto twice = duplicates_of(brokers);
  if (!twice.empty())
    return misuse(fmt::format("Broker list contains duplicate entries: [{}]", fmt::join(twice, ", ")));
  return brokers;
}

using Racks = std::vector<std::vector<std::int32_t>>;

/// Those of `brokers` that are there, by rack; in one group where racks are not looked at or nobody has one.
Result<Racks> racks_of(Admin& admin, const std::vector<std::int32_t>& brokers, bool rack_aware) {
  std::map<std::string, std::vector<std::int32_t>> racks;
  const auto nodes = TRY(admin.nodes("listNodes"));
  for (const auto& node : nodes)
    if (std::ranges::find(brokers, node.id.value()) != brokers.end())
      racks[rack_aware ? node.rack : ""].push_back(node.id.value());
  if (racks.size() > 1 && racks.contains(""))
    return misuse(
        "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica "
        "assignment without rack information.");
  Racks grouped;
  for (auto& [rack, ids] : racks) grouped.push_back(std::move(ids));
  return grouped;
}

/// Each topic spread over the racks with as many replicas as its first partition has.
Result<Assignment> propose(const Assignment& current, const Racks& racks) {
  SystemRandom random;
  std::map<std::string, std::vector<TopicPartition>> topics;
  for (const auto& [partition, replicas] : current) topics[partition.topic].push_back(partition);
  Assignment proposed;
  for (const auto& [topic, partitions] : topics) {
    const std::size_t factor = current.at(partitions.front()).size();
    const auto placed = TRY(stripe_replicas(racks, partitions.size(), factor, random));
    for (std::size_t i = 0; i < partitions.size(); ++i) proposed[partitions[i]] = placed[i];
  }
  return proposed;
}

Result<LogDirs> current_log_dirs(Admin& admin, const Assignment& assignment) {
  std::set<Replica> replicas;
  for (const auto& [partition, brokers] : assignment)
    for (const auto broker : brokers) replicas.insert({partition, broker});
  const auto described = TRY(describe_replica_log_dirs(admin, replicas));
  LogDirs log_dirs;
  for (const auto& [replica, dirs] : described)
    if (!dirs.current.empty()) log_dirs[replica] = dirs.current;
  return log_dirs;
}

Result<void> generate(Admin& admin, const JoptOptions& options) {
  const auto content = TRY(read_json_file(options.text("topics-to-move-json-file")));
  const auto brokers = TRY(brokers_to_use(options));
  const auto topics = TRY(parse_topics_to_move(content));
  const auto twice = duplicates_of(topics);
  if (!twice.empty())
    return misuse(
        fmt::format("List of topics to reassign contains duplicate entries: [{}]", fmt::join(twice, ", ")));
  const auto current = TRY(replicas_of_topics(admin, topics));
  const auto racks = TRY(racks_of(admin, brokers, !options.has("disable-rack-aware")));
  const auto proposed = TRY(propose(current, racks));
  const auto log_dirs = TRY(current_log_dirs(admin, current));
  fmt::print("Current partition replica assignment\n{}\n\n", plan_text(current, log_dirs));
  fmt::print("Proposed partition reassignment configuration\n{}\n", plan_text(proposed, {}));
  return {};
}

// ---- --execute

/// What --execute may do besides.
struct Limits {
  std::int64_t throttle = -1;  // bytes per second; below 0: none
  std::int64_t log_dirs_throttle = -1;
  milliseconds timeout{};  // for moves between directories to begin
};

Result<Limits> limits_of(const JoptOptions& options) {
  Limits limits;
  limits.throttle = TRY(options.number("throttle")).value_or(-1);
  limits.log_dirs_throttle = TRY(options.number("replica-alter-log-dirs-throttle")).value_or(-1);
  limits.timeout = milliseconds(TRY(options.number("timeout")).value_or(0));
  return limits;
}

Result<void> check_brokers_exist(Admin& admin, const Assignment& assignment) {
  std::set<std::int32_t> existing;
  const auto nodes = TRY(admin.nodes("listNodes"));
  for (const auto& node : nodes) existing.insert(node.id.value());
  for (const auto& [partition, replicas] : assignment)
    for (const auto broker : replicas)
      if (!existing.contains(broker)) return misuse(fmt::format("Unknown broker id {}", broker));
  return {};
}

/// Where the partitions of `wanted` are now.
Result<Assignment> current_assignment(Admin& admin, const Assignment& wanted) {
  std::set<std::string> topics;
  for (const auto& [partition, replicas] : wanted) topics.insert(partition.topic);
  const auto all = TRY(replicas_of_topics(admin, {topics.begin(), topics.end()}));
  Assignment current;
  for (const auto& [partition, replicas] : wanted) {
    const auto found = all.find(partition);
    if (found == all.end())
      return fail(ErrorCode::kUnknownTopicOrPartition,
                  fmt::format("Unable to find partition: {}", to_string(partition)));
    current.insert(*found);
  }
  return current;
}

/// Tries until all moves began: a broker that gets a replica by the same reassignment has it a little later.
Result<void> start_log_dir_moves(Admin& admin, LogDirs moves, milliseconds timeout) {
  constexpr milliseconds kBetweenTries{100};
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto begun = TRY(alter_replica_log_dirs(admin, moves));
    for (const auto& replica : begun) {
      fmt::print("Successfully started moving log directory to {} for replica {} with broker {} \n",
                 moves[replica], to_string(replica.partition), replica.broker);
      moves.erase(replica);
    }
    if (moves.empty()) return {};
    if (std::chrono::steady_clock::now() >= deadline)
      return misuse(fmt::format("Timed out before log directory move{} could be started for {}",
                                plural(moves.size()), fmt::join(names_of(moves), ",")));
    std::this_thread::sleep_for(kBetweenTries);
  }
}

Result<void> set_throttles(Admin& admin, const ReassignmentPlan& plan, const Assignment& current,
                           const OngoingReassignments& ongoing, const Limits& limits) {
  if (limits.throttle < 0 && limits.log_dirs_throttle < 0) return {};
  fmt::print(
      "Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle "
      "is removed.\n");
  if (limits.throttle >= 0) {
    TRY(throttle_moves(admin, plan.assignment(), current, ongoing, limits.throttle));
    fmt::print("The inter-broker throttle limit was set to {} B/s\n", limits.throttle);
  }
  if (limits.log_dirs_throttle >= 0) {
    TRY(throttle_log_dir_moves(admin, plan.log_dirs, limits.log_dirs_throttle));
    fmt::print("The replica-alter-dir throttle limit was set to {} B/s\n", limits.log_dirs_throttle);
  }
  return {};
}

Result<void> execute(Admin& admin, const JoptOptions& options) {
  const auto content = TRY(read_json_file(options.text("reassignment-json-file")));
  const auto limits = TRY(limits_of(options));
  const auto plan = TRY(parse_plan(content));
  TRY(check_executable(plan));
  const auto ongoing = TRY(list_reassignments(admin, std::nullopt));
  if (!options.has("additional") && !ongoing.empty())
    return misuse(
        "Cannot execute because there is an existing partition assignment.  Use --additional to override "
        "this and create a new partition assignment in addition to the existing one. The --additional flag "
        "can also be used to change the throttle by resubmitting the current reassignment.");
  const auto wanted = plan.assignment();
  TRY(check_brokers_exist(admin, wanted));
  const auto current = TRY(current_assignment(admin, wanted));
  const auto log_dirs = TRY(current_log_dirs(admin, current));
  fmt::print("Current partition replica assignment\n\n{}\n\n", plan_text(current, log_dirs));
  fmt::print("Save this to use as the --reassignment-json-file option during rollback\n");
  TRY(set_throttles(admin, plan, current, ongoing, limits));
  const auto refusals = TRY(alter_reassignments(admin, {wanted.begin(), wanted.end()},
                                                !options.has("disallow-replication-factor-change")));
  if (!refusals.empty())
    return misuse(fmt::format("Error reassigning partition{}:\n{}", plural(refusals.size()),
                              fmt::join(lines_of(refusals), "\n")));
  fmt::print("Successfully started partition reassignment{} for {}\n", plural(wanted.size()),
             fmt::join(names_of(wanted), ","));
  if (plan.log_dirs.empty()) return {};
  return start_log_dir_moves(admin, plan.log_dirs, limits.timeout);
}

// ---- --verify, --cancel, --list

/// True while anything is under way.
Result<bool> tell_reassignments(Admin& admin, const Assignment& wanted) {
  const auto ongoing = TRY(list_reassignments(admin, std::nullopt));
  std::set<std::string> topics;
  for (const auto& [partition, replicas] : wanted)
    if (!ongoing.contains(partition)) topics.insert(partition.topic);
  const auto current = TRY(replicas_of_existing(admin, topics));
  fmt::print("Status of partition reassignment:\n");
  for (const auto& [partition, replicas] : wanted) {
    const std::string name = to_string(partition);
    const auto found = current.find(partition);
    const Replicas there = found == current.end() ? Replicas{} : found->second;
    if (ongoing.contains(partition))
      fmt::print("Reassignment of partition {} is still in progress.\n", name);
    else if (there == replicas)
      fmt::print("Reassignment of partition {} is completed.\n", name);
    else
      fmt::print("There is no active reassignment of partition {}, but replica set is {} rather than {}.\n",
                 name, fmt::join(there, ","), fmt::join(replicas, ","));
  }
  return !ongoing.empty();
}

using ReplicaMoves = std::map<Replica, ReplicaLogDirs>;

Result<ReplicaMoves> find_log_dir_moves(Admin& admin, const LogDirs& wanted) {
  std::set<Replica> replicas;
  for (const auto& [replica, directory] : wanted) replicas.insert(replica);
  return describe_replica_log_dirs(admin, replicas);
}

std::string move_status(const Replica& replica, const ReplicaLogDirs& dirs, const std::string& wanted) {
  const std::string name = to_string(replica.partition);
  if (dirs.current.empty())
    return fmt::format(
        "Partition {} is not found in any live log dir on broker {}. There is likely an offline log "
        "directory "
        "on the broker.",
        name, replica.broker);
  if (dirs.future.empty() && dirs.current == wanted)
    return fmt::format("Reassignment of replica {} completed successfully.", to_string(replica));
  if (dirs.future.empty())
    return fmt::format("Partition {} on broker {} is not being moved from log dir {} to {}.", name,
                       replica.broker, dirs.current, wanted);
  if (dirs.future == wanted)
    return fmt::format("Reassignment of replica {} is still in progress.", to_string(replica));
  return fmt::format("Partition {} on broker {} is being moved to log dir {} instead of {}.", name,
                     replica.broker, dirs.future, wanted);
}

Result<void> verify(Admin& admin, const JoptOptions& options) {
  const auto content = TRY(read_json_file(options.text("reassignment-json-file")));
  const auto plan = TRY(parse_plan(content));
  const auto wanted = plan.assignment();
  bool is_ongoing = TRY(tell_reassignments(admin, wanted));
  const auto moves = TRY(find_log_dir_moves(admin, plan.log_dirs));
  std::vector<std::string> lines;
  for (const auto& [replica, directory] : plan.log_dirs) {
    const auto& dirs = moves.at(replica);
    lines.push_back(move_status(replica, dirs, directory));
    // A replica that no directory holds counts as one that has not arrived yet.
    is_ongoing = is_ongoing || dirs.current.empty() || !dirs.future.empty();
  }
  fmt::print("{}\n", fmt::join(lines, "\n"));
  if (is_ongoing || options.has("preserve-throttles")) return {};
  return clear_throttles(admin, wanted);
}

Result<void> cancel_reassignments(Admin& admin, const Assignment& wanted) {
  const auto ongoing = TRY(list_reassignments(admin, [&] {
    std::vector<TopicPartition> partitions;
    for (const auto& [partition, replicas] : wanted) partitions.push_back(partition);
    return partitions;
  }()));
  std::map<TopicPartition, std::optional<Replicas>> cancelled;
  for (const auto& [partition, reassignment] : ongoing)
    if (!reassignment.adding.empty() || !reassignment.removing.empty()) cancelled[partition] = std::nullopt;
  if (cancelled.empty()) {
    fmt::print("None of the specified partition reassignments are active.\n");
    return {};
  }
  const auto refusals = TRY(alter_reassignments(admin, cancelled, true));
  if (!refusals.empty())
    return misuse(fmt::format("Error cancelling partition reassignment{} for:\n{}", plural(refusals.size()),
                              fmt::join(lines_of(refusals), "\n")));
  fmt::print("Successfully cancelled partition reassignment{} for: {}\n", plural(cancelled.size()),
             fmt::join(names_of(cancelled), ","));
  return {};
}

Result<void> cancel(Admin& admin, const JoptOptions& options) {
  const auto content = TRY(read_json_file(options.text("reassignment-json-file")));
  const auto limits = TRY(limits_of(options));
  const auto plan = TRY(parse_plan(content));
  const auto wanted = plan.assignment();
  TRY(cancel_reassignments(admin, wanted));
  const auto moves = TRY(find_log_dir_moves(admin, plan.log_dirs));
  LogDirs back;  // to where they are
  for (const auto& [replica, dirs] : moves)
    if (!dirs.future.empty()) back[replica] = dirs.current;
  if (back.empty())
    fmt::print("None of the specified partition moves are active.");
  else
    TRY(start_log_dir_moves(admin, std::move(back), limits.timeout));
  if (options.has("preserve-throttles")) return {};
  return clear_throttles(admin, wanted);
}

Result<void> list(Admin& admin) {
  const auto ongoing = TRY(list_reassignments(admin, std::nullopt));
  fmt::print("{}\n",
             ongoing.empty() ? "No partition reassignments found." : "Current partition reassignments:");
  for (const auto& [partition, reassignment] : ongoing) {
    const auto& [replicas, adding, removing] = reassignment;
    fmt::print("{}: replicas: {}.", to_string(partition), fmt::join(replicas, ","));
    if (!adding.empty()) fmt::print(" adding: {}.", fmt::join(adding, ","));
    if (!removing.empty()) fmt::print(" removing: {}.", fmt::join(removing, ","));
    fmt::print("\n");
  }
  return {};
}

// ---- the command line

/// An action with the options that it needs and those that it takes besides.
struct Action {
  std::string_view name;
  std::vector<std::string_view> needed;
  std::vector<std::string_view> taken;
};

const std::vector<Action> kActions = {
    {"generate", {"broker-list", "topics-to-move-json-file"}, {"bootstrap-server", "disable-rack-aware"}},
    {"execute",
     {"reassignment-json-file"},
     {"bootstrap-server", "additional", "disallow-replication-factor-change", "throttle",
      "replica-alter-log-dirs-throttle", "timeout"}},
    {"verify", {"reassignment-json-file"}, {"bootstrap-server", "preserve-throttles"}},
    {"cancel",
     {"reassignment-json-file"},
     {"bootstrap-server", "bootstrap-controller", "preserve-throttles", "timeout"}},
    {"list", {}, {"bootstrap-server", "bootstrap-controller"}},
};

Result<void> check_usage(const JoptOptions& options) {
  const auto is_wanted = [&](const Action& action) { return options.has(action.name); };
  if (std::ranges::count_if(kActions, is_wanted) != 1)
    return misuse(
        "Command must include exactly one action: --generate, --execute, --verify, --cancel, --list");
  const Action& action = *std::ranges::find_if(kActions, is_wanted);
  switch (options.count({"bootstrap-server", "bootstrap-controller"})) {
    case 0:
      return misuse("Please specify either --bootstrap-server or --bootstrap-controller");
    case 2:
      return misuse("Please don't specify both --bootstrap-server and --bootstrap-controller");
  }
  for (const auto name : action.needed) TRY(options.require({name}));
  for (const auto& [name, value] : options.sequence()) {
    const auto is_in = [&](const auto& names) { return std::ranges::find(names, name) != names.end(); };
    if (name != action.name && name != "command-config" && !is_in(action.needed) && !is_in(action.taken))
      return misuse(fmt::format("Option \"[{}]\" can't be used with action \"[{}]\"", name, action.name));
  }
  return {};
}

Result<void> run(const JoptOptions& options) {
  // Of a file that is not there Kafka's tool says no more than its name.
  const std::string config = options.text("command-config");
  if (!config.empty() && !std::filesystem::exists(config)) return misuse(config);
  Admin admin = TRY(open_admin(options));
  if (options.has("generate")) return generate(admin, options);
  if (options.has("execute")) return execute(admin, options);
  if (options.has("verify")) return verify(admin, options);
  return options.has("cancel") ? cancel(admin, options) : list(admin);
}

}  // namespace

JoptOptions reassign_partitions_options() {
  JoptOptions options("kafka-reassign-partitions", "Moves replicas to other brokers and log directories.");
  options.add_standard_options();
  options.value("bootstrap-controller", "HOST:PORT,...", "Controllers to connect to.");
  options.flag("generate", "Print a plan that spreads topics over brokers.");
  options.flag("execute", "Begin what a plan says.");
  options.flag("verify", "Tell how far a plan is, and end its throttles once it is done.");
  options.flag("cancel", "Give up what a plan began.");
  options.flag("list", "Print the reassignments that are under way.");
  options.value("topics-to-move-json-file", "FILE", R"({"version": 1, "topics": [{"topic": "t"}]})");
  options.value("broker-list", "ID,...", "The brokers that --generate spreads over.");
  options.flag("disable-rack-aware", "Spread without a look at racks.");
  options.value(
      "reassignment-json-file", "FILE",
      "The plan, as --generate prints it; the log directory \"any\" leaves the choice to the broker.");
  const auto limit = [&](std::string name, std::string placeholder, std::string text, std::string standard) {
    options.add({.name = std::move(name),
                 .argument = JoptOptions::Argument::kRequired,
                 .placeholder = std::move(placeholder),
                 .text = std::move(text),
                 .standard = std::move(standard)});
  };
  limit("throttle", "BYTES", "How many bytes a second move between brokers; -1 for no limit.", kNoThrottle);
  limit("replica-alter-log-dirs-throttle", "BYTES", "The same between the log directories of a broker.",
        kNoThrottle);
  limit("timeout", "MS", "How long moves between log directories may take to begin.", "10000");
  options.flag("additional", "Execute although other reassignments are under way.");
  options.flag("disallow-replication-factor-change", "Refuse to change how many replicas a partition has.");
  options.flag("preserve-throttles", "Leave the throttles as they are.");
  return options;
}

int run_reassign_partitions(Arguments arguments) {
  JoptOptions options = reassign_partitions_options();
  if (const auto code = end_of_parsing(options, arguments)) return *code;
  if (const auto fitting = check_usage(options); !fitting) return refuse_usage(options, fitting.error());
  const auto done = run(options);
  if (done) return 0;
  fmt::print("Error: {}\n", failure_text(done.error()));
  return 1;
}

}  // namespace barnabas::tools

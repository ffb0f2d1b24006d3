// kafka-consumer-groups --list and --describe.
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "tools/client/group_description.hpp"
#include "tools/client/offsets.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/consumer_groups.hpp"
#include "tools/commands/table.hpp"
#include "tools/commands/text_lists.hpp"

namespace barnabas::tools {
namespace {

constexpr std::array kStates{"CompletingRebalance", "Stable", "Dead", "Empty", "Assigning", "Reconciling",
                             "PreparingRebalance"};
constexpr std::array kTypes{"Consumer", "Classic"};

std::string lower(std::string_view text) {
  std::string made(text);
  std::ranges::transform(made, made.begin(), [](unsigned char letter) { return std::tolower(letter); });
  return made;
}

/// The names of a list, in Kafka's capitals. `what` is for the refusal.
Result<std::vector<std::string>> names_of(const std::vector<std::string>& given, const auto& allowed,
                                          std::string_view what, std::string_view plural) {
  std::vector<std::string> names;
  for (const auto& text : given)
    for (const auto& part : split(text, ',')) {
      const auto found =
          std::ranges::find_if(allowed, [&](const char* name) { return lower(name) == lower(trim(part)); });
      if (found == allowed.end())
        return fail(ErrorCode::kInvalidPartitions, fmt::format("Invalid {} list '{}'. Valid {} are: {}", what,
                                                               text, plural, fmt::join(allowed, ", ")));
      names.emplace_back(*found);
    }
  return names;
}

void tell_state(const GroupDescription& group) {
  if (group.state == "Empty") {
    fmt::print(stderr, "\nConsumer group '{}' has no active members.\n", group.id);
  } else if (group.state == "PreparingRebalance" || group.state == "CompletingRebalance" ||
             group.state == "Assigning" || group.state == "Reconciling") {
    fmt::print(stderr, "\nWarning: Consumer group '{}' is rebalancing.\n", group.id);
  } else if (group.state == "Dead") {
    print_group_error(fmt::format("Consumer group '{}' does not exist.", group.id));
  }
}

/// What one partition's row says of its member.
struct Owner {
  std::string id = "-";
  std::string host = "-";
  std::string client_id = "-";
};

void add_offset_row(Table& table, const std::string& group, const TopicPartition& partition,
                    const CommittedOffsets& committed, const ListedOffsets& ends, const Owner& owner,
                    bool verbose) {
  std::optional<std::int64_t> current;
  std::optional<std::int32_t> epoch;
  if (const auto found = committed.find(partition); found != committed.end()) {
    current = found->second.offset;
    if (found->second.leader_epoch >= 0) epoch = found->second.leader_epoch;
  }
  std::optional<std::int64_t> end;
  if (const auto found = ends.find(partition); found != ends.end() && found->second) end = *found->second;
  std::optional<std::int64_t> lag;
  if (current && end) lag = *end - *current;
  std::vector<std::string> row{group, partition.topic, std::to_string(partition.partition.value())};
  if (verbose) row.push_back(or_dash(epoch));
  for (const auto& value : {current, end, lag}) row.push_back(or_dash(value));
  row.insert(row.end(), {owner.id, owner.host, owner.client_id});
  table.add(std::move(row));
}

Result<void> describe_offsets(Admin& admin, const GroupDescription& group, bool verbose) {
  const CommittedOffsets committed = TRY(committed_offsets(admin, group.id));
  std::vector<std::pair<TopicPartition, Owner>> rows;
  std::set<TopicPartition> partitions;
  auto members = group.members;
  std::ranges::stable_sort(members, std::greater<>(), [](const DescribedMember& member) {
    std::size_t count = 0;
    for (const auto& [topic, owned] : member.assignment) count += owned.size();
    return count;
  });
  for (const auto& member : members)
    for (const auto& [topic, owned] : member.assignment)
      for (const auto index : owned) {
        const TopicPartition partition{topic, PartitionIndex(index)};
        if (!partitions.insert(partition).second) continue;
        rows.push_back({partition, {.id = member.id, .host = member.host, .client_id = member.client_id}});
      }
  for (const auto& [partition, offset] : committed)
    if (partitions.insert(partition).second) rows.push_back({partition, {}});
  const ListedOffsets ends =
      partitions.empty() ? ListedOffsets{} : TRY(list_offsets(admin, partitions, kLatest));
  std::vector<Column> columns{{"GROUP", 15}, {"TOPIC", 15}, {"PARTITION", 10, false}};
  if (verbose) columns.push_back({"LEADER-EPOCH", 15, false});
  for (const char* heading : {"CURRENT-OFFSET", "LOG-END-OFFSET", "LAG"})
    columns.push_back({heading, 15, false});
  for (const char* heading : {"CONSUMER-ID", "HOST"}) columns.push_back({heading, 15});
  columns.push_back({"CLIENT-ID"});
  Table table(std::move(columns));
  for (const auto& [partition, owner] : rows)
    add_offset_row(table, group.id, partition, committed, ends, owner, verbose);
  tell_state(group);
  if (group.state != "Dead") fmt::print("\n{}", table.text());
  return {};
}

std::string assignment_text(const std::optional<Assignment>& assignment) {
  std::vector<std::string> topics;
  if (assignment)
    for (const auto& [topic, partitions] : *assignment)
      topics.push_back(fmt::format("{}:{}", topic, fmt::join(partitions, ",")));
  return topics.empty() ? "-" : fmt::format("{}", fmt::join(topics, "; "));
}

void describe_members(const GroupDescription& group, bool verbose) {
  const bool has_instances =
      std::ranges::any_of(group.members, [](const auto& member) { return !member.instance_id.empty(); });
  const bool has_classic_members =
      std::ranges::any_of(group.members, [](const auto& member) { return member.is_upgraded == false; });
  std::vector<Column> columns{{"GROUP", 15}, {"CONSUMER-ID", 15}};
  if (has_instances) columns.push_back({"GROUP-INSTANCE-ID", 17});
  columns.insert(columns.end(), {{"HOST", 15}, {"CLIENT-ID", 15}, {"#PARTITIONS", 15, false}});
  if (verbose) {
    columns.insert(columns.end(), {{"CURRENT-EPOCH", 15, false},
                                   {"CURRENT-ASSIGNMENT", 20},
                                   {"TARGET-EPOCH", 15, false},
                                   {"TARGET-ASSIGNMENT", 20}});
    if (has_classic_members) columns.push_back({"UPGRADED"});
  }
  Table table(std::move(columns));
  for (const auto& member : group.members) {
    std::vector<std::string> row{group.id, member.id};
    if (has_instances) row.push_back(member.instance_id);
    std::size_t count = 0;
    for (const auto& [topic, owned] : member.assignment) count += owned.size();
    row.insert(row.end(), {member.host, member.client_id, std::to_string(count)});
    if (verbose) {
      row.insert(row.end(), {or_dash(member.epoch), assignment_text(member.assignment),
                             or_dash(group.target_epoch), assignment_text(member.target)});
      if (has_classic_members) row.push_back(member.is_upgraded.value_or(true) ? "true" : "false");
    }
    table.add(std::move(row));
  }
  tell_state(group);
  if (group.state != "Dead") fmt::print("\n{}", table.text(verbose ? "\n" : " \n"));
}

void describe_state(const GroupDescription& group, bool verbose) {
  std::vector<Column> columns{
      {"GROUP", 15}, {"COORDINATOR (ID)", 25}, {"ASSIGNMENT-STRATEGY", 20, false}, {"STATE", 20, false}};
  if (verbose)
    columns.insert(columns.end(), {{"GROUP-EPOCH", 15, false}, {"TARGET-ASSIGNMENT-EPOCH", 25, false}});
  columns.push_back({"#MEMBERS"});
  Table table(std::move(columns));
  std::vector<std::string> row{
      group.id, fmt::format("{}  ({})", to_string(group.coordinator.address), group.coordinator.id.value()),
      or_dash(group.assignor), group.state};
  if (verbose) row.insert(row.end(), {or_dash(group.epoch), or_dash(group.target_epoch)});
  row.push_back(std::to_string(group.members.size()));
  table.add(std::move(row));
  tell_state(group);
  if (group.state != "Dead") fmt::print("\n{}", table.text());
}

}  // namespace

Result<void> list_consumer_groups(Admin& admin, const JoptOptions& options) {
  const auto states = TRY(names_of(options.all("state"), kStates, "state", "states"));
  const auto types = TRY(names_of(options.all("type"), kTypes, "types", "types"));
  std::vector<GroupListing> groups;
  for (auto& group : TRY(list_groups(admin, states, types))) {
    const bool consumes = group.protocol_type.empty() || group.protocol_type == "consumer";
    if (consumes && capital_type(group.type) != "Share" && capital_type(group.type) != "Streams")
      groups.push_back(std::move(group));
  }
  if (!options.has("state") && !options.has("type")) {
    for (const auto& group : groups) fmt::print("{}\n", group.id);
    return {};
  }
  std::size_t longest = 15;
  for (const auto& group : groups) longest = std::max(longest, group.id.size());
  std::vector<Column> columns{{"GROUP", longest + 10}};
  if (options.has("type")) columns.push_back({"TYPE", 20});
  if (options.has("state")) columns.push_back({"STATE", 20});
  Table table(std::move(columns));
  for (const auto& group : groups) {
    std::vector<std::string> row{group.id};
    if (options.has("type")) row.push_back(capital_type(group.type));
    if (options.has("state")) row.push_back(group.state);
    table.add(std::move(row));
  }
  fmt::print("{}", table.text());
  return {};
}

Result<void> describe_consumer_groups(Admin& admin, const JoptOptions& options) {
  std::vector<GroupDescription> groups;
  for (const auto& id : TRY(chosen_groups(admin, options))) groups.push_back(TRY(describe_group(admin, id)));
  const bool verbose = options.has("verbose");
  for (const auto& group : groups) {
    if (options.has("members")) {
      describe_members(group, verbose);
    } else if (options.has("state")) {
      describe_state(group, verbose);
    } else {
      TRY(describe_offsets(admin, group, verbose));
    }
  }
  return {};
}

}  // namespace barnabas::tools

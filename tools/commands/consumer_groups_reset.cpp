// kafka-consumer-groups --reset-offsets.
#include <fmt/ranges.h>

#include <chrono>
#include <fstream>
#include <map>

#include "tools/client/group_description.hpp"
#include "tools/client/offsets.hpp"
#include "tools/client/tool_log.hpp"
#include "tools/client/topic_description.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/consumer_groups.hpp"
#include "tools/commands/iso_time.hpp"
#include "tools/commands/table.hpp"
#include "tools/commands/text_lists.hpp"
#include "tools/options/number_text.hpp"

namespace barnabas::tools {
namespace {

constexpr std::string_view kLogName = "org.apache.kafka.tools.OffsetsUtils";

using Offsets = std::map<TopicPartition, std::int64_t>;
using Plan = std::map<std::string, Offsets>;  // by group

/// Offsets of all, or the first error.
Result<Offsets> offsets_at(Admin& admin, const std::set<TopicPartition>& partitions, std::int64_t timestamp) {
  Offsets offsets;
  if (partitions.empty()) return offsets;
  for (const auto& [partition, offset] : TRY(list_offsets(admin, partitions, timestamp))) {
    if (!offset) return std::unexpected(offset.error());
    offsets[partition] = *offset;
  }
  return offsets;
}

Result<std::set<TopicPartition>> partitions_of_topics(Admin& admin,
                                                      const std::vector<TopicArgument>& arguments) {
  std::set<TopicPartition> partitions;
  for (const auto& argument : arguments) {
    const auto described = describe_topics(admin, {argument.topic});
    if (!described) return misuse(described.error().detail);
    std::set<std::int32_t> there;
    for (const auto& partition : described->front().partitions) there.insert(partition.index);
    std::vector<std::string> missing;
    for (const auto index : argument.partitions)
      if (!there.contains(index)) missing.push_back(fmt::format("{}-{}", argument.topic, index));
    if (!missing.empty())
      return misuse(fmt::format("The partitions \"{}\" do not exist", fmt::join(missing, ",")));
    if (!argument.partitions.empty()) there = {argument.partitions.begin(), argument.partitions.end()};
    for (const auto index : there) partitions.insert({argument.topic, PartitionIndex(index)});
  }
  return partitions;
}

/// The partitions in the scope of the command: those named, or all that the group has committed.
Result<std::set<TopicPartition>> partitions_of(Admin& admin, const std::string& group,
                                               const JoptOptions& options) {
  if (!options.has("all-topics")) return partitions_of_topics(admin, TRY(topic_arguments(options)));
  std::set<TopicPartition> partitions;
  for (const auto& [partition, offset] : TRY(committed_offsets(admin, group))) partitions.insert(partition);
  return partitions;
}

/// No offset is before the first or behind the last record.
Result<Offsets> within_log(Admin& admin, Offsets offsets) {
  std::set<TopicPartition> partitions;
  for (const auto& [partition, offset] : offsets) partitions.insert(partition);
  const auto first = TRY(offsets_at(admin, partitions, kEarliest));
  const auto last = TRY(offsets_at(admin, partitions, kLatest));
  for (auto& [partition, offset] : offsets) {
    if (offset > last.at(partition)) {
      tool_warn(
          kLogName,
          "New offset ({}) is higher than latest offset for topic partition {}. Value will be set to {}",
          offset, to_string(partition), last.at(partition));
      offset = last.at(partition);
    } else if (offset < first.at(partition)) {
      tool_warn(
          kLogName,
          "New offset ({}) is lower than earliest offset for topic partition {}. Value will be set to {}",
          offset, to_string(partition), first.at(partition));
      offset = first.at(partition);
    }
  }
  return offsets;
}

/// Where nothing is that late, behind the last record.
Result<Offsets> at_time(Admin& admin, const std::set<TopicPartition>& partitions, std::int64_t timestamp) {
  Offsets offsets = TRY(offsets_at(admin, partitions, timestamp));
  std::set<TopicPartition> without;
  for (const auto& [partition, offset] : offsets)
    if (offset < 0) without.insert(partition);
  for (const auto& [partition, offset] : TRY(offsets_at(admin, without, kLatest))) {
    fmt::print("\nWarn: Partition {} from topic {} is empty. Falling back to latest known offset.\n",
               partition.partition.value(), partition.topic);
    offsets[partition] = offset;
  }
  return offsets;
}

std::int64_t now_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

Result<Offsets> shifted(Admin& admin, const std::string& group, const std::set<TopicPartition>& partitions,
                        std::int64_t count) {
  const auto committed = TRY(committed_offsets(admin, group));
  Offsets offsets;
  for (const auto& partition : partitions) {
    const auto found = committed.find(partition);
    if (found == committed.end())
      return misuse(
          fmt::format("Cannot shift offset for partition {} since there is no current committed offset",
                      to_string(partition)));
    offsets[partition] = found->second.offset + count;
  }
  return within_log(admin, std::move(offsets));
}

Result<Offsets> at_committed(Admin& admin, const std::string& group,
                             const std::set<TopicPartition>& partitions) {
  const auto committed = TRY(committed_offsets(admin, group));
  Offsets offsets;
  std::set<TopicPartition> without;
  for (const auto& partition : partitions) {
    const auto found = committed.find(partition);
    if (found == committed.end()) {
      without.insert(partition);
    } else {
      offsets[partition] = found->second.offset;
    }
  }
  offsets.merge(TRY(offsets_at(admin, without, kLatest)));
  return within_log(admin, std::move(offsets));
}

/// New offsets of a group, as the one scenario says that was given.
Result<Offsets> planned(Admin& admin, const std::string& group, const std::set<TopicPartition>& partitions,
                        const JoptOptions& options) {
  if (options.has("to-earliest")) return offsets_at(admin, partitions, kEarliest);
  if (options.has("to-latest")) return offsets_at(admin, partitions, kLatest);
  if (options.has("to-current")) return at_committed(admin, group, partitions);
  if (options.has("shift-by"))
    return shifted(admin, group, partitions, TRY(options.number("shift-by")).value_or(0));
  if (options.has("to-datetime"))
    return at_time(admin, partitions, TRY(parse_date_time(options.text("to-datetime"))));
  if (options.has("by-duration"))
    return at_time(admin, partitions, now_ms() - TRY(parse_duration(options.text("by-duration"))));
  Offsets offsets;
  for (const auto& partition : partitions) offsets[partition] = TRY(options.number("to-offset")).value_or(0);
  return within_log(admin, std::move(offsets));
}

/// Lines "topic,partition,offset", with the group in front where there are several.
Result<Plan> read_plan(const std::string& path, const std::vector<std::string>& groups) {
  std::ifstream file(path);
  if (!file) return misuse("java.io.IOException: Unable to read file " + path);
  Plan plan;
  for (std::string line; std::getline(file, line);) {
    std::erase(line, '"');
    auto fields = split(trim(line), ',');
    if (fields.empty()) continue;
    if (fields.size() == 3 && groups.size() == 1) fields.insert(fields.begin(), groups.front());
    const auto partition = fields.size() == 4 ? parse_number<std::int32_t>(trim(fields[2])) : std::nullopt;
    const auto offset = fields.size() == 4 ? parse_number<std::int64_t>(trim(fields[3])) : std::nullopt;
    if (!partition || !offset) return misuse(fmt::format("{}: this is no line of a plan: {}", path, line));
    plan[fields[0]][{fields[1], PartitionIndex(*partition)}] = *offset;
  }
  return plan;
}

/// Nothing for a group that is at work, which is told.
Result<std::optional<Offsets>> new_offsets(Admin& admin, const std::string& group, const Plan& from_file,
                                           const JoptOptions& options) {
  const auto described = describe_group(admin, group);
  const bool is_missing = !described && described.error().code == ErrorCode::kGroupIdNotFound;
  if (!described && !is_missing) return std::unexpected(described.error());
  if (described && described->state != "Empty" && described->state != "Dead") {
    print_group_error(fmt::format(
        "Assignments can only be reset if the group '{}' is inactive, but the current state is {}.", group,
        described->state));
    return std::nullopt;
  }
  if (!options.has("from-file")) {
    const auto partitions = TRY(partitions_of(admin, group, options));
    return std::optional(TRY(planned(admin, group, partitions, options)));
  }
  const auto found = from_file.find(group);
  if (found == from_file.end()) {
    print_group_error(fmt::format("No reset plan for group {} found", group));
    return std::nullopt;
  }
  return std::optional(TRY(within_log(admin, found->second)));
}

void print_csv(const Plan& plan, bool with_group) {
  for (const auto& [group, offsets] : plan)
    for (const auto& [partition, offset] : offsets)
      fmt::print("{}{},{},{}\n", with_group ? group + "," : "", partition.topic, partition.partition.value(),
                 offset);
  fmt::print("\n");
}

void print_plan(const Plan& plan) {
  Table table({{"GROUP", 15}, {"TOPIC", 15}, {"PARTITION", 10, false}, {"NEW-OFFSET"}});
  for (const auto& [group, offsets] : plan)
    for (const auto& [partition, offset] : offsets)
      table.add(
          {group, partition.topic, std::to_string(partition.partition.value()), std::to_string(offset)});
  fmt::print("\n{}", table.text());
}

}  // namespace

Result<void> reset_group_offsets(Admin& admin, const JoptOptions& options) {
  if (options.count({"all-topics", "topic", "from-file"}) == 0)
    return fail(ErrorCode::kInvalidPartitions,
                "One of the reset scopes should be defined: --all-topics, --topic.");
  const auto groups = TRY(chosen_groups(admin, options));
  Plan from_file;
  if (options.has("from-file")) from_file = TRY(read_plan(options.text("from-file"), groups));
  Plan plan;
  for (const auto& group : groups) {
    auto offsets = TRY(new_offsets(admin, group, from_file, options));
    if (!offsets) continue;
    if (options.has("execute") && !offsets->empty()) TRY(commit_offsets(admin, group, *offsets));
    plan[group] = *std::move(offsets);
  }
  if (options.has("export")) {
    print_csv(plan, groups.size() > 1);
  } else {
    print_plan(plan);
  }
  return {};
}

}  // namespace barnabas::tools

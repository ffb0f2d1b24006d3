#include "tools/commands/reassignment_plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <fstream>
#include <limits>
#include <sstream>

#include "tools/options/misuse.hpp"
#include "tools/records/record_json.hpp"

namespace barnabas::tools {
namespace {

namespace json = boost::json;

constexpr std::int32_t kVersion = 1;
constexpr const char* kAnyLogDir = "any";

std::unexpected<Error> not_json() {
  return misuse("The input string is not a valid JSON");
}

std::unexpected<Error> expected_kind(std::string_view kind, const json::value& received) {
  return misuse(fmt::format("Expected {}, received {}", kind, json_text(received)));
}

Result<const json::value*> field(const json::value& from, std::string_view name) {
  if (!from.is_object()) return expected_kind("JSON object", from);
  const auto* found = from.get_object().if_contains(name);
  if (found == nullptr) return misuse(fmt::format("No such field exists: `{}`", name));
  return found;
}

Result<std::int32_t> integer(const json::value& value) {
  const auto* number = value.if_int64();
  if (number == nullptr || *number < std::numeric_limits<std::int32_t>::min() ||
      *number > std::numeric_limits<std::int32_t>::max())
    return expected_kind("`Integer` value", value);
  return static_cast<std::int32_t>(*number);
}

Result<std::string> text(const json::value& value) {
  if (!value.is_string()) return expected_kind("`String` value", value);
  return std::string(value.get_string());
}

/// A list in an entry.
Result<const json::array*> list(const json::value& value) {
  if (!value.is_array()) return expected_kind("`JSON array` value", value);
  return value.if_array();
}

/// The array `name` of a file of the version that there is; null where the file has none.
Result<const json::array*> entries_of(const json::value& file, std::string_view name) {
  if (!file.is_object()) return expected_kind("JSON object", file);
  const auto& object = file.get_object();
  if (const auto* given = object.if_contains("version"); given != nullptr) {
    const auto version = TRY(integer(*given));
    if (version != kVersion) return misuse(fmt::format("Not supported version field value {}", version));
  }
  const auto* entries = object.if_contains(name);
  if (entries != nullptr && !entries->is_array()) return expected_kind("JSON array", *entries);
  return entries == nullptr ? nullptr : entries->if_array();
}

/// Adds the directories of an entry, if it names some.
Result<void> add_log_dirs(const json::value& entry, const PlannedPartition& planned, LogDirs& log_dirs) {
  const auto* given = entry.get_object().if_contains("log_dirs");
  if (given == nullptr) return {};
  std::vector<std::string> directories;
  const auto* names = TRY(list(*given));
  for (const auto& name : *names) directories.push_back(TRY(text(name)));
  if (directories.size() != planned.replicas.size())
    return misuse(fmt::format(
        "Size of replicas list [{}] is different from size of log dirs list [{}] for partition {}",
        fmt::join(planned.replicas, ", "), fmt::join(directories, ", "), to_string(planned.partition)));
  for (std::size_t i = 0; i < directories.size(); ++i)
    if (directories[i] != kAnyLogDir) log_dirs[{planned.partition, planned.replicas[i]}] = directories[i];
  return {};
}

}  // namespace

std::string to_string(const Replica& replica) {
  return fmt::format("{}-{}", to_string(replica.partition), replica.broker);
}

Assignment ReassignmentPlan::assignment() const {
  Assignment assignment;
  for (const auto& planned : partitions) assignment[planned.partition] = planned.replicas;
  return assignment;
}

Result<std::string> read_json_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream content;
  content << file.rdbuf();
  // Of a file without a byte there is nothing to copy, which counts as a failure of `content` alone.
  if (!file) return misuse("Unable to read file " + path);
  return content.str();
}

Result<ReassignmentPlan> parse_plan(const std::string& content) {
  if (content.empty()) return misuse("The input string shouldn't be empty");
  boost::system::error_code wrong;
  const auto file = json::parse(content, wrong);
  if (wrong) return not_json();
  ReassignmentPlan plan;
  const auto* entries = TRY(entries_of(file, "partitions"));
  if (entries == nullptr) return plan;
  for (const auto& entry : *entries) {
    auto& planned = plan.partitions.emplace_back();
    const auto* topic = TRY(field(entry, "topic"));
    planned.partition.topic = TRY(text(*topic));
    const auto* index = TRY(field(entry, "partition"));
    planned.partition.partition = PartitionIndex(TRY(integer(*index)));
    const auto* given = TRY(field(entry, "replicas"));
    const auto* replicas = TRY(list(*given));
    for (const auto& replica : *replicas) planned.replicas.push_back(TRY(integer(replica)));
    TRY(add_log_dirs(entry, planned, plan.log_dirs));
  }
  return plan;
}

Result<void> check_executable(const ReassignmentPlan& plan) {
  if (plan.partitions.empty()) return misuse("Partition reassignment list cannot be empty");
  std::vector<std::string> names;
  std::vector<std::string> repeating;
  for (const auto& planned : plan.partitions) {
    if (planned.replicas.empty()) return misuse("Partition replica list cannot be empty");
    names.push_back(to_string(planned.partition));
    const auto twice = duplicates_of(planned.replicas);
    if (!twice.empty())
      repeating.push_back(
          fmt::format("{} contains multiple entries for {}", names.back(), fmt::join(twice, ",")));
  }
  const auto twice = duplicates_of(names);
  if (!twice.empty())
    return misuse(
        fmt::format("Partition reassignment contains duplicate topic partitions: {}", fmt::join(twice, ",")));
  if (!repeating.empty())
    return misuse(fmt::format("Partition replica lists may not contain duplicate entries: {}",
                              fmt::join(repeating, ". ")));
  return {};
}

Result<std::vector<std::string>> parse_topics_to_move(const std::string& content) {
  boost::system::error_code wrong;
  const auto file = json::parse(content, wrong);
  if (wrong) return not_json();
  std::vector<std::string> topics;
  const auto* entries = TRY(entries_of(file, "topics"));
  if (entries == nullptr) return topics;
  for (const auto& entry : *entries) {
    const auto* topic = TRY(field(entry, "topic"));
    topics.push_back(TRY(text(*topic)));
  }
  return topics;
}

std::string plan_text(const Assignment& assignment, const LogDirs& log_dirs) {
  json::array partitions;
  for (const auto& [partition, replicas] : assignment) {
    json::array directories;
    for (const auto broker : replicas) {
      const auto found = log_dirs.find({partition, broker});
      directories.emplace_back(found == log_dirs.end() ? kAnyLogDir : found->second);
    }
    partitions.push_back(json::object{{"topic", partition.topic},
                                      {"partition", partition.partition.value()},
                                      {"replicas", json::array(replicas.begin(), replicas.end())},
                                      {"log_dirs", std::move(directories)}});
  }
  return json_text(json::object{{"version", kVersion}, {"partitions", std::move(partitions)}});
}

}  // namespace barnabas::tools

// kafka-log-dirs: which partitions lie in the log directories of brokers, and how large they are.
#include <fmt/ranges.h>

#include <boost/json/array.hpp>
#include <set>

#include "protocol/error_table.hpp"
#include "protocol/messages/api_describe_log_dirs.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/text_lists.hpp"
#include "tools/options/number_text.hpp"
#include "tools/records/record_json.hpp"

namespace barnabas::tools {
namespace {

using protocol::DescribeLogDirsResponse;

/// Those of --broker-list, all without it.
Result<std::vector<std::int32_t>> brokers_of(const JoptOptions& options, Admin& admin) {
  std::vector<std::int32_t> existing;
  for (const auto& node : TRY(admin.nodes("listNodes"))) existing.push_back(node.id.value());
  const auto list = split(options.text("broker-list"), ',');
  if (list.empty()) return existing;
  std::set<std::int32_t> wanted;
  for (const auto& text : list) {
    const auto id = parse_number<std::int32_t>(text);
    if (!id) return misuse(fmt::format("For input string: \"{}\"", text));
    wanted.insert(*id);
  }
  std::vector<std::int32_t> missing;
  for (const auto id : wanted)
    if (std::ranges::find(existing, id) == existing.end()) missing.push_back(id);
  if (!missing.empty())
    return misuse(fmt::format(
        "ERROR: The given brokers do not exist from --broker-list: {}. Current existent brokers: {}",
        fmt::join(missing, ","), fmt::join(existing, ",")));
  return std::vector<std::int32_t>(wanted.begin(), wanted.end());
}

boost::json::object directory_json(const DescribeLogDirsResponse::DescribeLogDirsResult& directory,
                                   const std::vector<std::string>& topics) {
  boost::json::array partitions;
  for (const auto& topic : directory.topics) {
    if (!topics.empty() && std::ranges::find(topics, topic.name) == topics.end()) continue;
    for (const auto& partition : topic.partitions)
      partitions.push_back(
          boost::json::object{{"partition", fmt::format("{}-{}", topic.name, partition.partition_index)},
                              {"size", partition.partition_size},
                              {"offsetLag", partition.offset_lag},
                              {"isFuture", partition.is_future_key}});
  }
  boost::json::value error;
  if (directory.error_code != 0)
    error = protocol::exception_name(static_cast<ErrorCode>(directory.error_code));
  return {{"partitions", std::move(partitions)}, {"error", std::move(error)}, {"logDir", directory.log_dir}};
}

Result<void> execute(const JoptOptions& options) {
  Admin admin = TRY(open_admin(options));
  const auto brokers = TRY(brokers_of(options, admin));
  const auto topics = split(options.text("topic-list"), ',');
  fmt::print("Querying brokers for log directories information\n");
  boost::json::array answers;
  for (const auto id : brokers) {
    protocol::DescribeLogDirsRequest request;
    request.topics = std::nullopt;
    const auto answer =
        TRY(admin.call<DescribeLogDirsResponse>(Target::broker(BrokerId(id)), request, "describeLogDirs"));
    boost::json::array directories;
    for (const auto& directory : answer->results) directories.push_back(directory_json(directory, topics));
    answers.push_back(boost::json::object{{"broker", id}, {"logDirs", std::move(directories)}});
  }
  fmt::print("Received log directory information from brokers {}\n", fmt::join(brokers, ","));
  fmt::print("{}\n", json_text(boost::json::object{{"brokers", std::move(answers)}, {"version", 1}}));
  return {};
}

}  // namespace

JoptOptions log_dirs_options() {
  JoptOptions options("kafka-log-dirs", "Tells what lies in the log directories of brokers.");
  options.add_standard_options();
  options.flag("describe", "Describe the log directories.");
  options.value("topic-list", "TOPIC,...", "Only the partitions of these topics.");
  options.value("broker-list", "ID,...", "Only these brokers.");
  return options;
}

int run_log_dirs(Arguments arguments) {
  JoptOptions options = log_dirs_options();
  if (const auto code = end_of_parsing(options, arguments)) return *code;
  if (const auto complete = options.require({"bootstrap-server", "describe"}); !complete)
    return refuse_usage(options, complete.error());
  const auto done = execute(options);
  return done ? 0 : tell_failure(done.error());
}

}  // namespace barnabas::tools

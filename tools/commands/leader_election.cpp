// kafka-leader-election: asks for elections of the leaders of partitions.
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <cctype>
#include <map>
#include <set>

#include "protocol/messages/api_elect_leaders.hpp"
#include "tools/client/tool_log.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/json_fields.hpp"

namespace barnabas::tools {
namespace {

using protocol::ElectLeadersRequest;
using protocol::ElectLeadersResponse;
using PartitionsByTopic = std::map<std::string, std::set<std::int32_t>>;
using Partitions = std::optional<PartitionsByTopic>;  // nothing: all that there are

enum class ElectionType : std::int8_t { kPreferred = 0, kUnclean = 1 };

/// In capitals, as the tool speaks of it.
std::string_view name_of(ElectionType type) {
  return type == ElectionType::kPreferred ? "PREFERRED" : "UNCLEAN";
}

Result<ElectionType> parse_election_type(const std::string& text) {
  std::string upper = text;
  std::ranges::transform(upper, upper.begin(),
                         [](unsigned char letter) { return static_cast<char>(std::toupper(letter)); });
  for (const auto type : {ElectionType::kPreferred, ElectionType::kUnclean})
    if (upper == name_of(type)) return type;
  return misuse(fmt::format("Cannot parse argument '{}' of option election-type", text));
}

/// Kafka's tool names the exceptions that it did not expect, and not those that it throws itself.
template <class T>
Result<T> unexpected_there(std::string_view exception, Result<T> done) {
  if (done) return done;
  return misuse(fmt::format("{}: {}", exception, done.error().detail));
}

/// [{"topic": "t", "partition": 0}]
Result<std::vector<std::pair<std::string, std::int32_t>>> listed_partitions(const boost::json::value& list) {
  std::vector<std::pair<std::string, std::int32_t>> partitions;
  const auto* entries = TRY(json_array(list));
  for (const auto& entry : *entries) {
    std::string topic = TRY(text_field(entry, "topic"));
    partitions.emplace_back(std::move(topic), TRY(integer_field(entry, "partition")));
  }
  return partitions;
}

/// {"partitions": [...]}
Result<Partitions> parse_partitions(const std::string& text) {
  constexpr std::string_view kMapping = "com.fasterxml.jackson.databind.JsonMappingException";
  boost::system::error_code wrong;
  const auto json = boost::json::parse(text, wrong);
  if (wrong) return misuse("Replica election data is empty");
  const auto* fields = TRY(unexpected_there(kMapping, json_object(json)));
  const auto* list = fields->if_contains("partitions");
  if (list == nullptr) return misuse("Replica election data is missing \"partitions\" field");
  const auto listed = TRY(unexpected_there(kMapping, listed_partitions(*list)));
  PartitionsByTopic partitions;
  std::set<std::string> duplicates;
  for (const auto& [topic, partition] : listed)
    if (!partitions[topic].insert(partition).second)
      duplicates.insert(fmt::format("{}-{}", topic, partition));
  if (duplicates.empty()) return partitions;
  return misuse(
      fmt::format("Replica election data contains duplicate partitions: [{}]", fmt::join(duplicates, ", ")));
}

Result<Partitions> partitions_of(const JoptOptions& options) {
  if (options.has("all-topic-partitions")) return Partitions();
  if (const auto topic = options.get("topic")) {
    const auto partition = TRY(options.integer("partition"));
    PartitionsByTopic one;
    one[*topic].insert(partition.value_or(0));  // check_usage saw that it is there
    return one;
  }
  const std::string text =
      TRY(unexpected_there("java.io.IOException", read_whole_file(options.text("path-to-json-file"))));
  return parse_partitions(text);
}

/// What the options must hold to besides their values.
Result<void> check_usage(const JoptOptions& options) {
  std::vector<std::string_view> missing;
  for (const std::string_view name : {"bootstrap-server", "election-type"})
    if (!options.has(name)) missing.push_back(name);
  if (!missing.empty())
    return misuse(fmt::format("Missing required option(s): {}", fmt::join(missing, ", ")));
  if (options.count({"topic", "all-topic-partitions", "path-to-json-file"}) != 1)
    return misuse(
        "One and only one of the following options is required: topic, all-topic-partitions, "
        "path-to-json-file");
  if (options.has("topic") && !options.has("partition"))
    return misuse("Missing required option(s): partition");
  if (options.has("partition") && !options.has("topic"))
    return misuse("Option partition is only allowed if topic is used");
  return {};
}

Result<Answer<ElectLeadersResponse>> elect(Admin& admin, ElectionType type, const Partitions& partitions) {
  ElectLeadersRequest request;
  request.election_type = static_cast<std::int8_t>(type);
  request.timeout_ms = static_cast<std::int32_t>(admin.cluster().config().request_timeout.count());
  request.topic_partitions = std::nullopt;
  if (partitions) {
    auto& topics = request.topic_partitions.emplace();
    for (const auto& [topic, indexes] : *partitions)
      topics.push_back({topic, std::vector(indexes.begin(), indexes.end())});
  }
  return admin.call<ElectLeadersResponse>(Target::controller(), request, "electLeaders");
}

/// What stopped all elections is told on both outputs, as by Kafka's tool.
Error stopped(const Error& error) {
  std::string sentence;
  if (error.code == ErrorCode::kRequestTimedOut) sentence = "Timeout waiting for election results";
  if (error.code == ErrorCode::kClusterAuthorizationFailed)
    sentence = "Not authorized to perform leader election";
  if (sentence.empty()) return error;
  fmt::print("{}\n", sentence);
  return {kMisuse, std::move(sentence)};
}

/// What became of each election. kMisuse when some could not be held.
Result<void> tell_results(const ElectLeadersResponse& answer, ElectionType type) {
  std::vector<std::string> elected;
  std::vector<std::string> not_needed;
  std::vector<std::string> failed;
  for (const auto& topic : answer.replica_election_results) {
    for (const auto& result : topic.partition_result) {
      const std::string partition = fmt::format("{}-{}", topic.topic, result.partition_id);
      const auto done = refusal(result.error_code, result.error_message);
      if (done)
        elected.push_back(partition);
      else if (done.error().code == ErrorCode::kElectionNotNeeded)
        not_needed.push_back(partition);
      else
        failed.push_back(fmt::format("Error completing leader election ({}) for partition: {}: {}",
                                     name_of(type), partition, exception_line(done.error())));
    }
  }
  if (!elected.empty())
    fmt::print("Successfully completed leader election ({}) for partitions {}\n", name_of(type),
               fmt::join(elected, ", "));
  if (!not_needed.empty())
    fmt::print("Valid replica already elected for partitions {}\n", fmt::join(not_needed, ", "));
  if (failed.empty()) return {};
  fmt::print("{}\n", fmt::join(failed, "\n"));
  return misuse(fmt::format("{} replica(s) could not be elected", failed.size()));
}

Result<void> execute(const JoptOptions& options) {
  const ElectionType type = TRY(parse_election_type(options.text("election-type")));
  const Partitions partitions = TRY(partitions_of(options));
  const bool is_old_name = options.has("admin.config");
  if (is_old_name) warn_deprecated("admin.config", "command-config");
  Admin admin(TRY(open_cluster(options.text("bootstrap-server"),
                               options.text(is_old_name ? "admin.config" : "command-config"),
                               Cluster::Bootstrap::kBrokers, {},
                               {{"default.api.timeout.ms", "30000"}, {"request.timeout.ms", "15000"}})));
  const auto answer = elect(admin, type, partitions);
  if (!answer) return std::unexpected(stopped(answer.error()));
  return tell_results(answer->body, type);
}

}  // namespace

JoptOptions leader_election_options() {
  JoptOptions options("kafka-leader-election", "Elects leaders of partitions.");
  options.add_standard_options();
  options.value("admin.config", "FILE", "The old name of --command-config.");
  options.value(
      "election-type", "preferred|unclean",
      "preferred: the first replica leads again, where it does not; unclean: any replica leads, where "
      "none does.");
  options.flag("all-topic-partitions", "All partitions that need such an election.");
  options.value("topic", "TOPIC", "The topic of one partition.");
  options.value("partition", "NUMBER", "With --topic: the partition.");
  options.value("path-to-json-file", "FILE",
                R"(The partitions of a file: {"partitions": [{"topic": "t", "partition": 0}]})");
  return options;
}

int run_leader_election(Arguments arguments) {
  JoptOptions options = leader_election_options();
  if (const auto code = end_of_parsing(options, arguments)) return *code;
  auto usable = options.exclude("admin.config", {"command-config"});
  if (usable) usable = check_usage(options);
  if (!usable) return refuse_usage(options, usable.error());
  const auto done = execute(options);
  return done ? 0 : tell_failure(done.error());
}

}  // namespace barnabas::tools

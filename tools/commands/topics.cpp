// kafka-topics: creates, lists, describes, grows and deletes topics.
#include "tools/commands/topics.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>

#include "protocol/messages/api_create_partitions.hpp"
#include "protocol/messages/api_create_topics.hpp"
#include "protocol/messages/api_delete_topics.hpp"
#include "tools/client/topic_description.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/replica_assignment.hpp"
#include "tools/commands/text_lists.hpp"
#include "tools/commands/topic_filter.hpp"

namespace barnabas::tools {
namespace {

using protocol::CreatePartitionsRequest;
using protocol::CreatePartitionsResponse;
using protocol::CreateTopicsRequest;
using protocol::CreateTopicsResponse;
using protocol::DeleteTopicsRequest;
using protocol::DeleteTopicsResponse;

constexpr std::int32_t kMaxReplicationFactor = 32767;
constexpr std::array kReports = {"under-replicated-partitions", "unavailable-partitions",
                                 "under-min-isr-partitions", "at-min-isr-partitions"};

/// What may stand with which action, in the order in which Kafka's tool looks.
Result<void> check_combinations(const JoptOptions& options) {
  TRY(options.exclude("config", {"alter", "describe", "list", "delete"}));
  TRY(options.exclude("partitions", {"describe", "list", "delete"}));
  TRY(options.exclude("replication-factor", {"alter", "describe", "list", "delete"}));
  TRY(options.exclude("replica-assignment", {"describe", "list", "delete"}));
  if (options.has("create")) TRY(options.exclude("replica-assignment", {"partitions", "replication-factor"}));
  for (const auto report : kReports)
    TRY(options.exclude(report, {"alter", "list", "create", "delete", "topics-with-overrides"}));
  TRY(options.exclude("topics-with-overrides", {"alter", "list", "create", "delete"}));
  TRY(options.exclude("if-exists", {"list", "create"}));
  TRY(options.exclude("if-not-exists", {"alter", "describe", "list", "delete"}));
  return options.exclude("exclude-internal", {"alter", "create", "delete"});
}

Result<void> check(const JoptOptions& options) {
  if (options.has("delete-config"))
    fmt::print(
        stderr,
        "delete-config option is no longer supported and deprecated since version 4.0. The config will be "
        "fully removed in future releases.\n");
  if (options.count({"create", "list", "alter", "describe", "delete"}) != 1)
    return misuse(
        "Command must include exactly one action: --list, --describe, --create, --alter or --delete");
  if (!options.has("bootstrap-server")) return misuse("--bootstrap-server must be specified");
  if (options.has("describe") && options.has("if-exists")) {
    if (options.count({"topic", "topic-id"}) == 0)
      return misuse("--topic or --topic-id is required to describe a topic");
    if (options.count({"topic", "topic-id"}) == 2)
      fmt::print(
          "Only topic id will be used when both --topic and --topic-id are specified and topicId is not "
          "Uuid.ZERO_UUID\n");
  }
  if (options.has("create") || options.has("delete")) TRY(options.require({"topic"}));
  if (options.has("alter")) {
    if (options.has("config"))
      return misuse(
          "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" (To "
          "alter "
          "topic configurations, the kafka-configs tool can be used.)");
    TRY(options.require({"partitions"}));
  }
  return check_combinations(options);
}

using CreatableTopic = CreateTopicsRequest::CreatableTopic;

Result<std::vector<CreateTopicsRequest::CreatableTopicConfig>> configs_of(const JoptOptions& options) {
  std::map<std::string, std::string> configs;
  for (const auto& text : options.all("config")) {
    const auto parts = split(text, '=');
    if (parts.size() != 2 || parts[1].empty())
      return misuse(
          "requirement failed: Invalid topic config: all configs to be added must be in the format "
          "\"key=val\".");
    configs[std::string(trim(parts[0]))] = trim(parts[1]);
  }
  std::vector<CreateTopicsRequest::CreatableTopicConfig> made;
  for (const auto& [name, value] : configs) made.push_back({.name = name, .value = value});
  return made;
}

Result<CreatableTopic> topic_to_create(const JoptOptions& options) {
  CreatableTopic topic;
  topic.name = options.text("topic");
  topic.num_partitions = -1;
  topic.replication_factor = -1;
  topic.configs = TRY(configs_of(options));
  const auto partitions = TRY(options.integer("partitions"));
  if (partitions && *partitions < 1) return misuse("The partitions must be greater than 0");
  const auto factor = TRY(options.integer("replication-factor"));
  if (factor && (*factor < 1 || *factor > kMaxReplicationFactor))
    return misuse(
        fmt::format("The replication factor must be between 1 and {} inclusive", kMaxReplicationFactor));
  if (options.has("replica-assignment")) {
    for (auto& replicas : TRY(parse_replica_assignment(options.text("replica-assignment"))))
      topic.assignments.push_back({.partition_index = static_cast<std::int32_t>(topic.assignments.size()),
                                   .broker_ids = std::move(replicas)});
    return topic;
  }
  topic.num_partitions = partitions.value_or(-1);
  topic.replication_factor = static_cast<std::int16_t>(factor.value_or(-1));
  return topic;
}

Result<void> create(Admin& admin, const JoptOptions& options) {
  const std::string name = options.text("topic");
  if (name.find_first_of("._") != std::string::npos)
    fmt::print(
        "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could "
        "collide. To avoid issues it is best to use either, but not both.\n");
  CreateTopicsRequest request;
  request.topics.push_back(TRY(topic_to_create(options)));
  request.timeout_ms = static_cast<std::int32_t>(admin.cluster().config().request_timeout.count());
  const auto created = admin.call<CreateTopicsResponse>(
      Target::controller(), request, "createTopics",
      [](const CreateTopicsResponse& answer) { return first_refusal(answer.topics); });
  if (created) {
    fmt::print("Created topic {}.\n", name);
    return {};
  }
  if (created.error().code == ErrorCode::kTopicAlreadyExists && options.has("if-not-exists")) return {};
  return std::unexpected(created.error());
}

Result<void> list(Admin& admin, const JoptOptions& options) {
  fmt::print("{}\n", fmt::join(TRY(chosen_topics(admin, options)), "\n"));
  return {};
}

Result<void> alter(Admin& admin, const JoptOptions& options) {
  const auto names = TRY(chosen_topics(admin, options));
  TRY(ensure_topic_exists(names, options));
  if (names.empty()) return {};
  std::vector<std::vector<std::int32_t>> assignment;
  if (options.has("replica-assignment"))
    assignment = TRY(parse_replica_assignment(options.text("replica-assignment")));
  CreatePartitionsRequest request;
  request.timeout_ms = static_cast<std::int32_t>(admin.cluster().config().request_timeout.count());
  const auto count = TRY(options.integer("partitions")).value_or(0);
  for (const auto& topic : TRY(describe_topics(admin, names))) {
    auto& wanted = request.topics.emplace_back();
    wanted.name = topic.name;
    wanted.count = count;
    wanted.assignments.reset();
    if (!options.has("replica-assignment")) continue;
    wanted.assignments.emplace();
    for (std::size_t i = topic.partitions.size(); i < assignment.size(); ++i)
      wanted.assignments->push_back({.broker_ids = assignment[i]});
  }
  TRY(admin.call<CreatePartitionsResponse>(
      Target::controller(), request, "createPartitions",
      [](const CreatePartitionsResponse& answer) { return first_refusal(answer.results); }));
  return {};
}

Result<void> remove(Admin& admin, const JoptOptions& options) {
  const auto names = TRY(chosen_topics(admin, options));
  TRY(ensure_topic_exists(names, options));
  if (names.empty()) return {};
  DeleteTopicsRequest request;
  request.timeout_ms = static_cast<std::int32_t>(admin.cluster().config().request_timeout.count());
  for (const auto& name : names) request.topics.push_back({.name = name, .topic_id = {}});
  request.topic_names = names;
  TRY(admin.call<DeleteTopicsResponse>(
      Target::controller(), request, "deleteTopics",
      [](const DeleteTopicsResponse& answer) { return first_refusal(answer.responses); }));
  return {};
}

Result<void> execute(Admin& admin, const JoptOptions& options) {
  if (options.has("create")) return create(admin, options);
  if (options.has("alter")) return alter(admin, options);
  if (options.has("list")) return list(admin, options);
  if (options.has("describe")) return describe_topics_command(admin, options);
  return remove(admin, options);
}

}  // namespace

Result<std::vector<std::string>> chosen_topics(Admin& admin, const JoptOptions& options) {
  auto names = TRY(list_topics(admin));
  if (options.has("exclude-internal"))
    std::erase_if(names, [](const std::string& name) { return is_internal_topic(name); });
  if (!options.has("topic")) return names;
  const auto filter = TRY(TopicFilter::of(options.text("topic")));
  std::erase_if(names, [&](const std::string& name) { return !filter.allows(name); });
  return names;
}

Result<void> ensure_topic_exists(const std::vector<std::string>& found, const JoptOptions& options) {
  if (!found.empty() || !options.has("topic") || options.has("if-exists")) return {};
  return misuse(fmt::format("Topic '{}' does not exist as expected", options.text("topic")));
}

JoptOptions topics_options() {
  JoptOptions options("kafka-topics", "Creates, lists, describes, grows and deletes topics.");
  options.flag("create", "Create a topic.").flag("list", "List the names of topics.");
  options.flag("describe", "Show partitions, replicas and what is configured.");
  options.flag("alter", "Give topics more partitions.").flag("delete", "Delete topics.");
  options.value("topic", "NAME", "The topic; a regular expression except with --create.");
  options.value("topic-id", "ID", "With --describe, a topic by its id.");
  options.value("partitions", "COUNT", "How many partitions the topic has, or shall have after --alter.");
  options.value("replication-factor", "COUNT", "How many replicas each partition of a new topic has.");
  options.value("replica-assignment", "ID:ID,ID:ID,...", "Brokers of each partition, apart by commas.");
  options.values("config", "KEY=VALUE", "A setting of the new topic; may be repeated.");
  options.values("delete-config", "KEY", "Gone: kafka-configs does this.");
  options.flag("if-exists", "No failure if there is no such topic.");
  options.flag("if-not-exists", "No failure if the topic is there already.");
  options.flag("exclude-internal", "Without the topics that Kafka keeps for itself.");
  options.flag("under-replicated-partitions", "Only partitions with replicas that are behind.");
  options.flag("unavailable-partitions", "Only partitions whose leader is not there.");
  options.flag("under-min-isr-partitions", "Only partitions with fewer replicas in sync than is configured.");
  options.flag("at-min-isr-partitions",
               "Only partitions with just as many replicas in sync as is configured.");
  options.flag("topics-with-overrides", "Only topics with settings of their own.");
  options.add({.name = "partition-size-limit-per-response",
               .argument = JoptOptions::Argument::kRequired,
               .placeholder = "COUNT",
               .text = "How many partitions one answer of a broker may describe.",
               .standard = "2000"});
  return options.add_standard_options();
}

int run_topics(Arguments arguments) {
  JoptOptions options = topics_options();
  if (const auto code = end_of_parsing(options, arguments)) return *code;
  if (const auto checked = check(options); !checked) return refuse_usage(options, checked.error());
  auto admin = open_admin(options);
  if (!admin) return tell_failure(admin.error());
  const auto done = execute(*admin, options);
  if (done) return 0;
  fmt::print("Error while executing topic command : {}\n", done.error().detail);
  return 1;
}

}  // namespace barnabas::tools

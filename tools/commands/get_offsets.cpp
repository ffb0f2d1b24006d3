// kafka-get-offsets: offsets of partitions at a place or a time.
#include <re2/re2.h>

#include <algorithm>
#include <array>

#include "tools/client/offsets.hpp"
#include "tools/client/tool_log.hpp"
#include "tools/client/topic_description.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/text_lists.hpp"
#include "tools/commands/topic_filter.hpp"
#include "tools/options/number_text.hpp"

namespace barnabas::tools {
namespace {

struct NamedTime {
  const char* name;
  OffsetSpec time;
};
constexpr std::array kNamedTimes{
    NamedTime{"latest", kLatest},
    NamedTime{"earliest", kEarliest},
    NamedTime{"max-timestamp", kMaxTimestamp},
    NamedTime{"earliest-local", kEarliestLocal},
    NamedTime{"latest-tiered", kLatestTiered},
    NamedTime{"earliest-pending-upload", kEarliestPendingUpload},
};

/// Partitions of the topics that fit, from the first up to but not the second.
struct Rule {
  TopicFilter topics;
  std::int32_t from = 0;
  std::int32_t to = INT32_MAX;
  bool allows(const std::string& topic, std::int32_t partition) const {
    return topics.allows(topic) && partition >= from && partition < to;
  }
};

/// "topic", "topic:3", "topic:1-4", "topic:1-", "topic:-4"; no topic stands for all.
Result<Rule> parse_rule(const std::string& text) {
  static const RE2 kForm(R"(([^:,]*)(?::(?:(\d*)|(\d*)-(\d*)))?)");
  std::string topic;
  std::string one;
  std::string from;
  std::string to;
  if (!RE2::FullMatch(text, kForm, &topic, &one, &from, &to))
    return misuse("org.apache.kafka.tools.TerseException: Invalid rule specification: " + text);
  Rule rule{.topics = TRY(TopicFilter::of(topic.empty() ? ".*" : topic))};
  if (const auto index = parse_number<std::int32_t>(one)) {
    rule.from = *index;
    rule.to = *index + 1;
  }
  rule.from = parse_number<std::int32_t>(from).value_or(rule.from);
  rule.to = parse_number<std::int32_t>(to).value_or(rule.to);
  return rule;
}

Result<std::vector<Rule>> rules_of(const JoptOptions& options) {
  std::vector<Rule> rules;
  if (options.has("topic-partitions")) {
    if (options.count({"topic", "partitions"}) > 0)
      return misuse("--topic-partitions cannot be used with --topic or --partitions");
    for (const auto& text : split(options.text("topic-partitions"), ','))
      rules.push_back(TRY(parse_rule(text)));
    return rules;
  }
  const auto topics = TRY(TopicFilter::of(options.get("topic").value_or(".*")));
  if (options.text("partitions").empty()) return std::vector{Rule{.topics = topics}};
  for (const auto& text : split(options.text("partitions"), ',')) {
    const auto index = parse_number<std::int32_t>(trim(text));
    if (!index)
      return misuse("--partitions expects a comma separated list of numeric partition ids, but received: " +
                    options.text("partitions"));
    rules.push_back({.topics = topics, .from = *index, .to = *index + 1});
  }
  return rules;
}

Result<std::int64_t> time_of(const JoptOptions& options) {
  const std::string text = options.text("time");
  const auto named =
      std::ranges::find_if(kNamedTimes, [&](const NamedTime& time) { return text == time.name; });
  if (named != kNamedTimes.end()) return named->time;
  if (const auto time = parse_number<std::int64_t>(text)) return *time;
  return misuse(fmt::format(
      "Malformed time argument {}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or "
      "earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload, or a specified long format "
      "timestamp",
      text));
}

Result<void> print_offsets(const JoptOptions& options) {
  const auto time = TRY(time_of(options));
  const auto rules = TRY(rules_of(options));
  Admin admin = TRY(open_admin(options));
  const auto metadata = TRY(admin.metadata(std::nullopt, "listTopics"));
  std::set<TopicPartition> partitions;
  for (const auto& topic : metadata->topics) {
    const std::string name = topic.name.value_or("");
    if (options.has("exclude-internal-topics") && is_internal_topic(name)) continue;
    for (const auto& partition : topic.partitions) {
      const auto index = partition.partition_index;
      if (std::ranges::any_of(rules, [&](const Rule& rule) { return rule.allows(name, index); }))
        partitions.insert({name, PartitionIndex(index)});
    }
  }
  if (partitions.empty()) return misuse("Could not match any topic-partitions with the specified filters");
  for (const auto& [partition, offset] : TRY(list_offsets(admin, partitions, time))) {
    if (!offset) {
      fmt::print(stderr, "Skip getting offsets for topic-partition {} due to error: {}\n",
                 to_string(partition), exception_line(offset.error()));
    } else if (*offset >= 0) {
      fmt::print("{}:{}:{}\n", partition.topic, partition.partition.value(), *offset);
    }
  }
  return {};
}

}  // namespace

JoptOptions get_offsets_options() {
  JoptOptions options("kafka-get-offsets", "Prints offsets of partitions as topic:partition:offset.");
  options.value("topic", "EXPRESSION", "Topics by a regular expression; without it all.");
  options.value("partitions", "P,P,...", "Only these partitions of the topics.");
  options.value("topic-partitions", "TOPIC:P,TOPIC:FROM-TO,...",
                "Topics with their partitions, TO not included.");
  options.add(
      {.name = "time",
       .argument = JoptOptions::Argument::kRequired,
       .placeholder = "TIME",
       .text = "latest, earliest, max-timestamp, earliest-local, latest-tiered, earliest-pending-upload, or "
               "milliseconds since 1970.",
       .standard = "latest"});
  options.flag("exclude-internal-topics", "Without the topics that Kafka keeps for itself.");
  return options.add_standard_options();
}

int run_get_offsets(Arguments arguments) {
  JoptOptions options = get_offsets_options();
  if (const auto code = end_of_parsing(options, arguments)) return *code;
  if (const auto required = options.require({"bootstrap-server"}); !required)
    return refuse_usage(options, required.error());
  if (!parse_bootstrap(options.text("bootstrap-server"))) {
    fmt::print(stderr, "Please provide valid host:port like host1:9091,host2:9092\n");
    return 1;
  }
  const auto done = print_offsets(options);
  if (done) return 0;
  fmt::print(stderr, "Error occurred: {}\n", failure_text(done.error()));
  return 1;
}

}  // namespace barnabas::tools

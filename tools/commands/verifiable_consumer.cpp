// kafka-verifiable-consumer: reads a topic as a member of a group, and prints everything that happens.
#include <fmt/format.h>

#include "tools/client/consumer.hpp"
#include "tools/client/interruption.hpp"
#include "tools/client/tool_log.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/data_commands.hpp"
#include "tools/commands/event_json.hpp"

namespace barnabas::tools {
namespace {

using Kind = ArgparseOptions::Kind;

constexpr const char* kLog = "org.apache.kafka.tools.VerifiableConsumer";

/// The records of one poll that belong to a partition.
struct Range {
  std::int64_t count = 0;
  std::int64_t first = 0;
  std::int64_t last = 0;
};

class VerifiableConsumer {
 public:
  VerifiableConsumer(std::vector<Address> bootstrap, ConsumerConfig config, std::string topic,
                     std::int64_t max_messages, bool is_verbose)
      : consumer_(std::move(bootstrap), std::move(config)),
        topic_(std::move(topic)),
        max_messages_(max_messages),
        is_verbose_(is_verbose) {}

  void run() {
    print_event("startup_complete");
    consumer_.on_rebalance([](const auto& partitions) { tell("partitions_assigned", partitions); },
                           [](const auto& partitions) { tell("partitions_revoked", partitions); });
    consumer_.subscribe({topic_});
    Result<void> done;
    while (done && !is_over()) done = poll();
    if (!done) {
      tool_error(kLog, "Error during processing, terminating consumer process: ");
      fmt::print(stderr, "{}\n", exception_line(done.error()));
    }
    const bool was_told_to = interrupted();
    if (was_told_to) print_event("shutdown_requested");
    consumer_.close();
    print_event("shutdown_complete");
    if (!was_told_to) print_event("shutdown_requested");
  }

 private:
  [[nodiscard]] bool is_over() const {
    return interrupted() || (max_messages_ >= 0 && consumed_ >= max_messages_);
  }

  Result<void> poll() {
    std::map<TopicPartition, Range> ranges;
    const std::size_t visited =
        TRY(consumer_.poll(deadline_after(std::chrono::seconds(1)), [&](const ConsumedRecord& consumed) {
          visit(consumed, ranges);
          return !is_over();
        }));
    if (visited == 0) return {};
    boost::json::array summaries;
    for (const auto& [partition, range] : ranges) {
      boost::json::object summary = partition_json(partition);
      summary["count"] = range.count;
      summary["minOffset"] = range.first;
      summary["maxOffset"] = range.last;
      summaries.push_back(std::move(summary));
    }
    print_event("records_consumed", {{"count", visited}, {"partitions", summaries}});
    if (!consumer_.config().auto_commit) commit();
    return {};
  }

  void visit(const ConsumedRecord& consumed, std::map<TopicPartition, Range>& ranges) {
    ++consumed_;
    const std::int64_t offset = consumed.record.offset.value();
    Range& range = ranges[consumed.partition];
    if (range.count++ == 0) range.first = offset;
    range.last = offset;
    if (!is_verbose_) return;
    boost::json::object fields{{"key", text_json(consumed.record.key)},
                               {"value", text_json(consumed.record.value)}};
    for (const auto& [name, value] : partition_json(consumed.partition)) fields[name] = value;
    fields["offset"] = offset;
    print_event("record_data", fields);
  }

  void commit() {
    boost::json::array offsets;
    for (const auto& [partition, committed] : consumer_.positions()) {
      boost::json::object offset = partition_json(partition);
      offset["offset"] = committed.offset.value();
      offsets.push_back(std::move(offset));
    }
    const Result<void> done = consumer_.commit();
    boost::json::object fields{{"offsets", offsets}, {"success", done.has_value()}};
    if (!done) fields["error"] = exception_line(done.error());
    print_event("offsets_committed", fields);
  }

  static void tell(std::string_view event, const std::vector<TopicPartition>& partitions) {
    boost::json::array all;
    for (const TopicPartition& partition : partitions) all.push_back(partition_json(partition));
    print_event(event, {{"partitions", all}});
  }

  Consumer consumer_;
  std::string topic_;
  std::int64_t max_messages_;
  bool is_verbose_;
  std::int64_t consumed_ = 0;
};

Result<Properties> read_consumer_properties(const ArgparseOptions& options) {
  if (options.has("consumer.config")) warn_deprecated("consumer.config", "command-config");
  Properties properties;
  for (const char* file : {"consumer.config", "command-config"}) {
    if (options.has(file)) properties = TRY(read_properties(options.text(file)));
  }
  properties["group.id"] = options.text("group-id");
  properties["enable.auto.commit"] = options.has("enable-autocommit") ? "true" : "false";
  properties["auto.offset.reset"] = options.get("reset-policy").value_or("earliest");
  if (options.has("group-instance-id")) properties["group.instance.id"] = options.text("group-instance-id");
  if (options.has("session-timeout")) properties["session.timeout.ms"] = options.text("session-timeout");
  std::string protocol = options.get("group-protocol").value_or("classic");
  for (char& letter : protocol) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  properties["group.protocol"] = protocol;
  if (protocol == "consumer") {
    if (options.has("group-remote-assignor"))
      properties["group.remote.assignor"] = options.text("group-remote-assignor");
  } else {
    properties["partition.assignment.strategy"] =
        options.get("assignment-strategy").value_or("org.apache.kafka.clients.consumer.RangeAssignor");
  }
  properties.try_emplace("client.id", fmt::format("consumer-{}-{}", options.text("group-id"),
                                                  options.get("group-instance-id").value_or("1")));
  return properties;
}

Result<void> execute(const ArgparseOptions& options) {
  const Properties properties = TRY(read_consumer_properties(options));
  const ConsumerConfig config = TRY(consumer_config_of(properties));
  auto bootstrap = TRY(resolvable_addresses(options.text("bootstrap-server")));
  catch_interruptions();
  VerifiableConsumer(std::move(bootstrap), config, options.text("topic"),
                     options.number("max-messages").value_or(-1), options.has("verbose"))
      .run();
  return {};
}

}  // namespace

ArgparseOptions verifiable_consumer_options() {
  ArgparseOptions options("verifiable-consumer", "Reads a topic, and prints what happens as JSON.");
  options.add({.names = {"--topic"}, .text = "The topic.", .required = true, .placeholder = "TOPIC"});
  options.add({.names = {"--group-id"}, .text = "The group.", .required = true, .placeholder = "GROUP"});
  options.add({.names = {"--bootstrap-server"},
               .text = "Brokers to connect to; one that answers is enough.",
               .required = true,
               .placeholder = "HOST:PORT,..."});
  options.add({.names = {"--max-messages"},
               .kind = Kind::kInteger,
               .text = "How many; -1, the standard, for no end.",
               .placeholder = "COUNT"});
  options.value("group-instance-id", "ID", "The name of a static member.");
  options.value("group-protocol", "PROTOCOL", "classic, the standard, or consumer.");
  options.value("group-remote-assignor", "NAME",
                "uniform or range: what the coordinator assigns by; of the protocol consumer.");
  options.add({.names = {"--session-timeout"},
               .kind = Kind::kInteger,
               .text = "The session timeout.",
               .placeholder = "MS"});
  options.flag("verbose", "Print each record.");
  options.flag("enable-autocommit", "Commit from time to time, not after each poll.");
  options.value("reset-policy", "POLICY", "earliest (standard), latest or none.");
  options.value("assignment-strategy", "CLASS", "Kafka's class; RangeAssignor.");
  options.value("command-config", "FILE", "Properties of the consumer.");
  options.value("consumer.config", "FILE", "Deprecated: --command-config is its new name.");
  return options;
}

int run_verifiable_consumer(Arguments arguments) {
  return run_explained(verifiable_consumer_options(), arguments, execute);
}

}  // namespace barnabas::tools

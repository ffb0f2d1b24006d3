// kafka-console-consumer: the records of topics as lines of standard output.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>

#include "base/random.hpp"
#include "tools/client/interruption.hpp"
#include "tools/client/tool_log.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/data_commands.hpp"
#include "tools/commands/message_formatter.hpp"
#include "tools/commands/progress_bar.hpp"
#include "tools/commands/property_options.hpp"
#include "tools/options/number_text.hpp"

namespace barnabas::tools {
namespace {

constexpr PropertyOptions kConsumerProperties{"command-config", "command-property", "consumer.config",
                                              "consumer-property"};
constexpr PropertyOptions kFormatterProperties{"formatter-config", "formatter-property", {}, "property"};
constexpr std::string_view kDefaultFormatter = "org.apache.kafka.tools.consumer.DefaultMessageFormatter";
constexpr std::string_view kLog = "org.apache.kafka.tools.consumer.ConsoleConsumer";
constexpr std::size_t kOutputBytes = std::size_t{1} << 18;

/// False when nobody reads it any more.
bool write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

/// An error of the classes that have no code in the protocol is told by its words.
std::string consumer_exception(const Error& error) {
  if (error.code == ErrorCode::kOffsetOutOfRange && error.detail.starts_with("Undefined offset")) {
    return "org.apache.kafka.clients.consumer.NoOffsetForPartitionException: " + error.detail;
  }
  if (error.code == ErrorCode::kInvalidRecord) {
    return "org.apache.kafka.common.errors.SerializationException: " + error.detail;
  }
  if (error.code == ErrorCode::kCorruptMessage && error.detail.starts_with("Could not read record")) {
    return "java.lang.RuntimeException: " + error.detail;
  }
  if (error.code == ErrorCode::kInvalidRegularExpression) {
    return "java.util.regex.PatternSyntaxException: " + error.detail;
  }
  return exception_line(error);
}

int unknown_error(const Error& error) {
  tool_error(kLog, "Unknown error when running consumer: ");
  fmt::print(stderr, "{}\n", consumer_exception(error));
  return 1;
}

struct Limits {
  std::int64_t max_messages = -1;  // negative: none
  std::optional<std::chrono::milliseconds> timeout;
  bool skip_on_error = false;
};

/// Consumes until a limit, an error or a signal.
class ConsoleConsumer {
 public:
  ConsoleConsumer(Consumer& consumer, MessageFormatter& formatter, Limits limits)
      : consumer_(consumer),
        formatter_(formatter),
        limits_(limits),
        progress_(std::make_unique<ProgressBar>(limits.max_messages, ProgressBar::Output::kStandardOutput)) {}

  /// The exit code.
  int run() {
    const Result<void> done = consume();
    if (!done) {
      tool_error(kLog, "Error processing message, terminating consumer process: ");
      const bool is_timeout = done.error().code == ErrorCode::kRequestTimedOut && done.error().detail.empty();
      fmt::print(
          stderr, "{}\n",
          is_timeout ? "org.apache.kafka.common.errors.TimeoutException" : consumer_exception(done.error()));
    }
    flush();
    progress_.reset();
    consumer_.close();
    if (is_broken_) fmt::print(stderr, "Unable to write to standard out, closing consumer.\n");
    fmt::print(stderr, "Processed a total of {} messages\n", count_);
    if (format_error_) return unknown_error(*format_error_);
    return interrupted() ? interruption_exit_code() : 0;
  }

 private:
  [[nodiscard]] bool is_over() const {
    return interrupted() || is_broken_ || format_error_ || count_ == limits_.max_messages;
  }

  Result<void> consume() {
    while (!is_over()) {
      const Deadline until = limits_.timeout ? deadline_after(*limits_.timeout) : Deadline::max();
      const std::size_t visited = TRY(consumer_.poll(until, [this](const ConsumedRecord& record) {
        visit(record);
        return !is_over();
      }));
      flush();
      progress_->at(count_);
      if (visited == 0 && !interrupted()) return fail(ErrorCode::kRequestTimedOut);
    }
    return {};
  }

  void visit(const ConsumedRecord& record) {
    ++count_;
    const Result<void> done = formatter_.format(record, output_);
    if (output_.size() >= kOutputBytes) flush();
    if (done) return;
    if (!limits_.skip_on_error) {
      format_error_ = done.error();
      return;
    }
    flush();
    tool_error(kLog, "Error processing message, skipping this message: ");
    fmt::print(stderr, "{}\n", consumer_exception(done.error()));
  }

  void flush() {
    if (!is_broken_) is_broken_ = !write_all(output_);
    output_.clear();
  }

  Consumer& consumer_;
  MessageFormatter& formatter_;
  Limits limits_;
  std::unique_ptr<ProgressBar> progress_;  // until something else is told
  std::string output_;
  std::int64_t count_ = 0;
  bool is_broken_ = false;
  std::optional<Error> format_error_;
};

Result<void> check_offset(const JoptOptions& options) {
  if (!options.has("offset")) return {};
  if (!options.has("partition")) {
    return fail(ErrorCode::kInvalidRequest, "The partition is required when offset is specified.");
  }
  std::string text = options.text("offset");
  for (char& letter : text) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  if (text == "earliest" || text == "latest") return {};
  const auto offset = parse_number<std::int64_t>(text);
  if (offset && *offset >= 0) return {};
  return fail(
      ErrorCode::kInvalidRequest,
      fmt::format("The provided offset value '{}' is incorrect. Valid values are 'earliest', 'latest', "
                  "or a non-negative long.",
                  options.text("offset")));
}

Result<void> refuse_together(const JoptOptions& options, std::string_view one, std::string_view other) {
  if (!options.has(one) || !options.has(other)) return {};
  return fail(ErrorCode::kInvalidRequest,
              fmt::format("Options {} and {} cannot be specified together.", one, other));
}

Result<void> check(const JoptOptions& options) {
  TRY(options.require({"bootstrap-server"}));
  if (options.count({"topic", "include"}) != 1) {
    return fail(ErrorCode::kInvalidRequest,
                "Exactly one of the following arguments is required: [topic], [include]");
  }
  if (options.has("partition") && !options.has("topic")) {
    return fail(ErrorCode::kInvalidRequest, "The topic is required when partition is specified.");
  }
  TRY(refuse_together(options, "group", "partition"));
  TRY(refuse_together(options, "from-beginning", "offset"));
  TRY(check_offset(options));
  TRY(refuse_twins(options, "command-config", "consumer.config"));
  TRY(refuse_twins(options, "consumer-property", "command-property"));
  return refuse_twins(options, "property", "formatter-property");
}

void warn_of_old_names(const JoptOptions& options) {
  constexpr std::pair<std::string_view, std::string_view> kRenamed[] = {
      {"consumer-property", "command-property"},
      {"property", "formatter-property"},
      {"consumer.config", "command-config"}};
  for (const auto& [old_name, name] : kRenamed) {
    if (!options.has(old_name)) continue;
    fmt::print("Option --{} is deprecated and will be removed in a future version. Use --{} instead.\n",
               old_name, name);
  }
  // Records are written past this stream.
  std::fflush(stdout);
}

/// The group ids of the command line and of the files must be one.
Result<void> set_group(const JoptOptions& options, const Properties& file, Properties& properties) {
  std::vector<std::string> ids;
  const auto add = [&](const std::string& id) {
    if (std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
  };
  if (options.has("group")) add(options.text("group"));
  if (properties.contains("group.id")) add(properties.at("group.id"));
  if (file.contains("group.id")) add(file.at("group.id"));
  if (ids.size() > 1) {
    std::string text;
    for (const std::string& id : ids) text += (text.empty() ? "'" : ", '") + id + "'";
    return fail(ErrorCode::kInvalidRequest,
                "The group ids provided in different places (directly using '--group', via "
                "'--consumer-property', or via '--consumer.config') do not match. Detected group ids: " +
                    text);
  }
  if (ids.empty()) {
    SystemRandom random;
    properties["group.id"] = fmt::format("console-consumer-{}", random.below(100'000));
    properties["enable.auto.commit"] = "false";
  } else {
    properties["group.id"] = ids.front();
  }
  return {};
}

/// What is contradictory is told without the usage text.
Result<void> set_reset(const JoptOptions& options, Properties& properties) {
  const std::string set = text_property(properties, "auto.offset.reset", "");
  if (options.has("from-beginning") && !set.empty() && set != "earliest") {
    return fail(
        ErrorCode::kInvalidRequest,
        fmt::format("Can't simultaneously specify --from-beginning and 'auto.offset.reset={}', please "
                    "remove one option",
                    set));
  }
  if (options.has("from-beginning")) properties["auto.offset.reset"] = "earliest";
  return {};
}

Result<Properties> formatter_properties(const JoptOptions& options) {
  Properties properties = TRY(properties_of(options, kFormatterProperties));
  for (const std::string name : {"key", "value"}) {
    if (options.has(name + "-deserializer")) {
      properties[name + ".deserializer"] = options.text(name + "-deserializer");
    }
  }
  return properties;
}

StartAt start_of(const JoptOptions& options) {
  const std::string text = options.text("offset");
  if (options.has("from-beginning")) return {StartAt::Kind::kBeginning};
  if (const auto offset = parse_number<std::int64_t>(text)) return {StartAt::Kind::kOffset, Offset(*offset)};
  return {!text.empty() && std::tolower(static_cast<unsigned char>(text[0])) == 'e'
              ? StartAt::Kind::kBeginning
              : StartAt::Kind::kEnd};
}

/// Tells the consumer what to read.
Result<void> choose(const JoptOptions& options, Consumer& consumer) {
  if (options.has("partition")) {
    const std::int32_t partition = TRY(options.integer("partition")).value_or(0);
    consumer.assign({{{options.text("topic"), PartitionIndex(partition)}, start_of(options)}});
    return {};
  }
  if (options.has("include")) return consumer.subscribe_pattern(options.text("include"));
  consumer.subscribe({options.text("topic")});
  return {};
}

int consume(const JoptOptions& options, const Properties& properties, MessageFormatter& formatter) {
  const auto config = consumer_config_of(properties);
  if (!config) return unknown_error(config.error());
  Limits limits;
  const auto max_messages = options.integer("max-messages");
  const auto timeout = options.number("timeout-ms");
  const auto partition = options.integer("partition");
  for (const Error* error :
       {max_messages ? nullptr : &max_messages.error(), timeout ? nullptr : &timeout.error(),
        partition ? nullptr : &partition.error()}) {
    if (error != nullptr) return unknown_error(*error);
  }
  limits.max_messages = max_messages->value_or(-1);
  if (*timeout && **timeout >= 0) limits.timeout = std::chrono::milliseconds(**timeout);
  limits.skip_on_error = options.has("skip-message-on-error");
  auto bootstrap = resolvable_addresses(options.text("bootstrap-server"));
  if (!bootstrap) {
    tool_error(kLog, "Unknown error when running consumer: ");
    fmt::print(stderr,
               "org.apache.kafka.common.KafkaException: Failed to construct kafka consumer\nCaused by: {}\n",
               exception_line(bootstrap.error()));
    return 1;
  }
  Consumer consumer(*std::move(bootstrap), *config);
  const auto chosen = choose(options, consumer);
  if (!chosen) return unknown_error(chosen.error());
  // An error of write() tells that the reader went away; a member leaves its group then.
  std::signal(SIGPIPE, SIG_IGN);
  catch_interruptions();
  const int code = ConsoleConsumer(consumer, formatter, limits).run();
  if (options.has("enable-systest-events")) fmt::print("shutdown_complete\n");
  return code;
}

}  // namespace

JoptOptions console_consumer_options() {
  JoptOptions options("kafka-console-consumer", "Prints the records of topics.");
  options.value("topic", "TOPIC", "The topic.");
  options.value("include", "PATTERN", "The topics whose names match a regular expression.");
  options.add_standard_options();
  options.values("command-property", "KEY=VALUE", "A property of the consumer, over those of the file.");
  options.value("group", "GROUP",
                "The group to be a member of; without it one that nothing is committed for.");
  options.flag("from-beginning", "Begin with the first record where the group has no offset.");
  options.value("partition", "NUMBER", "Only this partition, without a group.");
  options.value("offset", "OFFSET",
                "Where to begin in the partition: a number, earliest or latest (standard).");
  options.value("max-messages", "COUNT", "End after so many records.");
  options.value("timeout-ms", "MS", "End when no record has come for so long.");
  options.flag("skip-message-on-error", "Go on after a record that cannot be printed.");
  options.add({"isolation-level", JoptOptions::Argument::kRequired, "LEVEL",
               "read_committed leaves out what transactions have not committed.", "read_uncommitted"});
  options.add({"formatter", JoptOptions::Argument::kRequired, "CLASS",
               "Kafka's class of this kind: Default-, Logging-, NoOp-, Offsets-, GroupMetadata-, "
               "TransactionLog- or ShareGroupStateMessageFormatter of org.apache.kafka.tools.consumer.",
               std::string(kDefaultFormatter)});
  options.values(
      "formatter-property", "KEY=VALUE",
      "print.timestamp, print.key, print.offset, print.epoch, print.partition, print.headers, "
      "print.value (true or false); key.separator, line.separator, headers.separator, null.literal; "
      "key.deserializer, value.deserializer, headers.deserializer (Kafka's classes).");
  options.value("formatter-config", "FILE", "The same in a file.");
  options.value("key-deserializer", "CLASS", "How keys are read.");
  options.value("value-deserializer", "CLASS", "How values are read.");
  options.flag("enable-systest-events", "Tell of the end on standard output.");
  options.values("consumer-property", "KEY=VALUE", "Deprecated: --command-property is its new name.");
  options.value("consumer.config", "FILE", "Deprecated: --command-config is its new name.");
  options.values("property", "KEY=VALUE", "Deprecated: --formatter-property is its new name.");
  return options;
}

int run_console_consumer(Arguments arguments) {
  JoptOptions options = console_consumer_options();
  if (const auto code = end_of_parsing(options, arguments)) return *code;
  if (const auto checked = check(options); !checked) return refuse_usage(options, checked.error());
  warn_of_old_names(options);
  auto properties = properties_of(options, kConsumerProperties);
  if (!properties) return tell_failure(properties.error());
  const auto file = properties_of(options, {"command-config", {}, "consumer.config", {}});
  if (!file) return tell_failure(file.error());
  if (const auto set = set_group(options, *file, *properties); !set)
    return refuse_usage(options, set.error());
  if (const auto set = set_reset(options, *properties); !set) {
    fmt::print(stderr, "{}\n", set.error().detail);
    return 1;
  }
  properties->try_emplace("client.id", "console-consumer");
  merge_option(options, "isolation-level", "isolation.level", *properties);
  const auto of_formatter = formatter_properties(options);
  if (!of_formatter) return refuse_usage(options, of_formatter.error());
  const auto formatter = make_formatter(options.text("formatter"), *of_formatter);
  if (!formatter) {
    return refuse_usage(options, {ErrorCode::kInvalidRequest, options.text("formatter")});
  }
  return consume(options, *properties, *formatter);
}

}  // namespace barnabas::tools

// kafka-console-producer: lines of standard input as records of a topic.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/client/interruption.hpp"
#include "tools/client/producer.hpp"
#include "tools/client/tool_log.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/data_commands.hpp"
#include "tools/commands/input_lines.hpp"
#include "tools/commands/line_parser.hpp"
#include "tools/commands/progress_bar.hpp"
#include "tools/commands/property_options.hpp"

namespace barnabas::tools {
namespace {

constexpr PropertyOptions kProducerProperties{"command-config", "command-property", "producer.config",
                                              "producer-property"};
constexpr PropertyOptions kReaderProperties{"reader-config", "reader-property", {}, "property"};
constexpr std::string_view kLineReader = "org.apache.kafka.tools.LineMessageReader";

std::string length_text(const std::optional<ByteView>& field) {
  return field ? fmt::format("{} bytes", field->size()) : "null";
}

void tell_lost_record(std::string_view topic, const std::optional<ByteView>& key,
                      const std::optional<ByteView>& value, const Error& error) {
  tool_error("org.apache.kafka.clients.producer.internals.ErrorLoggingCallback",
             "Error when sending message to topic {} with key: {}, value: {} with error:", topic,
             length_text(key), length_text(value));
  fmt::print(stderr, "{}\n", exception_line(error));
}

/// What ended the tool: exit code 1.
int tell(const std::string& failure) {
  fmt::print(stderr, "{}\n", failure);
  return 1;
}

/// Of a file; 0 of anything else.
std::int64_t size_of_input() {
  struct stat status{};
  return ::fstat(STDIN_FILENO, &status) == 0 && S_ISREG(status.st_mode) ? status.st_size : 0;
}

/// Reads, parses and sends until the input ends.
class ConsoleProducer {
 public:
  ConsoleProducer(std::vector<Address> bootstrap, ProducerConfig config, std::string topic, LineParser parser,
                  bool is_sync)
      : producer_(std::move(bootstrap), std::move(config), [this](const Delivery& done) { delivered(done); }),
        topic_(std::move(topic)),
        parser_(std::move(parser)),
        is_sync_(is_sync) {}

  /// The exit code.
  int run() {
    InputLines lines(STDIN_FILENO);
    ProgressBar progress(size_of_input(), ProgressBar::Output::kNone);
    const bool has_prompt = ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0;
    while (!is_over()) {
      for (auto line = lines.next(); line; line = lines.next()) {
        send(*line);
        if (is_over()) break;
      }
      if (is_over()) break;
      if (progress.is_drawn()) progress.at(::lseek(STDIN_FILENO, 0, SEEK_CUR));
      if (has_prompt) {
        fmt::print(">");
        std::fflush(stdout);
      }
      producer_.poll(Deadline::max(), lines.descriptor());
      if (interrupted() || lines.fill()) continue;
      if (const auto line = lines.rest(); line && !interrupted()) send(*line);
      break;
    }
    producer_.flush();
    if (failure_) return tell(*failure_);
    return interrupted() ? interruption_exit_code() : 0;
  }

 private:
  [[nodiscard]] bool is_over() const { return failure_ || interrupted(); }

  void send(std::string_view line) {
    if (const auto parsed = parser_.parse(line, parsed_); !parsed) {
      failure_ = "org.apache.kafka.common.KafkaException: " + parsed.error().detail;
      return;
    }
    const Result<void> sent = producer_.send(
        {.topic = topic_, .key = parsed_.key, .value = parsed_.value, .headers = parsed_.headers});
    if (!sent) lost(parsed_.key, parsed_.value, sent.error());
    if (is_sync_) producer_.flush();
  }

  void delivered(const Delivery& done) {
    if (done.errors.empty()) return;
    visit_failed(done, [this](const Error& error, const protocol::RecordView& record) {
      lost(record.key, record.value, error);
    });
  }

  /// One that is waited for ends the tool, others are told of.
  void lost(const std::optional<ByteView>& key, const std::optional<ByteView>& value, const Error& error) {
    if (is_sync_) {
      failure_ = "java.util.concurrent.ExecutionException: " + exception_line(error);
    } else {
      tell_lost_record(topic_, key, value, error);
    }
  }

  Producer producer_;
  std::string topic_;
  LineParser parser_;
  ParsedLine parsed_;
  bool is_sync_;
  std::optional<std::string> failure_;  // what ended it
};

Result<void> check(const JoptOptions& options) {
  TRY(options.require({"topic"}));
  TRY(refuse_twins(options, "command-config", "producer.config"));
  TRY(refuse_twins(options, "command-property", "producer-property"));
  TRY(refuse_twins(options, "reader-property", "property"));
  return check_bootstrap(options.text("bootstrap-server"));
}

void warn_of_old_names(const JoptOptions& options) {
  constexpr std::pair<std::string_view, std::string_view> kRenamed[] = {
      {"producer.config", "command-config"},
      {"producer-property", "command-property"},
      {"property", "reader-property"}};
  for (const auto& [old_name, name] : kRenamed) {
    if (!options.has(old_name)) continue;
    fmt::print("Warning: --{} is deprecated and will be removed in a future version. Use --{} instead.\n",
               old_name, name);
  }
  if (options.has("max-partition-memory-bytes")) {
    fmt::print(
        "Warning: --max-partition-memory-bytes is deprecated and will be removed in Apache Kafka 5.0. Use "
        "--batch-size instead.\n");
  }
}

Result<ProducerConfig> producer_config(const JoptOptions& options) {
  Properties properties = TRY(properties_of(options, kProducerProperties));
  properties.try_emplace("client.id", "console-producer");
  constexpr std::pair<std::string_view, const char*> kMerged[] = {
      {"timeout", "linger.ms"},
      {"request-required-acks", "acks"},
      {"request-timeout-ms", "request.timeout.ms"},
      {"message-send-max-retries", "retries"},
      {"retry-backoff-ms", "retry.backoff.ms"},
      {"batch-size", "batch.size"},
      {"max-partition-memory-bytes", "batch.size"},
      {"max-memory-bytes", "buffer.memory"},
      {"max-block-ms", "max.block.ms"},
      {"metadata-expiry-ms", "metadata.max.age.ms"}};
  for (const auto& [option, key] : kMerged) merge_option(options, option, key, properties);
  if (options.has("compression-codec")) {
    const std::string codec = options.text("compression-codec");
    properties["compression.type"] = codec.empty() ? "gzip" : codec;
  }
  return producer_config_of(properties);
}

/// Numbers that are none end the tool before anything else is looked at.
Result<void> check_numbers(const JoptOptions& options) {
  for (const char* name : {"batch-size", "message-send-max-retries", "request-timeout-ms",
                           "max-partition-memory-bytes", "socket-buffer-size"}) {
    TRY(options.integer(name));
  }
  for (const char* name :
       {"timeout", "retry-backoff-ms", "max-memory-bytes", "max-block-ms", "metadata-expiry-ms"}) {
    TRY(options.number(name));
  }
  return {};
}

}  // namespace

JoptOptions console_producer_options() {
  JoptOptions options("kafka-console-producer", "Sends the lines of standard input to a topic.");
  const auto number = [&](const char* name, const char* what, std::optional<std::string> standard,
                          const char* text) {
    options.add({name, JoptOptions::Argument::kRequired, what, text, std::move(standard)});
  };
  options.value("topic", "TOPIC", "The topic.");
  options.add_standard_options();
  options.values("command-property", "KEY=VALUE", "A property of the producer, over those of the file.");
  options.values(
      "reader-property", "KEY=VALUE",
      "How lines are read: parse.key, key.separator (tab), parse.headers, headers.delimiter (tab), "
      "headers.separator (,), headers.key.separator (:), null.marker, ignore.error.");
  options.value("reader-config", "FILE", "The same in a file.");
  options.add({"line-reader", JoptOptions::Argument::kRequired, "CLASS", "Only the standard one is there.",
               std::string(kLineReader)});
  options.flag("sync", "Wait for each record to be written; end with the first that is not.");
  options.add({"compression-codec", JoptOptions::Argument::kOptional, "CODEC",
               "none, gzip, snappy, lz4 or zstd; gzip where none is named."});
  number("request-required-acks", "ACKS", "-1", "0, 1, -1 or all.");
  number("batch-size", "BYTES", "16384", "Of the records that are sent together to a partition.");
  number("timeout", "MS", "1000", "How long a batch may wait for more records.");
  number("message-send-max-retries", "COUNT", "3", "How often a batch is sent again.");
  number("retry-backoff-ms", "MS", "100", "The wait before a retry.");
  number("request-timeout-ms", "MS", "1500", "How long an answer is waited for.");
  number("max-block-ms", "MS", "60000", "How long a record may wait for metadata or memory.");
  number("max-memory-bytes", "BYTES", "33554432", "Of the records that wait to be sent.");
  number("metadata-expiry-ms", "MS", "300000", "The age at which metadata are asked for again.");
  number("socket-buffer-size", "BYTES", "102400", "Left to the system.");
  number("max-partition-memory-bytes", "BYTES", std::nullopt, "Deprecated: --batch-size is its new name.");
  options.values("producer-property", "KEY=VALUE", "Deprecated: --command-property is its new name.");
  options.value("producer.config", "FILE", "Deprecated: --command-config is its new name.");
  options.values("property", "KEY=VALUE", "Deprecated: --reader-property is its new name.");
  return options;
}

int run_console_producer(Arguments arguments) {
  JoptOptions options = console_producer_options();
  if (const auto code = end_of_parsing(options, arguments)) return *code;
  if (const auto checked = check(options); !checked) return refuse_usage(options, checked.error());
  if (const auto numbers = check_numbers(options); !numbers) return tell(numbers.error().detail);
  warn_of_old_names(options);
  if (options.text("line-reader") != kLineReader) {
    return tell("java.lang.ClassNotFoundException: " + options.text("line-reader"));
  }
  const auto reader_properties = properties_of(options, kReaderProperties);
  if (!reader_properties) return tell(exception_line(reader_properties.error()));
  const auto config = producer_config(options);
  if (!config) return tell(exception_line(config.error()));
  auto parser = LineParser::of(*reader_properties);
  if (!parser) return tell("org.apache.kafka.common.KafkaException: " + parser.error().detail);
  auto bootstrap = resolvable_addresses(options.text("bootstrap-server"));
  if (!bootstrap) {
    return tell("org.apache.kafka.common.KafkaException: Failed to construct kafka producer\nCaused by: " +
                exception_line(bootstrap.error()));
  }
  catch_interruptions();
  return ConsoleProducer(*std::move(bootstrap), *config, options.text("topic"), *std::move(parser),
                         options.has("sync"))
      .run();
}

}  // namespace barnabas::tools

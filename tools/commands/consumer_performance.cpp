// kafka-consumer-perf-test: how fast records can be read.
#include <fmt/format.h>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "tools/client/consumer.hpp"
#include "tools/client/interruption.hpp"
#include "tools/client/tool_log.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/data_commands.hpp"
#include "tools/commands/date_pattern.hpp"
#include "tools/commands/property_options.hpp"

namespace barnabas::tools {
namespace {

constexpr double kMebibyte = 1024.0 * 1024.0;
/// max.poll.records of Kafka's consumer: the tool counts what one of its polls gives as a whole.
constexpr std::int64_t kPollRecords = 500;

std::int64_t now_ms() {
  return SystemClock().wall_ms();
}

struct Plan {
  std::int64_t records = 0;
  std::chrono::milliseconds timeout{10'000};
  std::int64_t reporting_ms = 5000;
  bool has_details = false;
  bool has_header = true;
  std::string date_format;
};

/// Records and bytes up to a moment.
struct Progress {
  std::int64_t at_ms = 0;
  std::int64_t records = 0;
  std::int64_t bytes = 0;
  std::int64_t joining_ms = 0;
};

class ConsumerPerfTest {
 public:
  ConsumerPerfTest(Consumer& consumer, Plan plan) : consumer_(consumer), plan_(std::move(plan)) {}

  Result<void> run() {
    if (plan_.has_header) print_header();
    begun_ = last_ = now_of(0);
    joining_since_ms_ = begun_.at_ms;
    consumer_.on_rebalance([this](const auto&) { joined(); },
                           [this](const auto&) { joining_since_ms_ = now_ms(); });
    Deadline until = deadline_after(plan_.timeout);
    while (progress_.records < plan_.records && !interrupted()) {
      const std::size_t visited =
          TRY(consumer_.poll(until, [this](const ConsumedRecord& consumed) { return count(consumed); }));
      if (visited == 0 && std::chrono::steady_clock::now() >= until) {
        fmt::print(
            "WARNING: Exiting before consuming the expected number of records: timeout ({} ms) exceeded. "
            "You can use the --timeout option to increase the timeout.\n",
            plan_.timeout.count());
        break;
      }
      if (visited > 0) until = deadline_after(plan_.timeout);
      report_if_due();
    }
    progress_.at_ms = now_ms();
    consumer_.close();
    if (!plan_.has_details) print_summary();
    return {};
  }

 private:
  static Progress now_of(std::int64_t records) { return {now_ms(), records, 0, 0}; }

  void joined() {
    if (joining_since_ms_) progress_.joining_ms += now_ms() - *std::exchange(joining_since_ms_, std::nullopt);
  }

  bool count(const ConsumedRecord& consumed) {
    ++progress_.records;
    const protocol::RecordView& record = consumed.record;
    progress_.bytes += static_cast<std::int64_t>((record.key ? record.key->size() : 0) +
                                                 (record.value ? record.value->size() : 0));
    if (progress_.records % kPollRecords != 0) return true;
    report_if_due();
    return progress_.records < plan_.records;
  }

  void report_if_due() {
    if (!plan_.has_details || progress_.records == 0) return;
    progress_.at_ms = now_ms();
    if (progress_.at_ms - last_.at_ms < plan_.reporting_ms) return;
    print_row(format_date(plan_.date_format, progress_.at_ms) + ", 0", last_);
    last_ = progress_;
  }

  void print_summary() const {
    print_row(
        format_date(plan_.date_format, begun_.at_ms) + ", " + format_date(plan_.date_format, progress_.at_ms),
        begun_);
  }

  /// Totals, and the rates since `from`.
  void print_row(const std::string& times, const Progress& from) const {
    const double elapsed_ms = static_cast<double>(std::max<std::int64_t>(progress_.at_ms - from.at_ms, 1));
    const std::int64_t joining_ms = progress_.joining_ms - from.joining_ms;
    const auto fetching_ms = static_cast<std::int64_t>(elapsed_ms) - joining_ms;
    const double mebibytes = static_cast<double>(progress_.bytes - from.bytes) / kMebibyte;
    const auto records = static_cast<double>(progress_.records - from.records);
    const auto rate = [](double amount, double milliseconds) {
      return milliseconds <= 0 ? 0.0 : amount * 1000 / milliseconds;
    };
    const auto fetching = static_cast<double>(fetching_ms);
    fmt::print("{}, {:.4f}, {:.4f}, {}, {:.4f}, {}, {}, {:.4f}, {:.4f}\n", times,
               static_cast<double>(progress_.bytes) / kMebibyte, rate(mebibytes, elapsed_ms),
               progress_.records, rate(records, elapsed_ms), joining_ms, fetching_ms,
               rate(mebibytes, fetching), rate(records, fetching));
    std::fflush(stdout);
  }

  void print_header() const {
    fmt::print(
        "{}, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, "
        "fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n",
        plan_.has_details ? "time, threadId" : "start.time, end.time");
  }

  Consumer& consumer_;
  Plan plan_;
  Progress begun_;
  Progress last_;
  Progress progress_;
  std::optional<std::int64_t> joining_since_ms_;
};

Result<void> check(const JoptOptions& options) {
  if (options.has("messages") && options.has("num-records")) {
    return misuse("Options --num-records and --messages cannot be specified together.");
  }
  if (options.count({"messages", "num-records"}) != 1) {
    return misuse("Exactly one of the following arguments is required: [num-records], [messages]");
  }
  TRY(options.require({"bootstrap-server"}));
  if (options.count({"topic", "include"}) != 1) {
    return misuse("Exactly one of the following arguments is required: [topic], [include]");
  }
  return refuse_twins(options, "command-config", "consumer.config");
}

Result<Properties> read_test_properties(const JoptOptions& options) {
  Properties properties =
      TRY(properties_of(options, {"command-config", "command-property", "consumer.config", {}}));
  SystemRandom random;
  properties["group.id"] =
      options.get("group").value_or(fmt::format("perf-consumer-{}", random.below(100'000)));
  properties["max.partition.fetch.bytes"] = options.text("fetch-size");
  properties["auto.offset.reset"] = options.has("from-latest") ? "latest" : "earliest";
  properties["check.crcs"] = "false";
  properties.try_emplace("client.id", "perf-consumer-client");
  return properties;
}

Result<void> execute(const JoptOptions& options) {
  if (options.has("messages")) warn_deprecated("messages", "num-records");
  if (options.has("consumer.config")) warn_deprecated("consumer.config", "command-config");
  Plan plan;
  plan.records = TRY(options.number(options.has("messages") ? "messages" : "num-records")).value_or(0);
  plan.timeout = std::chrono::milliseconds(TRY(options.number("timeout")).value_or(10'000));
  plan.reporting_ms = TRY(options.number("reporting-interval")).value_or(5000);
  plan.has_details = options.has("show-detailed-stats");
  plan.has_header = !options.has("hide-header");
  plan.date_format = options.text("date-format");
  if (plan.reporting_ms <= 0) return misuse("Reporting interval must be greater than 0.");
  const Properties properties = TRY(read_test_properties(options));
  const ConsumerConfig config = TRY(consumer_config_of(properties));
  Consumer consumer(TRY(resolvable_addresses(options.text("bootstrap-server"))), config);
  if (options.has("include")) {
    TRY(consumer.subscribe_pattern(options.text("include")));
  } else {
    consumer.subscribe({options.text("topic")});
  }
  catch_interruptions();
  return ConsumerPerfTest(consumer, plan).run();
}

}  // namespace

JoptOptions consumer_perf_test_options() {
  JoptOptions options("kafka-consumer-perf-test", "Measures how fast records are read.");
  const auto number = [&](const char* name, const char* what, const char* text, const char* standard) {
    options.add({name, JoptOptions::Argument::kRequired, what, text, standard});
  };
  options.value("topic", "TOPIC", "The topic.");
  options.value("include", "PATTERN", "The topics whose names match a regular expression.");
  options.value("num-records", "COUNT", "How many records.");
  options.add_standard_options();
  options.values("command-property", "KEY=VALUE", "A property of the consumer, over those of the file.");
  options.value("group", "GROUP", "The group; a new one without it.");
  options.flag("from-latest", "Begin at the end where the group has no offset.");
  number("fetch-size", "BYTES", "Of one partition in a fetch.", "1048576");
  options.add({"timeout", JoptOptions::Argument::kOptional, "MS", "End when no record has come for so long.",
               "10000"});
  number("reporting-interval", "MS", "Between the lines of --show-detailed-stats.", "5000");
  options.flag("show-detailed-stats", "A line each interval instead of one at the end.");
  options.flag("hide-header", "No line with the names of the columns.");
  number("date-format", "PATTERN", "Of times, as Java's SimpleDateFormat has them.",
         "yyyy-MM-dd HH:mm:ss:SSS");
  options.flag("print-metrics", "Taken, and nothing is printed for it.");
  number("socket-buffer-size", "BYTES", "Left to the system.", "2097152");
  options.value("messages", "COUNT", "Deprecated: --num-records is its new name.");
  options.value("consumer.config", "FILE", "Deprecated: --command-config is its new name.");
  return options;
}

int run_consumer_perf_test(Arguments arguments) {
  JoptOptions options = consumer_perf_test_options();
  if (const auto code = end_of_parsing(options, arguments)) return *code;
  if (const auto checked = check(options); !checked) return refuse_usage(options, checked.error());
  const auto done = execute(options);
  return done ? 0 : tell_failure(done.error());
}

}  // namespace barnabas::tools

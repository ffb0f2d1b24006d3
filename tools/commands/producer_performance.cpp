// kafka-producer-perf-test: how fast records can be written, and how late they are acknowledged.
#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "tools/client/interruption.hpp"
#include "tools/client/producer.hpp"
#include "tools/client/tool_log.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/data_commands.hpp"
#include "tools/commands/producer_statistics.hpp"
#include "tools/commands/property_options.hpp"
#include "tools/commands/throttle.hpp"

namespace barnabas::tools {
namespace {

using Kind = ArgparseOptions::Kind;

struct Load {
  std::string topic;
  std::int64_t records = 0;
  double throughput = -1;
  std::int64_t warmup = 0;
  std::int64_t reporting_ms = 5000;
  std::optional<std::int64_t> record_size;
  std::vector<std::string> payloads;  // of a file; with neither the records are numbers
  std::int64_t transaction_ms = 0;    // 0: no transactions
};

/// What a record is made of.
class Payloads {
 public:
  explicit Payloads(const Load& load) : load_(load) {
    if (load.record_size) random_text_.resize(static_cast<std::size_t>(*load.record_size));
  }
  std::string_view next(std::int64_t index) {
    if (load_.record_size) {
      for (char& letter : random_text_) letter = static_cast<char>('A' + random_.below(26));
      return random_text_;
    }
    if (!load_.payloads.empty()) return load_.payloads[random_.below(load_.payloads.size())];
    random_text_ = std::to_string(index);
    return random_text_;
  }

 private:
  const Load& load_;
  SeededRandom random_{0};
  std::string random_text_;
};

std::int64_t now_ms() {
  return SystemClock().wall_ms();
}

class PerfTest {
 public:
  PerfTest(std::vector<Address> bootstrap, ProducerConfig config, Load load)
      : load_(std::move(load)),
        producer_(std::move(bootstrap), std::move(config), [this](const Delivery& done) { delivered(done); }),
        statistics_(load_.records, load_.reporting_ms, now_ms(), "") {}

  Result<void> run() {
    if (load_.transaction_ms > 0) TRY(producer_.init_transactions());
    if (load_.warmup > 0) {
      fmt::print(
          "Warmup first {} records. Steady state results will print after the complete test summary.\n",
          load_.warmup);
    }
    Payloads payloads(load_);
    const Throttle throttle(load_.throughput);
    Deadline transaction_end = Deadline::max();
    for (std::int64_t i = 0; i < load_.records && !interrupted(); ++i) {
      const bool begins = load_.transaction_ms > 0 && transaction_end == Deadline::max();
      if (begins) {
        producer_.begin_transaction();
        transaction_end = deadline_after(std::chrono::milliseconds(load_.transaction_ms));
      }
      if (i == load_.warmup && load_.warmup > 0) begin_steady_state();
      send(payloads.next(i));
      if (load_.throughput >= 0) producer_.poll(throttle.due(i + 1));
      if (std::chrono::steady_clock::now() < transaction_end) continue;
      TRY(producer_.end_transaction(true));
      transaction_end = Deadline::max();
    }
    producer_.flush();
    if (transaction_end != Deadline::max()) TRY(producer_.end_transaction(true));
    statistics_.print_total(now_ms());
    if (steady_) steady_->print_total(now_ms());
    return {};
  }

 private:
  void send(std::string_view payload) {
    const std::int64_t sent_ms = now_ms();
    const Result<void> sent = producer_.send(
        {.topic = load_.topic, .value = as_bytes(payload), .timestamp = sent_ms, .tag = sent_ms});
    if (!sent) fmt::print(stderr, "{}\n", exception_line(sent.error()));
  }

  void begin_steady_state() {
    statistics_.stop_reporting();
    steady_.emplace(load_.records - load_.warmup, load_.reporting_ms, now_ms(), " steady state");
  }

  void delivered(const Delivery& done) {
    const std::int64_t now = now_ms();
    if (!done.errors.empty()) {
      for (std::size_t i = 0; i < done.tags.size(); ++i) {
        if (const Error* error = done.error_of(i)) fmt::print(stderr, "{}\n", exception_line(*error));
      }
      return;
    }
    protocol::RecordCursor cursor(protocol::RecordBatchView(done.batch), scratch_);
    protocol::RecordView record;
    for (const std::int64_t sent_ms : done.tags) {
      // All records of a test are as long as each other, those of files and numbers apart.
      std::int64_t bytes = load_.record_size.value_or(0);
      if (!load_.record_size && cursor.next(record).value_or(false)) {
        bytes = static_cast<std::int64_t>(record.value->size());
      }
      statistics_.record(now - sent_ms, bytes, now);
      if (steady_ && ++delivered_ > load_.warmup) steady_->record(now - sent_ms, bytes, now);
      if (!steady_) ++delivered_;
    }
  }

  Load load_;
  Producer producer_;
  ProducerStatistics statistics_;
  std::optional<ProducerStatistics> steady_;
  std::int64_t delivered_ = 0;
  protocol::RecordScratch scratch_;
};

Result<std::vector<std::string>> read_payloads(const std::string& path, const std::string& delimiter) {
  std::ifstream file(path);
  if (!file) return misuse("java.nio.file.NoSuchFileException: " + path);
  fmt::print("Reading payloads from: {}\n", path);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::vector<std::string> payloads;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(delimiter, at), text.size());
    payloads.push_back(text.substr(at, end - at));
    at = end + delimiter.size();
  }
  fmt::print("Number of records read: {}\n", payloads.size());
  if (payloads.empty()) return misuse("File does not exist or empty file provided.");
  return payloads;
}

Result<Properties> read_test_properties(const ArgparseOptions& options) {
  Properties properties;
  for (const char* file : {"producer.config", "command-config"}) {
    if (options.has(file)) properties = TRY(read_properties(options.text(file)));
  }
  for (const char* pairs : {"producer-props", "command-property"}) {
    for (const auto& [key, value] : parse_pairs(options.all(pairs))) properties[key] = value;
  }
  if (options.has("bootstrap-server")) properties["bootstrap.servers"] = options.text("bootstrap-server");
  if (options.has("transactional-id")) properties["transactional.id"] = options.text("transactional-id");
  if (options.has("transaction-duration-ms") && !properties.contains("transactional.id")) {
    SystemRandom random;
    properties["transactional.id"] = "performance-producer-" + Uuid::random(random).to_string();
  }
  properties.try_emplace("client.id", "perf-producer-client");
  return properties;
}

Result<Load> load_of(const ArgparseOptions& options, const Properties& properties) {
  Load load{.topic = options.text("topic"), .record_size = {}, .payloads = {}};
  load.records = options.number("num-records").value_or(0);
  load.warmup = options.number("warmup-records").value_or(0);
  load.reporting_ms = options.number("reporting-interval").value_or(5000);
  if (load.warmup >= load.records && load.warmup > 0) {
    return misuse(
        "The value for --warmup-records must be strictly fewer than the number of records in the test, "
        "--num-records.");
  }
  try {
    load.throughput = std::stod(options.text("throughput"));
  } catch (const std::exception&) {
    return misuse(
        fmt::format("argument --throughput: could not convert '{0}' to Double (For input string: \"{0}\")",
                    options.text("throughput")));
  }
  load.record_size = options.number("record-size");
  if (load.record_size && *load.record_size <= 0) {
    return misuse("--record-size should be greater than zero.");
  }
  if (options.has("payload-file")) {
    std::string delimiter = options.text("payload-delimiter");
    if (delimiter.empty() || delimiter == "\\n") delimiter = "\n";
    load.payloads = TRY(read_payloads(options.text("payload-file"), delimiter));
  }
  constexpr std::int64_t kStandardTransactionMs = 3000;
  if (properties.contains("transactional.id")) {
    load.transaction_ms = options.number("transaction-duration-ms").value_or(kStandardTransactionMs);
  }
  return load;
}

Result<void> execute(const ArgparseOptions& options) {
  for (const auto& [old_name, name] :
       {std::pair("producer-props", "command-property"), std::pair("producer.config", "command-config")}) {
    if (options.has(old_name)) warn_deprecated(old_name, name);
  }
  const Properties properties = TRY(read_test_properties(options));
  if (!properties.contains("bootstrap.servers")) {
    return misuse(
        "At least one of --bootstrap-server, --command-property, --producer-props, --producer.config or "
        "--command-config must be specified.");
  }
  const ProducerConfig config = TRY(producer_config_of(properties));
  const Load load = TRY(load_of(options, properties));
  auto bootstrap = TRY(resolvable_addresses(properties.at("bootstrap.servers")));
  catch_interruptions();
  return PerfTest(std::move(bootstrap), config, load).run();
}

}  // namespace

ArgparseOptions producer_perf_test_options() {
  ArgparseOptions options("kafka-producer-perf-test", "Measures how fast records are written.");
  options.value("bootstrap-server", "HOST:PORT,...", "Brokers to connect to; one that answers is enough.");
  options.add({.names = {"--topic"}, .text = "The topic.", .required = true, .placeholder = "TOPIC"});
  options.add({.names = {"--num-records"},
               .kind = Kind::kLong,
               .text = "How many records.",
               .required = true,
               .placeholder = "COUNT"});
  options.add({.names = {"--throughput"},
               .text = "Records a second at most; -1 for no limit.",
               .required = true,
               .placeholder = "RATE"});
  options.add({.names = {"--command-property"},
               .kind = Kind::kList,
               .text = "Properties of the producer.",
               .placeholder = "KEY=VALUE"});
  options.value("command-config", "FILE", "The same in a file.");
  options.add({.names = {"--producer-props"},
               .kind = Kind::kList,
               .text = "Deprecated: --command-property is its new name.",
               .placeholder = "KEY=VALUE"});
  options.value("producer.config", "FILE", "Deprecated: --command-config is its new name.");
  options.value("payload-delimiter", "TEXT", "What stands between payloads in the file; a line feed.");
  options.flag("print-metrics", "Taken, and nothing is printed for it.");
  options.value("transactional-id", "ID", "Write in transactions of this id.");
  options.add({.names = {"--transaction-duration-ms"},
               .kind = Kind::kLong,
               .text = "How long each of them lasts.",
               .placeholder = "MS"});
  options.add({.names = {"--warmup-records"},
               .kind = Kind::kLong,
               .text = "So many are left out of the second summary.",
               .placeholder = "COUNT"});
  options.add({.names = {"--reporting-interval"},
               .kind = Kind::kLong,
               .text = "Between lines; 5000.",
               .placeholder = "MS"});
  options.add_exclusive(
      true, {{.names = {"--record-size"},
              .kind = Kind::kInteger,
              .text = "Random records of this size.",
              .placeholder = "BYTES"},
             {.names = {"--payload-file"}, .text = "Random records of this file.", .placeholder = "FILE"},
             {.names = {"--payload-monotonic"}, .kind = Kind::kFlag, .text = "Records that are numbers."}});
  return options;
}

int run_producer_perf_test(Arguments arguments) {
  return run_explained(producer_perf_test_options(), arguments, execute);
}

}  // namespace barnabas::tools

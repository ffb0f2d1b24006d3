// kafka-verifiable-producer: writes numbers, and prints what became of each.
#include <fmt/format.h>

#include "base/clock.hpp"
#include "protocol/error_table.hpp"
#include "tools/client/interruption.hpp"
#include "tools/client/producer.hpp"
#include "tools/client/tool_log.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/data_commands.hpp"
#include "tools/commands/event_json.hpp"
#include "tools/commands/property_options.hpp"
#include "tools/commands/throttle.hpp"

namespace barnabas::tools {
namespace {

using Kind = ArgparseOptions::Kind;

struct Plan {
  std::string topic;
  std::int64_t max_messages = -1;
  std::int64_t throughput = -1;
  std::int64_t create_time = -1;
  std::optional<std::int64_t> value_prefix;
  std::optional<std::int64_t> repeating_keys;
};

class VerifiableProducer {
 public:
  VerifiableProducer(std::vector<Address> bootstrap, ProducerConfig config, Plan plan)
      : plan_(std::move(plan)),
        producer_(std::move(bootstrap), std::move(config),
                  [this](const Delivery& done) { delivered(done); }) {}

  void run() {
    print_event("startup_complete");
    const std::int64_t begun_ms = SystemClock().wall_ms();
    const Throttle throttle(plan_.throughput < 0 ? -1 : static_cast<double>(plan_.throughput));
    const bool is_endless = plan_.max_messages < 0;
    for (std::int64_t i = 0; (is_endless || i < plan_.max_messages) && !interrupted(); ++i) {
      send(i);
      producer_.poll(throttle.due(i + 1));
    }
    producer_.flush();
    print_event("shutdown_complete");
    const std::int64_t elapsed_ms = std::max<std::int64_t>(SystemClock().wall_ms() - begun_ms, 1);
    print_event("tool_data",
                {{"sent", sent_},
                 {"acked", acked_},
                 {"target_throughput", plan_.throughput},
                 {"avg_throughput", 1000.0 * static_cast<double>(acked_) / static_cast<double>(elapsed_ms)}});
  }

 private:
  void send(std::int64_t index) {
    const std::string value =
        plan_.value_prefix ? fmt::format("{}.{}", *plan_.value_prefix, index) : std::to_string(index);
    const std::string key = plan_.repeating_keys ? std::to_string(index % *plan_.repeating_keys) : "";
    OutgoingRecord record{.topic = plan_.topic, .value = as_bytes(value)};
    if (plan_.repeating_keys) record.key = as_bytes(key);
    if (plan_.create_time >= 0) record.timestamp = plan_.create_time + index;
    ++sent_;
    if (const Result<void> sent = producer_.send(record); !sent) lost(record.key, record.value, sent.error());
  }

  void lost(const std::optional<ByteView>& key, const std::optional<ByteView>& value, const Error& error) {
    const std::string text = exception_line(error);
    print_event("producer_send_error", {{"topic", plan_.topic},
                                        {"key", text_json(key)},
                                        {"value", text_json(value)},
                                        {"exception", "class " + protocol::exception_name(error.code)},
                                        {"message", text.substr(text.find(": ") + 2)}});
  }

  void delivered(const Delivery& done) {
    if (!done.errors.empty()) {
      return visit_failed(done, [this](const Error& error, const protocol::RecordView& record) {
        lost(record.key, record.value, error);
      });
    }
    protocol::RecordScratch scratch;
    protocol::RecordCursor cursor(protocol::RecordBatchView(done.batch), scratch);
    protocol::RecordView record;
    for (std::int64_t i = 0; cursor.next(record).value_or(false); ++i) {
      ++acked_;
      const std::int64_t offset = done.base_offset == kNoOffset ? -1 : done.base_offset.value() + i;
      boost::json::object fields{
          {"key", text_json(record.key)}, {"value", text_json(record.value)}, {"offset", offset}};
      for (const auto& [name, value] : partition_json(done.partition)) fields[name] = value;
      print_event("producer_send_success", fields);
    }
  }

  Plan plan_;
  Producer producer_;
  std::int64_t sent_ = 0;
  std::int64_t acked_ = 0;
};

Result<void> execute(const ArgparseOptions& options) {
  if (options.has("producer.config")) warn_deprecated("producer.config", "command-config");
  Properties properties;
  for (const char* file : {"producer.config", "command-config"}) {
    if (options.has(file)) properties = TRY(read_properties(options.text(file)));
  }
  properties["acks"] = std::to_string(options.number("acks").value_or(-1));
  properties["retries"] = "0";
  properties.try_emplace("client.id", "producer-1");
  const ProducerConfig config = TRY(producer_config_of(properties));
  auto bootstrap = TRY(resolvable_addresses(options.text("bootstrap-server")));
  Plan plan{.topic = options.text("topic"),
            .max_messages = options.number("max-messages").value_or(-1),
            .throughput = options.number("throughput").value_or(-1),
            .create_time = options.number("message-create-time").value_or(-1),
            .value_prefix = options.number("value-prefix"),
            .repeating_keys = options.number("repeating-keys")};
  if (plan.repeating_keys && *plan.repeating_keys <= 0) return misuse("--repeating-keys must be above 0");
  catch_interruptions();
  VerifiableProducer(std::move(bootstrap), config, plan).run();
  return {};
}

}  // namespace

ArgparseOptions verifiable_producer_options() {
  ArgparseOptions options("verifiable-producer", "Writes numbers, and prints what became of each as JSON.");
  const auto number = [&](const char* name, const char* what, const char* text) {
    options.add({.names = {name}, .kind = Kind::kLong, .text = text, .placeholder = what});
  };
  options.add({.names = {"--topic"}, .text = "The topic.", .required = true, .placeholder = "TOPIC"});
  options.add({.names = {"--bootstrap-server"},
               .text = "Brokers to connect to; one that answers is enough.",
               .required = true,
               .placeholder = "HOST:PORT,..."});
  number("--max-messages", "COUNT", "How many; -1, the standard, for no end.");
  number("--throughput", "RATE", "Messages a second at most; -1, the standard, for no limit.");
  options.add({.names = {"--acks"},
               .kind = Kind::kInteger,
               .text = "0, 1 or -1, the standard.",
               .placeholder = "ACKS"});
  number("--message-create-time", "MS", "The time of the first message; each has one millisecond more.");
  number("--value-prefix", "NUMBER", "Stands before each value, with a dot between them.");
  number("--repeating-keys", "COUNT", "Keys from 0 to one below this, again and again.");
  options.value("command-config", "FILE", "Properties of the producer.");
  options.value("producer.config", "FILE", "Deprecated: --command-config is its new name.");
  return options;
}

int run_verifiable_producer(Arguments arguments) {
  return run_explained(verifiable_producer_options(), arguments, execute);
}

}  // namespace barnabas::tools

// kafka-e2e-latency: how long a record takes from a producer to a consumer, one record at a time.
#include <fmt/format.h>

#include "base/random.hpp"
#include "protocol/messages/api_create_topics.hpp"
#include "tools/client/admin.hpp"
#include "tools/client/consumer.hpp"
#include "tools/client/producer.hpp"
#include "tools/client/tool_log.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/data_commands.hpp"
#include "tools/commands/property_options.hpp"

namespace barnabas::tools {
namespace {

constexpr std::chrono::seconds kPollTimeout{60};

/// Bytes that consist of capital letters.
std::string random_text(Random& random, std::int64_t size) {
  std::string text(static_cast<std::size_t>(std::max<std::int64_t>(size, 0)), ' ');
  for (char& letter : text) letter = static_cast<char>('A' + random.below(26));
  return text;
}

struct Message {
  std::optional<std::string> key;
  std::string value;
  std::vector<std::pair<std::string, std::string>> headers;
};

struct Shape {
  std::int64_t records = 0;
  std::int64_t value_size = 0;
  std::int64_t key_size = 0;
  std::int64_t header_count = 0;
  std::int64_t header_key_size = 0;
  std::int64_t header_value_size = 0;
};

Message message_of(const Shape& shape, Random& random) {
  Message message{std::nullopt, random_text(random, shape.value_size), {}};
  if (shape.key_size > 0) message.key = random_text(random, shape.key_size);
  for (std::int64_t i = 0; i < shape.header_count; ++i) {
    message.headers.emplace_back(random_text(random, shape.header_key_size),
                                 random_text(random, shape.header_value_size));
  }
  return message;
}

class LatencyTest {
 public:
  LatencyTest(const std::vector<Address>& bootstrap, ProducerConfig producer, ConsumerConfig consumer,
              std::string topic)
      : topic_(std::move(topic)),
        cluster_(bootstrap, producer.client),
        producer_(bootstrap, std::move(producer),
                  [this](const Delivery& done) {
                    if (!done.errors.empty()) lost_ = done.errors.front();
                  }),
        consumer_(bootstrap, std::move(consumer)) {}

  Result<void> run(const Shape& shape) {
    TRY(make_topic());
    TRY(go_to_the_end());
    SystemRandom random;
    std::chrono::nanoseconds total{0};
    std::vector<std::int64_t> latencies_ms;
    for (std::int64_t i = 0; i < shape.records; ++i) {
      const Message message = message_of(shape, random);
      const auto begun = std::chrono::steady_clock::now();
      TRY(write(message));
      TRY(read(message));
      const std::chrono::nanoseconds latency = std::chrono::steady_clock::now() - begun;
      if (i % 1000 == 0) {
        fmt::print("{}\t{}\n", i, std::chrono::duration<double, std::milli>(latency).count());
        std::fflush(stdout);
      }
      total += latency;
      latencies_ms.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(latency).count());
    }
    print(total, latencies_ms);
    return {};
  }

 private:
  Result<void> make_topic() {
    const auto topics = TRY(ask_topics(cluster_, {std::vector{topic_}, false}));
    if (!topics.empty() && topics.front().error == ErrorCode::kNone) return {};
    fmt::print(
        "Topic \"{}\" does not exist. Will create topic with 1 partition(s) and replication factor = 1\n",
        topic_);
    protocol::CreateTopicsRequest request;
    request.timeout_ms = 30'000;
    request.topics.emplace_back();
    request.topics.back().name = topic_;
    request.topics.back().num_partitions = 1;
    request.topics.back().replication_factor = 1;
    Connection* connection = TRY(cluster_.controller());
    const auto answer = TRY(cluster_.call<protocol::CreateTopicsResponse>(*connection, request));
    if (answer->topics.empty()) return {};
    const auto& made = answer->topics.front();
    return refusal(made.error_code, made.error_message);
  }

  Result<void> go_to_the_end() {
    std::map<TopicPartition, StartAt> partitions;
    const Deadline deadline = deadline_after(kPollTimeout);
    while (partitions.empty()) {
      const auto topics = TRY(ask_topics(cluster_, {std::vector{topic_}, false}));
      for (std::size_t i = 0; !topics.empty() && i < topics.front().partitions.size(); ++i) {
        partitions[{topic_, PartitionIndex(static_cast<std::int32_t>(i))}] = {StartAt::Kind::kEnd};
      }
      if (std::chrono::steady_clock::now() > deadline) return fail(ErrorCode::kUnknownTopicOrPartition);
    }
    consumer_.assign(partitions);
    while (consumer_.positions().size() < partitions.size()) {
      (void)TRY(
          consumer_.poll(deadline_after(std::chrono::milliseconds(10)), [](const auto&) { return true; }));
      if (std::chrono::steady_clock::now() > deadline) return fail(ErrorCode::kRequestTimedOut);
    }
    return {};
  }

  Result<void> write(const Message& message) {
    std::vector<protocol::RecordHeader> headers;
    for (const auto& [key, value] : message.headers) headers.push_back({key, as_bytes(value)});
    OutgoingRecord record{.topic = topic_, .value = as_bytes(message.value), .headers = headers};
    if (message.key) record.key = as_bytes(*message.key);
    TRY(producer_.send(record));
    producer_.flush();
    if (lost_) return std::unexpected(*lost_);
    return {};
  }

  Result<void> read(const Message& message) {
    std::size_t found = 0;
    bool is_same = false;
    (void)TRY(consumer_.poll(deadline_after(kPollTimeout), [&](const ConsumedRecord& consumed) {
      ++found;
      is_same = consumed.record.value && as_text(*consumed.record.value) == message.value;
      return true;
    }));
    if (found == 0)
      return misuse(fmt::format("poll() timed out before finding a result (timeout:[{}ms])", 60'000));
    if (found > 1)
      return misuse(fmt::format("Only one result was expected during this test. We found [{}]", found));
    if (!is_same) return misuse("The message value read does not match the message value sent");
    return {};
  }

  static void print(std::chrono::nanoseconds total, std::vector<std::int64_t>& latencies_ms) {
    const auto count = static_cast<double>(latencies_ms.size());
    std::ranges::sort(latencies_ms);
    const auto percentile = [&](double fraction) {
      return latencies_ms[static_cast<std::size_t>(fraction * count)];
    };
    fmt::print("Avg latency: {:.4f} ms\n", std::chrono::duration<double, std::milli>(total).count() / count);
    fmt::print("Percentiles: 50th = {}, 99th = {}, 99.9th = {}\n", percentile(0.5), percentile(0.99),
               percentile(0.999));
  }

  std::string topic_;
  Cluster cluster_;
  Producer producer_;
  Consumer consumer_;
  std::optional<Error> lost_;
};

Result<Shape> shape_of(const JoptOptions& options) {
  Shape shape;
  const auto read = [&](const char* option, std::int64_t& to) -> Result<void> {
    to = TRY(options.integer(option)).value_or(0);
    return {};
  };
  TRY(read("num-records", shape.records));
  TRY(read("record-size", shape.value_size));
  TRY(read("record-key-size", shape.key_size));
  TRY(read("num-headers", shape.header_count));
  TRY(read("record-header-key-size", shape.header_key_size));
  TRY(read("record-header-size", shape.header_value_size));
  if (shape.records <= 0) return misuse("Value for --num-records must be a positive integer.");
  return shape;
}

Result<void> execute(const JoptOptions& options, const Shape& shape) {
  Properties properties = TRY(properties_of(options, {"command-config", {}, {}, {}}));
  properties["acks"] = options.text("producer-acks");
  properties["linger.ms"] = "0";
  const ProducerConfig producer = TRY(producer_config_of(properties));
  properties["auto.offset.reset"] = "latest";
  properties["enable.auto.commit"] = "false";
  properties["fetch.max.wait.ms"] = "0";
  properties.erase("group.id");
  const ConsumerConfig consumer = TRY(consumer_config_of(properties));
  const auto bootstrap = TRY(resolvable_addresses(options.text("bootstrap-server")));
  return LatencyTest(bootstrap, producer, consumer, options.text("topic")).run(shape);
}

/// The old way: bootstrap server, topic, records, acks, size and perhaps a file, in this order.
std::vector<std::string> named_arguments(Arguments arguments) {
  constexpr const char* kNames[] = {"--bootstrap-server", "--topic",       "--num-records",
                                    "--producer-acks",    "--record-size", "--command-config"};
  std::vector<std::string> named;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    named.emplace_back(kNames[i]);
    named.emplace_back(arguments[i]);
  }
  return named;
}

}  // namespace

JoptOptions e2e_latency_options() {
  JoptOptions options("kafka-e2e-latency", "Measures how long a record takes from a producer to a consumer.");
  options.add_standard_options();
  options.value("topic", "TOPIC", "The topic; it is created where it is missing.");
  options.value("num-records", "COUNT", "How many records, one after the other.");
  options.value("producer-acks", "ACKS", "1 or all.");
  options.value("record-size", "BYTES", "Of a value.");
  const auto size = [&](const char* name, const char* text) {
    options.add({name, JoptOptions::Argument::kRequired, "NUMBER", text, "0"});
  };
  size("record-key-size", "Of a key, in bytes.");
  size("num-headers", "Headers of a record.");
  size("record-header-key-size", "Of a header's key, in bytes.");
  size("record-header-size", "Of a header's value, in bytes.");
  return options;
}

int run_e2e_latency(Arguments arguments) {
  JoptOptions options = e2e_latency_options();
  const bool is_old_way = !arguments.empty() && arguments[0][0] != '-';
  std::vector<std::string> named;
  if (is_old_way) {
    if (arguments.size() != 5 && arguments.size() != 6) {
      fmt::print(stderr,
                 "Invalid number of arguments. Expected 5 or 6 positional arguments, but got {}. Usage: "
                 "bootstrap-server topic num-records producer-acks record-size [optional] command-config\n",
                 arguments.size());
      return 1;
    }
    fmt::print(
        "WARNING: Positional argument usage is deprecated and will be removed in Apache Kafka 5.0. Please "
        "use "
        "named arguments instead: --bootstrap-server, --topic, --num-records, --producer-acks, "
        "--record-size, --command-config\n");
    named = named_arguments(arguments);
  }
  std::vector<const char*> pointers;
  for (const std::string& argument : named) pointers.push_back(argument.c_str());
  if (const auto code = end_of_parsing(options, is_old_way ? Arguments(pointers) : arguments)) return *code;
  const auto required =
      options.require({"bootstrap-server", "topic", "num-records", "producer-acks", "record-size"});
  if (!required) return refuse_usage(options, required.error());
  if (const std::string acks = options.text("producer-acks"); acks != "1" && acks != "all") {
    return refuse_usage(options, {ErrorCode::kInvalidRequest,
                                  "Invalid value for --producer-acks. Latency testing requires synchronous "
                                  "acknowledgement. Please use '1' or 'all'."});
  }
  const auto shape = shape_of(options);
  if (!shape) return refuse_usage(options, shape.error());
  const auto done = execute(options, *shape);
  return done ? 0 : tell_failure(done.error());
}

}  // namespace barnabas::tools

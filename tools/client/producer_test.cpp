#include "tools/client/producer.hpp"

#include <catch2/catch.hpp>

#include "protocol/messages/api_init_producer_id.hpp"
#include "tools/client/scripted_server.hpp"

using namespace barnabas;
using namespace barnabas::tools;
using namespace barnabas::protocol;
using namespace std::chrono_literals;

namespace {

struct Written {
  std::int32_t partition;
  std::int32_t base_sequence;
  ProducerId producer_id;
  std::vector<std::string> values;
};

/// A broker of one topic that keeps what is written, and gives the errors it is told to.
struct Log {
  std::mutex mutex;
  std::int32_t partitions = 1;
  std::deque<std::int16_t> errors;  // of the next produce requests
  std::vector<Written> written;     // those that got no error
  std::map<std::pair<ProducerId, std::int32_t>, std::int32_t> next_sequence;
  int producer_ids = 0;
  std::int16_t max_produce = 13;
  std::optional<ScriptedServer> server;

  void start() {
    server.emplace(std::vector<ServedApi>{{18, 0, 4}, {3, 0, 13}, {22, 0, 5}, {0, 3, max_produce}},
                   [this](const RequestPrefix& header, Reader& reader, Writer& writer) {
                     const std::lock_guard lock(mutex);
                     if (header.api_key == 3) metadata(header, writer);
                     if (header.api_key == 22) producer_id(header, writer);
                     if (header.api_key == 0) produce(header, reader, writer);
                     return true;
                   });
  }
  void metadata(const RequestPrefix& header, Writer& writer) const {
    MetadataResponse answer;
    answer.brokers.push_back({1, "127.0.0.1", server->address().port, std::nullopt});
    MetadataResponse::MetadataResponseTopic topic;
    topic.name = "t";
    topic.topic_id = Uuid::of_low(77);
    for (std::int32_t i = 0; i < partitions; ++i) {
      topic.partitions.emplace_back();
      topic.partitions.back().partition_index = i;
      topic.partitions.back().leader_id = 1;
    }
    answer.topics.push_back(std::move(topic));
    answer.write(writer, header.api_version);
  }
  void producer_id(const RequestPrefix& header, Writer& writer) {
    InitProducerIdResponse answer;
    answer.error_code = producer_ids == 0 ? 14 : 0;
    answer.producer_id = 1000 + producer_ids++;
    answer.write(writer, header.api_version);
  }
  void produce(const RequestPrefix& header, Reader& reader, Writer& writer) {
    const auto request = read_request<ProduceRequest>(reader, header);
    const auto& topic = request.topic_data.at(0);
    const auto& partition = topic.partition_data.at(0);
    const RecordBatchView batch(partition.records->bytes);
    ProduceResponse answer;
    ProduceResponse::TopicProduceResponse of_topic;
    of_topic.name = topic.name;
    of_topic.topic_id = topic.topic_id;
    of_topic.partition_responses.emplace_back();
    auto& of = of_topic.partition_responses.back();
    of.index = partition.index;
    if (!errors.empty()) {
      of.error_code = errors.front();
      errors.pop_front();
    }
    if (!batch.crc_matches()) of.error_code = 2;
    std::int32_t& next = next_sequence[{batch.producer_id(), partition.index}];
    if (of.error_code == 0 && batch.base_sequence() != next) of.error_code = 45;
    if (of.error_code == 0) next += batch.count();
    if (of.error_code == 0) keep(partition.index, batch);
    answer.responses.push_back(std::move(of_topic));
    answer.write(writer, header.api_version);
  }
  void keep(std::int32_t partition, const RecordBatchView& batch) {
    Written to{partition, batch.base_sequence(), batch.producer_id(), {}};
    RecordScratch scratch;
    RecordCursor cursor(batch, scratch);
    RecordView record;
    while (cursor.next(record).value_or(false)) to.values.emplace_back(as_text(*record.value));
    written.push_back(std::move(to));
  }
  [[nodiscard]] std::vector<std::string> values() const {
    std::vector<std::string> all;
    for (const Written& batch : written) all.insert(all.end(), batch.values.begin(), batch.values.end());
    return all;
  }
};

ProducerConfig quick() {
  ProducerConfig config;
  config.client.retry_backoff = 1ms;
  config.linger = 0ms;
  return config;
}

OutgoingRecord value(std::string_view text) {
  return {.topic = "t", .value = as_bytes(text)};
}

struct Outcome {
  std::size_t written = 0;
  std::vector<Error> errors;
  void operator()(const Delivery& done) {
    for (std::size_t i = 0; i < done.tags.size(); ++i) {
      if (const Error* error = done.error_of(i)) errors.push_back(*error);
    }
    written += done.errors.empty() ? done.tags.size() : 0;
  }
};

}  // namespace

TEST_CASE("records are batched, numbered and written in order") {
  for (const std::int16_t version : {13, 8, 3}) {
    Log log;
    log.max_produce = version;
    log.start();
    Outcome outcome;
    ProducerConfig config = quick();
    config.batch_size = 200;
    config.linger = 1000ms;
    Producer producer({log.server->address()}, config, std::ref(outcome));
    std::vector<std::string> sent;
    for (int i = 0; i < 100; ++i) sent.push_back("value " + std::to_string(i));
    for (const std::string& text : sent) REQUIRE(producer.send(value(text)).has_value());
    producer.flush();
    CHECK(outcome.written == 100);
    CHECK(log.values() == sent);
    CHECK(log.written.size() > 5);
    CHECK(log.written.size() < 50);
    std::int32_t sequence = 0;
    for (const Written& batch : log.written) {
      CHECK(batch.producer_id == ProducerId(1001));  // the first answer was COORDINATOR_LOAD_IN_PROGRESS
      CHECK(batch.base_sequence == sequence);
      sequence += static_cast<std::int32_t>(batch.values.size());
    }
    CHECK(producer.buffered_bytes() == 0);
  }
}

TEST_CASE("a batch that was refused for a time is written in its place") {
  Log log;
  log.errors = {0, 6};  // NOT_LEADER_OR_FOLLOWER; the batches behind it are out of order then
  log.start();
  Outcome outcome;
  ProducerConfig config = quick();
  config.batch_size = 0;
  Producer producer({log.server->address()}, config, std::ref(outcome));
  std::vector<std::string> sent;
  for (int i = 0; i < 10; ++i) sent.push_back(std::to_string(i));
  for (const std::string& text : sent) REQUIRE(producer.send(value(text)).has_value());
  producer.flush();
  CHECK(outcome.written == 10);
  CHECK(log.values() == sent);
}

TEST_CASE("an error that no retry mends comes with its records") {
  Log log;
  log.errors = {29};
  log.start();
  Outcome outcome;
  Producer producer({log.server->address()}, quick(), std::ref(outcome));
  REQUIRE(producer.send(value("lost")).has_value());
  producer.flush();
  REQUIRE(outcome.errors.size() == 1);
  CHECK(outcome.errors[0].code == ErrorCode::kTopicAuthorizationFailed);
  REQUIRE(producer.send(value("kept")).has_value());
  producer.flush();
  CHECK(log.values() == std::vector<std::string>{"kept"});
}

TEST_CASE("retries end with their number") {
  Log log;
  log.errors = {19, 19, 19, 19};
  log.start();
  Outcome outcome;
  ProducerConfig config = quick();
  config.retries = 2;
  Producer producer({log.server->address()}, config, std::ref(outcome));
  REQUIRE(producer.send(value("lost")).has_value());
  producer.flush();
  REQUIRE(outcome.errors.size() == 1);
  CHECK(outcome.errors[0].code == ErrorCode::kNotEnoughReplicas);
  CHECK(log.errors.size() == 1);
}

TEST_CASE("a batch that the broker finds too large is sent in parts") {
  Log log;
  log.errors = {10, 10};
  log.start();
  Outcome outcome;
  ProducerConfig config = quick();
  config.linger = 1000ms;
  Producer producer({log.server->address()}, config, std::ref(outcome));
  const std::vector<std::string> sent = {"a", "b", "c", "d"};
  for (const std::string& text : sent) REQUIRE(producer.send(value(text)).has_value());
  producer.flush();
  CHECK(outcome.written == 4);
  CHECK(log.values() == sent);
  CHECK(log.written.size() == 3);
}

TEST_CASE("keys choose partitions, and a record beyond max.request.size is refused") {
  Log log;
  log.partitions = 5;
  log.start();
  Outcome outcome;
  Producer producer({log.server->address()}, quick(), std::ref(outcome));
  for (int i = 0; i < 20; ++i) {
    const std::string key = "key " + std::to_string(i);
    REQUIRE(producer.send({.topic = "t", .key = as_bytes(key), .value = as_bytes(key)}).has_value());
  }
  producer.flush();
  CHECK(log.values().size() == 20);
  for (const Written& batch : log.written) {
    for (const std::string& key : batch.values) {
      CHECK(partition_of_key(as_bytes(key), 5) == PartitionIndex(batch.partition));
    }
  }
  const auto refused = producer.send(value(std::string(1 << 20, 'x')));
  CHECK(refused.error().code == ErrorCode::kMessageTooLarge);
}

// What the jobs of this program share: the records they send and expect, and librdkafka's clients with the
// settings given to them. Nothing here is thread-safe; each thread has clients of its own. Errors: a client
// that cannot go on throws std::runtime_error; main() turns it into exit code 1.
#pragma once

#include <librdkafka/rdkafkacpp.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace rdkafka_jobs {

using Settings = std::map<std::string, std::string>;

struct Target {
  std::string bootstrap;
  std::string topic;
  int32_t partitions = 1;
};

// Record `number` of a topic: it goes to partition number % partitions, and everything in it follows from its
// number.
struct Record {
  int64_t number = 0;

  std::string key() const { return "key-" + std::to_string(number); }
  std::string header() const { return "header-" + std::to_string(number * 7); }
  std::string value() const;
  int64_t timestamp_ms() const { return kFirstTimestampMs + number * 10; }
  int32_t partition(const Target& target) const { return static_cast<int32_t>(number % target.partitions); }
  int64_t offset(const Target& target) const { return number / target.partitions; }

  static constexpr int64_t kFirstTimestampMs = 1'700'000'000'000;
};

// The number of the record a message carries, after comparing all of it with that record.
int64_t checked_number(const Target& target, const RdKafka::Message& message);

[[noreturn]] void fail(const std::string& what);
void require(bool condition, const std::string& what);
void require_ok(RdKafka::ErrorCode error, const std::string& what);

std::unique_ptr<RdKafka::Conf> make_conf(const Target& target, const Settings& settings);
std::unique_ptr<RdKafka::Producer> make_producer(RdKafka::Conf& conf);
std::unique_ptr<RdKafka::KafkaConsumer> make_consumer(RdKafka::Conf& conf);

// Creates the topic through the admin API and waits until it is there.
void create_topic(RdKafka::Producer& producer, const Target& target);

// Owns the topic partitions that librdkafka hands out as bare pointers.
class Partitions {
 public:
  Partitions() = default;
  Partitions(const Partitions&) = delete;
  Partitions& operator=(const Partitions&) = delete;
  ~Partitions() { RdKafka::TopicPartition::destroy(list); }

  void add(const std::string& topic, int32_t partition, int64_t offset) {
    list.push_back(RdKafka::TopicPartition::create(topic, partition, offset));
  }

  std::vector<RdKafka::TopicPartition*> list;
};

}  // namespace rdkafka_jobs

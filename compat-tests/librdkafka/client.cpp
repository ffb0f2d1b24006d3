#include "client.hpp"

#include <librdkafka/rdkafka.h>

#include <cstdlib>
#include <stdexcept>

namespace rdkafka_jobs {

std::string Record::value() const {
  // Lengths differ, so that batches end at different places; the text repeats, so that codecs have something
  // to do.
  std::string text = std::to_string(number) + " the messenger of the castle brings a letter ";
  text.append(static_cast<size_t>(number * 31 % 97), static_cast<char>('a' + number % 26));
  return text;
}

void fail(const std::string& what) {
  throw std::runtime_error(what);
}

void require(bool condition, const std::string& what) {
  if (!condition) fail(what);
}

void require_ok(RdKafka::ErrorCode error, const std::string& what) {
  require(error == RdKafka::ERR_NO_ERROR, what + ": " + RdKafka::err2str(error));
}

int64_t checked_number(const Target& target, const RdKafka::Message& message) {
  require_ok(message.err(), "a message");
  const std::string where = message.topic_name() + "-" + std::to_string(message.partition()) + " offset " +
                            std::to_string(message.offset());
  const Record record{message.offset() * target.partitions + message.partition()};
  const std::string value(static_cast<const char*>(message.payload()), message.len());
  require(value == record.value(), where + ": the value is '" + value + "', not '" + record.value() + "'");
  require(message.key() != nullptr && *message.key() == record.key(), where + ": another key");
  require(message.timestamp().timestamp == record.timestamp_ms(), where + ": another timestamp");
  const RdKafka::Headers* headers = const_cast<RdKafka::Message&>(message).headers();
  require(headers != nullptr && headers->size() == 1, where + ": not one header");
  const RdKafka::Headers::Header header = headers->get_last("note");
  require(header.err() == RdKafka::ERR_NO_ERROR, where + ": no header 'note'");
  require(std::string(static_cast<const char*>(header.value()), header.value_size()) == record.header(),
          where + ": another header value");
  return record.number;
}

std::unique_ptr<RdKafka::Conf> make_conf(const Target& target, const Settings& settings) {
  std::unique_ptr<RdKafka::Conf> conf(RdKafka::Conf::create(RdKafka::Conf::CONF_GLOBAL));
  std::string error;
  Settings all = settings;
  all["bootstrap.servers"] = target.bootstrap;
  all["check.crcs"] = "true";
  all["reconnect.backoff.ms"] = "20";
  all["reconnect.backoff.max.ms"] = "200";
  if (const char* debug = std::getenv("BARNABAS_LIBRDKAFKA_DEBUG")) all["debug"] = debug;
  for (const auto& [name, value] : all) {
    require(conf->set(name, value, error) == RdKafka::Conf::CONF_OK, name + ": " + error);
  }
  return conf;
}

std::unique_ptr<RdKafka::Producer> make_producer(RdKafka::Conf& conf) {
  std::string error;
  std::unique_ptr<RdKafka::Producer> producer(RdKafka::Producer::create(&conf, error));
  require(producer != nullptr, "no producer: " + error);
  return producer;
}

std::unique_ptr<RdKafka::KafkaConsumer> make_consumer(RdKafka::Conf& conf) {
  std::string error;
  std::unique_ptr<RdKafka::KafkaConsumer> consumer(RdKafka::KafkaConsumer::create(&conf, error));
  require(consumer != nullptr, "no consumer: " + error);
  return consumer;
}

void create_topic(RdKafka::Producer& producer, const Target& target) {
  char error[256] = "";
  rd_kafka_t* handle = producer.c_ptr();
  rd_kafka_NewTopic_t* topic =
      rd_kafka_NewTopic_new(target.topic.c_str(), target.partitions, 1, error, sizeof error);
  require(topic != nullptr, error);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(handle);
  rd_kafka_CreateTopics(handle, &topic, 1, nullptr, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 30'000);
  rd_kafka_NewTopic_destroy(topic);
  std::string problem = event == nullptr ? "no answer" : "";
  if (event != nullptr && rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    problem = rd_kafka_event_error_string(event);
  } else if (event != nullptr) {
    size_t count = 0;
    const rd_kafka_topic_result_t** results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    if (count != 1) {
      problem = "not one result";
    } else if (const auto refused = rd_kafka_topic_result_error(results[0]);
               refused != RD_KAFKA_RESP_ERR_NO_ERROR && refused != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
      const char* said = rd_kafka_topic_result_error_string(results[0]);
      problem = said != nullptr ? said : rd_kafka_err2str(rd_kafka_topic_result_error(results[0]));
    }
  }
  if (event != nullptr) rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  require(problem.empty(), "creating topic " + target.topic + ": " + problem);
}

}  // namespace rdkafka_jobs

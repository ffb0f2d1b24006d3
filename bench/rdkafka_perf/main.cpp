// rdkafka_perf: a broker's load through librdkafka as applications use it, with its own batching and checks.
//
//   rdkafka_perf produce BOOTSTRAP TOPIC COUNT SIZE [KEY=VALUE ...]   until every record is acknowledged
//   rdkafka_perf consume BOOTSTRAP TOPIC COUNT SIZE [KEY=VALUE ...]   from the beginning
//
// KEY=VALUE are settings of librdkafka. Prints one line of key=value figures, as wirebench does.
#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct Job {
  std::string mode;
  std::string bootstrap;
  std::string topic;
  long count;
  std::size_t size;
  std::vector<std::string> settings;
};

struct Delivered {
  long count = 0;
  long failed = 0;
};

using Client = std::unique_ptr<rd_kafka_t, decltype(&rd_kafka_destroy)>;

void set(rd_kafka_conf_t* conf, const std::string& key, const std::string& value) {
  char error[512];
  if (rd_kafka_conf_set(conf, key.c_str(), value.c_str(), error, sizeof error) != RD_KAFKA_CONF_OK) {
    throw std::invalid_argument(error);
  }
}

rd_kafka_conf_t* settings_of(const Job& job) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  set(conf, "bootstrap.servers", job.bootstrap);
  for (const std::string& setting : job.settings) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos) throw std::invalid_argument("not KEY=VALUE: " + setting);
    set(conf, setting.substr(0, equals), setting.substr(equals + 1));
  }
  return conf;
}

Client start(rd_kafka_type_t type, rd_kafka_conf_t* conf) {
  char error[512];
  Client client(rd_kafka_new(type, conf, error, sizeof error), &rd_kafka_destroy);
  if (!client) throw std::runtime_error(error);
  return client;
}

void count_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto& delivered = *static_cast<Delivered*>(opaque);
  ++(message->err == RD_KAFKA_RESP_ERR_NO_ERROR ? delivered.count : delivered.failed);
}

std::string noise(std::size_t size) {
  std::mt19937 generator(7);
  std::string value(size, ' ');
  for (char& letter : value) letter = static_cast<char>('!' + generator() % 94);
  return value;
}

void produce(const Job& job) {
  Delivered delivered;
  rd_kafka_conf_t* conf = settings_of(job);
  rd_kafka_conf_set_dr_msg_cb(conf, count_delivery);
  rd_kafka_conf_set_opaque(conf, &delivered);
  const Client producer = start(RD_KAFKA_PRODUCER, conf);
  const std::string value = noise(job.size);
  for (long sent = 0; sent < job.count;) {
    const rd_kafka_resp_err_t error =
        rd_kafka_producev(producer.get(), RD_KAFKA_V_TOPIC(job.topic.c_str()),
                          RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      ++sent;
    } else if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      throw std::runtime_error(rd_kafka_err2str(error));
    }
    rd_kafka_poll(producer.get(), error == RD_KAFKA_RESP_ERR__QUEUE_FULL ? 10 : 0);
  }
  rd_kafka_flush(producer.get(), 60'000);
  if (delivered.count != job.count) {
    throw std::runtime_error(fmt::format("{} of {} records were acknowledged", delivered.count, job.count));
  }
}

void consume(const Job& job) {
  const Client consumer = start(RD_KAFKA_CONSUMER, settings_of(job));
  rd_kafka_poll_set_consumer(consumer.get());
  using Partitions =
      std::unique_ptr<rd_kafka_topic_partition_list_t, decltype(&rd_kafka_topic_partition_list_destroy)>;
  const Partitions partitions(rd_kafka_topic_partition_list_new(1), &rd_kafka_topic_partition_list_destroy);
  rd_kafka_topic_partition_list_add(partitions.get(), job.topic.c_str(), 0)->offset =
      RD_KAFKA_OFFSET_BEGINNING;
  rd_kafka_assign(consumer.get(), partitions.get());
  using Message = std::unique_ptr<rd_kafka_message_t, decltype(&rd_kafka_message_destroy)>;
  for (long read = 0; read < job.count;) {
    const Message message(rd_kafka_consumer_poll(consumer.get(), 30'000), &rd_kafka_message_destroy);
    if (!message) throw std::runtime_error(fmt::format("nothing came for 30 s after {} records", read));
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
      throw std::runtime_error(rd_kafka_message_errstr(message.get()));
    if (message->len != job.size) throw std::runtime_error("a record of another size");
    ++read;
  }
  rd_kafka_consumer_close(consumer.get());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 6)
      throw std::invalid_argument("usage: rdkafka_perf produce|consume BOOTSTRAP TOPIC COUNT SIZE");
    const Job job{.mode = argv[1],
                  .bootstrap = argv[2],
                  .topic = argv[3],
                  .count = std::stol(argv[4]),
                  .size = std::stoul(argv[5]),
                  .settings = {argv + 6, argv + argc}};
    if (job.mode != "produce" && job.mode != "consume")
      throw std::invalid_argument("no such mode: " + job.mode);
    const auto begin = std::chrono::steady_clock::now();
    job.mode == "produce" ? produce(job) : consume(job);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const double count = static_cast<double>(job.count);
    fmt::print("mode={} count={} size={} seconds={:.2f} records_s={:.0f} value_mb_s={:.1f}\n", job.mode,
               job.count, job.size, seconds, count / seconds,
               count * static_cast<double>(job.size) / seconds / 1e6);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "rdkafka_perf: {}\n", error.what());
    return 1;
  }
}

// The jobs that send.
#include <poll.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "jobs.hpp"

namespace rdkafka_jobs {
namespace {

// Sends one record, waiting when librdkafka's queue is full. A timestamp of 0 is the present.
void send(RdKafka::Producer& producer, const Target& target, const Record& record, int64_t timestamp_ms) {
  const std::string key = record.key();
  std::string value = record.value();
  for (;;) {
    std::unique_ptr<RdKafka::Headers> headers(RdKafka::Headers::create());
    headers->add("note", record.header());
    const RdKafka::ErrorCode error = producer.produce(
        target.topic, record.partition(target), RdKafka::Producer::RK_MSG_COPY, value.data(), value.size(),
        key.data(), key.size(), timestamp_ms, headers.get(), reinterpret_cast<void*>(record.number + 1));
    if (error == RdKafka::ERR_NO_ERROR) {
      headers.release();  // The message owns them now.
      return;
    }
    require(error == RdKafka::ERR__QUEUE_FULL, "produce: " + RdKafka::err2str(error));
    producer.poll(50);
  }
}

class CheckEachOffset : public RdKafka::DeliveryReportCb {
 public:
  explicit CheckEachOffset(const Target& target) : target_(target) {}

  void dr_cb(RdKafka::Message& message) override {
    const Record record{reinterpret_cast<int64_t>(message.msg_opaque()) - 1};
    if (message.err() != RdKafka::ERR_NO_ERROR) {
      problem_ = "record " + std::to_string(record.number) + ": " + message.errstr();
    } else if (message.partition() != record.partition(target_) ||
               message.offset() != record.offset(target_)) {
      problem_ = "record " + std::to_string(record.number) + " is at " + std::to_string(message.partition()) +
                 ":" + std::to_string(message.offset());
    }
    ++reports_;
  }

  int64_t reports() const { return reports_; }
  const std::string& problem() const { return problem_; }

 private:
  const Target& target_;
  int64_t reports_ = 0;
  std::string problem_;
};

class WriteEachAcknowledgement : public RdKafka::DeliveryReportCb {
 public:
  explicit WriteEachAcknowledgement(const std::string& path) : file_(std::fopen(path.c_str(), "w")) {
    require(file_ != nullptr, "cannot write " + path);
  }
  WriteEachAcknowledgement(const WriteEachAcknowledgement&) = delete;
  WriteEachAcknowledgement& operator=(const WriteEachAcknowledgement&) = delete;
  ~WriteEachAcknowledgement() override { std::fclose(file_); }

  void dr_cb(RdKafka::Message& message) override {
    if (message.err() != RdKafka::ERR_NO_ERROR) {
      if (problem_.empty()) problem_ = message.errstr();
      return;
    }
    // A repeat that the broker recognised after it had forgotten where the first one went has no offset.
    const int64_t offset = message.offset() >= 0 ? message.offset() : -1;
    std::fprintf(file_, "%d %lld %.*s\n", message.partition(), static_cast<long long>(offset),
                 static_cast<int>(message.len()), static_cast<const char*>(message.payload()));
    std::fflush(file_);
    ++count_;
  }

  int64_t count() const { return count_; }
  const std::string& problem() const { return problem_; }

 private:
  std::FILE* file_;
  int64_t count_ = 0;
  std::string problem_;
};

bool standard_input_spoke() {
  pollfd waiting{0, POLLIN, 0};
  return ::poll(&waiting, 1, 0) > 0;
}

}  // namespace

void produce(const Target& target, int64_t count, const std::string& codec) {
  CheckEachOffset report(target);
  const Settings settings = {
      {"enable.idempotence", "true"}, {"compression.codec", codec}, {"linger.ms", "2"}};
  const auto conf = make_conf(target, settings);
  std::string error;
  conf->set("dr_cb", &report, error);
  const auto producer = make_producer(*conf);
  create_topic(*producer, target);
  for (int64_t number = 0; number < count; ++number)
    send(*producer, target, Record{number}, Record{number}.timestamp_ms());
  require_ok(producer->flush(60'000), "flush");
  require(report.problem().empty(), report.problem());
  require(report.reports() == count, std::to_string(report.reports()) + " delivery reports");
}

void load(const Target& target, const std::string& acknowledged_file, int64_t records_a_second) {
  WriteEachAcknowledgement report(acknowledged_file);
  // Small batches in flight at any time: what a crash can tear is the point, not the throughput.
  const Settings settings = {{"enable.idempotence", "true"}, {"linger.ms", "1"},
                             {"batch.num.messages", "40"},   {"queue.buffering.max.messages", "400"},
                             {"retry.backoff.ms", "20"},     {"message.timeout.ms", "120000"}};
  const auto conf = make_conf(target, settings);
  std::string error;
  conf->set("dr_cb", &report, error);
  const auto producer = make_producer(*conf);
  create_topic(*producer, target);
  std::printf("started\n");
  std::fflush(stdout);
  for (int64_t number = 0; report.problem().empty() && !standard_input_spoke(); ++number) {
    // Brokers forget a producer whose last record is older than producer.id.expiration.ms, and with it what
    // it has sent already.
    send(*producer, target, Record{number}, 0);
    producer->poll(0);
    if (number % 20 == 0)
      std::this_thread::sleep_for(std::chrono::microseconds(20'000'000 / records_a_second));
  }
  require_ok(producer->flush(120'000), "flush");
  require(report.problem().empty(), "a record failed: " + report.problem());
  std::printf("%lld acknowledged\n", static_cast<long long>(report.count()));
}

}  // namespace rdkafka_jobs

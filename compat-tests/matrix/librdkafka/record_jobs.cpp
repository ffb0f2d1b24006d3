// The jobs that send and read without a group.
#include <string>

#include "client.hpp"
#include "jobs.hpp"
#include "lines.hpp"

namespace rdkafka_matrix {
namespace {

using namespace rdkafka_jobs;

constexpr const char* kMaxBytes = "12582912";

// Remembers where each record went, by the number that is its opaque pointer less one.
class Deliveries : public RdKafka::DeliveryReportCb {
 public:
  explicit Deliveries(std::size_t count) : places_(count) {}

  void dr_cb(RdKafka::Message& message) override {
    if (message.err() != RdKafka::ERR_NO_ERROR) problem_ = message.errstr();
    const auto number = reinterpret_cast<std::uintptr_t>(message.msg_opaque()) - 1;
    places_.at(number) = {{"partition", message.partition()}, {"offset", message.offset()}};
  }

  void say_all() const {
    require(problem_.empty(), problem_);
    for (const boost::json::value& place : places_) say(place);
  }

 private:
  std::vector<boost::json::value> places_;
  std::string problem_;
};

void send(RdKafka::Producer& producer, const std::string& topic, InputRecord& record, std::size_t number) {
  const auto pointer = [](Bytes& bytes) { return bytes ? bytes->data() : nullptr; };
  const auto size = [](const Bytes& bytes) { return bytes ? bytes->size() : 0; };
  std::unique_ptr<RdKafka::Headers> headers(RdKafka::Headers::create());
  for (auto& [name, value] : record.headers) headers->add(name, pointer(value), size(value));
  RdKafka::ErrorCode error = RdKafka::ERR__QUEUE_FULL;
  while (error == RdKafka::ERR__QUEUE_FULL) {
    error = producer.produce(topic, record.partition, RdKafka::Producer::RK_MSG_COPY, pointer(record.value),
                             size(record.value), pointer(record.key), size(record.key), record.timestamp_ms,
                             headers.get(), reinterpret_cast<void*>(number + 1));
    if (error == RdKafka::ERR__QUEUE_FULL) producer.poll(50);
  }
  require_ok(error, "produce");
  headers.release();  // The message owns them now.
}

}  // namespace

void describe() {
  say({{"client", "librdkafka"},
       {"version", RdKafka::version_str()},
       {"codecs", {"none", "gzip", "snappy", "lz4", "zstd"}},
       {"features",
        {"create", "produce", "consume", "headers", "timestamps", "group", "seek", "admin", "idempotence"}}});
}

void create(const std::string& bootstrap, const std::string& topic, std::int32_t partitions) {
  const Target target{bootstrap, topic, partitions};
  const auto conf = make_conf(target, {});
  create_topic(*make_producer(*conf), target);
}

void produce(const std::string& bootstrap, const std::string& topic, const std::string& codec,
             const std::string& file) {
  std::vector<InputRecord> records = read_records(file);
  Deliveries deliveries(records.size());
  const auto conf = make_conf(
      {bootstrap, topic},
      {{"enable.idempotence", "true"}, {"compression.codec", codec}, {"message.max.bytes", kMaxBytes}});
  std::string error;
  conf->set("dr_cb", &deliveries, error);
  const auto producer = make_producer(*conf);
  for (std::size_t number = 0; number < records.size(); ++number)
    send(*producer, topic, records[number], number);
  require_ok(producer->flush(60'000), "flush");
  deliveries.say_all();
}

void consume(const std::string& bootstrap, const Place& place, std::int64_t from, std::int64_t count) {
  const auto conf = make_conf(
      {bootstrap, place.topic},
      {{"group.id", "unused"}, {"enable.auto.commit", "false"}, {"fetch.message.max.bytes", kMaxBytes}});
  const auto consumer = make_consumer(*conf);
  Partitions assigned;
  assigned.add(place.topic, place.partition, from);
  require_ok(consumer->assign(assigned.list), "assign");
  while (count > 0) {
    const std::unique_ptr<RdKafka::Message> message(consumer->consume(1000));
    if (message->err() == RdKafka::ERR__TIMED_OUT) continue;
    say(*message);
    --count;
  }
  consumer->close();
}

void seek(const std::string& bootstrap, const Place& place, std::int64_t timestamp_ms) {
  const auto conf = make_conf({bootstrap, place.topic}, {});
  Partitions asked;
  asked.add(place.topic, place.partition, timestamp_ms);
  require_ok(make_producer(*conf)->offsetsForTimes(asked.list, 30'000), "offsets for times");
  require_ok(asked.list[0]->err(), "the offset for a time");
  if (asked.list[0]->offset() < 0) {  // The end: no record is that late.
    say({{"none", true}});
  } else {
    consume(bootstrap, place, asked.list[0]->offset(), 1);
  }
}

}  // namespace rdkafka_matrix

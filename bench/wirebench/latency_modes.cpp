// The modes that wait for one record at a time: latency and e2e.
#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "bench/wirebench/connection.hpp"
#include "bench/wirebench/figures.hpp"
#include "bench/wirebench/load.hpp"
#include "bench/wirebench/modes.hpp"
#include "bench/wirebench/requests.hpp"

namespace barnabas::wirebench {
namespace {

Bytes one_record_body(const Options& options) {
  return produce_body(options.topic, 0, options.acks, record_batch(1, options.size, options.codec));
}

void print_latencies(const Options& options, std::vector<double> microseconds) {
  fmt::print("mode={} acks={} size={} {}\n", options.mode, options.acks, options.size,
             percentiles(std::move(microseconds)));
}

}  // namespace

int run_latency(const Options& options) {
  const Bytes body = one_record_body(options);
  wait_until_writable(options.address, body);
  Connection connection(options.address);
  std::vector<double> microseconds;
  const auto begin = MonotonicClock::now();
  while (seconds_since(begin) < options.seconds) {
    const auto sent = MonotonicClock::now();
    check_produced(connection.call(kProduceKey, body));
    microseconds.push_back(seconds_since(sent) * 1e6);
  }
  print_latencies(options, std::move(microseconds));
  return 0;
}

int run_end_to_end(const Options& options) {
  const Bytes produce = one_record_body(options);
  wait_until_writable(options.address, produce);
  Connection producer(options.address);
  Connection consumer(options.address);
  FetchFrom from{.partition = 0, .offset = 0, .max_wait_ms = 5000, .max_bytes = 1 << 20};
  from.offset = latest_offset(producer.call(kListOffsetsKey, latest_offset_body(options.topic)));
  const Bytes produce_frame = frame(kProduceKey, 1, produce);
  std::vector<double> microseconds;
  const auto begin = MonotonicClock::now();
  while (seconds_since(begin) < options.seconds) {
    consumer.send(frame(kFetchKey, 1, fetch_body(options.topic, from)));
    // Long enough that the fetch waits in the broker when the record comes.
    std::this_thread::sleep_for(std::chrono::microseconds(300));
    const auto sent = MonotonicClock::now();
    producer.send(produce_frame);
    const Fetched fetched = check_fetched(consumer.receive(), from.offset);
    microseconds.push_back(seconds_since(sent) * 1e6);
    from.offset = fetched.next_offset;
    check_produced(producer.receive());
  }
  print_latencies(options, std::move(microseconds));
  return 0;
}

}  // namespace barnabas::wirebench

// The modes that wait for one record at a time: latency, contended and e2e.
#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <exception>
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

/// Microseconds from each request to its answer, one after the other.
std::vector<double> latencies_of(Connection& connection, ByteView body, double seconds) {
  std::vector<double> microseconds;
  const auto begin = MonotonicClock::now();
  while (seconds_since(begin) < seconds) {
    const auto sent = MonotonicClock::now();
    check_produced(connection.call(kProduceKey, body));
    microseconds.push_back(seconds_since(sent) * 1e6);
  }
  return microseconds;
}

/// The thread that takes the time goes before the one that makes the load: both have one core, and what waits
/// in the client is no latency of the broker. Without the right to do so it goes on as it is.
bool go_before_others() {
  const sched_param first{.sched_priority = 1};
  return pthread_setschedparam(pthread_self(), SCHED_FIFO, &first) == 0;
}

/// Batches to `partition`, `depth` in flight, until told to stop.
void saturate(const Options& options, int partition, const std::atomic<bool>& stop, std::atomic<long>& sent) {
  const Bytes batch = record_batch(options.records, 1000, options.codec);
  const Bytes body = produce_body(options.topic, partition, 1, batch);
  wait_until_writable(options.address, body);
  const Bytes whole = frame(kProduceKey, 1, body);
  Connection connection(options.address);
  for (int in_flight = 0; !stop || in_flight > 0;) {
    for (; !stop && in_flight < options.depth; ++in_flight) connection.send(whole);
    if (in_flight == 0) return;
    check_produced(connection.receive());
    --in_flight;
    sent += static_cast<long>(batch.size());
  }
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
  print_latencies(options, latencies_of(connection, body, options.seconds));
  return 0;
}

int run_contended(const Options& options) {
  const Bytes body = one_record_body(options);
  wait_until_writable(options.address, body);
  std::atomic<bool> stop = false;
  std::atomic<long> sent = 0;
  std::exception_ptr failed;
  std::jthread load([&] {
    try {
      saturate(options, 1, stop, sent);
    } catch (const std::exception&) {
      failed = std::current_exception();
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // until the load has its pace
  const bool first = go_before_others();
  Connection connection(options.address);
  const auto begin = MonotonicClock::now();
  const long before = sent;
  std::vector<double> microseconds = latencies_of(connection, body, options.seconds);
  const double load_mb_s = static_cast<double>(sent - before) / seconds_since(begin) / 1e6;
  stop = true;
  load.join();
  if (failed) std::rethrow_exception(failed);
  fmt::print("mode=contended acks={} size={} first={} load_mb_s={:.1f} {}\n", options.acks, options.size,
             first ? 1 : 0, load_mb_s, percentiles(std::move(microseconds)));
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

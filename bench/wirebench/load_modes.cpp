// The modes that load a broker: produce and fetch.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "bench/wirebench/connection.hpp"
#include "bench/wirebench/figures.hpp"
#include "bench/wirebench/load.hpp"
#include "bench/wirebench/modes.hpp"
#include "bench/wirebench/requests.hpp"

namespace barnabas::wirebench {
namespace {

struct Progress {
  std::atomic<long> requests = 0;
  std::atomic<long> bytes = 0;
  std::atomic<bool> stop = false;
  std::atomic<int> failed = 0;
};

/// Runs work(connection number) in a thread for each connection; counts those that throw.
std::vector<std::jthread> run_connections(int count, Progress& progress,
                                          const std::function<void(int)>& work) {
  std::vector<std::jthread> threads;
  for (int number = 0; number < count; ++number) {
    threads.emplace_back([&progress, work, number] {
      try {
        work(number);
      } catch (const std::exception& error) {
        fmt::print(stderr, "{}\n", error.what());
        ++progress.failed;
      }
    });
  }
  return threads;
}

void produce_on_connection(const Options& options, ByteView frame, Progress& progress) {
  Connection connection(options.address);
  int in_flight = 0;
  long sent = 0;
  const auto wants_more = [&] { return !progress.stop && (options.batches == 0 || sent < options.batches); };
  for (;;) {
    while (in_flight < options.depth && wants_more()) {
      connection.send(frame);
      ++in_flight;
      ++sent;
    }
    if (in_flight == 0) return;
    check_produced(connection.receive());
    --in_flight;
    ++progress.requests;
  }
}

void fetch_on_connection(const Options& options, int number, Progress& progress) {
  Connection connection(options.address);
  FetchFrom from{
      .partition = number % options.partitions, .offset = 0, .max_wait_ms = 500, .max_bytes = options.bytes};
  while (!progress.stop) {
    const Bytes body = fetch_body(options.topic, from);
    const Fetched fetched = check_fetched(connection.call(kFetchKey, body), from.offset);
    if (fetched.bytes == 0) throw std::runtime_error("nothing to fetch");
    progress.bytes += fetched.bytes;
    ++progress.requests;
    from.offset = fetched.next_offset >= fetched.high_watermark ? 0 : fetched.next_offset;
  }
}

void print_broker_usage(const Measurement::Used& used, double wire_bytes, double requests) {
  fmt::print(" cpu_s={:.2f} cpu_s_per_gb={:.3f} cpu_us_per_request={:.2f} rss_mb={:.1f}", used.cpu_seconds,
             used.cpu_seconds / (wire_bytes / 1e9), used.cpu_seconds * 1e6 / requests, used.resident_mb);
}

}  // namespace

void wait_until_writable(const std::string& address, ByteView produce_body) {
  constexpr int kAttempts = 100;
  for (int attempt = 1;; ++attempt) {
    try {
      Connection connection(address);
      check_produced(connection.call(kProduceKey, produce_body));
      return;
    } catch (const std::exception&) {
      if (attempt == kAttempts) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
}

int run_produce(const Options& options) {
  const Bytes batch = record_batch(options.records, options.size, options.codec);
  std::vector<Bytes> frames;
  for (int partition = 0; partition < std::min(options.connections, options.partitions); ++partition) {
    const Bytes body = produce_body(options.topic, partition, options.acks, batch);
    wait_until_writable(options.address, body);
    frames.push_back(frame(kProduceKey, 1, body));
  }
  Progress progress;
  const Measurement measurement(options.pid);
  auto threads = run_connections(options.connections, progress, [&](int number) {
    produce_on_connection(options, frames[static_cast<std::size_t>(number) % frames.size()], progress);
  });
  if (options.batches == 0) {
    std::this_thread::sleep_for(std::chrono::duration<double>(options.seconds));
    progress.stop = true;
  }
  threads.clear();
  const Measurement::Used used = measurement.used();
  const auto requests = static_cast<double>(progress.requests);
  const double records = requests * options.records;
  const double wire_bytes = requests * static_cast<double>(batch.size());
  fmt::print(
      "mode=produce codec={} records={} size={} connections={} acks={} depth={} seconds={:.2f} "
      "records_s={:.0f} value_mb_s={:.1f} wire_mb_s={:.1f} requests_s={:.0f}",
      options.codec, options.records, options.size, options.connections, options.acks, options.depth,
      used.seconds, records / used.seconds, records * options.size / used.seconds / 1e6,
      wire_bytes / used.seconds / 1e6, requests / used.seconds);
  if (measurement.has_process()) print_broker_usage(used, wire_bytes, requests);
  fmt::print("\n");
  return progress.failed == 0 ? 0 : 1;
}

int run_fetch(const Options& options) {
  Progress progress;
  const Measurement measurement(options.pid);
  auto threads = run_connections(options.connections, progress,
                                 [&](int number) { fetch_on_connection(options, number, progress); });
  std::this_thread::sleep_for(std::chrono::duration<double>(options.seconds));
  progress.stop = true;
  threads.clear();
  const Measurement::Used used = measurement.used();
  const auto requests = static_cast<double>(progress.requests);
  const auto bytes = static_cast<double>(progress.bytes);
  fmt::print("mode=fetch bytes={} connections={} seconds={:.2f} wire_mb_s={:.1f} requests_s={:.0f}",
             options.bytes, options.connections, used.seconds, bytes / used.seconds / 1e6,
             requests / used.seconds);
  if (measurement.has_process()) print_broker_usage(used, bytes, requests);
  fmt::print("\n");
  return progress.failed == 0 ? 0 : 1;
}

}  // namespace barnabas::wirebench

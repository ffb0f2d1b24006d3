// The modes that fill topics for a measurement to come: segments and keyed.
#include <fmt/format.h>

#include <string>

#include "bench/wirebench/connection.hpp"
#include "bench/wirebench/figures.hpp"
#include "bench/wirebench/load.hpp"
#include "bench/wirebench/modes.hpp"
#include "bench/wirebench/requests.hpp"
#include "protocol/record_batch_builder.hpp"

namespace barnabas::wirebench {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

/// Keeps up to `depth` produce requests in flight.
class Pipeline {
 public:
  explicit Pipeline(const Options& options) : connection_(options.address), depth_(options.depth) {}

  void send(ByteView body) {
    if (in_flight_ == depth_) take_answer();
    connection_.send(frame(kProduceKey, 1, body));
    ++in_flight_;
  }
  void drain() {
    while (in_flight_ > 0) take_answer();
  }

 private:
  void take_answer() {
    check_produced(connection_.receive());
    --in_flight_;
  }

  Connection connection_;
  int depth_;
  int in_flight_ = 0;
};

Bytes one_record_at(std::int64_t timestamp, const Bytes& value) {
  protocol::RecordBatchBuilder builder({});
  protocol::RecordInput input;
  input.timestamp = timestamp;
  input.value = value;
  builder.append(input);
  return builder.build();
}

/// The keys of a log to be compacted: every one of `count` once, in a mixed order, then again.
class MixedKeys {
 public:
  explicit MixedKeys(int count) : count_(static_cast<std::uint64_t>(count)) {}

  std::string next() { return fmt::format("key-{:010}", next_++ % count_ * kStride % count_); }

 private:
  static constexpr std::uint64_t kStride = 2'654'435'761;  // a prime: no key is left out
  std::uint64_t count_;
  std::uint64_t next_ = 0;
};

}  // namespace

int run_segments(const Options& options) {
  const Bytes value = half_noise(options.size, 1);
  const std::int64_t now = wall_clock_ms();
  const Bytes batches[] = {one_record_at(now - kHourMs, value), one_record_at(now, value)};
  const Measurement measurement(options.pid);
  for (const std::string& topic : topics_of(options)) {
    for (int partition = 0; partition < options.partitions; ++partition) {
      wait_until_writable(options.address, produce_body(topic, partition, options.acks, batches[0]));
    }
    Pipeline pipeline(options);
    for (int partition = 0; partition < options.partitions; ++partition) {
      pipeline.send(produce_body(topic, partition, options.acks, batches[1]));
    }
    pipeline.drain();
  }
  const Measurement::Used used = measurement.used();
  fmt::print("mode=segments topics={} partitions={} seconds={:.2f} cpu_s={:.2f} rss_mb={:.1f}\n",
             options.count, options.partitions, used.seconds, used.cpu_seconds, used.resident_mb);
  return 0;
}

int run_keyed(const Options& options) {
  const Bytes value = half_noise(options.size, 1);
  MixedKeys keys(options.keys);
  Pipeline pipeline(options);
  std::size_t wire_bytes = 0;
  const Measurement measurement(options.pid);
  for (long number = 0; number < options.batches; ++number) {
    const std::int64_t now = wall_clock_ms();
    protocol::RecordBatchBuilder builder({});
    for (int record = 0; record < options.records; ++record) {
      const std::string key = keys.next();
      protocol::RecordInput input;
      input.timestamp = now;
      input.key = ByteView(reinterpret_cast<const std::uint8_t*>(key.data()), key.size());
      input.value = value;
      builder.append(input);
    }
    const Bytes batch = builder.build();
    wire_bytes += batch.size();
    pipeline.send(produce_body(options.topic, 0, options.acks, batch));
  }
  pipeline.drain();
  const Measurement::Used used = measurement.used();
  fmt::print("mode=keyed batches={} records={} keys={} wire_mb={:.1f} seconds={:.2f}\n", options.batches,
             options.records, options.keys, static_cast<double>(wire_bytes) / 1e6, used.seconds);
  return 0;
}

}  // namespace barnabas::wirebench

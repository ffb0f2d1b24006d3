// The parts of a produce that cost processor time: checksum, decoding the request, validating the records.
// The argument is the number of records of 1 kB in the batch.
#include <benchmark/benchmark.h>

#include "base/crc32c.hpp"
#include "protocol/messages/api_produce.hpp"
#include "protocol/reader.hpp"
#include "protocol/record_batch.hpp"
#include "protocol/record_batch_builder.hpp"
#include "protocol/records.hpp"
#include "protocol/writer.hpp"

namespace barnabas::bench {
namespace {

constexpr std::int64_t kTimestamp = 1'700'000'000'000;
constexpr std::int16_t kVersion = 9;

Bytes batch_of(std::int64_t count, protocol::Codec codec = protocol::Codec::kNone) {
  protocol::BatchOptions options;
  options.codec = codec;
  protocol::RecordBatchBuilder builder(options);
  Bytes value(1000);
  for (std::size_t at = 0; at < value.size(); ++at) value[at] = static_cast<std::uint8_t>('a' + at % 23);
  for (std::int64_t record = 0; record < count; ++record) {
    protocol::RecordInput input;
    input.timestamp = kTimestamp;
    input.value = value;
    builder.append(input);
  }
  return builder.build();
}

void count_bytes(benchmark::State& state, const Bytes& bytes) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}

void checksum(benchmark::State& state) {
  const Bytes bytes(static_cast<std::size_t>(state.range(0)) * 1000, 7);
  for (auto _ : state) benchmark::DoNotOptimize(crc32c(bytes));
  count_bytes(state, bytes);
}
BENCHMARK(checksum)->Arg(1)->Arg(100);

void validate(benchmark::State& state, protocol::Codec codec) {
  const Bytes bytes = batch_of(state.range(0), codec);
  const protocol::RecordBatchView batch(bytes);
  protocol::RecordScratch scratch;
  const protocol::RecordRules rules;
  for (auto _ : state)
    benchmark::DoNotOptimize(protocol::validate_records(batch, rules, scratch).has_value());
  count_bytes(state, bytes);
}
BENCHMARK_CAPTURE(validate, none, protocol::Codec::kNone)->Arg(1)->Arg(100);
BENCHMARK_CAPTURE(validate, lz4, protocol::Codec::kLz4)->Arg(1)->Arg(100);
BENCHMARK_CAPTURE(validate, zstd, protocol::Codec::kZstd)->Arg(1)->Arg(100);

void decode_request(benchmark::State& state) {
  const Bytes records = batch_of(state.range(0));
  protocol::ProduceRequest request;
  request.acks = 1;
  request.timeout_ms = 30000;
  auto& topic = request.topic_data.emplace_back();
  topic.name = "bench";
  topic.partition_data.emplace_back().records = protocol::Records{.bytes = records};
  protocol::Writer writer;
  request.write(writer, kVersion);
  const Bytes bytes = writer.take();
  for (auto _ : state) {
    protocol::Reader reader(bytes);
    protocol::ProduceRequest decoded;
    decoded.read(reader, kVersion);
    benchmark::DoNotOptimize(decoded);
  }
}
BENCHMARK(decode_request)->Arg(1)->Arg(100);

void encode_response(benchmark::State& state) {
  protocol::ProduceResponse response;
  auto& topic = response.responses.emplace_back();
  topic.name = "bench";
  topic.partition_responses.emplace_back();
  for (auto _ : state) {
    protocol::Writer writer;
    response.write(writer, kVersion);
    benchmark::DoNotOptimize(writer.buffer().data());
  }
}
BENCHMARK(encode_response);

}  // namespace
}  // namespace barnabas::bench

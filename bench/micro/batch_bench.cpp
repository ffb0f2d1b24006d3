// Checksum, finding a batch in what a producer sent, and validating its records, for each codec.
// The argument is the number of records of 1 kB in the batch; bytes a second are of the batch as it travels.
#include "base/crc32c.hpp"
#include "bench/micro/micro_batches.hpp"
#include "protocol/record_batch.hpp"
#include "protocol/records.hpp"

namespace barnabas::bench {
namespace {

void checksum(benchmark::State& state) {
  const Bytes bytes = half_noise(static_cast<std::size_t>(state.range(0)), 1);
  for (auto _ : state) benchmark::DoNotOptimize(crc32c(bytes));
  count_bytes(state, bytes.size());
}
BENCHMARK(checksum)->Arg(100)->Arg(1000)->Arg(100'000);

/// Its prefix and sizes, without the checksum.
void parse_batch(benchmark::State& state) {
  const Bytes bytes = batch_of(state.range(0));
  for (auto _ : state) {
    protocol::BatchCursor cursor(bytes, protocol::BatchCursor::Tail::kWhole);
    const auto entry = cursor.next();
    benchmark::DoNotOptimize(entry.value()->batch().last_offset());
  }
}
BENCHMARK(parse_batch)->Arg(1)->Arg(100);

void check_crc(benchmark::State& state) {
  const Bytes bytes = batch_of(state.range(0));
  const protocol::RecordBatchView batch(bytes);
  for (auto _ : state) benchmark::DoNotOptimize(batch.crc_matches());
  count_bytes(state, bytes.size());
}
BENCHMARK(check_crc)->Arg(1)->Arg(100);

void validate_records(benchmark::State& state, protocol::Codec codec) {
  const Bytes bytes = batch_of(state.range(0), codec);
  const protocol::RecordBatchView batch(bytes);
  protocol::RecordScratch scratch;
  const protocol::RecordRules rules;
  for (auto _ : state) {
    benchmark::DoNotOptimize(protocol::validate_records(batch, rules, scratch).has_value());
  }
  count_bytes(state, bytes.size());
}
BENCHMARK_CAPTURE(validate_records, none, protocol::Codec::kNone)->Arg(1)->Arg(100);
BENCHMARK_CAPTURE(validate_records, gzip, protocol::Codec::kGzip)->Arg(1)->Arg(100);
BENCHMARK_CAPTURE(validate_records, snappy, protocol::Codec::kSnappy)->Arg(1)->Arg(100);
BENCHMARK_CAPTURE(validate_records, lz4, protocol::Codec::kLz4)->Arg(1)->Arg(100);
BENCHMARK_CAPTURE(validate_records, zstd, protocol::Codec::kZstd)->Arg(1)->Arg(100);

}  // namespace
}  // namespace barnabas::bench

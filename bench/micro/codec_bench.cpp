// Each codec alone: 100 records of 1 kB, compressed at the standard level and decompressed again.
// Bytes a second are of what is not compressed.
#include <stdexcept>

#include "bench/micro/micro_batches.hpp"
#include "protocol/compression.hpp"
#include "protocol/record_batch.hpp"

namespace barnabas::bench {
namespace {

Bytes records() {
  const Bytes batch = batch_of(100);
  const ByteView payload = protocol::RecordBatchView(batch).payload();
  return {payload.begin(), payload.end()};
}

void compress(benchmark::State& state, protocol::Codec codec) {
  const Bytes input = records();
  protocol::Compressor compressor;
  Bytes output;
  for (auto _ : state) {
    output.clear();
    compressor.compress(codec, protocol::kStandardLevel, input, output);
    benchmark::DoNotOptimize(output.data());
  }
  count_bytes(state, input.size());
  state.counters["ratio"] = static_cast<double>(output.size()) / static_cast<double>(input.size());
}

void decompress(benchmark::State& state, protocol::Codec codec) {
  const Bytes input = records();
  Bytes compressed;
  protocol::Compressor().compress(codec, protocol::kStandardLevel, input, compressed);
  protocol::Decompressor decompressor;
  Bytes output;
  for (auto _ : state) {
    output.clear();
    if (!decompressor.decompress(codec, compressed, input.size(), output)) {
      throw std::logic_error("what was compressed does not decompress");
    }
    benchmark::DoNotOptimize(output.data());
  }
  count_bytes(state, input.size());
}

BENCHMARK_CAPTURE(compress, gzip, protocol::Codec::kGzip);
BENCHMARK_CAPTURE(compress, snappy, protocol::Codec::kSnappy);
BENCHMARK_CAPTURE(compress, lz4, protocol::Codec::kLz4);
BENCHMARK_CAPTURE(compress, zstd, protocol::Codec::kZstd);
BENCHMARK_CAPTURE(decompress, gzip, protocol::Codec::kGzip);
BENCHMARK_CAPTURE(decompress, snappy, protocol::Codec::kSnappy);
BENCHMARK_CAPTURE(decompress, lz4, protocol::Codec::kLz4);
BENCHMARK_CAPTURE(decompress, zstd, protocol::Codec::kZstd);

}  // namespace
}  // namespace barnabas::bench

// What the microbenchmarks work on: batches of records of 1 kB, half text and half noise.
//
// Thread safety: pure functions.
#pragma once

#include <benchmark/benchmark.h>

#include <random>

#include "protocol/record_batch_builder.hpp"

namespace barnabas::bench {

inline constexpr std::int64_t kTimestamp = 1'700'000'000'000;
inline constexpr std::size_t kValueBytes = 1000;

inline Bytes half_noise(std::size_t size, unsigned seed) {
  std::mt19937 noise(seed);
  Bytes value(size);
  for (std::size_t at = 0; at < size; ++at) {
    value[at] = static_cast<std::uint8_t>((at / 16) % 2 != 0 ? noise() : 'a' + at % 16);
  }
  return value;
}

inline Bytes batch_of(std::int64_t count, protocol::Codec codec = protocol::Codec::kNone) {
  protocol::BatchOptions options;
  options.codec = codec;
  protocol::RecordBatchBuilder builder(options);
  for (std::int64_t record = 0; record < count; ++record) {
    const Bytes value = half_noise(kValueBytes, static_cast<unsigned>(record));
    protocol::RecordInput input;
    input.timestamp = kTimestamp;
    input.value = value;
    builder.append(input);
  }
  return builder.build();
}

/// So that the result says bytes a second.
inline void count_bytes(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}

}  // namespace barnabas::bench

// What a fetch older than version 4 is given: message sets of magic 0 or 1, made from the log's batches.
//
// Pure but for reading the file ranges. Thread safety: scratch memory is one a thread. Memory: the fetched
// bytes and the converted ones, at most kMaxConvertedBytes of a partition (or its first batch). Errors:
// UNSUPPORTED_COMPRESSION_TYPE for zstd, KAFKA_STORAGE_ERROR. Source: measured on Kafka 3.9.1.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "log/partition_log.hpp"

namespace barnabas::broker {

inline constexpr std::int16_t kFirstFetchOfBatches = 4;
/// Older fetches have no limit for the whole, and their limit of a partition holds for its first batch too:
/// one that does not fit is not given, and not an error either.
inline constexpr std::int16_t kFirstFetchWithWholeBatches = 3;
inline constexpr std::int32_t kMaxConvertedBytes = 16 * 1024 * 1024;

/// The fetched ranges as message sets of the magic that a fetch of `version` reads.
Result<Bytes> convert_for_old_fetch(std::span<const log::FileSlice> slices, std::uint64_t size_bytes,
                                    Offset from, std::int16_t version);

}  // namespace barnabas::broker

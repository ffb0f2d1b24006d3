// Append validation: whether a producer's batch may enter the log, and the bytes that enter.
//
// Pure but for the bytes that it patches in place. Thread safety: scratch memory is one a thread.
// The checks, their order and the errors are those of Apache Kafka's produce: the request's shape
// (INVALID_RECORD, UNSUPPORTED_COMPRESSION_TYPE), size (MESSAGE_TOO_LARGE), CRC (CORRUPT_MESSAGE), the header
// (INVALID_RECORD), each record (INVALID_RECORD, INVALID_TIMESTAMP with the records named), bytes that do not
// decompress (UNKNOWN_SERVER_ERROR). Offset deltas that do not run 0, 1, 2, ... are stored as they are in an
// uncompressed batch, put right where the batch is written anew for the topic's codec, and
// UNKNOWN_SERVER_ERROR in a compressed batch. Source: KIP-32, KIP-467; measured on Kafka 4.3.1.
#pragma once

#include "log/partition_log.hpp"
#include "protocol/record_batch.hpp"

namespace barnabas::log {

struct AppendContext {
  const TopicPartition& topic_partition;
  const LogConfig& config;
  std::int64_t now_ms;
  std::int16_t produce_version;
};

/// The one batch of a produce, ready but for its base offset and leader epoch. Empty when a request of
/// message sets brings no whole message, which is no error (measured on Kafka 3.9.1).
struct ValidatedBatch {
  MutableByteView bytes;  // the producer's own, or `converted`
  Bytes converted;        // holds the batch where it had to be written anew
};

std::expected<ValidatedBatch, AppendError> validate_produce(MutableByteView batches,
                                                            const AppendContext& context);

}  // namespace barnabas::log

// ProducerQueue: what an idempotent producer has written to a partition and was not told to be there.
//
// Owned by a ClusterProducer. Not thread-safe; pure. Batches are sent in their order. Invariant: from the
// first that is not acknowledged to the last that was sent there are, with those between that are
// acknowledged, at most five, as many as a partition remembers of a producer (KIP-98; measured on
// Kafka 4.3.1: what is older is out of order). So the first one is known where it was written, however often
// it comes.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "base/bytes.hpp"
#include "base/error_code.hpp"

namespace barnabas::simulation {

struct ProducerBatch {
  std::int32_t sequence = 0;
  std::int64_t first_number = 0;
  std::int32_t count = 0;
  std::shared_ptr<const Bytes> bytes;
  std::int64_t place = 0;  // of all that were written
  bool sent = false;
};

struct ProducerQueue {
  static constexpr std::int64_t kRemembered = 5;

  std::deque<ProducerBatch> batches;
  std::size_t in_flight = 0;
  bool retrying = false;
  /// Its first batch is acknowledged. Before, a leader takes any sequence for the first one, as Kafka's does.
  bool knows_producer = false;
  std::int32_t next_sequence = 0;
  std::int64_t next_number = 0;
  std::int64_t next_place = 0;
  ErrorCode last_error = ErrorCode::kNone;

  /// The next one that may be sent now, and counts as sent; null without one.
  ProducerBatch* take(std::size_t most_in_flight);
};

}  // namespace barnabas::simulation

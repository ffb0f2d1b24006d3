// What a Producer keeps of batches, partitions, topics and brokers. Included by the producer's own sources
// alone.
#pragma once

#include "tools/client/producer.hpp"

namespace barnabas::tools {

struct Producer::Batch {
  explicit Batch(const protocol::BatchOptions& options) : builder(options) {}

  protocol::RecordBatchBuilder builder;  // while it is open
  Bytes bytes;                           // once it is closed
  std::vector<std::int64_t> tags;
  Deadline created;
  // The order of a partition's batches, and of those that one batch was split into.
  std::uint64_t serial = 0;
  std::size_t first_record = 0;
  std::int32_t base_sequence = protocol::kNoSequence;
  ProducerId producer_id = kNoProducerId;  // that it was numbered for
  std::int64_t attempts = 0;
  std::size_t reserved_bytes = 0;  // of buffer.memory
  [[nodiscard]] std::int32_t count() const { return static_cast<std::int32_t>(tags.size()); }
};

struct Producer::Partition {
  Topic& topic;
  TopicPartition id;
  BatchPtr open;
  std::deque<BatchPtr> closed;  // in the order of their records
  int in_flight = 0;
  bool draining = false;  // a batch failed: nothing is sent until those on their way are back
  Deadline not_before{};
  std::uint64_t next_serial = 0;
  std::int32_t next_sequence = 0;
  ProducerId sequences_of = kNoProducerId;  // whom next_sequence counts for
};

struct Producer::Topic {
  TopicView view;
  std::vector<std::unique_ptr<Partition>> partitions;
  StickyPartition sticky;
  Deadline refresh_at{};  // passed: the metadata are stale
};

/// One broker's connection and what is on its way to it.
struct Producer::Link {
  struct Request {
    Partition* partition;
    BatchPtr batch;
    Deadline deadline;
  };
  BrokerId broker;
  Connection connection;
  std::deque<Request> in_flight;
};

}  // namespace barnabas::tools

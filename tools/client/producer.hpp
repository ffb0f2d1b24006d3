// Producer: batches records for each partition and has them written, several requests on their way at once.
//
// Owned by a command. Thread safety: none; there is no thread behind it, so it must be polled while nothing
// is sent. Views that are handed to it are copied. Invariants
//  1. The records of a partition are written in the order of send(), also when batches are sent again: after
//     a failure a partition sends nothing until all its batches that were on their way have come back.
//  2. Every record that send() took is delivered exactly once to the callback: written, or with an error.
//  3. Buffered bytes stay within buffer.memory, a record that does not fit waits for others to leave.
// Units: bytes, milliseconds. Errors of one record are returned by send(); those of batches come with their
// delivery. Source: KIP-98 (idempotence), KIP-480 and -794 (partitioner), what Kafka 4.3.1's producer does.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>

#include "protocol/messages/api_produce.hpp"
#include "protocol/record_batch_builder.hpp"
#include "tools/client/partitioner.hpp"
#include "tools/client/producer_config.hpp"
#include "tools/client/topic_view.hpp"

namespace barnabas::tools {

struct OutgoingRecord {
  std::string_view topic;
  std::optional<PartitionIndex> partition = std::nullopt;  // nothing: by the key
  std::optional<ByteView> key = std::nullopt;
  std::optional<ByteView> value = std::nullopt;
  std::span<const protocol::RecordHeader> headers = {};
  std::int64_t timestamp = protocol::kNoTimestamp;  // kNoTimestamp: now
  std::int64_t tag = 0;                             // comes back with the delivery
};

/// What became of a batch, valid during the callback.
struct Delivery {
  const TopicPartition& partition;
  Offset base_offset = kNoOffset;      // kNoOffset with acks=0, and with errors
  std::span<const std::int64_t> tags;  // one a record
  const std::vector<Error>& errors;    // none: written; one: that of all; else one a record
  ByteView batch;

  [[nodiscard]] const Error* error_of(std::size_t record) const {
    if (errors.empty()) return nullptr;
    return &errors[errors.size() == 1 ? 0 : record];
  }
};

/// Calls `visit(const Error&, const protocol::RecordView&)` for each record of a delivery that failed.
void visit_failed(const Delivery& delivery,
                  const std::function<void(const Error&, const protocol::RecordView&)>& visit);

class Producer {
 public:
  using OnDelivery = std::function<void(const Delivery&)>;

  Producer(std::vector<Address> bootstrap, ProducerConfig config, OnDelivery on_delivery);
  ~Producer();

  [[nodiscard]] const ProducerConfig& config() const { return config_; }

  /// Puts a record into its partition's batch. Waits up to max.block.ms for the topic's metadata and for
  /// room. An error is one of this record, which has not been taken.
  Result<void> send(const OutgoingRecord& record);
  /// Sends what is due and takes in answers, until `until`, or until `input` (if >= 0) can be read.
  void poll(Deadline until, int input = -1);
  /// Waits until every record is delivered.
  void flush();
  [[nodiscard]] std::size_t buffered_bytes() const { return buffered_bytes_; }

  // Transactions; transactional.id must be set.
  Result<void> init_transactions();
  void begin_transaction() { in_transaction_ = true; }
  /// Flushes, then commits or aborts.
  Result<void> end_transaction(bool commit);

 private:
  struct Batch;
  struct Partition;
  struct Topic;
  struct Link;
  using BatchPtr = std::unique_ptr<Batch>;

  // Records into batches (producer.cpp).
  Result<Topic*> topic_of(std::string_view name);
  Result<void> await_topic(Topic& topic);
  Result<void> refresh(Topic& topic);
  Partition& partition_of(Topic& topic, const OutgoingRecord& record, std::size_t record_bytes);
  Result<void> await_room(std::size_t bytes);
  void close_batch(Partition& partition);
  bool step(Deadline until, int input);

  // Batches to brokers (producer_sending.cpp).
  void send_due();
  bool send_due_of(Partition& partition);
  bool is_due(const Partition& partition, Deadline now) const;
  Result<void> ensure_producer_id();
  void number_batch(Partition& partition, Batch& batch) const;
  Result<Link*> link_to(BrokerId leader);
  Result<void> send_batch(Link& link, Partition& partition, Batch& batch);
  void receive_available();
  void receive_one(Link& link);
  void drop_link(Link& link, const Error& error);
  void expire();
  [[nodiscard]] Deadline next_event() const;

  // Answers (producer_answers.cpp).
  void take_answer(Partition& partition, BatchPtr batch, const protocol::ProduceResponse& answer);
  void retry_or_fail(Partition& partition, BatchPtr batch, const Error& error);
  void put_back(Partition& partition, BatchPtr batch);
  void split(Partition& partition, BatchPtr batch);
  void deliver(Partition& partition, Batch& batch, Offset base_offset, const std::vector<Error>& errors);
  Result<void> ask_producer_id();
  Result<void> ask_end_of_transaction(bool commit);

  ProducerConfig config_;
  Cluster cluster_;
  OnDelivery on_delivery_;
  SystemRandom random_;
  std::map<std::string, std::unique_ptr<Topic>, std::less<>> topics_;
  Topic* last_topic_ = nullptr;
  std::vector<Partition*> partitions_;  // of all topics
  std::map<BrokerId, std::unique_ptr<Link>> links_;
  ProducerId producer_id_ = kNoProducerId;
  ProducerEpoch producer_epoch_ = kNoProducerEpoch;
  bool in_transaction_ = false;
  std::size_t buffered_bytes_ = 0;
  std::size_t undelivered_ = 0;  // batches, open ones included
  bool is_flushing_ = false;
  protocol::Compressor compressor_;
};

}  // namespace barnabas::tools

// ClusterProducer: an idempotent producer with acks=all, as the clients of Apache Kafka are by default.
//
// Owned by the Cluster. Not thread-safe. It keeps up to five batches of a partition under way
// (producer_queue.hpp); when one of them fails it waits for the answers to the others and then sends again,
// in order, what is not acknowledged, to whoever leads by then; it never gives up. Each record says who wrote
// it and its number in its partition. Source: KIP-98; what librdkafka and the Java client do.
#pragma once

#include <map>
#include <optional>

#include "protocol/messages/api_init_producer_id.hpp"
#include "protocol/messages/api_produce.hpp"
#include "simulation/nodes/cluster_client.hpp"
#include "simulation/nodes/producer_queue.hpp"

namespace barnabas::simulation {

struct ProducerOptions {
  std::int64_t number = 0;
  std::chrono::milliseconds interval{50};  // on average between two batches
  std::uint64_t most_records = 5;          // of a batch
  std::uint64_t most_bytes = 100;          // of a record's padding
  std::size_t most_in_flight = 5;          // of a partition
  std::int32_t timeout_ms = 5000;          // of a request
};

class ClusterProducer final : public ClusterClient {
 public:
  ClusterProducer(ClientSurroundings surroundings, ProducerOptions options);

  void start();
  /// Nothing new is written; what is under way goes on.
  void stop() { stopped_ = true; }
  /// Everything that was written is acknowledged.
  [[nodiscard]] bool is_idle() const;
  [[nodiscard]] std::string state() const;

 private:
  using Batch = ProducerBatch;
  using Queue = ProducerQueue;
  using Answer = Result<broker::PeerAnswer<protocol::ProduceResponse>>;

  void on_metadata() override;
  void ask_for_id();
  void write();
  void add_batch(Queue& queue);
  void pump(const TopicPartition& partition);
  void send(const TopicPartition& partition, std::int32_t leader, Batch& batch);
  void on_answer(const TopicPartition& partition, std::int32_t broker, std::int32_t sequence,
                 const Answer& answer);
  void on_refusal(const TopicPartition& partition, std::int32_t broker, Queue& queue, const Batch& batch,
                  ErrorCode error);

  ProducerOptions options_;
  bool stopped_ = false;
  std::optional<ProducerId> id_;
  ProducerEpoch epoch_{0};
  std::map<TopicPartition, Queue> queues_;
};

}  // namespace barnabas::simulation

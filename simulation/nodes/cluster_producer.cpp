#include "simulation/nodes/cluster_producer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/record_batch_builder.hpp"
#include "simulation/nodes/written_record.hpp"

namespace barnabas::simulation {

using std::chrono::nanoseconds;

namespace {

constexpr std::int16_t kFirstVersion = 9;
constexpr std::int16_t kLastVersionByName = 12;
constexpr std::size_t kMostQueued = 20;

/// What passes, or is cured by asking who leads.
bool is_retriable(ErrorCode error) {
  switch (error) {
    case ErrorCode::kUnknownTopicOrPartition:
    case ErrorCode::kLeaderNotAvailable:
    case ErrorCode::kNotLeaderOrFollower:
    case ErrorCode::kRequestTimedOut:
    case ErrorCode::kNotEnoughReplicas:
    case ErrorCode::kNotEnoughReplicasAfterAppend:
    case ErrorCode::kNetworkException:
    case ErrorCode::kKafkaStorageError:
    case ErrorCode::kOutOfOrderSequenceNumber:
      return true;
    default:
      return false;
  }
}

}  // namespace

ClusterProducer::ClusterProducer(ClientSurroundings surroundings, ProducerOptions options)
    : ClusterClient(std::move(surroundings), fmt::format("producer-{}", options.number)), options_(options) {}

void ClusterProducer::start() {
  refresh();
  ask_for_id();
  write();
}

void ClusterProducer::ask_for_id() {
  protocol::InitProducerIdRequest request;
  request.transactional_id = std::nullopt;
  request.transaction_timeout_ms = INT32_MAX;
  any_channel().call<protocol::InitProducerIdResponse>(
      request, {2, 5}, [this](Result<broker::PeerAnswer<protocol::InitProducerIdResponse>> answer) {
        if (!answer || answer->body.error_code != 0) return after(kBackoff, [this] { ask_for_id(); });
        id_ = ProducerId(answer->body.producer_id);
        epoch_ = ProducerEpoch(answer->body.producer_epoch);
        surroundings().note(fmt::format("producer {} has id {}", options_.number, id_->value()));
        on_metadata();
      });
}

void ClusterProducer::on_metadata() {
  std::erase_if(queues_, [this](const auto& entry) { return !is_live(entry.first.topic); });
  std::vector<TopicPartition> waiting;
  for (const auto& [partition, queue] : queues_)
    if (!queue.batches.empty()) waiting.push_back(partition);
  for (const TopicPartition& partition : waiting) pump(partition);
}

void ClusterProducer::write() {
  after(nanoseconds(1 + below(static_cast<std::uint64_t>(nanoseconds(options_.interval).count()) * 2)),
        [this] { write(); });
  if (stopped_ || !id_) return;
  std::vector<TopicPartition> wanted;
  for (const auto& [name, topic] : surroundings().topics)
    if (is_live(name) && !topic.is_output)
      for (std::int32_t at = 0; at < topic.partitions; ++at) wanted.push_back({name, PartitionIndex(at)});
  if (wanted.empty()) return;
  const TopicPartition& partition = wanted[below(wanted.size())];
  Queue& queue = queues_[partition];
  if (queue.batches.size() >= kMostQueued) return;
  add_batch(queue);
  pump(partition);
}

void ClusterProducer::add_batch(Queue& queue) {
  protocol::BatchOptions batch;
  batch.producer_id = *id_;
  batch.producer_epoch = epoch_;
  batch.base_sequence = queue.next_sequence;
  protocol::RecordBatchBuilder builder(batch);
  const auto count = static_cast<std::int32_t>(1 + below(options_.most_records));
  for (std::int32_t i = 0; i < count; ++i) {
    const Bytes value = encode({options_.number, queue.next_number + i}, below(options_.most_bytes));
    protocol::RecordInput record;
    record.timestamp = surroundings().world.clock().wall_ms();
    record.value = ByteView(value);
    builder.append(record);
  }
  queue.batches.push_back({queue.next_sequence, queue.next_number, count,
                           std::make_shared<const Bytes>(builder.build()), queue.next_place++});
  queue.next_sequence = protocol::increment_sequence(queue.next_sequence, count);
  queue.next_number += count;
}

void ClusterProducer::pump(const TopicPartition& partition) {
  const auto found = queues_.find(partition);
  if (found == queues_.end() || !id_) return;
  Queue& queue = found->second;
  if (queue.retrying) {
    if (queue.in_flight > 0) return;
    queue.retrying = false;
    for (Batch& batch : queue.batches) batch.sent = false;
  }
  const Place place = place_of(partition);
  if (place.leader < 0) return refresh();
  while (Batch* batch = queue.take(options_.most_in_flight)) send(partition, place.leader, *batch);
}

void ClusterProducer::send(const TopicPartition& partition, std::int32_t leader, Batch& batch) {
  protocol::ProduceRequest request;
  request.acks = -1;
  request.timeout_ms = options_.timeout_ms;
  auto& topic = request.topic_data.emplace_back();
  topic.name = partition.topic;
  auto& data = topic.partition_data.emplace_back();
  data.index = partition.partition.value();
  data.records = protocol::Records{ByteView(*batch.bytes)};
  // The request refers to the bytes until it is sent.
  channel_to(leader).call<protocol::ProduceResponse>(
      std::move(request), {kFirstVersion, kLastVersionByName},
      [this, partition, leader, sequence = batch.sequence, bytes = batch.bytes](Answer answer) {
        on_answer(partition, leader, sequence, answer);
      });
}

void ClusterProducer::on_answer(const TopicPartition& partition, std::int32_t broker, std::int32_t sequence,
                                const Answer& answer) {
  const auto found = queues_.find(partition);
  if (found == queues_.end()) return;
  Queue& queue = found->second;
  --queue.in_flight;
  const auto batch = std::ranges::find(queue.batches, sequence, &Batch::sequence);
  if (batch == queue.batches.end()) return;
  if (!answer) {
    on_refusal(partition, broker, queue, *batch, ErrorCode::kNetworkException);
    return;
  }
  const auto& told = answer->body.responses.at(0).partition_responses.at(0);
  const auto error = static_cast<ErrorCode>(told.error_code);
  if (error != ErrorCode::kNone && error != ErrorCode::kDuplicateSequenceNumber) {
    on_refusal(partition, broker, queue, *batch, error);
    return;
  }
  if (error == ErrorCode::kNone && is_live(partition.topic))
    for (std::int32_t i = 0; i < batch->count; ++i)
      checks().acknowledged(partition, Offset(told.base_offset + i),
                            {options_.number, batch->first_number + i});
  queue.batches.erase(batch);
  queue.knows_producer = true;
  queue.last_error = ErrorCode::kNone;
  pump(partition);
}

void ClusterProducer::on_refusal(const TopicPartition& partition, std::int32_t broker, Queue& queue,
                                 const Batch& batch, ErrorCode error) {
  queue.last_error = error;
  if (!is_live(partition.topic)) {
    queues_.erase(partition);
    return;
  }
  if (!is_retriable(error))
    checks().violated(fmt::format("producer {} is refused with error {} by {}", options_.number,
                                  static_cast<int>(error), to_string(partition)));
  // All before it is acknowledged, and it is one of the last five: it is there, or it is the next. Only a
  // broker that has not heard yet that another one leads may not know.
  if (error == ErrorCode::kOutOfOrderSequenceNumber && &batch == &queue.batches.front() &&
      checks().newest_leader(partition) == broker)
    checks().violated(fmt::format("{} does not know what producer {} wrote: sequence {} is out of order",
                                  to_string(partition), options_.number, batch.sequence));
  queue.retrying = true;
  refresh();
}

bool ClusterProducer::is_idle() const {
  return std::ranges::all_of(queues_, [this](const auto& entry) {
    return entry.second.batches.empty() || !is_live(entry.first.topic);
  });
}

std::string ClusterProducer::state() const {
  std::string text;
  for (const auto& [partition, queue] : queues_)
    if (!queue.batches.empty() && is_live(partition.topic))
      text += fmt::format(" {}:{} batches from sequence {} to leader {} ({} in flight, last error {})",
                          to_string(partition), queue.batches.size(), queue.batches.front().sequence,
                          place_of(partition).leader, queue.in_flight, static_cast<int>(queue.last_error));
  return text.empty() ? text : fmt::format(" [{}{}]", host(), text);
}

}  // namespace barnabas::simulation

// The sending half of Producer: which batches are due, to whom they go, and what comes back in time.
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <limits>

#include "tools/client/producer_state.hpp"
#include "tools/client/tool_log.hpp"

namespace barnabas::tools {
namespace {

constexpr std::int16_t kFirstWithTopicIds = 13;

void store(Bytes& batch, std::size_t position, auto value) {
  protocol::store_big_endian(batch.data() + position, value);
}

}  // namespace

bool Producer::is_due(const Partition& partition, Deadline now) const {
  if (!partition.closed.empty()) return true;
  if (!partition.open) return false;
  return is_flushing_ || now >= partition.open->created + config_.linger;
}

void Producer::send_due() {
  const Deadline now = std::chrono::steady_clock::now();
  for (Partition* partition : partitions_) {
    if (!is_due(*partition, now) || now < partition->not_before) continue;
    if (partition->draining && partition->in_flight > 0) continue;
    partition->draining = false;
    while (is_due(*partition, now) && send_due_of(*partition)) {
    }
  }
}

/// Sends the partition's first batch; false when it cannot be sent now.
bool Producer::send_due_of(Partition& partition) {
  const auto wait_and_retry = [&] {
    partition.not_before = deadline_after(config_.client.retry_backoff);
    return false;
  };
  Topic& topic = partition.topic;
  if (std::chrono::steady_clock::now() >= topic.refresh_at && !refresh(topic)) return wait_and_retry();
  if (!ensure_producer_id()) return wait_and_retry();
  const BrokerId leader =
      topic.view.partitions[static_cast<std::size_t>(partition.id.partition.value())].leader;
  const Result<Link*> link = link_to(leader);
  if (!link) {
    topic.refresh_at = {};
    return wait_and_retry();
  }
  if (std::cmp_greater_equal((*link)->in_flight.size(), config_.max_in_flight)) return false;
  if (partition.closed.empty()) {
    BatchPtr batch = std::move(partition.open);
    batch->bytes = batch->builder.build(compressor_);
    partition.closed.push_back(std::move(batch));
  }
  BatchPtr batch = std::move(partition.closed.front());
  partition.closed.pop_front();
  number_batch(partition, *batch);
  const Result<void> sent = send_batch(**link, partition, *batch);
  if (!sent) {
    if (sent.error().code == ErrorCode::kUnsupportedVersion) {
      deliver(partition, *batch, kNoOffset, {sent.error()});
      return true;
    }
    retry_or_fail(partition, std::move(batch), sent.error());
    drop_link(**link, sent.error());
    return false;
  }
  if (config_.acks == 0) {
    deliver(partition, *batch, kNoOffset, {});
    return true;
  }
  ++partition.in_flight;
  (*link)->in_flight.push_back(
      {&partition, std::move(batch), deadline_after(config_.client.request_timeout)});
  return true;
}

Result<void> Producer::ensure_producer_id() {
  if (!config_.idempotence || producer_id_ != kNoProducerId) return {};
  return cluster_.retrying<void>([this] { return ask_producer_id(); });
}

/// Gives a batch its sequence numbers when it is sent first; sent again it keeps them, so that the broker
/// knows it.
void Producer::number_batch(Partition& partition, Batch& batch) const {
  if (!config_.idempotence || batch.producer_id == producer_id_) return;
  if (partition.sequences_of != producer_id_) {
    partition.sequences_of = producer_id_;
    partition.next_sequence = 0;
  }
  batch.producer_id = producer_id_;
  batch.base_sequence = partition.next_sequence;
  partition.next_sequence = protocol::increment_sequence(partition.next_sequence, batch.count());
  store(batch.bytes, protocol::batch_field::kProducerId, producer_id_.value());
  store(batch.bytes, protocol::batch_field::kProducerEpoch, producer_epoch_.value());
  store(batch.bytes, protocol::batch_field::kBaseSequence, batch.base_sequence);
  protocol::seal_batch(batch.bytes);
}

Result<Producer::Link*> Producer::link_to(BrokerId leader) {
  const auto found = links_.find(leader);
  if (found != links_.end() && found->second->connection.is_open()) return found->second.get();
  const std::vector<Node> nodes = TRY(cluster_.nodes());
  const auto node = std::ranges::find(nodes, leader, &Node::id);
  if (node == nodes.end()) return fail(ErrorCode::kLeaderNotAvailable);
  Connection connection =
      TRY(Connection::open(node->address, config_.client, deadline_after(config_.client.request_timeout)));
  auto link = std::make_unique<Link>(leader, std::move(connection));
  return (links_[leader] = std::move(link)).get();
}

Result<void> Producer::send_batch(Link& link, Partition& partition, Batch& batch) {
  protocol::ProduceRequest request;
  if (!config_.transactional_id.empty()) request.transactional_id = config_.transactional_id;
  request.acks = config_.acks;
  request.timeout_ms = static_cast<std::int32_t>(config_.client.request_timeout.count());
  protocol::Records records;
  records.bytes = batch.bytes;
  protocol::ProduceRequest::TopicProduceData topic;
  topic.partition_data.push_back({partition.id.partition.value(), records});
  const Uuid& id = partition.topic.view.id;
  const std::int16_t most =
      id.is_zero() ? std::int16_t{kFirstWithTopicIds - 1} : protocol::ProduceRequest::kMaxVersion;
  const auto version = link.connection.version_of<protocol::ProduceRequest>(most);
  if (version && *version >= kFirstWithTopicIds) {
    topic.topic_id = id;
  } else {
    topic.name = partition.id.topic;
  }
  request.topic_data.push_back(std::move(topic));
  const Deadline deadline = deadline_after(config_.client.request_timeout);
  return config_.acks == 0 ? link.connection.send_only(request, deadline)
                           : link.connection.send(request, deadline, most);
}

void Producer::receive_available() {
  for (const auto& [broker, link] : links_) {
    while (!link->in_flight.empty() && link->connection.readable(std::chrono::milliseconds(0))) {
      receive_one(*link);
    }
  }
}

void Producer::receive_one(Link& link) {
  const auto answer = link.connection.receive<protocol::ProduceResponse>(link.in_flight.front().deadline);
  if (!answer) return drop_link(link, answer.error());
  Link::Request request = std::move(link.in_flight.front());
  link.in_flight.pop_front();
  --request.partition->in_flight;
  take_answer(*request.partition, std::move(request.batch), answer->body);
}

/// What was on its way there will be sent again. Last first, so that the queue is in order.
void Producer::drop_link(Link& link, const Error& error) {
  link.connection.close();
  while (!link.in_flight.empty()) {
    Link::Request request = std::move(link.in_flight.back());
    link.in_flight.pop_back();
    --request.partition->in_flight;
    retry_or_fail(*request.partition, std::move(request.batch), error);
  }
}

void Producer::expire() {
  const Deadline now = std::chrono::steady_clock::now();
  for (const auto& [broker, link] : links_) {
    if (link->in_flight.empty() || now < link->in_flight.front().deadline) continue;
    drop_link(*link, {ErrorCode::kNetworkException,
                      fmt::format("Disconnected from node {} due to timeout", broker.value())});
  }
  for (Partition* partition : partitions_) {
    while (!partition->closed.empty() &&
           now >= partition->closed.front()->created + config_.delivery_timeout) {
      const BatchPtr batch = std::move(partition->closed.front());
      partition->closed.pop_front();
      const std::string text =
          fmt::format("Expiring {} record(s) for {}:{} ms has passed since batch creation", batch->count(),
                      to_string(partition->id), config_.delivery_timeout.count());
      deliver(*partition, *batch, kNoOffset, {{ErrorCode::kRequestTimedOut, text}});
    }
  }
}

/// When something must be done that no answer triggers.
Deadline Producer::next_event() const {
  const Deadline now = std::chrono::steady_clock::now();
  Deadline next = Deadline::max();
  for (const auto& [broker, link] : links_) {
    if (!link->in_flight.empty()) next = std::min(next, link->in_flight.front().deadline);
  }
  for (const Partition* partition : partitions_) {
    if (partition->not_before > now) next = std::min(next, partition->not_before);
    if (partition->open && !is_flushing_) next = std::min(next, partition->open->created + config_.linger);
    if (partition->closed.empty()) continue;
    next = std::min(next, partition->closed.front()->created + config_.delivery_timeout);
  }
  // What is due already waits for an answer, which ends the wait as well.
  return std::max(next, now + std::chrono::milliseconds(1));
}

}  // namespace barnabas::tools

#include "tools/client/producer.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <thread>

#include "base/clock.hpp"
#include "protocol/error_table.hpp"
#include "tools/client/interruption.hpp"
#include "tools/client/producer_state.hpp"
#include "tools/client/tool_log.hpp"

namespace barnabas::tools {
namespace {

constexpr std::chrono::milliseconds kMaxPollStep{1000};
constexpr std::chrono::milliseconds kMaxBackoff{1000};

}  // namespace

void visit_failed(const Delivery& delivery,
                  const std::function<void(const Error&, const protocol::RecordView&)>& visit) {
  protocol::RecordScratch scratch;
  protocol::RecordCursor cursor(protocol::RecordBatchView(delivery.batch), scratch);
  protocol::RecordView record;
  for (std::size_t i = 0; cursor.next(record).value_or(false); ++i) {
    if (const Error* error = delivery.error_of(i)) visit(*error, record);
  }
}

Producer::Producer(std::vector<Address> bootstrap, ProducerConfig config, OnDelivery on_delivery)
    : config_(std::move(config)),
      cluster_(std::move(bootstrap), config_.client),
      on_delivery_(std::move(on_delivery)) {}

Producer::~Producer() = default;

Result<void> Producer::send(const OutgoingRecord& record) {
  Topic& topic = *TRY(topic_of(record.topic));
  const std::int64_t timestamp =
      record.timestamp == protocol::kNoTimestamp ? SystemClock().wall_ms() : record.timestamp;
  const protocol::RecordInput input{timestamp, record.key, record.value, record.headers};
  const std::size_t bytes = protocol::RecordBatchBuilder::max_record_bytes(input);
  if (std::cmp_greater(bytes + protocol::kBatchHeaderBytes, config_.max_request_size)) {
    return fail(ErrorCode::kMessageTooLarge,
                fmt::format("The message is {} bytes when serialized which is larger than {}, which is the "
                            "value of the max.request.size configuration.",
                            bytes + protocol::kBatchHeaderBytes, config_.max_request_size));
  }
  TRY(await_room(bytes));
  Partition& partition = partition_of(topic, record, bytes);
  if (!partition.open) {
    protocol::BatchOptions options{.codec = config_.codec, .level = config_.level};
    options.is_transactional = in_transaction_;
    partition.open = std::make_unique<Batch>(options);
    partition.open->created = now();
    partition.open->serial = partition.next_serial++;
    ++undelivered_;
  }
  Batch& batch = *partition.open;
  const std::size_t before = batch.builder.size_bytes();
  batch.builder.append(input);
  batch.tags.push_back(record.tag);
  const std::size_t grown = batch.builder.size_bytes() - before;
  batch.reserved_bytes += grown;
  buffered_bytes_ += grown;
  topic.sticky.count(grown);
  return {};
}

/// The topic with metadata that are fresh enough; waits for them.
Result<Producer::Topic*> Producer::topic_of(std::string_view name) {
  if (last_topic_ == nullptr || last_topic_->view.name != name) {
    const auto found = topics_.find(name);
    if (found == topics_.end()) {
      auto made = std::make_unique<Topic>();
      made->view.name = std::string(name);
      last_topic_ = topics_.emplace(std::string(name), std::move(made)).first->second.get();
    } else {
      last_topic_ = found->second.get();
    }
  }
  if (last_topic_->partitions.empty()) TRY(await_topic(*last_topic_));
  return last_topic_;
}

Result<void> Producer::await_topic(Topic& topic) {
  const Deadline deadline = deadline_after(config_.max_block);
  auto backoff = config_.client.retry_backoff;
  for (;; backoff = std::min(2 * backoff, kMaxBackoff)) {
    const Result<void> asked = refresh(topic);
    if (asked && !topic.partitions.empty()) return ensure_producer_id();
    if (!asked && !protocol::error_info(asked.error().code).retriable) return asked;
    if (now() + backoff >= deadline || interrupted()) {
      return fail(ErrorCode::kRequestTimedOut, fmt::format("Topic {} not present in metadata after {} ms.",
                                                           topic.view.name, config_.max_block.count()));
    }
    std::this_thread::sleep_for(backoff);
  }
}

Result<void> Producer::refresh(Topic& topic) {
  const TopicQuery query{std::vector{topic.view.name}, true};
  std::vector<TopicView> views = TRY(ask_topics(cluster_, query));
  if (views.empty()) return fail(ErrorCode::kUnknownTopicOrPartition);
  const ErrorCode error = views.front().error;
  if (error == ErrorCode::kInvalidTopicException) {
    return fail(error, fmt::format("Invalid topics: [{}]", topic.view.name));
  }
  if (error == ErrorCode::kTopicAuthorizationFailed) {
    return fail(error, fmt::format("Not authorized to access topics: [{}]", topic.view.name));
  }
  if (error != ErrorCode::kNone) return fail(error);
  topic.view = std::move(views.front());
  topic.refresh_at = deadline_after(config_.metadata_max_age);
  while (topic.partitions.size() < topic.view.partitions.size()) {
    const auto index = static_cast<std::int32_t>(topic.partitions.size());
    topic.partitions.push_back(
        std::make_unique<Partition>(topic, TopicPartition{topic.view.name, PartitionIndex(index)}, nullptr));
    partitions_.push_back(topic.partitions.back().get());
  }
  return {};
}

/// Chooses the partition, and closes its batch where the record does not fit any more.
Producer::Partition& Producer::partition_of(Topic& topic, const OutgoingRecord& record,
                                            std::size_t record_bytes) {
  const auto count = static_cast<std::int32_t>(topic.partitions.size());
  const auto at = [&](PartitionIndex index) -> Partition& {
    return *topic.partitions[static_cast<std::size_t>(index.value())];
  };
  const auto has_room = [&](const Partition& partition) {
    return partition.open &&
           std::cmp_less_equal(partition.open->builder.size_bytes() + record_bytes, config_.batch_size);
  };
  PartitionIndex index{0};
  if (record.partition) {
    index = PartitionIndex(std::min(record.partition->value(), count - 1));
  } else if (record.key) {
    index = partition_of_key(*record.key, count);
  } else {
    const std::int32_t current = topic.sticky.current().value();
    const bool may_switch = current < 0 || !has_room(at(PartitionIndex(current)));
    if (may_switch && current >= 0 && at(PartitionIndex(current)).open) {
      close_batch(at(PartitionIndex(current)));
    }
    index = topic.sticky.choose(count, static_cast<std::size_t>(config_.batch_size), may_switch, random_);
  }
  Partition& partition = at(index);
  if (partition.open && !has_room(partition)) close_batch(partition);
  return partition;
}

void Producer::close_batch(Partition& partition) {
  BatchPtr batch = std::move(partition.open);
  batch->bytes = batch->builder.build(compressor_);
  // Compression may have made it smaller.
  buffered_bytes_ -= batch->reserved_bytes;
  batch->reserved_bytes = batch->bytes.size();
  buffered_bytes_ += batch->reserved_bytes;
  partition.closed.push_back(std::move(batch));
  send_due();
  receive_available();
}

Result<void> Producer::await_room(std::size_t bytes) {
  const auto fits = [&] {
    return std::cmp_less_equal(buffered_bytes_ + bytes, config_.buffer_memory) || undelivered_ == 0;
  };
  if (fits()) return {};
  const Deadline deadline = deadline_after(config_.max_block);
  is_flushing_ = true;
  while (!fits() && now() < deadline) step(deadline, -1);
  is_flushing_ = false;
  if (fits()) return {};
  return fail(ErrorCode::kRequestTimedOut,
              fmt::format("Failed to allocate {} bytes within the configured max blocking time {} ms. Total "
                          "memory: {} bytes.",
                          bytes, config_.max_block.count(), config_.buffer_memory));
}

/// One round. True when `input` can be read, or a signal came.
bool Producer::step(Deadline until, int input) {
  send_due();
  std::vector<pollfd> waiting;
  if (input >= 0) waiting.push_back({input, POLLIN, 0});
  for (const auto& [broker, link] : links_) {
    if (!link->in_flight.empty()) waiting.push_back({link->connection.descriptor(), POLLIN, 0});
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(std::min(until, next_event()) - now());
  const auto wait = std::clamp<std::int64_t>(left.count(), 0, kMaxPollStep.count());
  const int ready = ::poll(waiting.data(), waiting.size(), static_cast<int>(wait));
  receive_available();
  expire();
  return ready < 0 || (input >= 0 && waiting[0].revents != 0);
}

void Producer::poll(Deadline until, int input) {
  while (!step(until, input) && now() < until && !interrupted()) {
  }
}

void Producer::flush() {
  is_flushing_ = true;
  while (undelivered_ > 0) step(deadline_after(kMaxPollStep), -1);
  is_flushing_ = false;
}

}  // namespace barnabas::tools

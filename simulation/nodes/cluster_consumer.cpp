#include "simulation/nodes/cluster_consumer.hpp"

#include <fmt/format.h>

#include "simulation/nodes/written_record.hpp"

namespace barnabas::simulation {

namespace {
constexpr std::int16_t kFetchVersion = 12;  // the last with topic names
constexpr std::int32_t kWaitMs = 500;
constexpr std::chrono::seconds kBetweenLooks{2};
constexpr std::int32_t kPartitionBytes = 64 * 1024;
}  // namespace

ClusterConsumer::ClusterConsumer(ClientSurroundings surroundings, int number)
    : ClusterClient(std::move(surroundings), fmt::format("consumer-{}", number)) {}

Offset ClusterConsumer::position(const TopicPartition& partition) const {
  const auto position = positions_.find(partition);
  return position == positions_.end() ? Offset(0) : position->second;
}

void ClusterConsumer::on_metadata() {
  is_lost_ = false;
  for (const std::int32_t broker : surroundings().brokers)
    if (!fetching_.contains(broker)) fetch_from(broker);
}

void ClusterConsumer::look_for_topics() {
  refresh();
  after(kBetweenLooks, [this] { look_for_topics(); });
}

void ClusterConsumer::fetch_from(std::int32_t broker) {
  protocol::FetchRequest request;
  request.max_wait_ms = kWaitMs;
  request.min_bytes = 1;
  for (const auto& [partition, place] : places()) {
    if (place.leader != broker || !is_live(partition.topic)) continue;
    if (request.topics.empty() || request.topics.back().topic != partition.topic)
      request.topics.emplace_back().topic = partition.topic;
    auto& wanted = request.topics.back().partitions.emplace_back();
    wanted.partition = partition.partition.value();
    wanted.current_leader_epoch = place.epoch.value();
    wanted.fetch_offset = position(partition).value();
    wanted.partition_max_bytes = kPartitionBytes;
  }
  if (request.topics.empty()) return;
  fetching_.insert(broker);
  channel_to(broker).call<protocol::FetchResponse>(
      std::move(request), {kFetchVersion, kFetchVersion},
      [this, broker](Answer answer) { on_answer(broker, answer); });
}

void ClusterConsumer::on_answer(std::int32_t broker, const Answer& answer) {
  fetching_.erase(broker);
  if (!answer) return refresh();
  for (const auto& topic : answer->body.responses)
    for (const auto& data : topic.partitions)
      if (is_live(topic.topic)) on_data({topic.topic, PartitionIndex(data.partition_index)}, data);
  if (is_lost_) return refresh();
  fetch_from(broker);
}

void ClusterConsumer::on_data(const TopicPartition& partition,
                              const protocol::FetchResponse::PartitionData& data) {
  switch (static_cast<ErrorCode>(data.error_code)) {
    case ErrorCode::kNone:
      break;
    case ErrorCode::kUnknownTopicOrPartition:
    case ErrorCode::kNotLeaderOrFollower:
    case ErrorCode::kLeaderNotAvailable:
    case ErrorCode::kReplicaNotAvailable:
    case ErrorCode::kFencedLeaderEpoch:
    case ErrorCode::kUnknownLeaderEpoch:
    case ErrorCode::kOffsetNotAvailable:
    case ErrorCode::kKafkaStorageError:
      is_lost_ = true;
      return;
    default:
      return checks().violated(fmt::format("a consumer at offset {} of {} is refused with error {}",
                                           position(partition).value(), to_string(partition),
                                           data.error_code));
  }
  const Offset from = position(partition);
  if (!data.records || data.records->bytes.empty()) return;
  const auto end = for_each_record(data.records->bytes, from, [&](const LoggedRecord& record) {
    checks().committed(partition, record.offset, record.written(), "a consumer was given");
  });
  if (!end)
    return checks().violated(fmt::format("what a consumer was given of {} from offset {} on is broken: {}",
                                         to_string(partition), from.value(), end.error().detail));
  positions_[partition] = *end;
}

}  // namespace barnabas::simulation

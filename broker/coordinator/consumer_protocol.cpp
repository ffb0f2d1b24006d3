#include "broker/coordinator/consumer_protocol.hpp"

#include <algorithm>

#include "protocol/messages/data_consumer_protocol_assignment.hpp"
#include "protocol/messages/data_consumer_protocol_subscription.hpp"
#include "protocol/reader.hpp"
#include "protocol/writer.hpp"

namespace barnabas::broker {
namespace {

/// Reads the version and the message behind it; nothing when they do not parse.
template <class Message>
std::optional<Message> parse_blob(ByteView bytes, std::int16_t& version) {
  protocol::Reader reader(bytes);
  version = reader.int16();
  if (version < 0) return std::nullopt;
  Message message;
  message.read(reader, std::min(version, Message::kMaxVersion));
  if (!reader.ok()) return std::nullopt;
  return message;
}

template <class Topics>
PartitionsByName by_name(const Topics& topics) {
  PartitionsByName partitions;
  for (const auto& topic : topics) {
    if (!topic.partitions.empty())
      partitions[topic.topic].insert(topic.partitions.begin(), topic.partitions.end());
  }
  return partitions;
}

}  // namespace

std::optional<ConsumerSubscription> parse_subscription(ByteView subscription) {
  ConsumerSubscription parsed;
  auto message = parse_blob<protocol::ConsumerProtocolSubscription>(subscription, parsed.version);
  if (!message) return std::nullopt;
  parsed.topics = std::move(message->topics);
  parsed.owned = by_name(message->owned_partitions);
  parsed.rack_id = std::move(message->rack_id);
  return parsed;
}

std::optional<std::vector<std::string>> subscribed_topics(ByteView subscription) {
  auto parsed = parse_subscription(subscription);
  if (!parsed) return std::nullopt;
  return std::move(parsed->topics);
}

std::optional<ConsumerAssignment> parse_assignment(ByteView assignment) {
  if (assignment.empty()) return ConsumerAssignment{};
  std::int16_t version = 0;
  const auto message = parse_blob<protocol::ConsumerProtocolAssignment>(assignment, version);
  if (!message) return std::nullopt;
  return ConsumerAssignment{by_name(message->assigned_partitions),
                            message->user_data && !message->user_data->empty()};
}

Bytes write_assignment(const PartitionsByName& partitions, std::int16_t version) {
  protocol::ConsumerProtocolAssignment message;
  message.user_data.reset();
  for (const auto& [topic, indexes] : partitions)
    message.assigned_partitions.push_back({topic, {indexes.begin(), indexes.end()}});
  const auto written =
      std::clamp(version, std::int16_t{0}, protocol::ConsumerProtocolAssignment::kMaxVersion);
  protocol::Writer writer;
  writer.int16(written);
  message.write(writer, written);
  return writer.take();
}

}  // namespace barnabas::broker

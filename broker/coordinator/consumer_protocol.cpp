#include "broker/coordinator/consumer_protocol.hpp"

#include <algorithm>

#include "protocol/messages/data_consumer_protocol_subscription.hpp"
#include "protocol/reader.hpp"

namespace barnabas::broker {

std::optional<std::vector<std::string>> subscribed_topics(ByteView subscription) {
  protocol::Reader reader(subscription);
  const std::int16_t version = reader.int16();
  if (version < 0) return std::nullopt;
  protocol::ConsumerProtocolSubscription message;
  message.read(reader, std::min(version, protocol::ConsumerProtocolSubscription::kMaxVersion));
  if (!reader.ok()) return std::nullopt;
  return std::move(message.topics);
}

}  // namespace barnabas::broker

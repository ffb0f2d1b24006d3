// The consumer protocol's blobs, as far as the broker looks into them: what a member of a classic group
// subscribes to and has, and what it is assigned.
//
// Pure functions. A blob that does not parse is no error (clients may put anything there); the answer is
// nothing. A blob is an int16 version and the message; versions above ours are read as ours. Source:
// ConsumerProtocolSubscription and ConsumerProtocolAssignment v0-3, measured on Kafka 4.3.1.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace barnabas::broker {

inline constexpr std::string_view kConsumerProtocolType = "consumer";

using PartitionsByName = std::map<std::string, std::set<std::int32_t>>;

struct ConsumerSubscription {
  std::int16_t version = 0;
  std::vector<std::string> topics;
  PartitionsByName owned;
  std::optional<std::string> rack_id;
};
[[nodiscard]] std::optional<ConsumerSubscription> parse_subscription(ByteView subscription);
[[nodiscard]] std::optional<std::vector<std::string>> subscribed_topics(ByteView subscription);

struct ConsumerAssignment {
  PartitionsByName partitions;
  bool has_user_data = false;
};
/// Empty bytes are an empty assignment.
[[nodiscard]] std::optional<ConsumerAssignment> parse_assignment(ByteView assignment);
[[nodiscard]] Bytes write_assignment(const PartitionsByName& partitions, std::int16_t version);

}  // namespace barnabas::broker

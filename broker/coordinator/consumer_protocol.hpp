// The consumer protocol's blobs, as far as the broker looks into them: which topics a group's members
// subscribe to.
//
// Pure functions. A blob that does not parse is no error (clients may put anything there); the answer is
// nothing. Source: ConsumerProtocolSubscription v0-3, measured on Kafka 4.3.1.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace barnabas::broker {

inline constexpr std::string_view kConsumerProtocolType = "consumer";

/// The topics of a subscription: int16 version, then the message (versions above 3 are read as 3).
[[nodiscard]] std::optional<std::vector<std::string>> subscribed_topics(ByteView subscription);

}  // namespace barnabas::broker

// The component that log lines about groups name: Kafka's logger, so that log4j settings mean ours as well.
#pragma once

#include <string_view>

namespace barnabas::broker {

inline constexpr std::string_view kGroupComponent =
    "org.apache.kafka.coordinator.group.GroupCoordinatorService";

}  // namespace barnabas::broker

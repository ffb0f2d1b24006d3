// Which partition of a coordinator's topic keeps what belongs to a key (a group, a transactional id).
//
// Pure. Source: measured on Kafka 4.3.1.
#pragma once

#include <cstdint>
#include <string_view>

namespace barnabas::broker {

/// |String.hashCode| of Java, modulo `partitions`; the one hash without an absolute value counts as 0.
/// Requires partitions > 0.
[[nodiscard]] std::int32_t coordinator_partition(std::string_view key, std::int32_t partitions);

}  // namespace barnabas::broker

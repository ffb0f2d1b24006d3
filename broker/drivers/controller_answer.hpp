// Whether a response says that the node which gave it is not the active controller. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/error_code.hpp"

namespace barnabas::broker {

/// Looks at the error of the whole, or at those of its parts, as each response has them.
template <class Part>
[[nodiscard]] bool tells_not_controller(const Part& part) {
  const auto any_of = [](const auto& parts) {
    return std::ranges::any_of(parts, [](const auto& inner) { return tells_not_controller(inner); });
  };
  if constexpr (requires { part.error_code; })
    if (part.error_code == static_cast<std::int16_t>(ErrorCode::kNotController)) return true;
  if constexpr (
      requires { part.topics.front().error_code; } ||
      requires { part.topics.front().partitions.front().error_code; })
    if (any_of(part.topics)) return true;
  if constexpr (requires { part.responses.front(); })
    if (any_of(part.responses)) return true;
  if constexpr (requires { part.results.front(); })
    if (any_of(part.results)) return true;
  if constexpr (requires { part.entries.front(); })
    if (any_of(part.entries)) return true;
  if constexpr (requires { part.filter_results.front(); })
    if (any_of(part.filter_results)) return true;
  if constexpr (requires { part.replica_election_results.front(); })
    if (any_of(part.replica_election_results)) return true;
  if constexpr (requires { part.partition_result.front(); })
    if (any_of(part.partition_result)) return true;
  if constexpr (requires { part.partitions.front().error_code; })
    if (any_of(part.partitions)) return true;
  return false;
}

}  // namespace barnabas::broker

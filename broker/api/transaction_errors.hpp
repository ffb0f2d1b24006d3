// How errors of transactions are told in versions that do not know them. Pure.
#pragma once

#include <cstdint>

#include "base/error_code.hpp"

namespace barnabas::broker {

/// Before clients knew PRODUCER_FENCED they were told INVALID_PRODUCER_EPOCH.
[[nodiscard]] inline std::int16_t error_in_version(std::int16_t error, bool knows_fenced) {
  const bool is_fenced = error == static_cast<std::int16_t>(ErrorCode::kProducerFenced);
  return is_fenced && !knows_fenced ? static_cast<std::int16_t>(ErrorCode::kInvalidProducerEpoch) : error;
}

}  // namespace barnabas::broker

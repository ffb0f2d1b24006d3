// Whether a broker's configuration may become another one while it runs (KIP-226).
//
// Pure functions. Thread safety: any. Errors: INVALID_REQUEST in Kafka's words (measured on 4.3.1), without
// the frame "Invalid value CLASS: ... for configuration Invalid dynamic configuration" that it puts around
// some.
#pragma once

#include <string_view>

#include "broker/config/broker_config.hpp"

namespace barnabas::broker {

/// `overrides` are all that broker `name` would have; an empty name stands for the whole cluster.
Result<void> check_dynamic_update(const ConfigLayers& current, std::string_view name,
                                  const ConfigMap& overrides);

}  // namespace barnabas::broker

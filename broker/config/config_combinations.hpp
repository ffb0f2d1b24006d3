// Values that Kafka refuses together, each of them allowed by its own definition.
//
// A pure function of the layers and what was read from them. Thread safety: any. Errors: INVALID_CONFIG with
// a sentence that names the keys. Source: measured on Kafka 4.3.1, whose sentences begin with "requirement
// failed: " where a Scala requirement makes them; that prefix is left out.
#pragma once

#include "broker/config/broker_config.hpp"

namespace barnabas::broker {

Result<void> check_combinations(const ConfigLayers& layers, const BrokerSettings& settings);

}  // namespace barnabas::broker

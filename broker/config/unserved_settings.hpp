// Settings that are known and accepted, and whose function is not there yet: whoever sets one is told at the
// start.
//
// A pure function of the properties. Thread safety: any.
#pragma once

#include <string>

#include "kraft/metadata_image.hpp"

namespace barnabas::broker {

/// "transactions (transaction.max.timeout.ms); ..." with every name of `properties` that has no effect yet
/// and is not set to its default; empty when there is none.
[[nodiscard]] std::string unserved_settings(const kraft::ConfigMap& properties);

}  // namespace barnabas::broker

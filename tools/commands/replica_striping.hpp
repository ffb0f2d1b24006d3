// Which brokers get the replicas of the partitions of a topic when it is spread anew.
//
// Partitions begin one rack further each, and one broker further each time that all racks had their turn, so
// that every broker leads about as many; the other replicas go to the racks that follow. Pure but for the
// Random it is given. Errors: kMisuse with the sentences of Kafka's tool.
#pragma once

#include <cstdint>
#include <vector>

#include "base/random.hpp"
#include "base/result.hpp"

namespace barnabas::tools {

/// `racks` holds the brokers of each. `factor` is how many replicas each partition gets.
Result<std::vector<std::vector<std::int32_t>>> stripe_replicas(
    const std::vector<std::vector<std::int32_t>>& racks, std::size_t partitions, std::size_t factor,
    Random& random);

}  // namespace barnabas::tools

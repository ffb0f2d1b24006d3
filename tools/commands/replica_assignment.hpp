// `--replica-assignment`: brokers of a partition apart by colons, partitions apart by commas.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace barnabas::tools {

/// kMisuse with Kafka's sentence.
Result<std::vector<std::vector<std::int32_t>>> parse_replica_assignment(const std::string& text);

}  // namespace barnabas::tools

#include "broker/coordinator/coordinator_partition.hpp"

#include <cstdlib>

#include "base/check.hpp"
#include "broker/coordinator/java_text.hpp"

namespace barnabas::broker {

std::int32_t coordinator_partition(std::string_view key, std::int32_t partitions) {
  CHECK(partitions > 0);
  std::uint32_t hash = 0;
  for (const char16_t unit : java_string(key)) hash = hash * 31 + unit;
  const auto signed_hash = static_cast<std::int32_t>(hash);
  if (signed_hash == INT32_MIN) return 0;  // it has no absolute value; Kafka takes 0
  return std::abs(signed_hash) % partitions;
}

}  // namespace barnabas::broker

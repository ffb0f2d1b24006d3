#include "broker/coordinator/coordinator_partition.hpp"

#include <cstddef>
#include <cstdlib>

#include "base/check.hpp"

namespace barnabas::broker {
namespace {

/// Next character of UTF-8 text, 0xFFFD where it is broken.
std::uint32_t next_character(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : -1;
  if (more < 0) return 0xFFFD;
  std::uint32_t character = lead & (0x3FU >> more);
  for (int i = 0; i < more; ++i) {
    if (at >= text.size() || (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80) return 0xFFFD;
    character = (character << 6) | (static_cast<unsigned char>(text[at++]) & 0x3FU);
  }
  return character;
}

}  // namespace

std::int32_t coordinator_partition(std::string_view key, std::int32_t partitions) {
  CHECK(partitions > 0);
  std::uint32_t hash = 0;
  for (std::size_t at = 0; at < key.size();) {
    const std::uint32_t character = next_character(key, at);
    if (character >= 0x10000) {
      hash = hash * 31 + (0xD800 + ((character - 0x10000) >> 10));
      hash = hash * 31 + (0xDC00 + ((character - 0x10000) & 0x3FF));
    } else {
      hash = hash * 31 + character;
    }
  }
  const auto signed_hash = static_cast<std::int32_t>(hash);
  if (signed_hash == INT32_MIN) return 0;  // it has no absolute value; Kafka takes 0
  return std::abs(signed_hash) % partitions;
}

}  // namespace barnabas::broker

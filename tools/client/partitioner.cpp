#include "tools/client/partitioner.hpp"

#include <cstring>

namespace barnabas::tools {

std::uint32_t murmur2(ByteView bytes) {
  constexpr std::uint32_t kMultiplier = 0x5bd1e995;
  constexpr std::uint32_t kSeed = 0x9747b28c;
  std::uint32_t hash = kSeed ^ static_cast<std::uint32_t>(bytes.size());
  for (; bytes.size() >= 4; bytes = bytes.subspan(4)) {
    std::uint32_t word = 0;
    std::memcpy(&word, bytes.data(), 4);
    word *= kMultiplier;
    word ^= word >> 24;
    hash = (hash * kMultiplier) ^ (word * kMultiplier);
  }
  if (!bytes.empty()) {
    for (std::size_t i = bytes.size(); i-- > 0;) hash ^= std::uint32_t{bytes[i]} << (8 * i);
    hash *= kMultiplier;
  }
  hash ^= hash >> 13;
  hash *= kMultiplier;
  return hash ^ (hash >> 15);
}

PartitionIndex partition_of_key(ByteView key, std::int32_t partitions) {
  return PartitionIndex(static_cast<std::int32_t>(murmur2(key) & 0x7fffffff) % partitions);
}

PartitionIndex StickyPartition::choose(std::int32_t partitions, std::size_t batch_size, bool may_switch,
                                       Random& random) {
  const bool is_due = bytes_ >= batch_size && may_switch;
  if (current_ < 0 || current_ >= partitions || is_due) {
    current_ = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(partitions)));
    bytes_ = 0;
  }
  return PartitionIndex(current_);
}

}  // namespace barnabas::tools

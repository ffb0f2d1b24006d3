// Which partition a record goes to, as Kafka's Java producer chooses it.
//
// Pure function, and a value that belongs to a topic of a producer. Thread safety: none. Source: KIP-794;
// murmur2 as Kafka's clients of all languages have it, compared with Kafka 4.3.1.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/random.hpp"

namespace barnabas::tools {

[[nodiscard]] std::uint32_t murmur2(ByteView bytes);
/// Of a record that has a key. Requires partitions > 0.
[[nodiscard]] PartitionIndex partition_of_key(ByteView key, std::int32_t partitions);

/// Records without a key stay with one partition until about batch.size bytes went there.
class StickyPartition {
 public:
  /// Requires partitions > 0. `may_switch` is set where another partition costs no half full batch.
  PartitionIndex choose(std::int32_t partitions, std::size_t batch_size, bool may_switch, Random& random);
  void count(std::size_t bytes) { bytes_ += bytes; }
  [[nodiscard]] PartitionIndex current() const { return PartitionIndex(current_); }

 private:
  std::int32_t current_ = -1;
  std::size_t bytes_ = 0;
};

}  // namespace barnabas::tools

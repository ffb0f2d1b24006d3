// OffsetStore: the offsets that the groups of one shard have committed, and those of open transactions.
//
// Owned by GroupShard. Thread safety: none, the shard's thread. Changed by replay only, in the order of the
// log. Invariants
//  1. No group and no topic without an offset in it, committed or pending.
//  2. Of two offsets of a partition the one that stands later in the log counts, whichever way it was
//  committed
//     and whenever its transaction ended: compaction keeps the later one, so a load must come to the same.
//  3. A tombstone ends what is committed and what is pending.
// Source: KIP-98, KIP-447; Kafka 4.3.1's OffsetMetadataManager.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "broker/coordinator/group_records.hpp"

namespace barnabas::broker {

class OffsetStore {
 public:
  using Partitions = std::map<std::int32_t, CommittedOffset>;
  using Topics = std::map<std::string, Partitions, std::less<>>;
  using Groups = std::map<std::string, Topics, std::less<>>;
  using Pending = std::map<ProducerId, Groups>;

  void put(const OffsetKey& key, CommittedOffset committed);
  void erase(const OffsetKey& key);
  /// Null when nothing is committed.
  [[nodiscard]] const CommittedOffset* find(std::string_view group, std::string_view topic,
                                            std::int32_t partition) const;
  /// Null when the group has none.
  [[nodiscard]] const Topics* topics_of(std::string_view group) const;
  [[nodiscard]] const Groups& groups() const { return groups_; }
  /// How many are committed.
  [[nodiscard]] std::size_t size() const { return size_; }

  // Offsets of transactions that have not ended (KIP-447).
  void put_pending(ProducerId producer, const OffsetKey& key, CommittedOffset committed);
  /// Forgets the producer's transaction; with `committed` its offsets count. The groups that it committed
  /// for.
  std::vector<std::string> end_transaction(ProducerId producer, bool committed);
  [[nodiscard]] const Pending& pending() const { return pending_; }
  [[nodiscard]] bool is_pending(std::string_view group, std::string_view topic, std::int32_t partition) const;
  [[nodiscard]] bool has_pending(std::string_view group) const { return open_.contains(group); }
  /// Every partition of the group that has an offset, committed or pending, once.
  [[nodiscard]] std::vector<OffsetKey> keys_of(std::string_view group) const;

  void clear();
  void check_invariants() const;

 private:
  /// How many transactions have an offset for a partition.
  using Open =
      std::map<std::string, std::map<std::string, std::map<std::int32_t, int>, std::less<>>, std::less<>>;

  void close(std::string_view group, std::string_view topic, std::int32_t partition);

  Groups groups_;
  std::size_t size_ = 0;
  Pending pending_;
  Open open_;
  std::uint64_t last_order_ = 0;
};

}  // namespace barnabas::broker

// OffsetStore: the offsets that the groups of one shard have committed, and those of open transactions.
//
// Owned by GroupShard. Thread safety: none, the shard's thread. Changed by replay only.
// Invariant: no group and no topic without an offset in it.
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

  void put(const OffsetKey& key, CommittedOffset committed);
  void erase(const OffsetKey& key);
  /// Null when nothing is committed.
  [[nodiscard]] const CommittedOffset* find(std::string_view group, std::string_view topic,
                                            std::int32_t partition) const;
  /// Null when the group has none.
  [[nodiscard]] const Topics* topics_of(std::string_view group) const;
  [[nodiscard]] const Groups& groups() const { return groups_; }

  // Offsets of transactions that have not ended (KIP-447). A missing value is a deletion.
  void put_pending(ProducerId producer, OffsetKey key, std::optional<CommittedOffset> committed);
  /// What the producer's transaction would commit; it is forgotten here.
  [[nodiscard]] std::vector<std::pair<OffsetKey, std::optional<CommittedOffset>>> take_pending(
      ProducerId producer);
  [[nodiscard]] bool is_pending(std::string_view group, std::string_view topic, std::int32_t partition) const;
  [[nodiscard]] bool has_pending(std::string_view group) const;

  void clear();
  void check_invariants() const;

 private:
  Groups groups_;
  std::map<ProducerId, std::vector<std::pair<OffsetKey, std::optional<CommittedOffset>>>> pending_;
};

}  // namespace barnabas::broker

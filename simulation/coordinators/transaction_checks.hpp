// What must hold of transactions in every run of a simulated cluster, whatever happens to it.
//
// Told of the log of the output, of what readers under read_committed are given of it, and of what copiers
// are told. Owned by the simulation, the ClusterChecks take the violations. Not thread-safe; pure. Checked:
//  1. A reader under read_committed is given every record of a transaction that the log ends with a commit
//     marker, and no other.
//  2. A record of the input is in the output once, counting what is committed: never twice, and at the end
//     (finish()) not less.
//  3. A transaction whose producer was told that it is committed has a commit marker, one that it was told is
//     aborted an abort marker.
//  4. Whose transactional id was taken over is obeyed no more.
//  5. At the end no transaction is open (unsettled()).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "simulation/nodes/cluster_checks.hpp"

namespace barnabas::simulation {

/// What a copier writes: which record of the input it is a copy of.
[[nodiscard]] WrittenRecord copy_of(PartitionIndex input, Offset offset);

class TransactionChecks {
 public:
  explicit TransactionChecks(ClusterChecks& all) : all_(all) {}

  // The committed log of a partition of the output, in the order of its offsets.
  void record(const TopicPartition& partition, Offset offset, ProducerId producer, const WrittenRecord& copy);
  void marker(const TopicPartition& partition, Offset offset, ProducerId producer, bool committed);

  /// Of [from, to) a reader under read_committed was given these.
  void read(const TopicPartition& partition, Offset from, Offset to, const std::set<Offset>& given);
  /// A copier was told how its transaction with these records ended.
  void ended(const std::vector<std::pair<TopicPartition, Offset>>& records, bool committed);

  /// A copier has the transactional id from now on, by the coordinator's word.
  void took_over(const std::string& id, ProducerEpoch epoch);
  /// Of the last that took it over.
  [[nodiscard]] ProducerEpoch newest(const std::string& id) const;
  /// A request in `epoch` was granted that was made when `newest` was the newest.
  void obeyed(const std::string& id, ProducerEpoch epoch, ProducerEpoch newest, const std::string& what);

  /// Which transactions the log leaves open, for people; empty: none.
  [[nodiscard]] std::string unsettled() const;
  /// Once settled: the copies of an input that has these records.
  void finish(PartitionIndex input, const std::vector<std::optional<WrittenRecord>>& records);
  [[nodiscard]] bool is_copied(PartitionIndex input, Offset offset) const {
    return copied_.contains(copy_of(input, offset));
  }

  [[nodiscard]] std::size_t commits() const { return commits_; }
  [[nodiscard]] std::size_t aborts() const { return aborts_; }
  [[nodiscard]] std::size_t copies() const { return copied_.size(); }

 private:
  struct Entry {
    std::optional<WrittenRecord> copy;
    std::optional<bool> is_committed;  // by its marker
    std::optional<bool> given;         // to some reader
    std::optional<bool> told;          // to its producer: committed
  };
  struct Output {
    std::vector<Entry> entries;  // by offset
    std::map<ProducerId, std::vector<Offset>> open;
  };
  Entry& entry(const TopicPartition& partition, Offset offset);
  void compare(const TopicPartition& partition, Offset offset, const Entry& entry);

  ClusterChecks& all_;
  std::map<TopicPartition, Output> outputs_;
  std::map<WrittenRecord, std::pair<TopicPartition, Offset>> copied_;  // where
  std::map<std::string, ProducerEpoch> newest_;
  std::size_t commits_ = 0;
  std::size_t aborts_ = 0;
};

}  // namespace barnabas::simulation
